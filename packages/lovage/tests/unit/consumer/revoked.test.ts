// What must not run: for how long, how much of it, and whom it is told.
import { expect, it } from 'vitest';
import { Revoked } from '../../../src/consumer/index.ts';
import type { Clock } from '../../../src/util/index.ts';
import { passThrough } from '../../support/faulty.ts';
import { harness, success } from '../../support/worker-app.ts';

const DAY = 86_400;

function atTime(limits: ConstructorParameters<typeof Revoked>[0] = {}): {
  readonly revoked: Revoked;
  pass(seconds: number): void;
} {
  let now = 1_700_000_000;
  const clock: Clock = { now: () => now, monotonic: () => now };
  return {
    revoked: new Revoked(limits, clock),
    pass: (seconds) => {
      now += seconds;
    },
  };
}

const stamped = (value: unknown) => ({ id: 'other', stampedHeaders: ['tenant'], stamps: { tenant: value } });

it('a revoke counts for thirty days, and is forgotten then', () => {
  const { revoked, pass } = atTime();
  expect(revoked.add('a')).toBe(true);
  revoked.addStamp({ header: 'tenant', value: 'x' });
  pass(29 * DAY);
  expect(revoked.has('a')).toBe(true);
  expect(revoked.matches(stamped(['w', 'x']))).toBe(true);
  expect(revoked.matches(stamped('y'))).toBe(false);
  pass(DAY);
  expect(revoked.has('a')).toBe(false);
  expect(revoked.matches(stamped(['w', 'x']))).toBe(false);
  expect(revoked.ids()).toEqual([]);
  expect(revoked.size).toBe(0);
});

it('one that is revoked again counts from then on, and is no news', () => {
  const { revoked, pass } = atTime();
  revoked.add('a');
  pass(20 * DAY);
  expect(revoked.add('a')).toBe(false);
  // As a store may tell of the first.
  expect(revoked.add('a', { until: 1_700_000_000 + 30 * DAY })).toBe(false);
  pass(29 * DAY);
  expect(revoked.has('a')).toBe(true);
});

it('more than allowed are not kept, the oldest go', () => {
  const { revoked } = atTime({ max: 3 });
  for (const id of ['a', 'b', 'c', 'a', 'd']) revoked.add(id);
  expect(revoked.ids()).toEqual(['c', 'a', 'd']);
});

it('what is for one worker alone is not for others to know, until it is said to all', () => {
  const { revoked } = atTime();
  revoked.add('own', { own: true });
  revoked.add('all');
  revoked.add('both', { own: true });
  revoked.add('both');
  revoked.add('all', { own: true });
  expect(revoked.matches({ id: 'own', stampedHeaders: undefined, stamps: {} })).toBe(true);
  expect(revoked.ids()).toEqual(['own', 'both', 'all']);
  expect(revoked.sharedIds().map(([id]) => id)).toEqual(['both', 'all']);
});

it('others are told for how long it counts yet', () => {
  const { revoked, pass } = atTime();
  revoked.add('id');
  revoked.addStamp({ header: 'tenant', value: 'acme' });
  pass(20 * DAY);
  expect(revoked.sharedIds()).toEqual([['id', 10 * DAY]]);
  expect(revoked.sharedStamps()).toEqual([[{ header: 'tenant', value: 'acme' }, 10 * DAY]]);
});

it('a stamp that has no text of its own is compared with its repr, and harms nobody', () => {
  const { revoked } = atTime();
  revoked.addStamp({ header: 'h', value: "{'toString': 1}" });
  const stamped = (h: unknown) => ({ id: 'a', stampedHeaders: ['h'], stamps: { h } });
  expect(revoked.matches(stamped({ toString: 1 }))).toBe(true);
  expect(revoked.matches(stamped([{ toString: 2 }, { valueOf: 3 }, null, Object.create(null)]))).toBe(false);
});

it('whoever looks for what is parked is told of one that was revoked on its way there', async () => {
  const parking = Promise.withResolvers<void>();
  const mayPark = Promise.withResolvers<void>();
  await using h = await harness({
    broker: (broker) => ({
      ...broker,
      subscribe: async (...given) => {
        const subscription = await broker.subscribe(...given);
        return passThrough(subscription, {
          settle: async (...settled) => {
            parking.resolve();
            await mayPark.promise;
            return subscription.settle(...settled);
          },
        });
      },
    }),
  });
  h.task('later', (job) => success(job));
  const missed = Promise.withResolvers<number | undefined>();
  const consumer = await h.start({ onMissed: () => void h.counts().then(({ parked }) => missed.resolve(parked)) });
  const id = await h.call('later', { eta: '2999-01-01T00:00:00+00:00' });
  await parking.promise;
  consumer.flow.revoked.add(id);
  consumer.flow.revokeWaiting();
  mayPark.resolve();
  expect(await missed.promise).toBe(1);
});
