// What RabbitMQ alone can do to a broker, on a private node: vhosts, TLS, logins, alarms, deleted queues, restarts.
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type RabbitServer, startRabbit } from '../../../../../scripts/servers/index.ts';
import { type Broker, type BrokerOptions, openBroker } from '../../../src/broker/index.ts';
import { Lovage } from '../../../src/index.ts';
import { BrokerConnectionError, BrokerFullError, orAborted, PublishError, QueueNotFoundError } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { startProxy } from '../../support/proxy.ts';
import { brokerOptions, freshQueue, message, publish, queueOf, Reader, read, soon, text, unique } from './harness.ts';

let rabbit: RabbitServer;
/** Declared long before the kill: RabbitMQ writes declarations to disk some time after it has answered. */
let lasting: string;
beforeAll(async () => {
  rabbit = await startRabbit({ tls: true });
  await using broker = await openAt(rabbit.url);
  lasting = await freshQueue(broker);
});
afterAll(() => rabbit[Symbol.asyncDispose]());

const openAt = (url: string, options?: Partial<BrokerOptions>): Promise<Broker> => openBroker(brokerOptions(url, options));
const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

/** Sends one message through a broker and takes it out again. */
async function roundTrip(broker: Broker): Promise<string> {
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'through'));
  await using reader = await read(broker, queue);
  const delivery = await reader.one();
  await reader.ack(delivery);
  return text(delivery);
}

describe('connections', () => {
  test('a vhost whose name begins with a slash', async () => {
    await rabbit.ctl('add_vhost', '/shop');
    await rabbit.ctl('set_permissions', '-p', '/shop', 'guest', '.*', '.*', '.*');
    await using broker = await openAt(rabbit.url.replace(/\/\/$/, '//shop'));
    expect(await roundTrip(broker)).toBe('through');
    expect(await rabbit.ctl('list_queues', '-p', '/shop', 'name')).toMatch(/^q0-/m);
  });

  test('TLS, with the certificate checked', async () => {
    await using broker = await openAt(rabbit.tlsUrl ?? '', { tls: { ca_certs: rabbit.caFile } });
    expect(await roundTrip(broker)).toBe('through');
    await using careful = await openAt(rabbit.tlsUrl ?? '');
    await expect(careful.check(AbortSignal.timeout(3000))).rejects.toThrow(/certificate/);
  });

  test('a failover list goes on to the server that answers', async () => {
    await using broker = await openAt(`amqp://guest:guest@127.0.0.1:1//;${rabbit.url}`);
    expect(await roundTrip(broker)).toBe('through');
  });

  test('of a failover list without any that can be used each reason is told, and one that may come back is tried again', async () => {
    const [away, wrong] = ['amqp://guest:guest@127.0.0.1:1//', rabbit.url.replace('guest:guest', 'guest:wrong')];
    await using broker = await openAt(`${away};${wrong}`);
    const error = await failure(broker.check(AbortSignal.timeout(3000)));
    expect(error).toMatchObject({
      transient: true,
      message: expect.stringMatching(/2 servers.*ECONNREFUSED.*refuses this login/),
    });
    await using never = await openAt(`${wrong};${wrong}`);
    expect(await failure(never.check(soon()))).toMatchObject({
      transient: false,
      message: expect.stringMatching(/refuses this login/),
    });
  });

  test('a wrong password is told at once, and not tried again', async () => {
    await using broker = await openAt(rabbit.url.replace('guest:guest', 'guest:wrong'));
    const error = await failure(broker.check(soon()));
    expect(error).toBeInstanceOf(BrokerConnectionError);
    expect(error).toMatchObject({ transient: false, message: expect.stringMatching(/refuses this login/) });
    expect(String(error)).not.toContain('wrong');
    const refused = await failure(publish(broker, message('any', 'x')));
    expect(refused).toMatchObject({ safeToRepeat: true, transient: false });
  });

  test('so is a vhost that is not there', async () => {
    await using broker = await openAt(rabbit.url.replace(/\/\/$/, '/nowhere'));
    await expect(broker.check(soon())).rejects.toMatchObject({ transient: false, message: expect.stringContaining('nowhere') });
  });

  test('nobody there: rejects by the deadline with the reason', async () => {
    await using broker = await openAt('amqp://127.0.0.1:1');
    const error = await failure(broker.publish([message('any', 'x')], { signal: AbortSignal.timeout(2000) }));
    expect(error).toBeInstanceOf(PublishError);
    expect(error).toMatchObject({ safeToRepeat: true, message: expect.stringContaining('ECONNREFUSED') });
  });
});

