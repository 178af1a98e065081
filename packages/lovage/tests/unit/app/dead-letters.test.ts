// Dead letters of an app: seen, chosen, and sent again with everything forgotten that told of their death.
import { expect, test } from 'vitest';
import { DEFAULT_DEAD_LETTERS, deadLetterDeclaration, deadLetterQueue, type Outgoing } from '../../../src/broker/index.ts';
import { Lovage, Reject } from '../../../src/index.ts';
import { startWorker } from '../../../src/worker/index.ts';

let apps = 0;

function setup(): Lovage {
  const url = `memory://dead-letters-${apps++}`;
  return new Lovage('dead', { brokerUrl: url, resultBackend: url, taskDefaultQueue: 'work' });
}

test('a queue without any has none to list and none to send', async () => {
  await using app = setup();
  expect(await app.deadLetters().list()).toEqual([]);
  expect(await app.deadLetters('other').resend()).toEqual([]);
});

test.each([0, -1, 1.5, Number.POSITIVE_INFINITY, Number.NaN])('a limit of %s is refused, on each broker alike', async (limit) => {
  await using app = setup();
  const refused = { name: 'ConfigurationError', message: expect.stringContaining(`1 or more, not ${limit}`) };
  for (const look of [
    () => app.queue().peek({ limit }),
    () => app.deadLetters().list(limit),
    () => app.deadLetters().resend({ limit }),
    () => app.deadLetters().discard({ limit }),
    () => app.control.ping({ limit }),
  ])
    await expect(look()).rejects.toMatchObject(refused);
});

test('what was sent again runs as if new, and its result replaces the failure', async () => {
  await using app = setup();
  let ill = true;
  app.task('dead.care', { acksOnFailure: false }, (n: number) => {
    if (ill) throw new Error('ill');
    return n;
  });
  const worker = await startWorker(app, { concurrency: 2, hostname: 'w@dead' });
  const [first, second] = [await app.sendTask('dead.care', { args: [1] }), await app.sendTask('dead.care', { args: [2] })];
  await expect(first.get({ timeout: 5 })).rejects.toThrow('ill');
  await expect(second.get({ timeout: 5 })).rejects.toThrow('ill');
  ill = false;
  // The failure is stored first, the letter written right after it.
  await expect.poll(async () => (await app.deadLetters().list()).length).toBe(2);
  const letters = await app.deadLetters().list();
  expect(letters.map(({ id, task, death }) => ({ id, task, reason: death?.reason, queue: death?.origin.queue }))).toEqual(
    expect.arrayContaining([first, second].map(({ id }) => ({ id, task: 'dead.care', reason: 'failed', queue: 'work' }))),
  );
  const sent = await app.deadLetters().resend({ where: ({ id }) => id === second.id });
  expect(sent.map(({ id }) => id)).toEqual([second.id]);
  expect(await app.result(second.id).get({ timeout: 5 })).toBe(2);
  expect((await app.deadLetters().list()).map(({ id }) => id)).toEqual([first.id]);
  await worker.stop();
});

test('a message that dies again is among the dead again', async () => {
  await using app = setup();
  app.task('dead.never', () => {
    throw new Reject('never');
  });
  const worker = await startWorker(app, { concurrency: 1, hostname: 'w@dead' });
  await app.sendTask('dead.never');
  const one = (): Promise<void> => expect.poll(async () => (await app.deadLetters().list()).length).toBe(1);
  await one();
  expect(await app.deadLetters().resend()).toHaveLength(1);
  await one();
  await worker.stop();
});

/** Letters in the queue, written as a worker or a stranger would. */
async function bury(app: Lovage, letters: readonly Pick<Outgoing, 'headers'>[]): Promise<void> {
  const broker = await app.openBroker('write');
  const queues = [deadLetterDeclaration('work', DEFAULT_DEAD_LETTERS), app.queues.get('work').declaration];
  await broker.declare({ exchanges: [], queues, bindings: [] });
  const properties = { contentType: 'application/json', contentEncoding: 'utf-8' };
  const plain: Outgoing = { exchange: '', routingKey: deadLetterQueue('work'), headers: {}, properties, body: new Uint8Array() };
  await broker.publish(
    letters.map((letter) => ({ ...plain, ...letter })),
    { signal: AbortSignal.timeout(5000) },
  );
}

