// Bodies that are too much: bombs, which grow a thousandfold when they are opened, and a hundred plain megabytes. Each has its end, in the
// dead letters and for whoever waits, and the worker goes on.
import { setTimeout as delay } from 'node:timers/promises';
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { deadLetterQueue } from '../../../src/broker/index.ts';
import { type AsyncResult, BodyTooLargeError, Lovage } from '../../../src/index.ts';
import { startWorker } from '../../../src/worker/index.ts';

export interface BombPlace {
  readonly brokerUrl: string;
  readonly resultUrl: string;
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** Bytes by which the process may grow. */
const GROWTH = 400_000_000;
/** Seconds. */
const PATIENCE = 30;

const said = (result: AsyncResult<unknown>, seconds: number): Promise<string> =>
  result.get({ timeout: seconds }).then(() => 'it ran', String);

/** Until it is so; false when it is not in time. */
async function comesTrue(isTrue: () => Promise<boolean>, seconds = PATIENCE): Promise<boolean> {
  for (const limit = performance.now() + seconds * 1000; performance.now() < limit; await delay(50))
    if (await isTrue()) return true;
  return false;
}

/** What did not end as it should, in sentences. */
export async function bombsEnd(place: BombPlace): Promise<readonly string[]> {
  const violations: string[] = [];
  await using s = setup(place);
  await using _worker = await startWorker(s.app, { concurrency: 4, hostname: 'bombs@faults' });
  const all = bombs();
  const before = process.memoryUsage().rss;
  for (const { compression, body } of all) {
    const answer = await said(await s.raw(body, compression), PATIENCE);
    if (!/larger than|cannot be decompressed|not valid UTF-8/.test(answer)) violations.push(`${compression}: ${answer}`);
  }
  await comesTrue(async () => (await s.app.deadLetters().list()).length >= all.length);
  const reasons = (await s.app.deadLetters().list()).map(({ death }) => String(death?.reason)).toSorted();
  const expected = all.map(({ reason }) => reason).toSorted();
  if (reasons.join() !== expected.join()) violations.push(`the dead letters say ${reasons.join()}`);
  const growth = process.memoryUsage().rss - before;
  if (growth > GROWTH) violations.push(`memory grew by ${Math.round(growth / 1e6)} MB`);
  violations.push(...(await deafness(s)));
  return violations;
}

/** Seconds for one that is a hundred megabytes: where new memory is slow, Redis alone takes seconds for each of its copies. */
const LONG_PATIENCE = 120;

/** What did not end as it should with bodies of so many bytes, in sentences. */
export async function bigBodiesEnd(place: BombPlace, bytes: number): Promise<readonly string[]> {
  const violations: string[] = [];
  await using s = setup(place, { maxBodyBytes: 0.9 * bytes });
  const big = 'x'.repeat(bytes);
  const refusal = await s.app.sendTask('bombs.echo', { args: [big] }).catch((error: unknown) => error);
  if (!(refusal instanceof BodyTooLargeError) || !refusal.message.includes(`${bytes}`.slice(0, 6)))
    violations.push(`published: ${refusal}`);
  await using _worker = await startWorker(s.app, { concurrency: 4, hostname: 'bombs@faults' });
  const answer = await said(await s.raw(Buffer.from(`[["${big}"], {}, {}]`)), LONG_PATIENCE);
  if (!answer.includes('maxBodyBytes')) violations.push(`it came and ended so: ${answer.slice(0, 300)}`);
  const broker = await s.app.openBroker('read');
  if (!(await comesTrue(async () => (await broker.count(deadLetterQueue(s.queue)))?.ready === 1, LONG_PATIENCE)))
    violations.push('it does not lie among the dead letters');
  violations.push(...(await deafness(s)));
  return violations;
}

async function deafness({ app }: Setup): Promise<readonly string[]> {
  const answer = await (await app.sendTask('bombs.echo', { args: [1] })).get({ timeout: PATIENCE }).catch(String);
  return answer === 1 ? [] : [`the worker went deaf: ${answer}`];
}

let setups = 0;

interface Setup extends AsyncDisposable {
  readonly app: Lovage;
  readonly queue: string;
  /** Publishes past every check of the producer, to the queue that the worker has declared. */
  raw(body: Buffer, compression?: string): Promise<AsyncResult<unknown>>;
}

function setup({ brokerUrl, resultUrl, settings = {} }: BombPlace, limits: Readonly<Record<string, unknown>> = {}): Setup {
  const queue = `bombs-${process.pid}-${setups++}`;
  const app = new Lovage('bombs', {
    brokerUrl,
    resultBackend: resultUrl,
    taskDefaultQueue: queue,
    resultExpires: 300,
    maxBodyBytes: 10_000_000,
    ...settings,
    ...limits,
  });
  app.task('bombs.echo', (value: unknown) => value);
  return {
    app,
    queue,
    raw: async (body, compression) => {
      const id = crypto.randomUUID();
      const broker = await app.openBroker('read');
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

interface Bomb {
  readonly compression: string;
  readonly body: Buffer;
  /** How its dead letter explains it. */
  readonly reason: 'too-large' | 'undecodable';
}

let made: readonly Bomb[] | undefined;

/** 200 MB of nothing in a few hundred kB, and less; what is no zlib, or not what its header says, is merely undecodable. */
function bombs(): readonly Bomb[] {
  if (made !== undefined) return made;
  const zeros = Buffer.alloc(200_000_000, '0');
  const zlib = deflateSync(zeros);
  const quick = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };
  made = [
    { compression: 'application/x-gzip', reason: 'too-large', body: zlib },
    { compression: 'application/x-gzip', reason: 'too-large', body: gzipSync(zeros) },
    { compression: 'application/x-brotli', reason: 'too-large', body: brotliCompressSync(zeros, quick) },
    { compression: 'application/zstd', reason: 'too-large', body: zstdCompressSync(zeros) },
    // Nested: only the outer shell is opened.
    { compression: 'application/x-gzip', reason: 'undecodable', body: deflateSync(zlib) },
    { compression: 'application/x-bz2', reason: 'undecodable', body: Buffer.from('QlpoOTFBWSZTWQ==', 'base64') },
    { compression: 'application/x-lzma', reason: 'undecodable', body: Buffer.from('/Td6WFoAAATm1rRG', 'base64') },
  ];
  return made;
}
