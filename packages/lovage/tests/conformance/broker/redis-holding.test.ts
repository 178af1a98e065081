// What is in flight on Redis: leases, the keeper, dead holders, lost replies, cut lines.
import { spawn } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { startRedis } from '../../../../../scripts/servers/index.ts';
import { openBroker } from '../../../src/broker/index.ts';
import { writeEnvelope } from '../../../src/broker/redis/envelope.ts';
import { BrokerConnectionError } from '../../../src/util/index.ts';
import { startProxy } from '../../support/proxy.ts';
import { redisUrl } from '../../support/servers.ts';
import { brokerOptions, freshQueue, message, publish, Reader, read, text, unique } from './harness.ts';
import { endLeases, plainLine } from './redis-harness.ts';

const CHILD = fileURLToPath(new URL('./redis-child.ts', import.meta.url));
const MODES = ['lovage', 'celery'] as const;

function startChild(...args: readonly string[]) {
  const child = spawn(process.execPath, [CHILD, redisUrl(), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  let errors = '';
  child.stderr.on('data', (part) => {
    errors += part;
  });
  return {
    child,
    line: async (): Promise<string> => (await lines.next()).value ?? `ended: ${errors}`,
    errors: () => errors,
    [Symbol.asyncDispose]: async (): Promise<void> => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

for (const mode of MODES) {
  test(`${mode}: what a killed worker held comes back within its lease, counted, in its order`, async () => {
    await using broker = await openBroker(brokerOptions(redisUrl(), { transportOptions: { inFlight: mode, leaseSeconds: 1 } }));
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'one'), message(queue, 'two'));
    await using worker = startChild(queue, mode);
    expect(await worker.line()).toBe('one two');
    expect(await broker.count(queue)).toMatchObject({ ready: 0, held: 2 });
    worker.child.kill('SIGKILL');
    const killed = performance.now();
    await using reader = await read(broker, queue);
    const back = await reader.take(2);
    // The lease is a second, the default half a minute or an hour; the rest is for a busy machine.
    expect(performance.now() - killed).toBeLessThan(15_000);
    expect(back.map((delivery) => [text(delivery), delivery.attempts, delivery.redelivered])).toEqual([
      ['one', 2, true],
      ['two', 2, true],
    ]);
    expect(await reader.ack(...back)).toEqual([]);
    expect(await broker.count(queue)).toMatchObject({ ready: 0, held: 0 });
  });

  test(`${mode}: a worker whose event loop is blocked for four leases keeps what it holds`, async () => {
    // Of two seconds: on a machine with more work than processors a thread may not run for a second, and whoever does not run loses a lease.
    await using broker = await openBroker(brokerOptions(redisUrl(), { transportOptions: { inFlight: mode, leaseSeconds: 2 } }));
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'one'), message(queue, 'two'));
    await using worker = startChild(queue, mode, 'block');
    expect(await worker.line()).toBe('one two');
    expect(await worker.line()).toBe('lost 0');
    expect(await broker.count(queue)).toMatchObject({ ready: 0, held: 0 });
  }, 30_000);

  test(`${mode}: 50 cut connections while draining lose nothing`, async () => {
    const url = redisUrl();
    await using proxy = await startProxy(url);
    await using sender = await openBroker(brokerOptions(url));
    await using broker = await openBroker(
      brokerOptions(proxy.url(url), { transportOptions: { inFlight: mode, leaseSeconds: 10 } }),
    );
    const queue = await freshQueue(broker);
    const total = 5000;
    await publish(sender, ...Array.from({ length: total }, (_, index) => message(queue, `${index}`)));
    await using reader = await read(broker, queue, 20);
    const seen = new Map<string, number>();
    let cuts = 0;
    for (let taken = 0; taken < total; taken++) {
      const delivery = await reader.one();
      seen.set(text(delivery), (seen.get(text(delivery)) ?? 0) + 1);
      const acked = reader.ack(delivery);
      if (taken % 100 === 50) cuts += proxy.cut() > 0 ? 1 : 0;
      expect(await acked).toEqual([]);
    }
    expect(cuts).toBe(50);
    expect(seen.size).toBe(total);
    expect([...seen.values()].every((times) => times === 1)).toBe(true);
    expect(await broker.count(queue)).toMatchObject({ ready: 0, held: 0 });
  }, 60_000);
}

