// The captured malformed messages, pushed raw into a real Redis queue of a running worker: it lives on, and each is accounted for.
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { deadLetterQueue } from '../../../src/broker/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { redisUrl } from '../../support/servers.ts';
import { soon } from '../../support/worker-app.ts';
import { brokers, death, empty, type Setup, setup } from './places.ts';

interface Case {
  readonly case: string;
  readonly raw: string;
}

/** State stored, value, and the reason of the dead letter. */
type Fate = readonly [state: string | undefined, value: unknown, reason: string | undefined];

const fates: Readonly<Record<string, Fate>> = {
  'no-id': [undefined, undefined, 'malformed'],
  'two-tuple-body': ['FAILURE', undefined, 'malformed'],
  'null-embed': ['SUCCESS', 3, undefined],
  'bad-json-body': ['FAILURE', undefined, 'undecodable'],
  'pickle-content-type': ['FAILURE', undefined, 'refused-content'],
  'unknown-content-type': ['FAILURE', undefined, 'refused-content'],
  'null-headers': [undefined, undefined, 'malformed'],
  'empty-headers': [undefined, undefined, 'malformed'],
  'kwargs-not-mapping': ['FAILURE', undefined, 'malformed'],
  'bad-eta': ['FAILURE', undefined, 'malformed'],
  'null-timelimit': ['SUCCESS', 4, undefined],
  'no-delivery-tag': ['SUCCESS', 4, undefined],
  'no-delivery-info': ['SUCCESS', 4, undefined],
  'minimal-headers': ['SUCCESS', 4, undefined],
  'unregistered-task': ['FAILURE', undefined, 'unknown-task'],
  'utf8-body-encoding': ['SUCCESS', 11, undefined],
  'few-properties': ['SUCCESS', 4, undefined],
  'unknown-compression': ['FAILURE', undefined, 'undecodable'],
  'wrong-argument-count': ['FAILURE', undefined, undefined],
  'not-json': [undefined, undefined, 'refused-content'],
  'json-list': [undefined, undefined, 'refused-content'],
};

const { cases } = JSON.parse(readFileSync(new URL('../../vectors/worker-malformed.json', import.meta.url), 'utf8')) as {
  cases: Case[];
};

/** The id that a raw message names, if anybody can read it. */
function idOf(raw: string): string | undefined {
  try {
    return (JSON.parse(raw) as { headers?: { id?: string } | null }).headers?.id;
  } catch {
    return undefined;
  }
}

async function ends(s: Setup, [state, value, reason]: Fate, id: string | undefined): Promise<void> {
  await soon(async () => expect(await s.counts()).toEqual({ ...empty, dead: reason === undefined ? 0 : 1 }), 15_000);
  if (reason !== undefined) expect(await death(s)).toMatchObject({ reason });
  if (state === undefined || id === undefined) return;
  await soon(async () => expect(await s.app.result(id).state()).toBe(state), 15_000);
  if (value !== undefined) expect(await s.app.result(id).get({ timeout: 5 })).toBe(value);
}

const redis = brokers.filter(([name]) => name === 'redis');

