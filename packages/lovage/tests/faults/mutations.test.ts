// Bad input on every broker, through a running worker: random mutations of real messages, decompression bombs, bodies beyond the limit.
import { join } from 'node:path';
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { deadLetterQueue } from '../../src/broker/index.ts';
import { type AsyncResult, BodyTooLargeError, Lovage } from '../../src/index.ts';
import { startWorker } from '../../src/worker/index.ts';
import { testFolder } from '../support/folder.ts';
import { amqpUrl, redisUrl } from '../support/servers.ts';
import { runMutations } from './mutations/run.ts';

/** A new one each run; `FAULT_SEED` repeats one. */
const seed = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);

interface Place {
  readonly name: string;
  readonly count: number;
  readonly urls: () => { readonly brokerUrl: string; readonly resultUrl: string };
  readonly settings?: Readonly<Record<string, unknown>>;
}

const both = (url: string) => ({ brokerUrl: url, resultUrl: url });
const places: readonly Place[] = [
  { name: 'memory', count: 5000, urls: () => both(`memory://mutants-${seed}`) },
  { name: 'SQLite', count: 500, urls: () => both(`sqlite://${join(testFolder('mutants'), 'mutants.db')}`) },
  { name: 'Redis', count: 500, urls: () => both(redisUrl()) },
  {
    name: "Redis with Celery's unacked entries",
    count: 500,
    urls: () => both(redisUrl()),
    settings: { redisInFlight: 'celery' },
  },
  { name: 'RabbitMQ', count: 500, urls: () => ({ brokerUrl: amqpUrl(), resultUrl: redisUrl() }) },
];

describe.each(places)('$name', ({ count, urls, settings = {} }) => {
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
    await using s = setup(urls(), settings);
    const worker = await startWorker(s.app, { concurrency: 4, hostname: 'bombs@faults' });
    const before = process.memoryUsage().rss;
    for (const [compression, body] of bombs()) {
      const result = await s.raw(body, compression);
      await expect(result.get({ timeout: 20 }), compression).rejects.toThrow(
        /larger than|cannot be decompressed|not valid UTF-8/,
      );
    }
    await expect.poll(async () => (await s.app.deadLetters().list()).length, { timeout: 10_000 }).toBe(bombs().length);
    const reasons = (await s.app.deadLetters().list()).map(({ death }) => death?.reason);
    expect(reasons.toSorted()).toEqual([
      'too-large',
      'too-large',
      'too-large',
      'too-large',
      'undecodable',
      'undecodable',
      'undecodable',
    ]);
    expect(process.memoryUsage().rss - before).toBeLessThan(400_000_000);
    expect(await (await s.app.sendTask('bombs.echo', { args: [1] })).get({ timeout: 10 })).toBe(1);
    await worker.stop();
  });

  test('a body of 100 MB is refused where it is published, and is a dead letter where it comes', async () => {
    await using s = setup(urls(), { ...settings, maxBodyBytes: 90_000_000 });
    const big = 'x'.repeat(100_000_000);
    const refusal = await s.app.sendTask('bombs.echo', { args: [big] }).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(BodyTooLargeError);
    expect(String(refusal)).toContain('100000');
    const worker = await startWorker(s.app, { concurrency: 4, hostname: 'bombs@faults' });
    const result = await s.raw(Buffer.from(`[["${big}"], {}, {}]`));
    await expect(result.get({ timeout: 60 })).rejects.toThrow('maxBodyBytes');
    await expect
      .poll(async () => (await s.app.openBroker('read')).count(deadLetterQueue(s.queue)), { timeout: 30_000 })
      .toMatchObject({ ready: 1 });
    expect(await (await s.app.sendTask('bombs.echo', { args: [1] })).get({ timeout: 20 })).toBe(1);
    await worker.stop();
  });
});

let setups = 0;

interface Setup extends AsyncDisposable {
  readonly app: Lovage;
  readonly queue: string;
  /** Publishes past every check of the producer. */
  raw(body: Buffer, compression?: string): Promise<AsyncResult<unknown>>;
}

function setup({ brokerUrl, resultUrl }: ReturnType<Place['urls']>, settings: Readonly<Record<string, unknown>>): Setup {
  const queue = `bombs-${process.pid}-${setups++}`;
  const app = new Lovage('bombs', {
    brokerUrl,
    resultBackend: resultUrl,
    taskDefaultQueue: queue,
    resultExpires: 300,
    maxBodyBytes: 10_000_000,
    ...settings,
  });
  app.task('bombs.echo', (value: unknown) => value);
  return {
    app,
    queue,
    raw: async (body, compression) => {
      const id = crypto.randomUUID();
      const broker = await app.openBroker('read');
      await broker.declare({ exchanges: [], queues: [{ name: queue, durable: true, arguments: {} }], bindings: [] });
      const headers = { task: 'bombs.echo', id, ...(compression === undefined ? {} : { compression }) };
      const properties = { contentType: 'application/json', contentEncoding: 'utf-8' };
      await broker.publish([{ exchange: '', routingKey: queue, headers, properties, body }], {
        signal: AbortSignal.timeout(60_000),
      });
      return app.result(id);
    },
    [Symbol.asyncDispose]: async () => {
      const broker = await app.openBroker('read');
      for (const name of [queue, deadLetterQueue(queue)]) await broker.remove(name).catch(() => undefined);
      await app.close();
    },
  };
}

let made: readonly (readonly [string, Buffer])[] | undefined;

/** 200 MB of nothing in a few hundred kB, and less; what is no zlib, or not what its header says, is merely undecodable. */
function bombs(): readonly (readonly [string, Buffer])[] {
  if (made !== undefined) return made;
  const zeros = Buffer.alloc(200_000_000, '0');
  const zlib = deflateSync(zeros);
  made = [
    ['application/x-gzip', zlib],
    ['application/x-gzip', gzipSync(zeros)],
    ['application/x-brotli', brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })],
    ['application/zstd', zstdCompressSync(zeros)],
    // Nested: only the outer shell is opened.
    ['application/x-gzip', deflateSync(zlib)],
    ['application/x-bz2', Buffer.from('QlpoOTFBWSZTWQ==', 'base64')],
    ['application/x-lzma', Buffer.from('/Td6WFoAAATm1rRG', 'base64')],
  ];
  return made;
}