test('a lease whose keeper gets no connection is renewed by the main loop', async () => {
  const url = redisUrl();
  await using proxy = await startProxy(url);
  const globalKeyprefix = `${unique('p')}:`;
  await using broker = await openBroker(
    brokerOptions(proxy.url(url), { transportOptions: { leaseSeconds: 1, globalKeyprefix } }),
  );
  await using plain = plainLine(url);
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'one'));
  await using reader = await read(broker, queue);
  // Refused before anything else is awaited: the keeper connects a little after the lease was opened.
  proxy.refuse();
  const delivery = await reader.one();
  const [lease = ''] = (await plain.call('KEYS', [`${globalKeyprefix}lovage.lease.*`])) as string[];
  const left = async (): Promise<number> => Number(await plain.call('PTTL', [lease]));
  let renewals = 0;
  for (let last = await left(); renewals < 3; ) {
    const now = await left();
    expect(now).toBeGreaterThan(0);
    if (now > last) renewals++;
    last = now;
  }
  expect(await reader.ack(delivery)).toEqual([]);
}, 20_000);

test('a main loop that stands still for maxLoopBlock ends the process, and its messages come back', async () => {
  await using broker = await openBroker(brokerOptions(redisUrl(), { transportOptions: { leaseSeconds: 1 } }));
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'one'), message(queue, 'two'));
  await using worker = startChild(queue, 'lovage', 'block', '1');
  expect(await worker.line()).toBe('one two');
  const [, signal] = await once(worker.child, 'exit');
  expect(signal).toBe('SIGKILL');
  expect(worker.errors()).toContain('maxLoopBlock');
  await using reader = await read(broker, queue);
  expect((await reader.take(2)).map(text)).toEqual(['one', 'two']);
}, 15_000);

test('a holder without its lease settles nothing', async () => {
  await using broker = await openBroker(brokerOptions(redisUrl()));
  await using line = plainLine(redisUrl());
  const queue = unique('lease');
  await publish(broker, message(queue, 'one'));
  const node = unique('node');
  await using subscription = await broker.subscribe([queue], { prefetch: 1, node });
  const batch = await subscription[Symbol.asyncIterator]().next();
  const [delivery] = batch.value!;
  const leases = (await line.call('KEYS', [`lovage.lease.*${node}*`])) as string[];
  expect(leases).toHaveLength(1);
  await line.call('DEL', leases);
  expect(await subscription.settle([{ verdict: 'ack', delivery: delivery! }])).toEqual([delivery]);
  await using again = await read(broker, queue);
  const back = await again.one();
  expect([text(back), back.attempts]).toEqual(['one', 2]);
  await again.ack(back);
});

test('a holder without its lease has lost all that followed one another in one place', async () => {
  await using broker = await openBroker(brokerOptions(redisUrl()));
  await using line = plainLine(redisUrl());
  const queue = unique('lease');
  await publish(broker, message(queue, 'one'));
  const node = unique('node');
  await using reader = new Reader(await broker.subscribe([queue], { prefetch: 1, node }));
  const one = await reader.one();
  const successor = reader.subscription.successor?.(one, message(queue, 'two'));
  await line.call('DEL', (await line.call('KEYS', [`lovage.lease.*${node}*`])) as string[]);
  const settled = reader.subscription.settle([{ verdict: 'become', delivery: one, successor: successor! }]);
  reader.subscription.handOut?.([successor!]);
  expect(await reader.one()).toBe(successor);
  const ended = reader.ack(successor!);
  expect(await Promise.all([settled, ended])).toEqual([[one], [successor]]);
  await using again = await read(broker, queue);
  const back = await again.one();
  expect([text(back), back.attempts]).toEqual(['one', 2]);
  await again.ack(back);
});

