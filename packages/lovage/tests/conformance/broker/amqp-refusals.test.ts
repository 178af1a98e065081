// What RabbitMQ or its client refuses, on a private node: full queues, names that are too long, limits on connections, declarations of others.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RabbitServer, startRabbit } from '../../../../../scripts/servers/index.ts';
import { startOf } from '../../../src/broker/amqp/marks.ts';
import { type Broker, openBroker } from '../../../src/broker/index.ts';
import { BrokerConnectionError, PublishError } from '../../../src/util/index.ts';
import { startProxy } from '../../support/proxy.ts';
import { brokerOptions, freshQueue, message, now, publish, queueOf, read, soon, text, unique } from './harness.ts';

let rabbit: RabbitServer;
beforeAll(async () => {
  rabbit = await startRabbit();
});
afterAll(() => rabbit[Symbol.asyncDispose]());

const openAt = (url: string): Promise<Broker> => openBroker(brokerOptions(url));
const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );
const channels = async (): Promise<number> => {
  const lines = await rabbit.ctl('list_channels', 'pid', '--quiet');
  return lines.split('\n').filter((line) => line.startsWith('<')).length;
};

test('what came again from a queue that is full runs all the same: nothing else makes room in it', async () => {
  await using broker = await openAt(rabbit.url);
  const queue = await freshQueue(broker, { 'x-max-length': 2, 'x-overflow': 'reject-publish' });
  await publish(broker, message(queue, 'a'));
  const first = await read(broker, queue, 1);
  await first.one();
  await publish(broker, message(queue, 'b'), message(queue, 'c'));
  const ending = failure(first.one());
  await rabbit.ctl('close_all_connections', 'death');
  await ending;
  await first[Symbol.asyncDispose]();
  await using reader = await read(broker, queue, 1);
  const again = await reader.one();
  expect([text(again), again.attempts, again.redelivered]).toEqual(['a', 2, true]);
  await reader.ack(again);
  for (const body of ['b', 'c']) {
    const delivery = await reader.one();
    expect(text(delivery)).toBe(body);
    await reader.ack(delivery);
  }
  expect(await rabbit.ctl('list_queues', 'name')).not.toContain('lovage.start');
});

test('a declaration that was refused is not the one that counts from then on', async () => {
  await using broker = await openAt(rabbit.url);
  const queue = await freshQueue(broker);
  const refused = broker.declare({ exchanges: [], queues: [queueOf(queue, { 'x-max-priority': 3 })], bindings: [] });
  await expect(refused).rejects.toMatchObject({ code: 'LOVAGE_TOPOLOGY_MISMATCH' });
  await publish(broker, message(queue, 'here'));
  await using reader = await read(broker, queue);
  expect(text(await reader.one())).toBe('here');
});

test('a name that no frame can hold is refused for what it is, and keeps nothing else from being declared', async () => {
  await using broker = await openAt(rabbit.url);
  await broker.check(soon());
  const before = await channels();
  const fine = unique('fine');
  const long = 'n'.repeat(256);
  const error = await failure(broker.declare({ exchanges: [], queues: [queueOf(long), queueOf(fine)], bindings: [] }));
  expect(error).not.toBeInstanceOf(BrokerConnectionError);
  expect(error).toMatchObject({ transient: false });
  expect(await broker.count(fine)).toEqual({ ready: 0 });
  expect(await channels()).toBe(before);
});

test('a queue whose name leaves no room for the bits of a delay gets its delayed messages', async () => {
  await using broker = await openAt(rabbit.url);
  const queue = unique('q').padEnd(230, 'q');
  await broker.declare({ exchanges: [], queues: [queueOf(queue)], bindings: [] });
  await using reader = await read(broker, queue);
  // The ways of delayed messages are laid out with the first.
  await publish(broker, message(await freshQueue(broker), 'first', { dueAt: now() + 1 }));
  const dueAt = now() + 3;
  await publish(broker, message(queue, 'later', { dueAt }));
  const delivery = await reader.one();
  expect([text(delivery), delivery.exchange, delivery.routingKey]).toEqual(['later', '', queue]);
  expect(now()).toBeGreaterThan(dueAt - 1);
});

