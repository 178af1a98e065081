// Every row of what can be wrong with a message: it ends in the dead letters with its reason, whoever waits learns of it, and the
// worker goes on.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { deadLetterQueue } from '../../../src/broker/index.ts';
import { outcomeOf } from '../../support/jobs.ts';
import { type Harness, harness, soon, storedOf, success } from '../../support/worker-app.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const json = { contentType: 'application/json', contentEncoding: 'utf-8' };

interface Row {
  readonly name: string;
  readonly headers?: Record<string, unknown> | null;
  readonly body?: Uint8Array;
  readonly contentType?: string;
  readonly reason: string;
  readonly state?: string;
  readonly told?: string;
}

const known = { task: 'known', id: 'm1' };
const rows: readonly Row[] = [
  { name: 'protocol 2 without an id', headers: { task: 'known' }, reason: 'malformed' },
  { name: 'an unknown task', headers: { task: 'nope', id: 'm1' }, reason: 'unknown-task', state: 'FAILURE', told: 'taskUnknown' },
  { name: 'an unknown task without an id', headers: { task: 'nope' }, reason: 'malformed' },
  { name: 'a task name that is no text', headers: { task: {}, id: 'm1' }, reason: 'malformed', state: 'FAILURE' },
  { name: 'an id that is no text', headers: { task: 'known', id: [] }, reason: 'malformed' },
  { name: 'an unreadable eta', headers: { ...known, eta: 'garbage' }, reason: 'malformed', state: 'FAILURE' },
  {
    name: 'an eta beyond the year 9999',
    headers: { ...known, eta: '10000-01-01T00:00:00+00:00' },
    reason: 'malformed',
    state: 'FAILURE',
  },
  {
    name: 'an eta on a day that is none',
    headers: { ...known, eta: '2026-02-30T00:00:00' },
    reason: 'malformed',
    state: 'FAILURE',
  },
  { name: 'an eta that is a number', headers: { ...known, eta: 17 }, reason: 'malformed', state: 'FAILURE' },
  { name: 'unreadable expires', headers: { ...known, expires: 'never' }, reason: 'malformed', state: 'FAILURE' },
  {
    name: 'a name of Object’s',
    headers: { task: 'constructor', id: 'm1' },
    reason: 'unknown-task',
    state: 'FAILURE',
    told: 'taskUnknown',
  },
  { name: 'null headers', headers: null, body: bytes('[[], {}, {}]'), reason: 'malformed' },
  { name: 'no headers and a body that is an array', headers: {}, body: bytes('[1, 2]'), reason: 'malformed' },
  { name: 'no headers and a body that is a text', headers: {}, body: bytes('"x"'), reason: 'malformed' },
  { name: 'no headers and a body that is a number', headers: {}, body: bytes('1'), reason: 'malformed' },
  { name: 'no headers and a body without a task', headers: {}, body: bytes('{"id": "m1"}'), reason: 'malformed' },
  { name: 'protocol 1 without an id', headers: {}, body: bytes('{"task": "known", "args": []}'), reason: 'malformed' },
  {
    name: 'protocol 1 with kwargs that are a list',
    headers: {},
    body: bytes('{"task": "known", "id": "m1", "kwargs": [1]}'),
    reason: 'malformed',
    state: 'FAILURE',
  },
  {
    name: 'protocol 1 with args that are a text',
    headers: {},
    body: bytes('{"task": "known", "id": "m1", "args": "ab"}'),
    reason: 'malformed',
    state: 'FAILURE',
  },
  {
    name: 'protocol 1 with an unreadable eta',
    headers: {},
    body: bytes('{"task": "known", "id": "m1", "args": [], "eta": "soon"}'),
    reason: 'malformed',
    state: 'FAILURE',
  },
  {
    name: 'a hybrid with kwargs that are a list',
    headers: known,
    body: bytes('{"args": [], "kwargs": [1]}'),
    reason: 'malformed',
    state: 'FAILURE',
  },
  { name: 'protocol 1 with broken JSON', headers: {}, body: bytes('{nope'), reason: 'undecodable' },
  {
    name: 'protocol 1 that is pickled',
    headers: {},
    body: bytes('\x80'),
    contentType: 'application/x-python-serialize',
    reason: 'refused-content',
  },
  { name: 'protocol 1 in an unknown content type', headers: {}, contentType: 'application/x-unknown', reason: 'refused-content' },
  { name: 'protocol 1 in an unknown compression', headers: { compression: 'application/x-nope' }, reason: 'undecodable' },
  { name: 'a body that is too large', headers: known, body: new Uint8Array(100_001), reason: 'too-large', state: 'FAILURE' },
];

/** A task that runs well, to see that the worker lives on. */
async function livesOn(h: Harness): Promise<void> {
  const id = await h.call('known');
  await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
}