const named = (count: number): readonly Pick<Outgoing, 'headers'>[] =>
  Array.from({ length: count }, (_, index) => ({ headers: { task: 'dead.care', id: `letter-${index}` } }));

test('what an earlier run held that died comes back in the middle, and is sent as well', async () => {
  await using app = setup();
  await bury(app, named(5));
  const broker = await app.openBroker('read');
  const dying = await broker.subscribe([deadLetterQueue('work')], { prefetch: 2, node: 'lovage@redrive' });
  const { value: held } = await dying[Symbol.asyncIterator]().next();
  expect(held).toHaveLength(2);
  const returned: PromiseLike<void>[] = [];
  const sent = await app.deadLetters().resend({
    where: () => {
      if (returned.length === 0) returned.push(dying[Symbol.asyncDispose]());
      return true;
    },
  });
  expect(sent.map(({ id }) => id).toSorted()).toEqual(named(5).map(({ headers }) => headers?.id));
  expect(await app.deadLetters().list()).toEqual([]);
});

test('what dies while letters are sent waits for the next time', async () => {
  await using app = setup();
  await bury(app, named(3));
  const late: Promise<void>[] = [];
  const sent = await app.deadLetters().resend({
    where: ({ id }) => {
      if (id === 'letter-0') late.push(bury(app, [{ headers: { task: 'dead.care', id: 'late' } }]));
      return true;
    },
  });
  await Promise.all(late);
  expect(sent).toHaveLength(3);
  expect((await app.deadLetters().list()).map(({ id }) => id)).toEqual(['late']);
});

test('a letter without headers stops nothing', async () => {
  await using app = setup();
  await bury(app, [{ headers: null as unknown as Outgoing['headers'] }, ...named(1)]);
  expect((await app.deadLetters().list()).map(({ id }) => id)).toEqual([undefined, 'letter-0']);
  expect(await app.deadLetters().resend()).toHaveLength(2);
  expect(await app.queue('work').peek()).toHaveLength(2);
});

test('a letter whose queue is gone keeps back no others', async () => {
  await using app = setup();
  const origin = { queue: 'deleted', exchange: '', routing_key: 'deleted' };
  await bury(app, [...named(2), { headers: { id: 'lost', 'x-lovage-death': { reason: 'failed', origin } } }, ...named(1)]);
  await expect(app.deadLetters().resend()).rejects.toThrow(
    /^1 dead letters of "work" were not sent and stay where they are, 3 were sent: .*Queue "deleted" does not exist/,
  );
  expect((await app.deadLetters().list()).map(({ id }) => id)).toEqual(['lost']);
  expect(await app.queue('work').peek()).toHaveLength(3);
});

/** What waits in the queue: ids, and what they say of earlier copies. */
async function waiting(app: Lovage): Promise<readonly (readonly unknown[])[]> {
  const messages = await (await app.openBroker('read')).peek('work', 10);
  return messages.map(({ headers }) => [headers?.id, headers?.['x-lovage-attempts']]);
}

/** One that somebody held who did not finish with it. */
const inDoubt = (id: string, more: Outgoing['headers'] = {}): Pick<Outgoing, 'headers'> => ({
  headers: { task: 'dead.care', id, 'x-lovage-attempts': 0, ...more },
});

test('what an interrupted run has sent and what waits still is not sent again; the rest is, as what may be there twice', async () => {
  await using app = setup();
  await bury(app, [inDoubt('sent'), inDoubt('unsent'), ...named(1), { headers: null as unknown as Outgoing['headers'] }]);
  const broker = await app.openBroker('write');
  const properties = { contentType: 'application/json', contentEncoding: 'utf-8' };
  const copy: Outgoing = { exchange: '', routingKey: 'work', headers: { id: 'sent' }, properties, body: new Uint8Array() };
  await broker.publish([copy], { signal: AbortSignal.timeout(5000) });
  expect((await app.deadLetters().resend()).map(({ id }) => id)).toEqual(['sent', 'unsent', 'letter-0', undefined]);
  expect(await app.deadLetters().list()).toEqual([]);
  expect(await waiting(app)).toEqual([
    ['sent', undefined],
    ['unsent', 0],
    ['letter-0', undefined],
    [undefined, undefined],
  ]);
});

