// What beat sends, against what Celery's beat sent: the same but for who sent it, and for ids.
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { lazyValue, readEntry } from '../../../src/app/index.ts';
import { callOf } from '../../../src/beat/send.ts';
import { writeEnvelope } from '../../../src/broker/redis/envelope.ts';
import { redisKeys } from '../../../src/broker/redis/keys.ts';
import { readTransportOptions } from '../../../src/broker/redis/options.ts';
import { parseTime } from '../../../src/protocol/index.ts';
import { setup } from '../app/support.ts';

interface Captured {
  readonly key: string;
  readonly raw: string;
  readonly body: { readonly utf8: string };
}

const { messages } = JSON.parse(readFileSync(new URL('../../vectors/beat-message.json', import.meta.url), 'utf8')) as {
  readonly messages: readonly Captured[];
};
const now = parseTime('2026-01-02T03:04:05.678901+00:00') ?? 0;

/** The schedule of the vector, as its settings in Python say. */
const ENTRIES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'proj.add': { task: 'proj.add', schedule: 30, args: [16, 16] },
  'other.job': {
    task: 'other.job',
    schedule: '0 4 * * *',
    kwargs: { a: 1 },
    options: { queue: 'beatq', expires: 60, priority: 5, headers: { periodic_task_name: 'unregistered' } },
  },
};

/** JSON as Python writes it: with a space after each comma and colon. */
function pythonJson(text: string): string {
  return JSON.stringify(JSON.parse(text), undefined, 1)
    .replaceAll(/\n */g, ' ')
    .replaceAll(/([[{]) | ([\]}])/g, '$1$2');
}

type Envelope = Record<string, unknown> & { readonly body: string; readonly headers: object; readonly properties: object };

/** Every byte of an envelope but those that tell who sent it, which are the same here. */
function bytes(raw: string, by: Envelope): string {
  const { body, headers, properties, ...rest } = JSON.parse(raw) as Envelope;
  const { lang, origin, ignore_result } = by.headers as Record<string, unknown>;
  const { delivery_tag } = by.properties as Record<string, unknown>;
  return JSON.stringify({
    body: pythonJson(Buffer.from(body, 'base64').toString()),
    ...rest,
    headers: { ...headers, lang, origin, ignore_result },
    properties: { ...properties, delivery_tag },
  });
}

test.each(messages.map((message) => [(JSON.parse(message.raw) as { headers: { task: string } }).headers.task, message] as const))(
  'beat-message: %s',
  (task, { raw, key, body }) => {
    const theirs = JSON.parse(raw) as Envelope;
    const { id } = theirs.headers as { readonly id: string };
    const { reply_to } = theirs.properties as { readonly reply_to: string };
    const app = setup({}, { clock: { now: () => now, monotonic: () => 0 } });
    // As in the vector: one task is registered, the other is known by its name alone.
    app.task('proj.add', (x: number, y: number) => x + y);
    const entry = readEntry('e', { ...ENTRIES[task], options: { ...(ENTRIES[task]?.options as object), replyTo: reply_to } });
    const [prepared] = app.publisher.prepare([callOf(app, { entry, id, due: 0 }, false)]);
    if (prepared === undefined) throw new Error('nothing was made');
    expect(bytes(writeEnvelope(prepared.message), theirs)).toBe(bytes(raw, theirs));
    const text = new TextDecoder().decode(prepared.message.body);
    expect(pythonJson(text)).toBe(body.utf8);
    expect(redisKeys(readTransportOptions({}), 0).list(prepared.message.routingKey, prepared.message.properties.priority)).toBe(
      key,
    );
  },
);

test('lazy arguments are worked out for each message, and are what its header says', () => {
  const app = setup();
  let count = 0;
  const entry = readEntry('e', {
    task: 't',
    schedule: 1,
    args: [lazyValue(() => ++count), 'x'],
    kwargs: { at: lazyValue((n: number) => n * 2, 21) },
  });
  const headers = (id: string): Readonly<Record<string, unknown>> =>
    app.publisher.prepare([callOf(app, { entry, id, due: 0 }, false)])[0]?.message.headers ?? {};
  expect(headers('a')).toMatchObject({ id: 'a', argsrepr: "[1, 'x']", kwargsrepr: "{'at': 42}" });
  expect(headers('b').argsrepr).toBe("[2, 'x']");
});

test('what the options say of the texts of arguments is kept', () => {
  const app = setup();
  const entry = readEntry('e', { task: 't', schedule: 1, args: ['pw'], options: { argsRepr: '<secret>' } });
  const [prepared] = app.publisher.prepare([callOf(app, { entry, id: 'a', due: 0 }, false)]);
  expect(prepared?.message.headers.argsrepr).toBe('<secret>');
});
