import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Execute, openPool, type Pool, type PoolDriverOptions, type PoolRequest } from '../../../src/pool/index.ts';
import type { Job, Outcome } from '../../../src/task/index.ts';
import { ConfigurationError, TaskRevokedError } from '../../../src/util/index.ts';
import { jobOf, outcomeOf } from '../../support/jobs.ts';

afterEach(() => void vi.useRealTimers());

const never = new AbortController().signal;
const run = async (pool: Pool, job: Job = jobOf('t')): Promise<Outcome> => pool.run(job, { signal: never });

/** An execute function whose jobs end when the test says so. */
function gated(): { readonly execute: Execute; readonly started: string[]; end(id: string): void } {
  const gates = new Map<string, (outcome: Outcome) => void>();
  const started: string[] = [];
  return {
    started,
    execute: (job) => {
      started.push(job.request.id);
      return new Promise((resolve) => gates.set(job.request.id, resolve));
    },
    end: (id) => gates.get(id)?.(outcomeOf('SUCCESS')),
  };
}

describe.each(['async', 'solo'])('the pool %s', (name) => {
  it('gives back the outcome that the execute function decided', async () => {
    await using pool = await openPool(name, { execute: async () => outcomeOf('FAILURE') });
    expect(await run(pool)).toMatchObject({ state: 'FAILURE' });
  });

  it('tells once when a job starts, and where', async () => {
    const execute: Execute = async (_, options) => {
      options.onStart?.({ pid: 0, name: 'slot' });
      return outcomeOf('SUCCESS');
    };
    await using pool = await openPool(name, { execute });
    const onStart = vi.fn();
    await pool.run(jobOf('t'), { signal: never, onStart });
    expect(onStart.mock.calls).toEqual([[{ pid: process.pid, name }]]);
  });

  it('rejects when the execute function itself breaks, and frees the slot', async () => {
    let broken = true;
    await using pool = await openPool(name, {
      concurrency: 1,
      execute: async () => {
        if (broken) throw new Error('the slot is broken');
        return outcomeOf('SUCCESS');
      },
    });
    await expect(run(pool)).rejects.toThrow('the slot is broken');
    broken = false;
    expect(pool.running).toBe(0);
    expect(await run(pool)).toMatchObject({ state: 'SUCCESS' });
  });

  it('gives up the slot of a job that ignores its signal, and counts the zombie until it ends', async () => {
    vi.useFakeTimers();
    const { execute, end } = gated();
    const pool = await openPool(name, { execute, concurrency: 1, grace: 3 });
    const controller = new AbortController();
    const ended = pool.run(jobOf('a'), { signal: controller.signal });
    controller.abort(new Error('stop'));
    await vi.advanceTimersByTimeAsync(2_900);
    expect(pool.running).toBe(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(await ended).toMatchObject({ state: 'LOST' });
    expect(pool.running).toBe(0);
    expect(pool.info().lovage).toMatchObject({ zombies: 1 });
    end('a');
    await vi.advanceTimersByTimeAsync(0);
    expect(pool.info().lovage).toMatchObject({ zombies: 0 });
  });

  it('says of a job that does not heed its termination what the end of a terminated task is', async () => {
    vi.useFakeTimers();
    const ended = vi.fn(async () => outcomeOf('REVOKED'));
    const pool = await openPool(name, { execute: gated().execute, ended, concurrency: 1, grace: 3 });
    const controller = new AbortController();
    const outcome = pool.run(jobOf('a'), { signal: controller.signal });
    const reason = new TaskRevokedError('terminated');
    controller.abort(reason);
    await vi.advanceTimersByTimeAsync(3_100);
    expect(await outcome).toMatchObject({ state: 'REVOKED' });
    expect(ended).toHaveBeenCalledExactlyOnceWith(expect.anything(), reason, expect.any(Number));
  });

  it('gives up the slot of a job that outlives its hard limit', async () => {
    vi.useFakeTimers();
    const pool = await openPool(name, { execute: gated().execute, concurrency: 1, grace: 1 });
    const ended = pool.run(jobOf('a', { timeLimit: 10 }), { signal: never });
    await vi.advanceTimersByTimeAsync(11_000);
    expect(await ended).toMatchObject({ state: 'LOST' });
  });

  it('waits for what runs when it is disposed', async () => {
    const { execute, end } = gated();
    const pool = await openPool(name, { execute });
    const ended = run(pool, jobOf('a'));
    let disposed = false;
    const disposing = pool[Symbol.asyncDispose]().then(() => {
      disposed = true;
    });
    await wait(5);
    expect(disposed).toBe(false);
    end('a');
    await Promise.all([ended, disposing]);
  });

  it('fills the keys of pool statistics that Flower reads', async () => {
    await using pool = await openPool(name, { execute: async () => outcomeOf('SUCCESS') });
    expect(pool.info()).toMatchObject({
      implementation: `lovage.pool:${name}`,
      'max-concurrency': pool.limit,
      processes: [process.pid],
      'put-guarded-by-semaphore': false,
      timeouts: [0, 0],
    });
  });
});

describe('the pool async', () => {
  it('never runs more jobs than it has slots, and starts waiting ones in order', async () => {
    const { execute, started, end } = gated();
    await using pool = await openPool('async', { execute, concurrency: 3 });
    const all = Array.from({ length: 30 }, (_, index) => run(pool, jobOf(`j${index}`)));
    for (let index = 0; index < 30; index++) {
      expect(started).toHaveLength(Math.min(30, index + 3));
      expect(pool.running).toBe(Math.min(3, 30 - index));
      end(`j${index}`);
      await all[index];
    }
    expect(started).toEqual(all.map((_, index) => `j${index}`));
  });

  it('grows at once and shrinks as jobs end', async () => {
    const { execute, started, end } = gated();
    await using pool = await openPool('async', { execute, concurrency: 1 });
    const jobs = ['a', 'b', 'c'].map((id) => run(pool, jobOf(id)));
    expect(started).toEqual(['a']);
    await pool.resize(2);
    expect(started).toEqual(['a', 'b']);
    await pool.resize(1);
    end('a');
    await jobs[0];
    expect(started).toEqual(['a', 'b']);
    end('b');
    await jobs[1];
    expect(started).toEqual(['a', 'b', 'c']);
    end('c');
    await jobs[2];
  });

  it('refuses to have no slot', async () => {
    await using pool = await openPool('async', { execute: async () => outcomeOf('SUCCESS') });
    await expect(pool.resize(0)).rejects.toThrow('at least one slot');
  });
});

describe('pools by name', () => {
  const execute: Execute = async () => outcomeOf('SUCCESS');

  it.each([
    ['gevent', 'async'],
    ['eventlet', 'async'],
    ['inline', 'solo'],
  ])('takes the name %s for %s', async (alias, name) => {
    await using pool = await openPool(alias, { execute });
    expect(pool.name).toBe(name);
  });

  it.each(['prefork', 'processes', 'threads'])('says why the slots of %s cannot be started', async (name) => {
    await expect(openPool(name, { execute, noProgram: 'Nobody knows the app.' })).rejects.toThrow('Nobody knows the app.');
  });

  it('takes a pool from a module', async () => {
    const asked: string[] = [];
    const load: PoolRequest['load'] = async (specifier) => {
      asked.push(specifier);
      return { open: ({ limit }: PoolDriverOptions) => openPool('async', { execute, concurrency: limit }) };
    };
    await using pool = await openPool('./my-pool.ts', { execute, concurrency: 3, load });
    expect([asked, pool.limit]).toEqual([['./my-pool.ts'], 3]);
    await expect(openPool('./other.ts', { execute, load: async () => ({}) })).rejects.toThrow('export a function open(options)');
  });

  it.each([
    [undefined, 'run, resize, info, limit, width, running, can, [Symbol.asyncDispose]'],
    [{ run: () => undefined, info: 1, limit: 1, width: 1, running: 0, can: {} }, 'resize, info, [Symbol.asyncDispose]'],
  ])('refuses what a module opens that is none: %j', async (opened, lacks) => {
    const load: PoolRequest['load'] = async () => ({ open: () => opened });
    await expect(openPool('./my-pool.ts', { execute, load })).rejects.toThrow(
      `What ./my-pool.ts opens is no pool: it lacks ${lacks},`,
    );
  });

  it('lists the pools for an unknown name and suggests one', async () => {
    await expect(openPool('asyn', { execute })).rejects.toThrow(/There is no pool 'asyn'.*Did you mean 'async'/);
  });

  it("says for Celery's custom how a pool of one's own is named", async () => {
    await expect(openPool('custom', { execute })).rejects.toThrow('-P ./my-pool.ts, not -P custom');
  });

  it.each([
    [{ width: 0 }, 'slotConcurrency must be a whole number of at least 1, not 0'],
    [{ maxTasksPerChild: 0 }, 'maxTasksPerChild must be'],
    [{ maxMemoryPerChild: Number.NaN }, 'maxMemoryPerChild must be'],
    [{ spare: -1 }, 'spareSlots must be a whole number of at least 0, not -1'],
  ])('refuses limits that are none: %o', async (limits, why) => {
    await expect(openPool('prefork', { execute, ...limits })).rejects.toThrow(why);
  });

  it('refuses limits that it cannot keep', async () => {
    await expect(openPool('async', { execute, maxTasksPerChild: 5 })).rejects.toThrow(ConfigurationError);
    await expect(openPool('solo', { execute, maxMemoryPerChild: 5 })).rejects.toThrow('maxMemoryPerChild');
    await expect(openPool('solo', { execute, concurrency: 4 })).rejects.toThrow('exactly 1 slot');
    await expect(openPool('async', { execute, concurrency: 0 })).rejects.toThrow('at least 1');
  });
});
