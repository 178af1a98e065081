// What lies in a queue and no worker has: looked at by id, deleted, run now, put off; and queues that are paused.
import { expect, test, vi } from 'vitest';
import type { Broker, Message, Waiting } from '../../../src/broker/index.ts';
import { freshQueue, freshQueues, message, now, publish, read, SOON, text, unique } from './harness.ts';
import type { Suite } from './suite.ts';

const bodies = (all: readonly Waiting[] = []): string[] => all.map((waiting) => text(waiting.message));
const task = (id: string, more: object = {}): { headers: Record<string, unknown> } => ({
  headers: { task: 'suite.task', id, ...more },
});

async function filled(broker: Broker): Promise<string> {
  const queue = await freshQueue(broker);
  const later = now() + 3600;
  await publish(broker, message(queue, 'a', task('id-a')), message(queue, 'b', task('id-b', { eta: null })));
  // A worker parks it: nobody serves the queue yet, so a publish alone would not on every broker.
  await publish(broker, message(queue, 'park', task('id-p', { eta: '2999-01-01T00:00:00+00:00' })));
  await using reader = await read(broker, queue, 3);
  const [a, b, p] = await reader.take(3);
  await reader.subscription.settle([
    { verdict: 'park', delivery: p!, until: later },
    { verdict: 'requeue', delivery: a!, counted: false },
    { verdict: 'requeue', delivery: b!, counted: false },
  ]);
  return queue;
}