test("what cannot go back yet, since its key is another program's now, is kept until it can", async () => {
  await using line = plainLine(redisUrl());
  const queue = unique('taken');
  {
    await using broker = await openBroker(brokerOptions(redisUrl(), { transportOptions: { leaseSeconds: 1 } }));
    await publish(broker, message(queue, 'one'));
    const reader = await read(broker, queue);
    await reader.one();
    await line.call('SET', [queue, 'mine']);
    await reader[Symbol.asyncDispose]();
    expect(await broker.count(queue)).toMatchObject({ held: 1 });
  }
  await line.call('DEL', [queue]);
  await using broker = await openBroker(brokerOptions(redisUrl(), { transportOptions: { leaseSeconds: 1 } }));
  await using reader = await read(broker, queue);
  expect(text(await reader.one())).toBe('one');
});

test("what is parked stays parked while the key of its queue is another program's, and other queues get theirs", async () => {
  await using line = plainLine(redisUrl());
  const prefix = `${unique('p')}:`;
  await using broker = await openBroker(brokerOptions(redisUrl(), { transportOptions: { globalKeyprefix: prefix } }));
  const [taken, free] = [unique('taken'), unique('free')];
  await line.call('SET', [prefix + taken, 'mine']);
  const envelope = writeEnvelope({ ...message(taken, 'kept'), headers: { id: 'kept', task: 't' } });
  await line.call('ZADD', [`${prefix}lovage.eta.${taken}`, 1, envelope]);
  await line.call('ZADD', [`${prefix}lovage.eta.${free}`, 1, writeEnvelope(message(free, 'other'))]);
  await line.call('SADD', [`${prefix}lovage.etas`, taken, free]);
  await using reader = await read(broker, [taken, free]);
  const other = await reader.one();
  expect(text(other)).toBe('other');
  await reader.ack(other);
  await expect(broker.waiting?.reschedule(taken, ['kept'], undefined, 'parked')).rejects.toThrow('is no list');
  expect(await line.call('ZRANGE', [`${prefix}lovage.eta.${taken}`, 0, -1])).toEqual([envelope]);
  await line.call('DEL', [prefix + taken]);
  const kept = await reader.one();
  expect(text(kept)).toBe('kept');
  await reader.ack(kept);
});

test("in Celery's mode nothing is taken while its entries have no place, and what timed out stays while its queue has none", async () => {
  await using line = plainLine(redisUrl());
  const prefix = `${unique('p')}:`;
  const transportOptions = {
    ...{ inFlight: 'celery', globalKeyprefix: prefix, visibilityTimeout: 1 },
    ...{ unackedRestoreInterval: 0.05, unackedRestoreThrottle: 1 },
  };
  await using broker = await openBroker(brokerOptions(redisUrl(), { transportOptions }));
  const [queue, taken] = [unique('queue'), unique('taken')];
  await line.call('SET', [`${prefix}unacked`, 'mine']);
  await publish(broker, message(queue, 'one'));
  await using refused = await read(broker, queue);
  await expect(refused.one()).rejects.toThrow(`WRONGTYPE ${prefix}unacked is no hash`);
  expect(await line.call('LLEN', [prefix + queue])).toBe(1);
  await line.call('DEL', [`${prefix}unacked`]);
  // Not a number is what Python writes, and another's key is in no other's way.
  const nan = writeEnvelope({ ...message(queue, 'two'), headers: { nan: Number.NaN } });
  await line.call('SET', [prefix + taken, 'mine']);
  await line.call('HSET', [`${prefix}unacked`, 'a', `[${writeEnvelope(message(taken, 'x'))}, "", "${taken}"]`]);
  await line.call('HSET', [`${prefix}unacked`, 'b', `[${nan}, "", "${queue}"]`]);
  await line.call('ZADD', [`${prefix}unacked_index`, 2, 'a', 1, 'b']);
  await using reader = await read(broker, queue);
  const all = await reader.take(2);
  expect(all.map(text).toSorted()).toEqual(['one', 'two']);
  await reader.ack(...all);
  expect(await line.call('HKEYS', [`${prefix}unacked`])).toEqual(['a']);
});

