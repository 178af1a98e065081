import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Bootstep, orderSteps, startSteps } from '../../../src/worker/bootsteps.ts';

afterEach(() => void vi.useRealTimers());

type Log = string[];
const signal = new AbortController().signal;

function step(name: string, requires: readonly string[] = [], more: Partial<Bootstep<Log>> = {}): Bootstep<Log> {
  return {
    name,
    requires,
    start: async (log) => {
      log.push(`start ${name}`);
      return {
        drain: async () => void log.push(`drain ${name}`),
        info: () => ({ [name]: true }),
        [Symbol.asyncDispose]: async () => void log.push(`stop ${name}`),
      };
    },
    ...more,
  };
}

const names = (steps: readonly Bootstep<Log>[]): string[] => orderSteps(steps).map(({ name }) => name);

describe('the order of bootsteps', () => {
  it('is that of declaration', () => {
    expect(names([step('c'), step('a'), step('b')])).toEqual(['c', 'a', 'b']);
  });

  it('is bent only where requires says so, and is the same every time', () => {
    const steps = [step('consumer', ['pool', 'beat']), step('timer'), step('pool', ['timer']), step('beat')];
    expect(names(steps)).toEqual(['timer', 'pool', 'beat', 'consumer']);
    expect(names(steps)).toEqual(names(steps));
  });

  it('cannot hold an unknown step, a circle or one name twice', () => {
    expect(() => names([step('consumer', ['pol']), step('pool')])).toThrow(/requires 'pol'.*Did you mean 'pool'/);
    expect(() => names([step('a', ['b']), step('b', ['c']), step('c', ['a'])])).toThrow('a → b → c → a');
    expect(() => names([step('a'), step('a')])).toThrow("called 'a'");
  });
});

describe('a blueprint', () => {
  it('starts in order, drains and stops in reverse', async () => {
    const log: Log = [];
    const blueprint = await startSteps([step('a'), step('b')], log, signal);
    await blueprint.drain(signal);
    await blueprint[Symbol.asyncDispose]();
    await blueprint[Symbol.asyncDispose]();
    expect(log).toEqual(['start a', 'start b', 'drain b', 'drain a', 'stop b', 'stop a']);
    expect(blueprint.info()).toEqual({ a: true, b: true });
  });

  it('stops what had started, in reverse, when a step fails to start', async () => {
    const log: Log = [];
    const fails = step('c', [], { start: () => Promise.reject(new Error('no port')) });
    await expect(startSteps([step('a'), step('b'), fails, step('d')], log, signal)).rejects.toThrow('no port');
    expect(log).toEqual(['start a', 'start b', 'stop b', 'stop a']);
  });

  it('stops the others although one cannot stop', async () => {
    const log: Log = [];
    const stuck = step('b', [], { start: async () => ({ [Symbol.asyncDispose]: () => Promise.reject(new Error('stuck')) }) });
    const blueprint = await startSteps([step('a'), stuck, step('c')], log, signal);
    await blueprint[Symbol.asyncDispose]();
    expect(log).toEqual(['start a', 'start c', 'stop c', 'stop a']);
  });

  it('drains the others although one cannot drain', async () => {
    const log: Log = [];
    const stuck = step('b', [], {
      start: async () => ({
        drain: () => Promise.reject(new Error('stuck')),
        [Symbol.asyncDispose]: async () => void log.push('stop b'),
      }),
    });
    const blueprint = await startSteps([step('a'), stuck, step('c')], log, signal);
    await blueprint.drain(signal);
    await blueprint[Symbol.asyncDispose]();
    expect(log).toEqual(['start a', 'start c', 'drain c', 'drain a', 'stop c', 'stop b', 'stop a']);
  });

  it('leaves a part behind that does not end its drain, but for one that ends it by itself', async () => {
    const log: Log = [];
    const limit = new AbortController();
    const last = Promise.withResolvers<void>();
    const hangs = step('b', [], {
      start: async () => ({ drain: () => new Promise(() => undefined), [Symbol.asyncDispose]: async () => undefined }),
    });
    const finishes = step('c', [], {
      start: async () => ({
        isDrainAwaited: true,
        drain: async () => {
          await last.promise;
          log.push('drain c');
        },
        [Symbol.asyncDispose]: async () => undefined,
      }),
    });
    const blueprint = await startSteps([step('a'), hangs, finishes], log, signal);
    const drained = blueprint.drain(limit.signal);
    limit.abort(new Error('late'));
    last.resolve();
    await drained;
    expect(log).toEqual(['start a', 'drain c', 'drain a']);
  });

  it('leaves a step behind that never ends its start, and stops it should it start after all', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const log: Log = [];
    const stop = new AbortController();
    const late = Promise.withResolvers<void>();
    const hangs = step('b', [], {
      start: async () => {
        log.push('start b');
        await late.promise;
        return { [Symbol.asyncDispose]: async () => void log.push('stop b') };
      },
    });
    const starting = startSteps([step('a'), hangs, step('c')], log, stop.signal);
    const told = expect(starting).rejects.toThrow('enough');
    await vi.waitFor(() => expect(log).toContain('start b'), 8000);
    stop.abort(new Error('enough'));
    await vi.advanceTimersByTimeAsync(6000);
    await told;
    expect(log).toEqual(['start a', 'start b', 'stop a']);
    late.resolve();
    await vi.waitFor(() => expect(log).toEqual(['start a', 'start b', 'stop a', 'stop b']), 8000);
  });

  it('leaves out steps that are not enabled', async () => {
    const log: Log = [];
    const blueprint = await startSteps([step('a', [], { enabled: () => false }), step('b')], log, signal);
    expect(blueprint.names).toEqual(['b']);
  });

  it('breaks off when its start is aborted', async () => {
    const log: Log = [];
    const stop = new AbortController();
    const aborts = step('b', [], { start: async () => stop.abort(new Error('enough')) });
    await expect(startSteps([step('a'), aborts, step('c')], log, stop.signal)).rejects.toThrow('enough');
    expect(log).toEqual(['start a', 'stop a']);
  });
});