export function describeWaiting({ setup, traits }: Suite): void {
  if (traits.looksInside) {
    test('what waits and what is parked is listed, by state, by id, and no more than asked for', async () => {
      await using harness = await setup();
      await using broker = await harness.open();
      const queue = await filled(broker);
      const room = broker.waiting!;
      expect(bodies(await room.list(queue))).toEqual(['a', 'b', 'park']);
      expect(bodies(await room.list(queue, { limit: 1 }))).toEqual(['a']);
      expect(bodies(await room.list(queue, { state: 'ready' }))).toEqual(['a', 'b']);
      const [parked] = await room.list(queue, { state: 'parked' });
      expect(parked).toMatchObject({ id: 'id-p' });
      expect(Math.abs((parked?.dueAt ?? 0) - now() - 3600)).toBeLessThan(60);
      expect(bodies(await room.list(queue, { ids: ['id-b', 'id-p', 'id-unknown'] }))).toEqual(['b', 'park']);
      expect(await room.list(unique('unknown'))).toEqual([]);
      expect(await broker.count(queue)).toMatchObject({ ready: 2, parked: 1 });
    });

    test('messages are deleted by id, wherever they wait, and never from a worker', async () => {
      await using harness = await setup();
      await using broker = await harness.open();
      const queue = await filled(broker);
      const room = broker.waiting!;
      expect(bodies(await room.remove(queue, ['id-a', 'id-p', 'id-unknown'])).sort()).toEqual(['a', 'park']);
      expect(await room.remove(queue, ['id-a'])).toEqual([]);
      await using reader = await read(broker, queue);
      const held = await reader.one();
      expect(text(held)).toBe('b');
      expect(await room.remove(queue, ['id-b'])).toEqual([]);
      expect(await reader.ack(held)).toEqual([]);
      expect(await broker.count(queue)).toMatchObject({ ready: 0, parked: 0 });
    });

    test('what is parked runs now, what waits is put off, and the header eta follows', async () => {
      await using harness = await setup();
      await using broker = await harness.open();
      const queue = await filled(broker);
      const room = broker.waiting!;
      const far = now() + 600;
      expect(await room.reschedule(queue, ['id-p'], undefined)).toMatchObject([{ id: 'id-p', dueAt: undefined }]);
      expect(await room.reschedule(queue, ['id-a'], far)).toMatchObject([{ id: 'id-a', dueAt: far }]);
      expect(await broker.count(queue)).toMatchObject({ ready: 2, parked: 1 });
      await using reader = await read(broker, queue);
      const first = await reader.take(2);
      expect(first.map(text).sort()).toEqual(['b', 'park']);
      expect(first.find((delivery) => text(delivery) === 'park')).toMatchObject({ attempts: 1, headers: { eta: null } });
      const until = now() + 1;
      expect(await room.reschedule(queue, ['id-a'], until)).toHaveLength(1);
      const last = await reader.one();
      expect(now()).toBeGreaterThanOrEqual(until - 0.1);
      expect(text(last)).toBe('a');
      expect(Date.parse(String(last.headers.eta)) / 1000).toBeCloseTo(until, 1);
      await reader.ack(...first, last);
    });

    test('what is parked and meant is made ready as it is, a piece at a time', async () => {
      await using harness = await setup();
      await using broker = await harness.open();
      const queue = await filled(broker);
      const room = broker.waiting!;
      const seen: unknown[] = [];
      const wake = async (name: string, id: string): Promise<readonly number[]> => {
        const pieces: number[] = [];
        const isMeant = ({ headers }: Message): boolean => seen.push(headers.id) > 0 && headers.id === id;
        for await (const woken of room.wake(name, isMeant)) pieces.push(woken);
        return pieces;
      };
      expect(await wake(unique('unknown'), 'id-p')).not.toContain(1);
      expect(await wake(queue, 'id-a')).not.toContain(1);
      expect(seen).toEqual(['id-p']);
      expect(await broker.count(queue)).toMatchObject({ ready: 2, parked: 1 });
      await using reader = await read(broker, queue);
      await reader.ack(...(await reader.take(2)));
      // Whoever waits for a message gets it.
      const next = reader.one();
      expect(await wake(queue, 'id-p')).toEqual([1]);
      expect(await next).toMatchObject({ attempts: 1, headers: { id: 'id-p', eta: '2999-01-01T00:00:00+00:00' } });
      expect(text(await next)).toBe('park');
      await reader.ack(await next);
      expect(await broker.count(queue)).toMatchObject({ ready: 0, parked: 0 });
    });

    test('of many that are parked all that are meant are woken', async () => {
      await using harness = await setup();
      await using broker = await harness.open();
      const queue = await freshQueue(broker);
      const ids = Array.from({ length: 1200 }, () => unique('id'));
      const eta = '2999-01-01T00:00:00+00:00';
      await publish(broker, ...ids.map((id) => message(queue, id, task(id, { eta }))));
      await using reader = await read(broker, queue, 1200);
      const all = await reader.take(1200);
      await reader.subscription.settle(all.map((delivery) => ({ verdict: 'park', delivery, until: now() + 3600 })));
      const meant = new Set<unknown>(ids.slice(100, 1100));
      let woken = 0;
      for await (const piece of broker.waiting!.wake(queue, ({ headers }) => meant.has(headers.id))) woken += piece;
      expect(woken).toBe(1000);
      const taken = await reader.take(1000);
      expect(new Set(taken.map(text))).toEqual(meant);
      await reader.ack(...taken);
      expect(await broker.count(queue)).toMatchObject({ ready: 0, parked: 200 });
    });

    test('many are found and changed while a worker takes from the same queue', async () => {
      await using harness = await setup();
      await using broker = await harness.open();
      const queue = await freshQueue(broker);
      const ids = Array.from({ length: 1500 }, () => unique('id'));
      await publish(broker, ...ids.map((id) => message(queue, id, task(id))));
      await using reader = await read(broker, queue, 50);
      const taken = new Set<string>();
      const taking = (async () => {
        for await (const batch of reader.subscription) {
          for (const delivery of batch) taken.add(text(delivery));
          await reader.ack(...batch);
        }
      })();
      const removed = new Set(bodies(await broker.waiting!.remove(queue, ids)));
      await vi.waitFor(() => expect(removed.size + taken.size).toBe(1500), SOON);
      expect([...taken].filter((id) => removed.has(id))).toEqual([]);
      await reader.subscription.cancel();
      await taking;
    });
  } else {
    test('a broker that shows nobody the inside of its queues says so', async () => {
      await using harness = await setup();
      await using broker = await harness.open();
      expect(broker.waiting).toBeUndefined();
    });
  }

  test('the mark of a paused queue is seen by everybody, survives them, and goes away', async () => {
    await using harness = await setup();
    const [one, two] = [unique('q'), unique('q')];
    await using keeping = await harness.open();
    const first = await harness.open();
    await first.pause([one]);
    await first.pause([one]);
    await first[Symbol.asyncDispose]();
    expect(await keeping.paused([two, one])).toEqual([one]);
    await keeping.resume([one, two]);
    await keeping.resume([one]);
    expect(await keeping.paused([one, two])).toEqual([]);
    await freshQueues(keeping, 1);
  });

  test('a subscription without a queue lives on, and takes up one that comes back', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await using reader = await read(broker, queue);
    const next = reader.one();
    await reader.subscription.cancel(queue);
    await publish(broker, message(queue, 'waits'));
    expect(await broker.count(queue)).toMatchObject({ ready: 1 });
    await reader.subscription.add(queue);
    expect(text(await next)).toBe('waits');
    await using empty = await read(broker, []);
    const late = empty.one();
    await reader.subscription.cancel(queue);
    await empty.subscription.add(queue);
    await publish(broker, message(queue, 'late'));
    expect(text(await late)).toBe('late');
  });
}