test('a verdict waits until a server that takes no writes just now takes them again', async () => {
  await using server = await startRedis();
  await using broker = await openBroker(brokerOptions(server.url));
  await using line = plainLine(server.url);
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'one'));
  await using reader = await read(broker, queue);
  const delivery = await reader.one();
  await line.call('CONFIG', ['SET', 'min-replicas-to-write', '1']);
  const publishing = broker.publish([message(queue, 'two')], { signal: AbortSignal.timeout(5000) });
  await expect(publishing).rejects.toMatchObject({ safeToRepeat: true });
  const verdict = reader.ack(delivery);
  const refused = async (): Promise<string> => `${await line.call('INFO', ['errorstats'])}`;
  await vi.waitFor(async () => expect(await refused()).toMatch(/NOREPLICAS:count=([3-9]|\d{2})/), 10_000);
  await line.call('CONFIG', ['SET', 'min-replicas-to-write', '0']);
  expect(await verdict).toEqual([]);
  expect(await broker.count(queue)).toMatchObject({ ready: 0, held: 0 });
});

test('a subscription is closed in a few seconds although its server is silent', async () => {
  await using server = await startRedis();
  await using broker = await openBroker(brokerOptions(server.url));
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'one'));
  const reader = await read(broker, queue);
  const delivery = await reader.one();
  server.pause();
  const settled = reader.ack(delivery).catch((error: unknown) => error);
  const began = performance.now();
  await reader[Symbol.asyncDispose]();
  expect(await settled).toBeInstanceOf(BrokerConnectionError);
  expect(performance.now() - began).toBeLessThan(12_000);
  server.resume();
}, 20_000);

test('300 subscriptions come and go, and leave no connection, key or listener behind', async () => {
  await using server = await startRedis();
  await using line = plainLine(server.url);
  // The keeper opens its connection when it renews for the first time: early, where leases are short.
  await using broker = await openBroker(brokerOptions(server.url, { transportOptions: { leaseSeconds: 1 } }));
  const stop = new AbortController();
  const queue = await freshQueue(broker);
  const look = async (): Promise<readonly [number, number]> => [
    `${await line.call('CLIENT', ['LIST'])}`.trim().split('\n').length,
    readdirSync('/proc/self/fd').length,
  ];
  const round = async (): Promise<void> => {
    await (await broker.subscribe([queue], { prefetch: 1, node: 'n', signal: stop.signal }))[Symbol.asyncDispose]();
  };
  // The keeper's thread, with its files and its connection, belongs to the broker and stays.
  {
    await using _ = await broker.subscribe([queue], { prefetch: 1, node: 'n', signal: stop.signal });
    const names = async (): Promise<string> => `${await line.call('CLIENT', ['LIST'])}`;
    await expect.poll(names, { timeout: 10_000 }).toContain(`name=lovage:keeper:${process.pid} `);
  }
  // What is opened once, at first use, is open by now.
  for (let at = 0; at < 5; at++) await round();
  const [clients, files] = await look();
  for (let at = 0; at < 300; at++) await round();
  await expect.poll(async () => (await look())[0]).toBeLessThanOrEqual(clients);
  // Threads of the process open and close files of their own; a leak would show as hundreds.
  await expect.poll(async () => (await look())[1]).toBeLessThanOrEqual(files + 20);
  expect(await line.call('KEYS', ['lovage.l*'])).toEqual([]);
  expect(await line.call('EXISTS', ['lovage.holders'])).toBe(0);
  expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
}, 60_000);