test('a delayed message whose key leaves no room for the bits is refused at once', async () => {
  await using broker = await openAt(rabbit.url);
  const [queue, exchange] = [unique('topical'), unique('topic')];
  await broker.declare({
    exchanges: [{ name: exchange, type: 'topic', durable: true }],
    queues: [queueOf(queue)],
    bindings: [{ queue, exchange, routingKey: 'k.#' }],
  });
  const sending = broker.publish([message('', 'x', { exchange, routingKey: `k.${'k'.repeat(220)}`, dueAt: now() + 60 })], {
    signal: soon(),
  });
  const error = await failure(sending);
  expect(error).toBeInstanceOf(PublishError);
  expect(error).toMatchObject({ safeToRepeat: true, transient: false });
});

test('a user who may not lay out delay levels gets due messages at once, for workers to hold, and they are not counted', async () => {
  await rabbit.ctl('add_user', 'small', 'small');
  await rabbit.ctl('set_permissions', '-p', '/', 'small', '^q0-.*', '.*', '.*');
  await using broker = await openAt(rabbit.url.replace('guest:guest', 'small:small'));
  expect(broker.features.delay).toBe(true);
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'far'));
  await using reader = await read(broker, queue);
  const first = await reader.one();
  await reader.subscription.settle([{ verdict: 'park', delivery: first, until: now() + 60 }]);
  expect(broker.features.delay).toBe(false);
  const again = await reader.one();
  expect([text(again), again.attempts]).toEqual(['far', 1]);
  await reader.ack(again);
  await publish(broker, message(queue, 'later', { dueAt: now() + 60 }));
  expect(text(await reader.one())).toBe('later');
});

test('where a user may note no starts, what comes again is written anew and counts as started each time', async () => {
  await rabbit.ctl('add_user', 'noteless', 'noteless');
  await rabbit.ctl('set_permissions', '-p', '/', 'noteless', '^q0-.*', '.*', '.*');
  const url = rabbit.url.replace('guest:guest', 'noteless:noteless');
  await using before = await openAt(rabbit.url);
  const queue = await freshQueue(before);
  await publish(before, message(queue, 'poison'));
  for (const attempts of [1, 2, 3]) {
    // As a process that died of it, and the one after it.
    await using proxy = await startProxy(url);
    await using broker = await openAt(proxy.url(url));
    const reader = await read(broker, queue);
    const delivery = await reader.one();
    if (attempts > 1) await reader.subscription.starting?.(delivery);
    expect([text(delivery), delivery.attempts]).toEqual(['poison', attempts]);
    // Until the message is acked that this one replaces, both would come.
    for (const limit of [20, 10]) await reader.subscription.prefetch(limit);
    proxy.cut();
    await reader[Symbol.asyncDispose]();
  }
  await using reader = await read(before, queue);
  const last = await reader.one();
  await reader.ack(last);
  expect(last.attempts).toBe(4);
});

test('a look into a queue loses nothing where this user may write no copies', async () => {
  await rabbit.ctl('add_user', 'reader', 'reader');
  await rabbit.ctl('set_permissions', '-p', '/', 'reader', '.*', '^(?!amq\\.default$)', '.*');
  await using proxy = await startProxy(rabbit.url);
  await using broker = await openAt(proxy.url(rabbit.url));
  const queue = await freshQueue(broker);
  const bodies = Array.from({ length: 10 }, (_, at) => `m${at}`);
  await publish(broker, ...bodies.map((body) => message(queue, body)));
  // Two came again, whose marks are asked for before anything is written.
  const first = await read(broker, queue, 2);
  await first.take(2);
  proxy.cut();
  await first[Symbol.asyncDispose]();
  await using looker = await openAt(rabbit.url.replace('guest:guest', 'reader:reader'));
  expect((await looker.peek(queue, 100)).map(text)).toEqual(bodies);
  await using reader = await read(broker, queue, 100);
  expect((await reader.take(bodies.length)).map(text).toSorted()).toEqual(bodies);
});

