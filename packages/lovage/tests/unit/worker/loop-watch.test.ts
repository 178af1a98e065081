// An event loop that stood still: the worker says for how long, and names what ran then.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Lovage, type SettingsInput } from '../../../src/app/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { likeliest, tellRarely, watchLoop } from '../../../src/worker/loop-watch.ts';
import { toldBy } from '../../support/told.ts';
import { soon } from '../../support/worker-app.ts';

const told = toldBy('worker');
const warnings = (): readonly string[] => told.filter((line) => line.includes('stood still'));

function shop(settings: SettingsInput = {}): Lovage {
  const memory = `memory://${uuid()}`;
  const all = { brokerUrl: memory, resultBackend: memory, loopBlockWarning: 0.2, ...settings };
  return new Lovage('shop', all, { environment: {} });
}

function compute(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/**
 * The first warning that has these words. A busy machine lets the loop stand still as well, and then a warning of us may be one too
 * soon: so it is blocked again, for twice as long.
 */
async function warningOf(words: () => string, block: (ms: number) => Promise<unknown>): Promise<string> {
  for (let ms = 700; ; ms *= 2) {
    await block(ms);
    const find = (): string => warnings().find((line) => line.includes(words())) ?? expect.fail(warnings().join('\n'));
    const found = await soon(find, 1000).catch(() => undefined);
    if (found !== undefined) return found;
  }
}

const PATIENCE = 60_000;

describe('a worker whose loop stood still', () => {
  it.each(['async', 'solo'])(
    'names the task that computed, though it has ended (%s)',
    async (workerPool) => {
      await using app = shop({ workerPool });
      const careless = app.task('careless', (ms: number) => compute(ms));
      await using _ = await startWorker(app);
      let id = '';
      const line = await warningOf(
        () => `What ran then, the likeliest cause first: careless[${id}].`,
        async (ms) => {
          const result = await careless.delay(ms);
          id = result.id;
          await result.get({ timeout: 30 });
        },
      );
      expect(line).toMatch(/^warning: The event loop stood still for \d+\.\d s \(processor time \d+\.\d s\): no other task ran/);
    },
    PATIENCE,
  );

  it(
    'names it before those that wait beside it, also when it goes on after it has computed',
    async () => {
      await using app = shop();
      const gate = Promise.withResolvers<void>();
      const waiting = app.task('waiting', () => gate.promise);
      const careless = app.task('careless', async (ms: number) => {
        compute(ms);
        await gate.promise;
      });
      await using worker = await startWorker(app, { concurrency: 20 });
      const waits = await Promise.all([waiting.delay(), waiting.delay()]);
      await soon(() => expect(worker.host?.pool?.running).toBe(2));
      let id = '';
      const line = await warningOf(
        () => `cause first: careless[${id}], `,
        async (ms) => {
          const running = worker.host?.pool?.running ?? 0;
          id = (await careless.delay(ms)).id;
          await soon(() => expect(worker.host?.pool?.running).toBe(running + 1));
        },
      );
      for (const each of waits) expect(line).toContain(`waiting[${each.id}]`);
      gate.resolve();
    },
    PATIENCE,
  );

  it(
    'has among those that ran the ones that computed after a wait, each a little',
    async () => {
      await using app = shop();
      let gate = Promise.withResolvers<void>();
      const little = app.task('little', async (ms: number) => {
        await gate.promise;
        compute(ms);
      });
      await using worker = await startWorker(app, { concurrency: 7 });
      const line = await warningOf(
        () => ' and 2 more.',
        async (ms) => {
          gate = Promise.withResolvers<void>();
          const results = await Promise.all(Array.from({ length: 7 }, () => little.delay(ms / 5)));
          await soon(() => expect(worker.host?.pool?.running).toBe(7));
          gate.resolve();
          await Promise.all(results.map((result) => result.get({ timeout: 30 })));
        },
      );
      expect(line).toMatch(/cause first: little\[[-\w]+\](, little\[[-\w]+\]){4} and 2 more\./);
    },
    PATIENCE,
  );

  it(
    'says so when no task ran, and when none runs on its loop',
    async () => {
      using _ = watchLoop({ threshold: 0.2, running: () => [], show: () => undefined });
      using __ = watchLoop({ threshold: 0.2, running: undefined, show: () => undefined });
      const block = async (ms: number): Promise<void> => compute(ms);
      expect(await warningOf(() => 'No task ran then.', block)).toContain('no probe was answered.');
      await warningOf(() => 'The event loop of the worker stood still', block);
      expect(warnings().some((line) => line.includes('; no task runs on it.'))).toBe(true);
    },
    PATIENCE,
  );

  it('is silent when loopBlockWarning is null', async () => {
    await using app = shop({ loopBlockWarning: null });
    const careless = app.task('careless', () => compute(1000));
    const after = app.task('after', () => delay(600));
    await using _ = await startWorker(app);
    await (await careless.delay()).get({ timeout: 9 });
    await (await after.delay()).get({ timeout: 9 });
    expect(warnings()).toEqual([]);
  }, 30_000);
});

it('warns again within a minute of one twice as long only, and counts the others', () => {
  const ask = tellRarely();
  const none = { count: 0, seconds: 0 };
  expect(ask(0, 2)).toEqual(none);
  expect([ask(1000, 2), ask(30_000, 3.9), ask(40_000, 4)]).toEqual([undefined, undefined, { count: 2, seconds: 5.9 }]);
  expect([ask(50_000, 4), ask(99_000, 7)]).toEqual([undefined, undefined]);
  expect(ask(100_000, 1)).toEqual({ count: 2, seconds: 11 });
  expect(ask(160_000, 1)).toEqual(none);
});

describe('the likeliest cause', () => {
  const order = (...tasks: readonly (readonly [string, number])[]): string =>
    likeliest(
      tasks.map(([name, at]) => ({ name, id: name, at })),
      100,
      110,
    )
      .map(({ name }) => name)
      .join(' ');

  it('is the one after which nothing else began for longest', () => {
    expect(order(['first', 100.01], ['second', 100.02], ['late', 109.9])).toBe('second late first');
    expect(order(['long', 100], ['short', 107])).toBe('long short');
  });

  it('is none of those that ran before, unless there are no others; the youngest of them first', () => {
    expect(order(['old', 10], ['older', 5], ['inside', 100.2])).toBe('inside old older');
    expect(order(['older', 5], ['old', 10])).toBe('old older');
  });
});
