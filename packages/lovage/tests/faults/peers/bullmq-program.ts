// BullMQ under the same faults: a worker or a producer that keeps the ledger of the fault runs.
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { openAppender, PUBLISHED, publishLine, RUNS, runLine } from '../harness/ledger.ts';
import { type Load, say } from '../harness/orders.ts';
import { loadBullmq } from './bullmq.ts';
import type { PeerOrders } from './orders.ts';

/** Finished jobs stay, so that their final states can be read. */
const KEPT = 100_000;
const AGAIN_MS = 50;

const orders = JSON.parse(process.env.FAULT_PEER ?? '{}') as PeerOrders;
const { Queue, Worker } = loadBullmq();

/** Dies, blocks or waits, as the task is called. */
async function work(name: string, given: number, attempt: number): Promise<void> {
  const ms = name === 'fault.once' && attempt > 1 ? 10 : given;
  if (name === 'fault.poison') process.kill(process.pid, 'SIGKILL');
  if (name !== 'fault.block') return await delay(ms);
  const until = performance.now() + ms;
  while (performance.now() < until);
}

async function beWorker(): Promise<void> {
  const log = openAppender(orders.folder, RUNS);
  const by = `${orders.name}/${process.pid}`;
  const worker = new Worker(
    orders.queue,
    async (job) => {
      const attempt = job.attemptsStarted;
      log.append([runLine('start', job.id, attempt, by)]);
      await work(job.name, Number(job.data[0]), attempt);
      log.append([runLine('end', job.id, attempt, by)]);
      return { attempt, worker: by, time: Date.now() };
    },
    {
      connection: { url: orders.brokerUrl, maxRetriesPerRequest: null },
      concurrency: orders.concurrency,
      lockDuration: orders.lease * 1000,
      stalledInterval: orders.lease * 1000,
    },
  );
  worker.on('error', (error) => process.stderr.write(`${error}\n`));
  await worker.waitUntilReady();
  process.once('SIGTERM', () => void worker.close().then(() => process.exit(0)));
}

async function beProducer(): Promise<void> {
  const ledger = openAppender(orders.folder, PUBLISHED);
  // As BullMQ advises for producers that must not wait for ever.
  const connection = {
    url: orders.brokerUrl,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: orders.publishTimeout * 1000,
  };
  const queue = new Queue(orders.queue, { connection, defaultJobOptions: { removeOnComplete: KEPT } });
  queue.on('error', (error) => process.stderr.write(`${error}\n`));
  await queue.waitUntilReady();

  async function publish(id: string, { task = 'fault.work', args = [5] }: Load): Promise<void> {
    for (;;) {
      const began = performance.now();
      const took = (): number => (performance.now() - began) / 1000;
      try {
        await queue.add(task, args, { jobId: id });
        ledger.append([publishLine('ok', id, took())]);
        return;
      } catch (error) {
        ledger.append([publishLine('maybe', id, took())]);
        process.stderr.write(`${id}: ${error}\n`);
        await delay(AGAIN_MS);
      }
    }
  }

  async function produce(load: Load): Promise<void> {
    const began = performance.now();
    const all: Promise<void>[] = [];
    for (let number = 0; number < load.count; number++) {
      await delay(Math.max(0, began + (number / load.perSecond) * 1000 - performance.now()));
      const id = `${load.prefix}-${number}`;
      ledger.append([publishLine('try', id)]);
      all.push(publish(id, load));
    }
    await Promise.all(all);
    say(`produced ${load.prefix}`);
  }

  createInterface({ input: process.stdin }).on('line', (line) => void produce(JSON.parse(line) as Load));
}

await (orders.role === 'worker' ? beWorker() : beProducer());
say('ready');
