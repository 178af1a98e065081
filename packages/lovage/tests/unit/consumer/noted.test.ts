// Starts of which the broker is told first: what happens to the message meanwhile.
import { expect, it } from 'vitest';
import type { Delivery } from '../../../src/broker/index.ts';
import { passThrough } from '../../support/faulty.ts';
import { harness, soon, success } from '../../support/worker-app.ts';

const empty = { ready: 0, held: 0, parked: 0, dead: 0 };

it('a task that is revoked while the broker is told of its start ends once', async () => {
  const asked = Promise.withResolvers<void>();
  const noted = Promise.withResolvers<void>();
  const starting = (): Promise<void> => {
    asked.resolve();
    return noted.promise;
  };
  await using h = await harness({
    broker: (broker) => ({
      ...broker,
      subscribe: async (...given) => passThrough(await broker.subscribe(...given), { starting }),
    }),
  });
  h.task('suspect', (job) => success(job));
  const consumer = await h.start();
  const id = await h.call('suspect', { 'x-lovage-attempts': 1 });
  await asked.promise;
  consumer.flow.revoked.add(id);
  consumer.flow.revokeWaiting();
  noted.resolve();
  await soon(async () => expect(await h.counts()).toEqual(empty));
  await soon(() => expect(consumer.flow.requests.size).toBe(0));
  expect(await h.state(id)).toBe('REVOKED');
  expect(h.told).toEqual(['taskReceived', 'taskRevoked']);
  expect(h.started).toEqual([]);
});

it('suspects that wait for the process of their own are noted when it is their turn', async () => {
  const noted: string[] = [];
  const starting = async ({ headers }: Delivery): Promise<void> => {
    noted.push(String(headers.id));
  };
  await using h = await harness({
    broker: (broker) => ({
      ...broker,
      subscribe: async (...given) => passThrough(await broker.subscribe(...given), { starting }),
    }),
  });
  const { pool } = h;
  const [began, mayEnd] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  h.task('suspect', async (job) => {
    began.resolve();
    await mayEnd.promise;
    return success(job);
  });
  h.task('other', (job) => success(job));
  const ids = await Promise.all([1, 2, 3].map(() => h.call('suspect', { 'x-lovage-attempts': 1 })));
  const other = await h.call('other');
  await h.start({ pool: Object.assign(pool, { alone: async (...run: Parameters<typeof pool.run>) => pool.run(...run) }) });
  await began.promise;
  await soon(async () => expect(await h.state(other)).toBe('SUCCESS'));
  // A death would count against this one only.
  expect(noted).toEqual(h.started.filter((id) => id !== other));
  expect(noted).toHaveLength(1);
  mayEnd.resolve();
  await soon(async () => expect(await h.counts()).toEqual(empty));
  expect(noted.toSorted()).toEqual(ids.toSorted());
});