test('elements that are no envelope are handed up, dead-lettered whole, and stop nobody', async () => {
  await using broker = await openBroker(brokerOptions(redisUrl()));
  await using line = plainLine(redisUrl());
  const queue = unique('bad');
  const bad = ['no json', 'true', '[]', '{}', '{"body":5,"headers":[],"properties":{"delivery_info":7}}', '"text"'];
  for (const element of bad) await line.call('LPUSH', [queue, element]);
  await publish(broker, message(queue, 'good'));
  await using reader = await read(broker, queue);
  const all = await reader.take(bad.length + 1);
  expect(text(all.at(-1)!)).toBe('good');
  expect(text(all[0]!)).toBe('no json');
  const lost = await reader.subscription.settle(
    all.map((delivery, index) =>
      index < bad.length
        ? ({ verdict: 'deadLetter', delivery, reason: 'malformed' } as const)
        : ({ verdict: 'ack', delivery } as const),
    ),
  );
  expect(lost).toEqual([]);
  const dead = await broker.peek(`lovage.dead.${queue}`, 10);
  expect(dead).toHaveLength(bad.length);
  expect(text(dead[0]!)).toBe('no json');
  expect(dead.every(({ headers }) => typeof headers['x-lovage-death'] === 'object')).toBe(true);
});

for (const mode of MODES) {
  test(`${mode}: an envelope nested deeper than could be written again is in nobody's way`, async () => {
    const prefix = `${unique('deep')}:`;
    await using broker = await openBroker(
      brokerOptions(redisUrl(), { transportOptions: { inFlight: mode, leaseSeconds: 1, globalKeyprefix: prefix } }),
    );
    await using line = plainLine(redisUrl());
    const queue = unique('deep');
    const nested = `${'['.repeat(5000)}${']'.repeat(5000)}`;
    const raw = `{"body":"W10=","headers":{"id":"deep","task":"t","x":${nested}},"properties":{"delivery_info":{"exchange":"","routing_key":"${queue}"},"delivery_tag":"t"}}`;
    await line.call('LPUSH', [`${prefix}${queue}`, raw]);
    await publish(broker, message(queue, 'good'));
    {
      await using reader = await read(broker, queue);
      await reader.take(2);
      await endLeases(line, prefix);
    }
    await using reader = await read(broker, queue);
    const [first, second] = await reader.take(2);
    expect([text(first!), text(second!)]).toEqual([raw, 'good']);
    await reader.subscription.settle([
      { verdict: 'deadLetter', delivery: first!, reason: 'malformed' },
      { verdict: 'ack', delivery: second! },
    ]);
    expect((await broker.peek(`lovage.dead.${queue}`, 10)).map(text)).toEqual([raw]);
  });
}

test('a key that is no list is left alone, and other queues are served', async () => {
  await using broker = await openBroker(brokerOptions(redisUrl()));
  await using line = plainLine(redisUrl());
  const [foreign, queue] = [unique('foreign'), unique('queue')];
  await line.call('SET', [foreign, 'mine']);
  await publish(broker, message(queue, 'x'));
  await using reader = await read(broker, [foreign, queue]);
  const delivery = await reader.one();
  expect(text(delivery)).toBe('x');
  await reader.ack(delivery);
  expect(await line.call('GET', [foreign])).toBe('mine');
});

test('a publish without a server says that nothing is stored, by its deadline', async () => {
  await using broker = await openBroker(brokerOptions('redis://127.0.0.1:1/0', { connectTimeout: 1 }));
  await expect(broker.publish([message('q', 'x')], { signal: AbortSignal.timeout(300) })).rejects.toMatchObject({
    safeToRepeat: true,
  });
  await expect(broker.check(AbortSignal.timeout(300))).rejects.toBeDefined();
}, 30_000);

test('a program that only sends ends by itself', async () => {
  await using broker = await openBroker(brokerOptions(redisUrl()));
  const queue = unique('sent');
  const sender = fileURLToPath(new URL('./redis-sender.ts', import.meta.url));
  const child = spawn(process.execPath, [sender, redisUrl(), queue], { stdio: 'ignore', timeout: 10_000 });
  expect(await once(child, 'exit')).toEqual([0, null]);
  await using reader = await read(broker, queue);
  const delivery = await reader.one();
  expect(text(delivery)).toBe('sent');
  await reader.ack(delivery);
});