test('of two letters of one task the second is sent as what may be there twice', async () => {
  await using app = setup();
  await bury(app, [...named(2), ...named(1)]);
  expect(await app.deadLetters().resend()).toHaveLength(3);
  expect(await waiting(app)).toEqual([
    ['letter-0', undefined],
    ['letter-1', undefined],
    ['letter-0', 0],
  ]);
});

test('of a letter in doubt only what was stored before its death is forgotten', async () => {
  await using app = setup();
  const origin = { queue: 'work', exchange: '', routing_key: 'work' };
  const died = (time: string): Outgoing['headers'] => ({ 'x-lovage-death': { reason: 'failed', origin, time } });
  const [early, late] = ['2026-11-23T18:00:00.000Z', '2026-11-23T18:00:02.000Z'];
  const stored: readonly (readonly [
    id: string,
    state: 'FAILURE' | 'SUCCESS' | 'RETRY' | 'STARTED',
    death: string | undefined,
  ])[] = [
    ['failed before', 'FAILURE', late],
    ['failed after', 'FAILURE', early],
    ['failed before, rounded up', 'FAILURE', '2026-11-23T18:00:01.400Z'],
    ['failed, nobody knows when', 'FAILURE', undefined],
    ['succeeded before', 'SUCCESS', late],
    ['succeeded after', 'SUCCESS', early],
    ['succeeded, nobody knows when', 'SUCCESS', undefined],
    ['retried', 'RETRY', early],
    ['started', 'STARTED', early],
  ];
  await bury(app, [
    ...stored.map(([id, , death]) => inDoubt(id, death === undefined ? {} : died(death))),
    { headers: { ...named(1)[0]?.headers, ...died(early) } },
  ]);
  const backend = await app.openBackend();
  const failure = { exc_type: 'Error', exc_message: ['ill'], exc_module: 'builtins' };
  const put = (id: string, state: (typeof stored)[number][1]) => {
    const time = id.endsWith('rounded up') ? '18:00:02.000000' : '18:00:01.500000';
    const meta = { status: state, result: state === 'SUCCESS' ? 1 : failure, date_done: `2026-11-23T${time}+00:00` };
    const body = Buffer.from(JSON.stringify(meta));
    return { id, state, body, contentType: 'application/json', contentEncoding: 'utf-8', attempt: 1 };
  };
  await backend.put([...stored.map(([id, state]) => put(id, state)), put('letter-0', 'SUCCESS')]);
  await app.deadLetters().resend();
  const kept = await backend.get([...stored.map(([id]) => id), 'letter-0']);
  expect([...kept.keys()].toSorted()).toEqual(['failed after', 'retried', 'succeeded after', 'succeeded, nobody knows when']);
});

test('a letter in doubt whose queue is gone stays', async () => {
  await using app = setup();
  const origin = { queue: 'deleted', exchange: '', routing_key: 'deleted' };
  await bury(app, [inDoubt('lost', { 'x-lovage-death': { reason: 'failed', origin } })]);
  await expect(app.deadLetters().resend()).rejects.toThrow('Queue "deleted" does not exist');
  expect((await app.deadLetters().list()).map(({ id }) => id)).toEqual(['lost']);
});

test('a letter that could not be sent keeps its failure', async () => {
  await using app = setup();
  const origin = { queue: 'deleted', exchange: '', routing_key: 'deleted' };
  const lost = { headers: { id: 'lost', 'x-lovage-death': { reason: 'failed', origin } } };
  await bury(app, [lost, ...named(1)]);
  const backend = await app.openBackend();
  const body = Buffer.from('{"status":"FAILURE","result":{"exc_type":"Error","exc_message":["ill"],"exc_module":"builtins"}}');
  const failure = { state: 'FAILURE', body, contentType: 'application/json', contentEncoding: 'utf-8', attempt: 1 } as const;
  await backend.put(['lost', 'letter-0'].map((id) => ({ ...failure, id })));
  await expect(app.deadLetters().resend()).rejects.toThrow('1 were sent');
  const stored = await backend.get(['lost', 'letter-0']);
  expect([...stored].map(([id, { state }]) => [id, state])).toEqual([['lost', 'FAILURE']]);
});