describe('a message that cannot be used', () => {
  it.each(rows)('$name: dead letter, reason $reason', async (row) => {
    await using h = await harness();
    h.task('known', (job) => success(job));
    await h.start();
    await h.publish({
      headers: row.headers as Record<string, unknown>,
      body: row.body ?? bytes('[[], {}, {}]'),
      properties: { ...json, contentType: row.contentType ?? json.contentType },
    });
    await soon(async () => expect(await h.counts()).toMatchObject({ ready: 0, held: 0, dead: 1 }));
    const [dead] = await h.broker.peek(deadLetterQueue(h.queue), 1);
    expect(dead?.headers['x-lovage-death']).toMatchObject({ reason: row.reason, node: 'celery@test', attempts: 1 });
    expect(h.told).toEqual([row.told ?? 'taskRejected']);
    expect(h.started).toEqual([]);
    expect(await h.state('m1')).toBe(row.state);
    await livesOn(h);
  });

  it.each([
    ['undecodable', 'a body that is no JSON'],
    ['refused-content', 'pickled'],
    ['malformed', 'a body of two parts'],
  ] as const)('found in the slot (%s): its result is stored and its message dead-lettered', async (reason, error) => {
    await using h = await harness();
    h.task('known', (job) => success(job));
    h.task('bad', ({ request }) =>
      outcomeOf('FAILURE', {
        results: [storedOf(request.id, 'FAILURE')],
        unusable: { reason, error },
        error: { type: 'DecodeError', message: error, traceback: undefined, expected: false },
      }),
    );
    await h.start();
    const id = await h.call('bad');
    await soon(async () => expect(await h.counts()).toMatchObject({ held: 0, dead: 1 }));
    const [dead] = await h.broker.peek(deadLetterQueue(h.queue), 1);
    expect(dead?.headers['x-lovage-death']).toMatchObject({ reason, error });
    expect(await h.state(id)).toBe('FAILURE');
    await livesOn(h);
  });

  it.each(['9999-12-31T23:59:59+00:00', '9999-12-31T23:59:59-23:59'])(
    'with the eta %s waits in the broker for ever',
    async (eta) => {
      await using h = await harness();
      h.task('known', (job) => success(job));
      await h.start();
      await h.call('known', { eta });
      await soon(async () => expect(await h.counts()).toEqual({ ready: 0, held: 0, parked: 1, dead: 0 }));
      await livesOn(h);
      expect(h.started).toHaveLength(1);
    },
  );

  it('of protocol 1 may leave its args out', async () => {
    await using h = await harness();
    h.task('known', (job) => success(job));
    await h.start();
    await h.publish({ headers: {}, body: bytes('{"task": "known", "id": "m1"}') });
    await soon(async () => expect(await h.state('m1')).toBe('SUCCESS'));
  });

  it('of a task that lives elsewhere waits for another worker, when the setting says so', async () => {
    await using h = await harness({ settings: { unknownTask: 'requeue' } });
    await h.start();
    await h.call('elsewhere');
    await soon(async () => expect(await h.counts()).toEqual({ ready: 0, held: 0, parked: 1, dead: 0 }));
    expect(h.told).toEqual([]);
  });

  it('of a task registered after the start is usable', async () => {
    await using h = await harness();
    await h.start();
    h.task('late', (job) => success(job));
    const id = await h.call('late');
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
  });

  it('does not change any prototype', async () => {
    await using h = await harness();
    h.task('known', (job) => success(job));
    await h.start();
    const headers = JSON.parse(
      '{"task": "known", "id": "p", "__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}',
    );
    await h.publish({ headers });
    await livesOn(h);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

interface Case {
  readonly case: string;
  readonly raw: string;
}

/** What becomes of each captured message; `runs` where Celery ran it, too. */
const fates: Readonly<Record<string, string>> = {
  'no-id': 'malformed',
  'two-tuple-body': 'runs',
  'null-embed': 'runs',
  'bad-json-body': 'runs',
  'pickle-content-type': 'runs',
  'unknown-content-type': 'runs',
  'null-headers': 'malformed',
  'empty-headers': 'malformed',
  'kwargs-not-mapping': 'runs',
  'bad-eta': 'malformed',
  'null-timelimit': 'runs',
  'no-delivery-tag': 'runs',
  'no-delivery-info': 'runs',
  'minimal-headers': 'runs',
  'unregistered-task': 'unknown-task',
  'utf8-body-encoding': 'runs',
  'few-properties': 'runs',
  'unknown-compression': 'runs',
  'wrong-argument-count': 'runs',
};

describe('the captured malformed messages', () => {
  const vector = JSON.parse(readFileSync(new URL('../../vectors/worker-malformed.json', import.meta.url), 'utf8')) as {
    cases: Case[];
  };
  // Those that are no envelope at all never become a delivery; the Redis driver's tests hold them.
  const cases = vector.cases.filter(({ raw }) => raw.startsWith('{'));

  it.each(cases)('$case ends as it should, and the worker lives on', async ({ case: name, raw }) => {
    const envelope = JSON.parse(raw);
    await using h = await harness();
    h.task('proj.add', (job) => success(job));
    h.task('known', (job) => success(job));
    await h.start();
    await h.publish({
      headers: envelope.headers,
      properties: { contentType: envelope['content-type'], contentEncoding: envelope['content-encoding'] },
      body: new Uint8Array(Buffer.from(envelope.body, envelope.properties.body_encoding)),
    });
    const fate = fates[name];
    // What is wrong with a body of protocol 2 shows in the slot, which the tests with a whole app cover.
    if (fate === 'runs') await soon(() => expect(h.started).toHaveLength(1));
    else {
      await soon(async () => expect(await h.counts()).toMatchObject({ dead: 1 }));
      const [dead] = await h.broker.peek(deadLetterQueue(h.queue), 1);
      expect(dead?.headers['x-lovage-death']).toMatchObject({ reason: fate });
    }
    await livesOn(h);
  });
});