describe('a message that RabbitMQ does not allow', () => {
  /** A login that is not the one of this connection closes the channel. */
  const foreign = (queue: string) => {
    const made = message(queue, 'foreign');
    return { ...made, properties: { ...made.properties, extra: { user_id: 'somebody' } } };
  };

  test('takes nobody with it, neither of its batch nor of others', async () => {
    await using broker = await openAt(rabbit.url);
    const queue = await freshQueue(broker);
    const batch = [message(queue, 'a'), message(queue, 'b'), foreign(queue), message(queue, 'c'), foreign(queue)];
    const others = ['d', 'e'].map((body) => publish(broker, message(queue, body)));
    const [error] = await Promise.all([failure(broker.publish(batch, { signal: soon() })), ...others]);
    expect(error).toMatchObject({ failures: [2, 4].map((index) => ({ index, stored: 'no' })), transient: false });
    await using reader = await read(broker, queue);
    const bodies = new Set<string>();
    while (bodies.size < 5) {
      const delivery = await reader.one();
      bodies.add(text(delivery));
      await reader.ack(delivery);
    }
    expect([...bodies].sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('is none because of a life longer than RabbitMQ can count', async () => {
    await using broker = await openAt(rabbit.url);
    const queue = await freshQueue(broker);
    const made = message(queue, 'long');
    await publish(broker, { ...made, properties: { ...made.properties, expiration: String(2 ** 41) } });
    await using reader = await read(broker, queue);
    expect(text(await reader.one())).toBe('long');
  });
});

test('a program that only sends ends by itself, its connection still open', async () => {
  const door = new URL('../../../src/broker/index.ts', import.meta.url).href;
  await using broker = await openAt(rabbit.url);
  const queue = await freshQueue(broker);
  const program = `
    const { openBroker } = await import(${JSON.stringify(door)});
    const broker = await openBroker(${JSON.stringify(brokerOptions(rabbit.url))});
    const message = { exchange: '', routingKey: ${JSON.stringify(queue)}, headers: {}, properties: { contentType: 'a/b', contentEncoding: 'binary' }, body: Buffer.from('sent') };
    await broker.publish([message], { signal: AbortSignal.timeout(10_000) });
  `;
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 });
  expect(await broker.count(queue)).toEqual({ ready: 1 });
});

describe('queues', () => {
  test('a queue deleted under its consumer ends the iterator once; subscribing again declares it anew', async () => {
    await using broker = await openAt(rabbit.url);
    const queue = await freshQueue(broker);
    const reader = await read(broker, queue);
    const ending = failure(reader.one());
    await rabbit.ctl('delete_queue', queue);
    expect(await ending).toBeInstanceOf(BrokerConnectionError);
    expect(await reader.ending()).toBeUndefined();
    await reader[Symbol.asyncDispose]();
    await using again = await read(broker, queue);
    await publish(broker, message(queue, 'anew'));
    expect(text(await again.one())).toBe('anew');
  });

  test('one mismatch does not keep the others from being declared', async () => {
    await using broker = await openAt(rabbit.url);
    const [odd, fine] = [unique('odd'), unique('fine')];
    await broker.declare({ exchanges: [], queues: [queueOf(odd)], bindings: [] });
    const queues = [queueOf(odd, { 'x-max-priority': 3 }), queueOf(fine)];
    await expect(broker.declare({ exchanges: [], queues, bindings: [] })).rejects.toMatchObject({
      code: 'LOVAGE_TOPOLOGY_MISMATCH',
    });
    expect(await broker.count(fine)).toEqual({ ready: 0 });
  });

  test('an exclusive queue lives with the subscription that reads it', async () => {
    await using broker = await openAt(rabbit.url);
    const [queue, exchange] = [unique('own'), `${unique('x')}.pidbox`];
    await broker.declare({
      exchanges: [{ name: exchange, type: 'fanout', durable: false }],
      queues: [{ name: queue, durable: false, exclusive: true, autoDelete: true, arguments: { 'x-expires': 10_000 } }],
      bindings: [{ queue, exchange, routingKey: '' }],
    });
    await publish(broker, message('', 'nobody listens', { exchange, routingKey: '' }));
    const subscription = await broker.subscribe([queue], { prefetch: 10, node: 'n', noAck: true });
    const reader = new Reader(subscription);
    await publish(broker, message('', 'hello', { exchange, routingKey: '' }));
    expect(text(await reader.one())).toBe('hello');
    await reader[Symbol.asyncDispose]();
    expect(await broker.count(queue)).toBeUndefined();
  });

  test('one limit holds for all classic queues of a subscription', async () => {
    await using broker = await openAt(rabbit.url);
    const queues = [await freshQueue(broker), await freshQueue(broker)];
    await publish(broker, ...queues.flatMap((queue) => Array.from({ length: 5 }, () => message(queue, 'x'))));
    await using reader = await read(broker, queues, 3);
    await reader.take(3);
    const counts = await Promise.all(queues.map(async (queue) => (await broker.count(queue))?.ready ?? 0));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(7);
  });

  test('a quorum queue may join a subscription that has one limit for its channel', async () => {
    await using broker = await openAt(rabbit.url);
    const classic = await freshQueue(broker);
    const quorum = await freshQueue(broker, { 'x-queue-type': 'quorum' });
    await using reader = await read(broker, classic, 4);
    await reader.subscription.add(quorum);
    await publish(broker, message(quorum, 'q'), message(classic, 'c'));
    expect((await reader.take(2)).map(text).toSorted()).toEqual(['c', 'q']);
  });

  test('a loop that is blocked for several heartbeats keeps its line and what it holds', async () => {
    await using broker = await openAt(rabbit.url, { heartbeat: 2 });
    const queue = await freshQueue(broker);
    await using reader = await read(broker, queue);
    await publish(broker, message(queue, 'held'));
    const held = await reader.one();
    // The thread starts a moment after the line.
    await delay(500);
    const until = performance.now() + 6000;
    while (performance.now() < until);
    await reader.ack(held);
    await publish(broker, message(queue, 'next'));
    const next = await reader.one();
    expect([text(next), next.attempts, next.generation]).toEqual(['next', 1, held.generation]);
  });

  test('a delayed message to a topic exchange comes out at its queue, and goes back there', async () => {
    await using broker = await openAt(rabbit.url);
    const [queue, exchange] = [unique('topical'), unique('topic')];
    await broker.declare({
      exchanges: [{ name: exchange, type: 'topic', durable: true }],
      queues: [queueOf(queue)],
      bindings: [{ queue, exchange, routingKey: 'orders.*' }],
    });
    await using reader = await read(broker, queue);
    // The ways of delayed messages are laid out with the first.
    await publish(broker, message(await freshQueue(broker), 'first', { dueAt: Date.now() / 1000 + 1 }));
    const dueAt = Date.now() / 1000 + 3;
    await publish(
      broker,
      message('', 'later', {
        exchange,
        routingKey: 'orders.new',
        dueAt,
        properties: { contentType: 'a/b', contentEncoding: 'binary', expiration: '1' },
      }),
    );
    const delivery = await reader.one();
    expect([delivery.exchange, delivery.routingKey]).toEqual(['', queue]);
    // RabbitMQ holds whole seconds; a part of the first is gone when the way is laid out.
    expect(Date.now() / 1000).toBeGreaterThan(dueAt - 1);
    const lost = message('', 'lost', { exchange, routingKey: 'bills.new', dueAt: Date.now() / 1000 + 2 });
    const refusal = await failure(publish(broker, lost));
    expect(refusal).toBeInstanceOf(PublishError);
    expect((refusal as PublishError).failures.map(({ stored, cause }) => [stored, cause])).toEqual([
      ['no', expect.any(QueueNotFoundError)],
    ]);
  });

  test('what is delayed for a queue that somebody deleted and declared anew comes out there', async () => {
    await using sender = await openAt(rabbit.url);
    await using other = await openAt(rabbit.url);
    const queue = await freshQueue(other);
    const delayed = (body: string) => publish(sender, message(queue, body, { dueAt: Date.now() / 1000 + 1 }));
    await delayed('before');
    {
      await using reader = await read(other, queue);
      await reader.ack(await reader.one());
    }
    await rabbit.ctl('delete_queue', queue);
    await other.declare({ exchanges: [], queues: [queueOf(queue)], bindings: [] });
    // For some seconds nobody asks whether the way is there still.
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + 6000);
    try {
      await delayed('after');
    } finally {
      clock.mockRestore();
    }
    await using reader = await read(other, queue);
    expect(text(await reader.one())).toBe('after');
  });

  test('what is delayed for a queue that is deleted goes with it, and is in the way of nothing else that is delayed', async () => {
    await using broker = await openAt(rabbit.url);
    const [gone, queue] = [await freshQueue(broker), await freshQueue(broker)];
    const dueAt = Date.now() / 1000 + 4;
    // More than RabbitMQ has in hand at once.
    const many = Array.from({ length: 40 }, (_, index) => message(gone, `${index}`, { dueAt }));
    await broker.publish(many, { signal: soon() });
    await broker.remove(gone);
    expect(await broker.count(gone)).toBeUndefined();
    await publish(broker, message(queue, 'other', { dueAt: dueAt + 4 }));
    await using reader = await read(broker, queue);
    expect(text(await reader.one())).toBe('other');
    await expect(failure(publish(broker, message(gone, 'late', { dueAt: Date.now() / 1000 + 2 })))).resolves.toBeInstanceOf(
      PublishError,
    );
  });
});

