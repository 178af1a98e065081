// The broker here is a scripted peer: it fails as brokers fail, which the memory broker never does.
import { expect, test, vi } from 'vitest';
import { createDeclarations } from '../../../src/app/declarations.ts';
import { createOutbox, deliver, type OutboxHost, pause, publishDeadline, publishError } from '../../../src/app/outbox.ts';
import type { Broker, Outgoing } from '../../../src/broker/index.ts';
import { BrokerConnectionError, PublishError, QueueNotFoundError, TopologyMismatchError } from '../../../src/util/index.ts';

type Script = (messages: readonly Outgoing[]) => Promise<void>;
const message = (routingKey: string): Outgoing => ({
  exchange: '',
  routingKey,
  headers: {},
  properties: { contentType: 'x', contentEncoding: 'y' },
  body: new Uint8Array(),
});
const parcels = (...names: string[]) => names.map((name) => ({ message: message(name), queue: undefined }));
const fast = { maxRetries: 3, intervalStart: 0, intervalStep: 0 };

function host(script: Script[], policy: OutboxHost['policy'] = fast): OutboxHost & { readonly sent: string[][] } {
  const sent: string[][] = [];
  const publish = (messages: readonly Outgoing[]): Promise<void> => {
    sent.push(messages.map(({ routingKey }) => routingKey));
    return (script.shift() ?? (() => Promise.resolve()))(messages);
  };
  const broker = { publish } as unknown as Broker;
  return {
    sent,
    broker: () => Promise.resolve(broker),
    declarations: createDeclarations(() => expect.fail('nothing to declare')),
    policy,
  };
}
const away = new BrokerConnectionError('the line is down');
const lost = (...failures: [number, 'no' | 'unknown'][]): Script => {
  return () =>
    Promise.reject(
      new PublishError(
        'x',
        failures.map(([index, stored]) => ({ index, stored, cause: away })),
      ),
    );
};
const run = (peer: OutboxHost, names: string[], retry = true) =>
  deliver(parcels(...names), peer, { signal: new AbortController().signal, retry });

test('only what surely was not stored is sent again', async () => {
  const peer = host([lost([0, 'no'], [2, 'unknown'])]);
  const fates = await run(peer, ['a', 'b', 'c']);
  expect(peer.sent).toEqual([['a', 'b', 'c'], ['a']]);
  expect(fates.map((fate) => fate?.stored)).toEqual([undefined, undefined, 'unknown']);
});

test('repeats end with the policy', async () => {
  const peer = host([1, 2, 3, 4, 5].map(() => lost([0, 'no'])));
  expect((await run(peer, ['a']))[0]?.stored).toBe('no');
  expect(peer.sent).toHaveLength(4);
});

test('without retry there is one try', async () => {
  const peer = host([lost([0, 'no'])]);
  await run(peer, ['a'], false);
  expect(peer.sent).toHaveLength(1);
});

test('what no repeat can help is not repeated', async () => {
  const mismatch = new TopologyMismatchError('other arguments');
  const peer = host([() => Promise.reject(new PublishError('x', [{ index: 0, stored: 'no', cause: mismatch }]))]);
  const fates = await run(peer, ['a']);
  expect(peer.sent).toHaveLength(1);
  expect(publishError('The call', fates)).toBe(mismatch);
});

test('an error that says nothing of the messages leaves them unknown', async () => {
  const peer = host([() => Promise.reject(new Error('bug'))]);
  expect((await run(peer, ['a', 'b'])).map((fate) => fate?.stored)).toEqual(['unknown', 'unknown']);
});

test('a broker that never answers is left at the deadline, unknown', async () => {
  const peer = host([() => new Promise(() => undefined)]);
  using limit = publishDeadline({ seconds: 0.02, host: peer });
  const fates = await deliver(parcels('a'), peer, { signal: limit.signal, retry: true });
  expect(fates[0]).toMatchObject({ stored: 'unknown' });
  expect(publishError('The call', fates)?.message).toContain('taskPublishTimeout');
});

test('at the deadline it is said why the broker cannot be reached, where the broker says so', async () => {
  const trouble = new Error('connect ECONNREFUSED 127.0.0.1:4');
  const peer = host([() => new Promise(() => undefined)]);
  using limit = publishDeadline({ seconds: 0.02, host: { broker: () => ({ trouble }) as Broker } });
  const fates = await deliver(parcels('a'), peer, { signal: limit.signal, retry: true });
  expect(publishError('The call', fates)?.message).toContain('(taskPublishTimeout): connect ECONNREFUSED 127.0.0.1:4. ');
});

