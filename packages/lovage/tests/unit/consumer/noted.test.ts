// Starts of which the broker is told first: what happens to the message meanwhile.
import { expect, it } from 'vitest';
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