describe('consumers', () => {
  test('begin with the arguments that their queue names', async () => {
    const queue = unique('prior');
    await using app = new Lovage('prior', {
      brokerUrl: rabbit.url,
      taskQueues: { [queue]: { consumerArguments: { 'x-priority': 7 } } },
    });
    await using _worker = await startWorker(app);
    await vi.waitFor(async () => {
      const consumers = await rabbit.ctl('list_consumers', 'queue_name', 'arguments');
      expect(consumers.split('\n').find((line) => line.includes(queue))).toMatch(/x-priority.*7/);
    }, 20_000);
  });

  test('take from a queue that somebody else declared, whatever its arguments are', async () => {
    const queue = unique('theirs');
    const settings = { brokerUrl: rabbit.url, resultBackend: 'rpc://', taskDefaultQueue: queue };
    await using owner = new Lovage('owner', { ...settings, taskQueues: { [queue]: { maxLength: 5 } } });
    await (await owner.openBroker('read')).declare(owner.queues.topology([queue]));
    await using guest = new Lovage('guest', { ...settings, taskQueues: { [queue]: { noDeclare: true } } });
    const add = guest.task('add', (x: number, y: number) => x + y);
    await using _worker = await startWorker(guest);
    expect(await (await add.delay(2, 3)).get({ timeout: 20 })).toBe(5);
  });
});

