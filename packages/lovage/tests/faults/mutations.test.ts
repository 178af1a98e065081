// Bad input on every broker, through a running worker: random mutations of real messages, decompression bombs, bodies beyond the limit.
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { testFolder } from '../support/folder.ts';
import { amqpUrl, redisUrl } from '../support/servers.ts';
import { bigBodiesEnd, bombsEnd } from './mutations/bombs.ts';
import { runMutations } from './mutations/run.ts';

/** A new one each run; `FAULT_SEED` repeats one. */
const seed = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);

interface Place {
  readonly name: string;
  readonly count: number;
  readonly urls: () => { readonly brokerUrl: string; readonly resultUrl: string };
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Megabytes of a body that is too much. @default 100 */
  readonly megabytes?: number;
}

/** A server that waits seconds for new memory copies a hundred longer than its line may be silent; those are a run of `npm run test:faults`. */
const REDIS_MEGABYTES = 20;

const both = (url: string) => ({ brokerUrl: url, resultUrl: url });
const places: readonly Place[] = [
  { name: 'memory', count: 5000, urls: () => both(`memory://mutants-${seed}`) },
  { name: 'SQLite', count: 500, urls: () => both(`sqlite://${join(testFolder('mutants'), 'mutants.db')}`) },
  { name: 'Redis', count: 500, urls: () => both(redisUrl()), megabytes: REDIS_MEGABYTES },
  {
    name: "Redis with Celery's unacked entries",
    count: 500,
    urls: () => both(redisUrl()),
    settings: { redisInFlight: 'celery' },
    megabytes: REDIS_MEGABYTES,
  },
  { name: 'RabbitMQ', count: 500, urls: () => ({ brokerUrl: amqpUrl(), resultUrl: redisUrl() }) },
];

describe.each(places)('$name', ({ count, urls, settings = {}, megabytes = 100 }) => {
  test('mutants stop no worker, and each has its end', async () => {
    const report = await runMutations({ ...urls(), seed, count, settings });
    expect({ unaccounted: report.unaccounted, violations: report.violations }, `FAULT_SEED=${seed} repeats it`).toEqual({
      unaccounted: 0,
      violations: [],
    });
    expect(report.published).toBeGreaterThan(count * 0.8);
    // Some can still run, and each way to be unusable was met.
    expect(report.executed).toBeGreaterThan(0);
    expect(Object.keys(report.dead)).toEqual(
      expect.arrayContaining(['malformed', 'undecodable', 'unknown-task', 'refused-content']),
    );
  });

  test('a bomb goes to the dead letters, and whoever waits for it hears so', async () => {
    expect(await bombsEnd({ ...urls(), settings })).toEqual([]);
  });

  test(`a body of ${megabytes} MB is refused where it is published, and is a dead letter where it comes`, {
    timeout: 300_000,
  }, async () => {
    expect(await bigBodiesEnd({ ...urls(), settings }, megabytes * 1_000_000)).toEqual([]);
  });
});
