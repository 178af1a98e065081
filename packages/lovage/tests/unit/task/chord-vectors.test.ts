// Chords as Celery ran them: the same messages, run here one by one, leave the same parts, and end in the same body or the same failure.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseTask } from '../../../src/protocol/index.ts';
import { endChord, execute, type Outcome } from '../../../src/task/index.ts';
import { type World, world } from './world.ts';

interface Envelope {
  readonly body: string;
  readonly headers: Record<string, unknown>;
  readonly properties: { readonly correlation_id: string; readonly reply_to: string };
}
interface Kept {
  readonly key: string;
  readonly json?: { readonly result: unknown };
  readonly members?: readonly { readonly score: number; readonly json: unknown }[];
  readonly items?: readonly string[];
}
interface Vector {
  readonly messages: readonly { readonly envelope: Envelope; readonly body: { readonly json: unknown } }[];
  readonly steps: readonly {
    readonly executed_task_id: string;
    readonly messages_after: readonly { readonly envelope: Envelope; readonly body: { readonly json: unknown } }[];
    readonly results_after: readonly Kept[];
  }[];
}

const vector = (name: string): Vector =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../../vectors', `${name}.json`), 'utf8'));

function project(): World {
  const w = world();
  w.task('proj.add', (x: number, y: number) => x + y);
  w.task('proj.xsum', (numbers: number[]) => numbers.reduce((sum, each) => sum + each, 0));
  w.task('proj.fail_value', () => {
    throw new RangeError('bad value');
  });
  return w;
}

async function run(w: World, { headers, body, properties }: Envelope): Promise<Outcome> {
  const delivery = {
    exchange: '',
    routingKey: 'celery',
    headers,
    properties: {
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      correlationId: properties.correlation_id,
      replyTo: properties.reply_to,
    },
    body: Buffer.from(body, 'base64'),
    queue: 'celery',
    redelivered: false,
    attempts: 1,
    generation: 1,
    tag: undefined,
  };
  const { request } = parseTask(delivery, { hostname: 'celery@test', decodeBody: () => undefined });
  return execute({ request, body: delivery.body, timeLimit: undefined, softTimeLimit: undefined }, w.environment);
}

/** What Celery counted in all: each part as it was there last. */
function counted({ steps }: Vector): readonly unknown[] {
  const all = steps.flatMap((step) =>
    step.results_after.flatMap(({ key, members, items }) =>
      key.endsWith('.j') ? (members?.map(({ json }) => json) ?? items?.map((item) => JSON.parse(item) as unknown) ?? []) : [],
    ),
  );
  return [...new Map(all.map((part) => [JSON.stringify(part), part])).values()];
}

describe.each(['canvas-chord', 'canvas-chord-unordered', 'canvas-chord-error'])('%s', (name) => {
  test('the parts are those that Celery counted', async () => {
    const w = project();
    const given = vector(name);
    const outcomes = await Promise.all(given.messages.map(({ envelope }) => run(w, envelope)));
    const parts = outcomes
      .flatMap((outcome) => outcome.parts ?? [])
      .map(({ body }) => JSON.parse(Buffer.from(body).toString()) as unknown);
    // The last part of a chord that went well was counted and deleted in one step.
    for (const part of counted(given)) expect(parts).toContainEqual(part);
    expect(parts).toHaveLength(given.messages.length);
  });
});

describe.each(['canvas-chord', 'canvas-chord-single', 'canvas-chord-error'])('%s', (name) => {
  test('the chord ends as it did', async () => {
    const w = project();
    const given = vector(name);
    const outcomes = await Promise.all(given.messages.map(({ envelope }) => run(w, envelope)));
    const parts = outcomes.flatMap((outcome) => outcome.parts ?? []);
    const complete = {
      groupId: parts[0]?.groupId ?? '',
      parts: parts.map(({ body }) => body),
      callback: parts[0]?.callback,
      structure: undefined,
      root: undefined,
    };
    const after = await endChord(complete, w.environment);
    const last = given.steps.at(-1);
    const sent = w.read({ next: after.next } as never);
    for (const [index, { envelope, body }] of (last?.messages_after ?? []).entries()) {
      const { task, id, group, group_index: groupIndex } = envelope.headers;
      expect(sent[index]?.message.headers).toMatchObject({ task, id, group, group_index: groupIndex });
      expect(sent[index]?.message.properties.replyTo).toBe(envelope.properties.reply_to);
      expect([sent[index]?.body.args, sent[index]?.body.kwargs, sent[index]?.body.embed]).toEqual(body.json);
    }
    expect(sent).toHaveLength(1);
    const failed = last?.results_after.find(
      ({ json }) => (json?.result as { exc_type?: string } | undefined)?.exc_type === 'ChordError',
    );
    expect(w.metas({ results: after.results } as never).map(({ result }) => result)).toEqual(
      failed === undefined ? [] : [failed.json?.result],
    );
  });
});