test('every call is answered by its own deadline, also those that wait behind a broker that stands still', async () => {
  const timeout = 1;
  const never: Script = () => new Promise(() => undefined);
  const peer = host(Array.from({ length: 50 }, () => never));
  const outbox = createOutbox(
    () => peer,
    () => ({ timeout, retry: true }),
  );
  const send = async (name: string): Promise<{ readonly took: number; readonly fate: unknown }> => {
    const began = performance.now();
    const [parcel] = parcels(name);
    const fate = await new Promise((told) => parcel && outbox.post(parcel, told));
    return { took: (performance.now() - began) / 1000, fate };
  };
  const sent: ReturnType<typeof send>[] = [];
  for (let at = 0; at < 15; at++) {
    sent.push(send(`${at}`));
    await new Promise((resolve) => setTimeout(resolve, timeout * 100));
  }
  const answers = await Promise.all(sent);
  expect(answers.filter(({ fate }) => fate === undefined)).toEqual([]);
  // A batch goes by its oldest, so a younger one may be answered an eighth earlier; nobody waits for twice the time.
  expect(Math.min(...answers.map(({ took }) => took))).toBeGreaterThan(timeout * 0.8);
  expect(Math.max(...answers.map(({ took }) => took))).toBeLessThan(timeout * 2);
});

test('of many calls of one turn a few leave at once, the others in full batches while they are under way', async () => {
  const answers: (() => void)[] = [];
  const held: Script = () => new Promise((resolve) => answers.push(resolve));
  const peer = host([() => Promise.resolve(), held, held]);
  const outbox = createOutbox(
    () => peer,
    () => ({ timeout: 10, retry: true }),
  );
  await new Promise((resolve) => parcels('first').map((parcel) => outbox.post(parcel, resolve)));
  const names = Array.from({ length: 400 }, (_, index) => `${index}`);
  const told = parcels(...names).map((parcel) => new Promise((resolve) => outbox.post(parcel, resolve)));
  await vi.waitFor(() => expect(answers).toHaveLength(2), 8000);
  expect(peer.sent.map(({ length }) => length)).toEqual([1, 64, 250]);
  answers[0]?.();
  await Promise.all(told.slice(0, 64));
  await vi.waitFor(() => expect(peer.sent.map(({ length }) => length)).toEqual([1, 64, 250, 86]), 8000);
  answers[1]?.();
  expect(await Promise.all(told)).toEqual(names.map(() => undefined));
  expect(peer.sent.flat().slice(1)).toEqual(names);
});

test('a broker that cannot be reached was told nothing', async () => {
  const peer: OutboxHost = { ...host([]), broker: () => Promise.reject(away) };
  const error = publishError("The call of 't'", await run(peer, ['a'])) as PublishError;
  expect(error).toBeInstanceOf(PublishError);
  expect(error).toMatchObject({ safeToRepeat: true, transient: true, cause: away });
  expect(error.message).toContain('sending again is safe');
});

test('the error says which messages, and whether sending again can double them', async () => {
  const error = publishError('A batch', await run(host([lost([1, 'unknown'])]), ['a', 'b', 'c'])) as PublishError;
  expect(error.failures.map(({ index }) => index)).toEqual([1]);
  expect(error.safeToRepeat).toBe(false);
  expect(error.message).toMatch(/1 of 3 messages.*same taskId/);
});

test('an unroutable message is a QueueNotFoundError', async () => {
  const gone = new QueueNotFoundError('no queue');
  const unroutable = (): Promise<void> => Promise.reject(new PublishError('x', [{ index: 0, stored: 'no', cause: gone }]));
  const fates = await run(host([unroutable, unroutable, unroutable, unroutable]), ['a']);
  expect(publishError('The call', fates)).toBe(gone);
});

test('waits grow by a step up to the longest', () => {
  const policy = { intervalStart: 0, intervalStep: 0.2, intervalMax: 0.5 };
  expect([0, 1, 2, 3, 9].map((attempt) => pause(attempt, policy))).toEqual([0, 0.2, 0.4, 0.5, 0.5]);
});
