// Tasks whose messages end their process one after the other: when a name is closed, who is tried, and what opens it.
import { describe, expect, it } from 'vitest';
import { Quarantine } from '../../../src/consumer/quarantine.ts';
import { outcomeOf } from '../../support/jobs.ts';
import { type Harness, harness, soon, success } from '../../support/worker-app.ts';

/** A quarantine and the hand of its clock. */
function setup(after: number | null = 4) {
  let now = 1000;
  const q = new Quarantine({ after, isolated: true, clock: { now: () => now, monotonic: () => now * 1000 } });
  const die = (...keys: string[]): void => {
    for (const key of keys) q.died('t', key, 2);
  };
  const wait = (seconds: number): void => {
    now += seconds;
  };
  return { q, die, wait, now: () => now };
}

describe('a task', () => {
  it('is closed when so many deaths of three messages of it came in a row', () => {
    const { q, die } = setup();
    die('a', 'a', 'a', 'a', 'b', 'b');
    expect([q.closedUntil('t'), q.watches('t')]).toEqual([undefined, false]);
    expect(q.died('t', 'c', 2)).toBe(true);
    expect([q.closedUntil('t'), q.watches('t'), q.closedUntil('other')]).toEqual([1010, true, undefined]);
    expect(q.closed).toEqual([{ task: 't', deaths: 7, until: 1010 }]);
  });

  it('is never closed where no number is set', () => {
    const { q, die } = setup(null);
    die('a', 'b', 'c', 'd');
    expect([q.closedUntil('t'), q.watches('t')]).toEqual([undefined, false]);
  });

  it('counts from the beginning when one of its messages came to an end', () => {
    const { q, die } = setup();
    die('a', 'b', 'c');
    q.lived('t');
    die('d', 'e', 'f');
    expect(q.closedUntil('t')).toBeUndefined();
  });

  it('is tried with one message at a time, ever more rarely, and what dies late changes nothing', () => {
    const { q, wait, die, now } = setup();
    die('a', 'b', 'c', 'd', 'late');
    expect(q.closedUntil('t')).toBe(1010);
    wait(10);
    expect(q.closedUntil('t')).toBeUndefined();
    q.starts('t', 'e');
    expect(q.closedUntil('t')).toBe(1020);
    expect(q.died('t', 'e', 2)).toBe(false);
    expect(q.closedUntil('t')).toBe(1030);
    const closedFor = Array.from({ length: 6 }, (_, index) => {
      wait(1000);
      q.starts('t', `${index}`);
      q.died('t', `${index}`, 2);
      return (q.closedUntil('t') ?? 0) - now();
    });
    expect(closedFor).toEqual([40, 80, 160, 300, 300, 300]);
  });

  it('is open when a trial lives much longer than those that died', () => {
    const { q, wait, die } = setup();
    die('a', 'b', 'c', 'd');
    wait(10);
    q.starts('t', 'e');
    wait(8.9);
    expect(q.closedUntil('t')).toBe(1028.9);
    wait(0.2);
    expect([q.closedUntil('t'), q.watches('t'), q.closed]).toEqual([undefined, false, []]);
  });

  it('runs alone from the first death on where a death takes the worker along', () => {
    const q = new Quarantine({ after: 4, isolated: false, clock: { now: () => 0, monotonic: () => 0 } });
    q.died('t', 'a', 1);
    expect([q.closedUntil('t'), q.watches('t'), q.watches('other')]).toEqual([undefined, true, false]);
    q.lived('t');
    expect(q.watches('t')).toBe(false);
  });

  it('tries another when the trial was interrupted, and is open when one came to an end', () => {
    const { q, wait, die } = setup();
    die('a', 'b', 'c', 'd');
    wait(10);
    q.starts('t', 'd');
    q.undecided('t', 'd');
    expect(q.closedUntil('t')).toBeUndefined();
    q.starts('t', 'e');
    q.lived('t');
    expect([q.closedUntil('t'), q.closed]).toEqual([undefined, []]);
  });
});

/** A worker whose pool has a process for single jobs; tasks called `dies…` die. */
async function worker(h: Harness): Promise<() => void> {
  const open = Promise.withResolvers<void>();
  h.task('bad', async (job) => {
    if (job.request.id.startsWith('dies')) return outcomeOf('LOST', { died: true });
    await open.promise;
    return success(job);
  });
  h.task('good', (job) => Promise.resolve(success(job)));
  const { pool } = h;
  await h.start({ pool: Object.assign(pool, { alone: async (...run: Parameters<typeof pool.run>) => pool.run(...run) }) });
  return open.resolve;
}

it('messages of a closed task wait in the broker, uncounted, and all others run', async () => {
  await using h = await harness({ settings: { quarantineAfter: 3, maxDeliveries: 1 }, concurrency: 2 });
  for (let n = 0; n < 10; n++) await h.call('bad', { id: `dies-${n}` });
  const good = await Promise.all(Array.from({ length: 10 }, () => h.call('good')));
  await worker(h);
  await soon(async () => {
    for (const id of good) expect(await h.state(id)).toBe('SUCCESS');
    expect((await h.counts()).ready).toBe(0);
  });
  // Those that died were one start over the limit.
  const { dead, parked } = await h.counts();
  expect([dead, parked, h.started.filter((id) => id.startsWith('dies')).length]).toEqual([3, 7, 3]);
  expect(h.consumer.info().quarantine).toMatchObject([{ task: 'bad', deaths: 3 }]);
});

it('a message that comes to an end lets the others in again', async () => {
  await using h = await harness({ settings: { quarantineAfter: 3, maxDeliveries: 1 }, concurrency: 4 });
  for (const id of ['lives', 'dies-1', 'dies-2', 'dies-3']) await h.call('bad', { id });
  const end = await worker(h);
  await soon(() => expect(h.consumer.flow.quarantined).toMatchObject([{ task: 'bad' }]));
  end();
  await soon(async () => expect(await h.state('lives')).toBe('SUCCESS'));
  const later = await h.call('bad');
  await soon(async () => expect(await h.state(later)).toBe('SUCCESS'));
  expect(h.consumer.info().quarantine).toBeUndefined();
});