describe.each(redis)('a raw element in a queue of %s', (_, place) => {
  it.each(cases)('$case', async ({ case: name, raw }) => {
    await using s = await setup(place);
    const fate = fates[name];
    if (fate === undefined) throw new Error(`Nobody says what becomes of ${name}.`);
    s.app.task('proj.add', { params: ['x', 'y'] }, (x: number, y: number) => x + y);
    const alive = s.app.task('alive', () => 'alive');
    await using _worker = await startWorker(s.app);
    const id = idOf(raw);
    if (id !== undefined) await s.app.result(id).forget();
    const client = new Redis(redisUrl());
    try {
      await client.lpush(s.queue, raw);
    } finally {
      client.disconnect();
    }
    await ends(s, fate, id);
    expect(await (await alive.delay()).get({ timeout: 10 })).toBe('alive');
  });
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const known = { lang: 'py', task: 'known', id: 'm1' };

interface Row {
  readonly name: string;
  readonly headers: Record<string, unknown>;
  readonly body?: string;
  readonly contentType?: string;
  /** FAILURE is stored. */
  readonly fails?: boolean;
  /** Undefined: it runs. */
  readonly reason: string | undefined;
}

const rows: readonly Row[] = [
  { name: 'task and id alone', headers: { task: 'known', id: 'm1' }, body: '[[], {}, null]', reason: undefined },
  { name: 'an eta without a zone, in the past', headers: { ...known, eta: '2020-01-01T00:00:00' }, reason: undefined },
  { name: 'time limits of null', headers: { ...known, timelimit: null }, reason: undefined },
  { name: 'no id', headers: { task: 'known' }, reason: 'malformed' },
  { name: 'an unknown task', headers: { task: 'nope', id: 'm1' }, fails: true, reason: 'unknown-task' },
  { name: 'an unknown task without an id', headers: { task: 'nope' }, reason: 'malformed' },
  {
    name: 'an unknown task of protocol 1',
    headers: {},
    body: '{"task":"nope","id":"m1","args":[]}',
    fails: true,
    reason: 'unknown-task',
  },
  { name: 'a body of two parts', headers: known, body: '[[], {}]', fails: true, reason: 'malformed' },
  { name: 'args that are a text', headers: known, body: '["ab", {}, {}]', fails: true, reason: 'malformed' },
  { name: 'an eta beyond the year 9999', headers: { ...known, eta: '10000-01-01T00:00:00' }, fails: true, reason: 'malformed' },
  { name: 'protocol 1 without args', headers: {}, body: '{"task":"known","id":"m1"}', reason: undefined },
  {
    name: 'protocol 1 with args that are a text',
    headers: {},
    body: '{"task":"known","id":"m1","args":"ab"}',
    fails: true,
    reason: 'malformed',
  },
  { name: 'a body that is null', headers: known, body: 'null', fails: true, reason: 'malformed' },
  { name: 'a body that is a number', headers: known, body: '1', fails: true, reason: 'malformed' },
  { name: 'kwargs that are no object', headers: known, body: '[[], [1], {}]', fails: true, reason: 'malformed' },
  { name: 'broken JSON', headers: known, body: '{nope', fails: true, reason: 'undecodable' },
  { name: 'a pickle', headers: known, contentType: 'application/x-python-serialize', fails: true, reason: 'refused-content' },
  { name: 'plain text', headers: known, contentType: 'text/plain', fails: true, reason: 'refused-content' },
  { name: 'an unknown content type', headers: known, contentType: 'application/x-nope', fails: true, reason: 'refused-content' },
  {
    name: 'an unknown compression',
    headers: { ...known, compression: 'application/x-nope' },
    fails: true,
    reason: 'undecodable',
  },
  { name: 'an unreadable eta', headers: { ...known, eta: 'garbage' }, fails: true, reason: 'malformed' },
  { name: 'unreadable expires', headers: { ...known, expires: 'never' }, fails: true, reason: 'malformed' },
  { name: 'protocol 1 without an id', headers: {}, body: '{"task":"known","args":[]}', reason: 'malformed' },
  {
    name: 'protocol 1 with a list of kwargs',
    headers: {},
    body: '{"task":"known","id":"m1","kwargs":[1]}',
    fails: true,
    reason: 'malformed',
  },
  { name: 'protocol 1 in broken JSON', headers: {}, body: '{nope', reason: 'undecodable' },
  { name: 'protocol 1 pickled', headers: {}, contentType: 'application/x-python-serialize', reason: 'refused-content' },
  { name: 'a mapping without a task', headers: {}, body: '{"id":"m1"}', reason: 'malformed' },
  { name: 'an array', headers: {}, body: '[1, 2]', reason: 'malformed' },
  { name: 'a text', headers: {}, body: '"x"', reason: 'malformed' },
];

describe.each(brokers)('a message on %s', (_, place) => {
  it('with the last eta there is waits, and the worker lives on', async () => {
    await using s = await setup(place);
    const task = s.app.task('known', { params: [] }, () => 'fine');
    await using _worker = await startWorker(s.app);
    const far = await task.applyAsync([], { eta: '9999-12-31T23:59:59-23:59' });
    expect(await (await task.delay()).get({ timeout: 10 })).toBe('fine');
    await soon(async () => expect(await s.counts()).toMatchObject({ ready: 0, dead: 0 }), 15_000);
    expect(await far.state()).toBe('PENDING');
  });

  it('that cannot be read is a dead letter even where messages are acknowledged early', async () => {
    await using s = await setup(place, { taskAcksLate: false });
    s.app.task('known', { params: [] }, () => 'fine');
    await using _worker = await startWorker(s.app);
    const broker = await s.app.openBroker('write');
    const properties = { contentType: 'application/json', contentEncoding: 'utf-8' };
    const headers = { ...known, id: `m1-${s.queue}` };
    const message = { exchange: '', routingKey: s.queue, headers, properties, body: bytes('{nope') };
    await broker.publish([message], { signal: AbortSignal.timeout(10_000) });
    await ends(s, ['FAILURE', undefined, 'undecodable'], headers.id);
  });

  it.each(rows)('with $name', async ({ headers, body = '[[], {}, {}]', contentType = 'application/json', fails, reason }) => {
    await using s = await setup(place);
    const id = `m1-${s.queue}`;
    s.app.task('known', { params: [] }, () => 'fine');
    await using _worker = await startWorker(s.app);
    const broker = await s.app.openBroker('write');
    const message = {
      exchange: '',
      routingKey: s.queue,
      headers: headers.id === undefined ? headers : { ...headers, id },
      properties: { contentType, contentEncoding: 'utf-8' },
      body: bytes(body.replace('"m1"', JSON.stringify(id))),
    };
    await broker.publish([message], { signal: AbortSignal.timeout(10_000) });
    if (reason === undefined) {
      await ends(s, ['SUCCESS', 'fine', undefined], id);
      return;
    }
    await ends(s, [fails === true ? 'FAILURE' : undefined, undefined, reason], id);
    expect(await s.app.result(id).state()).toBe(fails === true ? 'FAILURE' : 'PENDING');
    const [dead] = await broker.peek(deadLetterQueue(s.queue), 1);
    expect(dead?.headers['x-lovage-death']).toMatchObject({ attempts: 1 });
  });
});