describe('a passive queue', () => {
  test('that is not there ends the call and the start of a worker with its name, and is used once it is there', async () => {
    const queue = unique('passive');
    const settings = { brokerUrl: rabbit.url, resultBackend: 'rpc://', taskDefaultQueue: queue };
    await using owner = new Lovage('owner', settings);
    await using guest = new Lovage('guest', { ...settings, taskQueues: { [queue]: { passive: true } } });
    const add = guest.task('add', (x: number, y: number) => x + y);
    await expect(add.delay(2, 3)).rejects.toThrow(`The queue "${queue}" is not there`);
    await expect(startWorker(guest)).rejects.toThrow(`The queue "${queue}" is not there`);
    await (await owner.openBroker('read')).declare(owner.queues.topology([queue]));
    await using _worker = await startWorker(guest);
    expect(await (await add.delay(2, 3)).get({ timeout: 20 })).toBe(5);
  });
});

// Last: these end everybody's lines.
describe('alarms and restarts', () => {
  test('while RabbitMQ is out of memory publishes reject by their deadline, and acks still work', async () => {
    await using broker = await openAt(rabbit.url);
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'held'), message(queue, 'next'));
    await using reader = await read(broker, queue, 1);
    const held = await reader.one();
    await rabbit.ctl('set_vm_memory_high_watermark', 'absolute', '1');
    try {
      const late = await failure(broker.publish([message(queue, 'late')], { signal: AbortSignal.timeout(2500) }));
      expect(late).toBeInstanceOf(PublishError);
      expect(late).toMatchObject({ safeToRepeat: false, cause: expect.any(BrokerFullError) });
      // By now the line is known to be blocked, so nothing more is written to it.
      const later = await failure(broker.publish([message(queue, 'later')], { signal: AbortSignal.timeout(1000) }));
      expect(later).toMatchObject({ safeToRepeat: true, cause: expect.any(BrokerFullError) });
      // The caller of a task reads why, not only that the time was over.
      await using app = new Lovage('blocked', { brokerUrl: rabbit.url, taskDefaultQueue: queue, taskPublishTimeout: 1 });
      const calls = [await failure(app.remote('one').delay()), await failure(app.remote('two').delay())];
      expect(calls.map(String)).toEqual(calls.map(() => expect.stringContaining('RabbitMQ takes no messages')));
      expect(calls[1]).toMatchObject({ safeToRepeat: true });
      expect(await reader.ack(held)).toEqual([]);
      expect(text(await reader.one())).toBe('next');
    } finally {
      await rabbit.ctl('set_vm_memory_high_watermark', 'absolute', '1000GB');
    }
    await publish(broker, message(queue, 'free again'));
  });

  test('a declaration that is under way when a publish makes RabbitMQ block the line ends on another', async () => {
    const queues = Array.from({ length: 40 }, () => queueOf(unique('many')));
    await rabbit.ctl('set_vm_memory_high_watermark', 'absolute', '1');
    try {
      await using broker = await openAt(rabbit.url);
      // Asked by a letter, which blocks the line.
      const asking = failure(broker.paused(queues.map(({ name }) => name)));
      await orAborted(broker.declare({ exchanges: [], queues, bindings: [] }), soon());
      expect(await broker.count(queues.at(-1)?.name ?? '')).toEqual({ ready: 0 });
      expect(await asking).toBeInstanceOf(PublishError);
    } finally {
      await rabbit.ctl('set_vm_memory_high_watermark', 'absolute', '1000GB');
    }
  });

  test('while RabbitMQ is out of memory the starts of what comes again are noted and counted', async () => {
    await using wire = await startProxy(rabbit.url);
    await using broker = await openAt(wire.url(rabbit.url));
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'poison'));
    await rabbit.ctl('set_vm_memory_high_watermark', 'absolute', '1');
    try {
      for (const attempts of [1, 2, 3, 4]) {
        const reader = await read(broker, queue);
        const delivery = await reader.one();
        expect(delivery.attempts).toBe(attempts);
        if (attempts > 1) await reader.subscription.starting?.(delivery);
        wire.cut();
        await reader[Symbol.asyncDispose]();
      }
    } finally {
      await rabbit.ctl('set_vm_memory_high_watermark', 'absolute', '1000GB');
    }
  });

  test('while RabbitMQ is out of memory queues are declared and counted, and a delayed publish ends by its deadline', async () => {
    await using broker = await openAt(rabbit.url);
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'held'));
    await using reader = await read(broker, queue, 1);
    const held = await reader.one();
    await rabbit.ctl('set_vm_memory_high_watermark', 'absolute', '1');
    try {
      // From now on the line that publishes is known to be blocked.
      await failure(broker.publish([message(queue, 'late')], { signal: AbortSignal.timeout(2000) }));
      const other = await freshQueue(broker);
      expect(await broker.count(other)).toEqual({ ready: 0 });
      // A worker that asks whether the server is there goes on; who wants to publish does not.
      await broker.check(soon());
      await expect(broker.check(soon(), 'publish')).rejects.toThrow('RabbitMQ takes no messages');
      const delayed = message(queue, 'delayed', { dueAt: Date.now() / 1000 + 60 });
      const late = await failure(broker.publish([delayed], { signal: AbortSignal.timeout(1000) }));
      expect(late).toMatchObject({ safeToRepeat: true, cause: expect.any(BrokerFullError) });
      await reader.ack(held);
    } finally {
      await rabbit.ctl('set_vm_memory_high_watermark', 'absolute', '1000GB');
    }
    await publish(broker, message(queue, 'free again'));
  });

  test('a publish waits out a restart; what was confirmed before it is still there', async () => {
    await using broker = await openAt(rabbit.url);
    const queue = lasting;
    await broker.declare({ exchanges: [], queues: [queueOf(queue)], bindings: [] });
    await publish(broker, message(queue, 'before'));
    const reader = await read(broker, queue);
    await reader.one();
    const ending = failure(reader.one());
    await rabbit.kill();
    expect(await ending).toBeInstanceOf(BrokerConnectionError);
    await reader[Symbol.asyncDispose]();
    const during = broker.publish([message(queue, 'during')], { signal: AbortSignal.timeout(40_000) });
    await rabbit.restart();
    await during;
    await using again = await read(broker, queue);
    const found = await again.take(2);
    expect(found.map(text).toSorted()).toEqual(['before', 'during']);
    expect(found.find((delivery) => text(delivery) === 'before')?.attempts).toBe(2);
    await again.ack(...found);
  });
});