test('where a user may write to no queue by its name, what comes again runs all the same', async () => {
  await rabbit.ctl('add_user', 'mute', 'mute');
  await rabbit.ctl('set_permissions', '-p', '/', 'mute', '.*', '^(?!amq\\.default$)', '.*');
  await using proxy = await startProxy(rabbit.url);
  await using before = await openAt(proxy.url(rabbit.url));
  const queue = await freshQueue(before);
  await publish(before, message(queue, 'a'), message(queue, 'b'));
  const first = await read(before, queue);
  await first.take(2);
  proxy.cut();
  await first[Symbol.asyncDispose]();
  await using broker = await openAt(rabbit.url.replace('guest:guest', 'mute:mute'));
  await using reader = await read(broker, queue);
  const again = await reader.take(2);
  const seen = again.map((delivery) => [text(delivery), delivery.attempts]);
  expect(seen.toSorted()).toEqual([
    ['a', 2],
    ['b', 2],
  ]);
  expect(await reader.ack(...again)).toEqual([]);
});

test('starts are noted with the right to configure and read marks and to write to the default exchange, and with no less', async () => {
  await rabbit.ctl('add_user', 'noter', 'noter');
  const own = '^(q0-|lovage\\.start\\.)';
  const url = rabbit.url.replace('guest:guest', 'noter:noter');
  await using admin = await openAt(rabbit.url);
  const isNoted = async (readable: string): Promise<boolean> => {
    await rabbit.ctl('set_permissions', '-p', '/', 'noter', own, '^(q0-|amq\\.default$)', readable);
    await using proxy = await startProxy(url);
    await using broker = await openAt(proxy.url(url));
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'x'));
    const first = await read(broker, queue);
    await first.one();
    proxy.cut();
    await first[Symbol.asyncDispose]();
    await using reader = await read(broker, queue);
    const delivery = await reader.one();
    await reader.subscription.starting?.(delivery);
    const { key, number } = startOf(delivery);
    const there = await admin.count(`lovage.start.${key}.${number}`);
    await reader.ack(delivery);
    return there !== undefined;
  };
  expect(await isNoted('^q0-')).toBe(false);
  expect(await isNoted(own)).toBe(true);
});

test('a limit on connections is no wrong login: it is tried again', async () => {
  await rabbit.ctl('add_vhost', 'narrow');
  await rabbit.ctl('set_permissions', '-p', 'narrow', 'guest', '.*', '.*', '.*');
  await rabbit.ctl('set_vhost_limits', '-p', 'narrow', '{"max-connections": 0}');
  await using proxy = await startProxy(rabbit.url);
  await using broker = await openAt(proxy.url(rabbit.url).replace(/\/\/$/, '/narrow'));
  const waiting = new AbortController();
  const checked = failure(broker.check(waiting.signal));
  // Its time ends in the middle of the second try; what counts is why the first failed.
  await proxy.arrival(2);
  waiting.abort(new DOMException('The time is over.', 'TimeoutError'));
  const error = await checked;
  expect(error).toMatchObject({ message: expect.stringContaining('limit'), transient: true });
  expect(String(error)).not.toContain('password');
  const sending = publish(broker, message('any', 'x'));
  await rabbit.ctl('clear_vhost_limits', '-p', 'narrow');
  expect(await failure(sending)).toMatchObject({ message: expect.stringContaining('There is no queue "any"') });
});

test('a subscription that begins while the broker closes is closed with it', async () => {
  const broker = await openAt(rabbit.url);
  const queue = await freshQueue(broker);
  const beginning = failure(read(broker, queue));
  await broker[Symbol.asyncDispose]();
  expect(await beginning).toMatchObject({ message: expect.stringContaining('closed by the program') });
  expect(await rabbit.ctl('list_consumers', 'queue_name')).not.toContain(queue);
});

test('a time-out of RabbitMQ is told as what it is', async () => {
  for (const [name, value] of Object.entries({ consumer_timeout: 500, channel_tick_interval: 200 }))
    await rabbit.ctl('eval', `application:set_env(rabbit, ${name}, ${value}).`);
  await using broker = await openAt(rabbit.url);
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'slow'));
  await using reader = await read(broker, queue);
  await reader.one();
  const error = await failure(reader.one());
  expect(error).toBeInstanceOf(BrokerConnectionError);
  expect(String(error)).toContain('timed out');
  expect(String(error)).not.toContain('exists with other arguments');
});
