// Tasks that a pool gives back: they waited in a slot that was busy, and have not begun.
import { describe, expect, it } from 'vitest';
import type { Pool, RunOptions } from '../../../src/pool/index.ts';
import type { Job, Outcome } from '../../../src/task/index.ts';
import { systemClock } from '../../../src/util/index.ts';
import { type Harness, harness, soon, success } from '../../support/worker-app.ts';

const empty = { ready: 0, held: 0, parked: 0, dead: 0 };

/** A pool of one slot, in which one more may wait; its jobs end, or are given back, when the test says so. */
class Desk implements Pool {
  readonly name = 'desk';
  readonly can = { kill: false, isolate: false, resize: false, restart: false };
  readonly limit = 1;
  readonly width = 1;
  ahead = 1;
  running = 0;
  readonly jobs: { readonly job: Job; readonly options: RunOptions; readonly resolve: (outcome: Outcome) => void }[] = [];
  readonly seen: string[] = [];

  run(job: Job, options: RunOptions): Promise<Outcome> {
    this.seen.push(job.request.id);
    return new Promise((resolve) => this.jobs.push({ job, options, resolve }));
  }

  get ids(): readonly string[] {
    return this.jobs.map(({ job }) => job.request.id);
  }

  end(): void {
    const first = this.jobs.shift();
    first?.options.onStart?.({ pid: 1, name: 'slot' });
    first?.resolve(success(first.job));
  }

  giveBack(): void {
    this.ahead = 0;
    this.jobs.pop()?.options.returned?.();
  }

  async resize(): Promise<void> {}
  info(): Readonly<Record<string, unknown>> {
    return {};
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A worker with two tasks in hand: one runs, one waits behind it. */
async function two(h: Harness): Promise<Desk> {
  const desk = new Desk();
  h.task('t', (job) => success(job));
  // However busy the machine is, no time passes between tasks: the worker is quick.
  await h.start({ pool: desk, clock: { ...systemClock, monotonic: () => 0 } });
  await h.call('t', { id: 'first' });
  await soon(() => expect(desk.ids).toEqual(['first']));
  desk.end();
  await soon(async () => expect(await h.counts()).toEqual(empty));
  // A worker is quick once as many tasks as it has slots have ended, and takes as many again.
  await h.call('t', { id: 'long' });
  await h.call('t', { id: 'short' });
  await soon(() => expect(desk.ids).toEqual(['long', 'short']));
  return desk;
}

describe('a task that the pool gives back', () => {
  it('is the next to start, and is settled once', async () => {
    await using h = await harness();
    const desk = await two(h);
    desk.giveBack();
    expect([h.consumer.flow.requests.count('ready'), h.consumer.flow.running]).toEqual([1, 1]);
    desk.end();
    await soon(() => expect(desk.ids).toEqual(['short']));
    desk.end();
    await soon(async () => expect(await h.state('short')).toBe('SUCCESS'));
    await soon(async () => expect(await h.counts()).toEqual(empty));
    expect(desk.seen).toEqual(['first', 'long', 'short', 'short']);
    expect([...h.consumer.flow.ended]).toEqual([['SUCCESS', 3]]);
  });

  it('does not start when it was revoked meanwhile', async () => {
    await using h = await harness();
    const desk = await two(h);
    desk.giveBack();
    h.consumer.flow.revoked.add('short');
    desk.end();
    await soon(async () => expect(await h.state('short')).toBe('REVOKED'));
    expect(desk.seen).toEqual(['first', 'long', 'short']);
  });

  it('goes back to the broker when the worker stops, before or after what else has not started', async () => {
    for (const isLate of [false, true]) {
      await using h = await harness();
      const desk = await two(h);
      if (!isLate) desk.giveBack();
      const drained = h.consumer.drain(AbortSignal.timeout(5000));
      await soon(async () => expect((await h.counts()).ready).toBe(isLate ? 0 : 1));
      if (isLate) {
        await h.consumer.flow.giveBack();
        desk.giveBack();
      }
      desk.end();
      await drained;
      expect(await h.counts()).toEqual({ ...empty, ready: 1 });
      expect(h.consumer.flow.running).toBe(0);
    }
  });

  it('is forgotten when its line was lost, since it comes again', async () => {
    await using h = await harness();
    const desk = await two(h);
    h.consumer.flow.lineLost();
    desk.giveBack();
    expect([h.consumer.flow.requests.count('ready'), h.consumer.flow.requests.size]).toEqual([0, 1]);
    desk.end();
  });
});
