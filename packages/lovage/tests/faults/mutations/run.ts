// Sends mutants through a running worker and closes the books: every one of them has an end, the worker lives, memory stays bounded.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Broker, deadLetterQueue } from '../../../src/broker/index.ts';
import { Lovage } from '../../../src/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { seededRandom } from '../harness/random.ts';
import { newBooks, watched } from './books.ts';
import { realMessages, type Wire } from './messages.ts';
import { mutant } from './mutate.ts';
import { amqpSender, memorySender, redisSender, type Sender, sqliteSender } from './senders.ts';

const BATCH = 100;
/** Messages that may wait: enough to keep the worker busy. */
const BACKLOG = 1000;
/** Dead letters that are kept. */
const DEAD_LETTERS = 2000;
/** Bytes by which what the process holds may grow once the stores have let go of the messages and results. */
const GROWTH = 60_000_000;

export interface MutationRun {
  readonly brokerUrl: string;
  readonly resultUrl: string;
  readonly seed: number;
  readonly count: number;
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface MutationReport {
  readonly published: number;
  readonly executed: number;
  readonly dead: Readonly<Record<string, number>>;
  readonly parked: number;
  readonly unaccounted: number;
  readonly seconds: number;
  /** Bytes. */
  readonly growth: number;
  readonly violations: readonly string[];
}

/** Own keys of what a polluted message would change. */
function prototypes(): string {
  return [Object.prototype, Array.prototype, Function.prototype, String.prototype]
    .map((prototype) => Reflect.ownKeys(prototype).map(String).join())
    .join(';');
}

function openSender(run: MutationRun, broker: Broker, queue: string): Sender | Promise<Sender> {
  const place = { url: run.brokerUrl, queue, random: seededRandom(run.seed + 1) };
  if (run.brokerUrl.startsWith('memory')) return memorySender(broker, place);
  if (run.brokerUrl.startsWith('sqlite')) return sqliteSender(place);
  return run.brokerUrl.startsWith('redis') ? redisSender(place) : amqpSender(place);
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What is held: the objects, and the bytes outside of them. */
async function memory(): Promise<number> {
  // Buffers are let go of a turn after the objects that had them.
  for (let round = 0; round < 3; round++) {
    collect();
    await nextTurn();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

export async function runMutations(run: MutationRun): Promise<MutationReport> {
  const { seed, count } = run;
  const random = seededRandom(seed);
  const others = realMessages();
  const violations: string[] = [];
  const crash = (error: unknown): void =>
    void violations.push(`uncaught: ${error instanceof Error ? error.stack : String(error)}`);
  process.on('uncaughtException', crash).on('unhandledRejection', crash);
  const queue = `mutants-${process.pid}-${seed}-${Math.random().toString(36).slice(2, 8)}`;
  const before = prototypes();
  const books = newBooks();
  let executed = 0;
  const app = new Lovage('mutants', {
    brokerUrl: run.brokerUrl,
    resultBackend: run.resultUrl,
    // What follows a task goes to a queue that nobody serves, so that it does not mix with the mutants.
    taskDefaultQueue: `${queue}-after`,
    taskQueues: [{ name: queue }, { name: `${queue}-after` }],
    acceptContent: ['json', 'msgpack', 'yaml'],
    resultExpires: 300,
    // What the memory broker keeps on purpose shall not be taken for a leak.
    deadLettersMaxLength: DEAD_LETTERS,
    ...run.settings,
  });
  const names = new Set(others.map(({ headers }) => headers.task).filter((name) => typeof name === 'string'));
  for (const name of names) {
    app.task(name, (...args: readonly unknown[]) => {
      executed++;
      return args.length;
    });
  }
  app.task('mutants.clean', () => 'alive');
  const open = app.openBroker.bind(app);
  app.openBroker = async (role) => watched(await open(role), books);
  const worker = await startWorker(app, { concurrency: 50, queues: [queue], hostname: 'worker@mutants' });
  const broker = await app.openBroker('read');
  await using sender = await openSender(run, broker, queue);
  const began = performance.now();
  const started = await memory();
  const waiting = async (): Promise<number> => {
    const found = await broker.count(queue);
    return (found?.ready ?? 0) + (found?.held ?? 0);
  };
  const patience = AbortSignal.timeout(60_000 + count * 20);

  let published = 0;
  while (published < count) {
    const wires = Array.from(
      { length: Math.min(BATCH, count - published) },
      (_, at): Wire => mutant(others, random, `m-${seed}-${published + at}`),
    );
    published += await sender.send(wires);
    while ((await waiting()) > BACKLOG && !patience.aborted) await delay(5);
  }
  const ended = (): number => books.acked + books.rejected + [...books.dead.values()].reduce((sum, each) => sum + each, 0);
  const parked = async (): Promise<number> => (await broker.count(queue))?.parked ?? 0;
  // RabbitMQ does not tell of what is parked; there the books do.
  const isAmqp = run.brokerUrl.startsWith('amqp');
  const accounted = async (): Promise<number> => ended() + (isAmqp ? books.parked : await parked());
  while ((await accounted()) < published && !patience.aborted) await delay(20);
  const unaccounted = published - (await accounted());

  const clean = await app.sendTask('mutants.clean', { queue });
  const alive = await clean.get({ timeout: 10 }).catch((error: unknown) => error);
  if (alive !== 'alive') violations.push(`the worker is deaf: ${String(alive)}`);
  if (prototypes() !== before) violations.push('a prototype was changed');
  const dead = [...books.dead.values()].reduce((sum, each) => sum + each, 0);
  const lying = (await broker.count(deadLetterQueue(queue)))?.ready ?? 0;
  if (lying !== Math.min(dead, DEAD_LETTERS)) violations.push(`${dead} were called dead, ${lying} lie among the dead`);
  for (const name of [queue, `${queue}-after`, deadLetterQueue(queue)]) await broker.purge(name);
  const backend = await app.openBackend();
  for (let at = 0; at < published; at += BATCH)
    await backend.forget(Array.from({ length: BATCH }, (_, index) => `m-${seed}-${at + index}`));
  const growth = Math.max(0, (await memory()) - started);
  if (growth > GROWTH) violations.push(`memory grew by ${Math.round(growth / 1e6)} MB`);
  const report: MutationReport = {
    published,
    executed,
    dead: Object.fromEntries(books.dead),
    parked: books.parked,
    unaccounted,
    seconds: (performance.now() - began) / 1000,
    growth,
    violations,
  };
  await worker.stop();
  for (const name of [queue, `${queue}-after`, deadLetterQueue(queue)]) await broker.remove(name).catch(() => undefined);
  await app.close();
  process.off('uncaughtException', crash).off('unhandledRejection', crash);
  return report;
}

/** A file of its own for the embedded broker. */
export async function withFile<Out>(work: (url: string) => Promise<Out>): Promise<Out> {
  const folder = mkdtempSync(join(tmpdir(), 'lovage-mutants-'));
  try {
    return await work(`sqlite://${join(folder, 'mutants.db')}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
