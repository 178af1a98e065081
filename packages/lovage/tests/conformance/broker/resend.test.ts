// A program that sends dead letters again and dies between the copies and the acks: the letters come back, and are looked at once more.
import { expect, test, vi } from 'vitest';
import { deadLetterQueue, openBroker, resendDeadLetters } from '../../../src/broker/index.ts';
import { Lovage } from '../../../src/index.ts';
import { startWorker, type Worker } from '../../../src/worker/index.ts';
import { beforeAck, startFaultProxy } from '../../faults/harness/proxy.ts';
import { amqpUrl, redisUrl } from '../../support/servers.ts';
import { brokerOptions, freshQueue, message, publish, queueOf, SOON, unique } from './harness.ts';

const LETTERS = 5;
const NUMBERS = Array.from({ length: LETTERS }, (_, index) => index);

/** Tasks that failed once on RabbitMQ and are dead letters, and the gestures of these tests. */
async function setup() {
  const name = unique('resend');
  const common = { resultBackend: redisUrl(), resultExpires: 60, taskDefaultQueue: name, controlExchange: name };
  const stack = new AsyncDisposableStack();
  const open = (brokerUrl: string): Lovage => stack.use(new Lovage(name, { ...common, brokerUrl }, { environment: {} }));
  const app = open(amqpUrl());
  const ran: number[] = [];
  const ill = { is: true };
  const task = app.task('care', { acksOnFailure: false }, (n: number) => {
    ran.push(n);
    if (ill.is) throw new Error('ill');
    return n;
  });
  const broker = await app.openBroker('read');
  const work = (concurrency = 1): Promise<Worker> => startWorker(app, { concurrency, withoutHeartbeat: true, mingle: false });
  const ready = async (queue: string): Promise<number> => (await broker.count(queue))?.ready ?? 0;
  const until = (queue: string, count: number): Promise<void> =>
    vi.waitFor(async () => expect(await ready(queue)).toBe(count), SOON);
  const dead = deadLetterQueue(name);
  const results = await Promise.all(NUMBERS.map((n) => task.delay(n)));
  {
    await using _worker = await work();
    await vi.waitFor(() => expect(ran).toHaveLength(LETTERS), SOON);
    await until(dead, LETTERS);
  }
  ran.length = 0;
  return {
    ...{ app, broker, name, dead, ran, ill, results, work, until },
    /** Sends the letters again and is cut off before its first ack: all have left, and all are still there. */
    interrupted: async () => {
      await using proxy = await startFaultProxy(amqpUrl());
      const dying = open(proxy.url(amqpUrl()));
      const cut = proxy.trap(beforeAck(1));
      await dying
        .deadLetters()
        .resend()
        .catch(() => undefined);
      await cut;
      await until(dead, LETTERS);
    },
    /** Takes the letters and is cut off before it has sent any. */
    interruptedEarly: async () => {
      await using proxy = await startFaultProxy(amqpUrl());
      const dying = await open(proxy.url(amqpUrl())).openBroker('read');
      const subscription = await dying.subscribe([dead], { prefetch: LETTERS, node: 'lovage@redrive' });
      const batches = subscription[Symbol.asyncIterator]();
      for (let held = 0; held < LETTERS; ) held += (await batches.next()).value?.length ?? LETTERS;
      proxy.cut();
      await until(dead, LETTERS);
    },
    /** Workers run what waits, until one that stops gives nothing back. */
    drain: async () => {
      while ((await ready(name)) > 0) {
        await using _worker = await work();
        await until(name, 0);
      }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

test('what waits already runs once, though it is sent a second time', async () => {
  await using s = await setup();
  await s.interrupted();
  await s.until(s.name, LETTERS);
  s.ill.is = false;
  expect(await s.app.deadLetters().resend()).toHaveLength(LETTERS);
  await s.drain();
  expect(s.ran.toSorted()).toEqual(NUMBERS);
  expect(await Promise.all(s.results.map((result) => result.get({ timeout: 5 })))).toEqual(NUMBERS);
  await s.until(s.dead, 0);
});

test('what ran meanwhile does not run again', async () => {
  await using s = await setup();
  await s.interrupted();
  s.ill.is = false;
  await s.drain();
  await s.app.deadLetters().resend();
  await s.drain();
  expect(s.ran.toSorted()).toEqual(NUMBERS);
  expect(await Promise.all(s.results.map((result) => result.get({ timeout: 5 })))).toEqual(NUMBERS);
});

test('what failed again meanwhile runs once when it is sent again, though its letter is there twice', async () => {
  await using s = await setup();
  await s.interrupted();
  await s.drain();
  expect(s.ran.toSorted()).toEqual(NUMBERS);
  await s.until(s.dead, 2 * LETTERS);
  s.ill.is = false;
  await s.app.deadLetters().resend();
  await s.drain();
  expect(s.ran.toSorted()).toEqual([...NUMBERS, ...NUMBERS].toSorted());
});

test('what an interrupted run had not sent yet runs, whatever failure is stored of it', async () => {
  await using s = await setup();
  await s.interruptedEarly();
  s.ill.is = false;
  expect(await s.app.deadLetters().resend()).toHaveLength(LETTERS);
  await s.drain();
  expect(s.ran.toSorted()).toEqual(NUMBERS);
  expect(await Promise.all(s.results.map((result) => result.get({ timeout: 5 })))).toEqual(NUMBERS);
});

test('where the broker shows what waits, nothing is sent that waits already', async () => {
  const transportOptions = { leaseSeconds: 1 };
  await using proxy = await startFaultProxy(redisUrl());
  await using broker = await openBroker(brokerOptions(redisUrl(), { transportOptions }));
  const queue = await freshQueue(broker);
  const dead = deadLetterQueue(queue);
  await broker.declare({ exchanges: [], queues: [queueOf(dead)], bindings: [] });
  const letters = NUMBERS.map((n) => message(dead, String(n), { headers: { task: 'care', id: `${queue}-${n}` } }));
  await publish(broker, ...letters);
  await using dying = await openBroker(brokerOptions(proxy.url(redisUrl()), { transportOptions }));
  const subscription = await dying.subscribe([dead], { prefetch: LETTERS, node: 'lovage@redrive' });
  const batches = subscription[Symbol.asyncIterator]();
  for (let held = 0; held < LETTERS; ) held += (await batches.next()).value?.length ?? LETTERS;
  await publish(broker, ...letters.slice(0, 3).map((letter) => ({ ...letter, routingKey: queue })));
  // Its lease ends.
  proxy.freeze();
  expect(await resendDeadLetters(broker, queue)).toHaveLength(LETTERS);
  const waiting = await broker.peek(queue, 2 * LETTERS);
  expect(waiting.map(({ headers }) => headers.id).toSorted()).toEqual(letters.map(({ headers }) => headers.id));
  expect(await broker.count(dead)).toMatchObject({ ready: 0, held: 0 });
});
