// `lovage queues`: what waits, what is held, what is parked, what died.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { multiple, withDefault } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { integer, string } from '@optique/core/valueparser';
import type { Lovage } from '../../app/index.ts';
import { type Broker, deadLetterQueue, readDeath } from '../../broker/index.ts';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { type Output, table } from '../output.ts';
import { reachBroker } from './reach.ts';

export interface QueueReport {
  readonly queue: string;
  readonly exists: boolean;
  readonly ready: number;
  readonly held: number | undefined;
  readonly parked: number | undefined;
  readonly dead: number;
}

/** Counts of the named queues, or of those that the app consumes from by default. */
export async function reportQueues(app: Lovage, names: readonly string[]): Promise<readonly QueueReport[]> {
  const broker = await reachBroker(app, 'read');
  const chosen = names.length > 0 ? names : app.queueNames();
  return Promise.all(
    chosen.map(async (queue) => {
      const [count, dead] = await Promise.all([broker.count(queue), broker.count(deadLetterQueue(queue))]);
      return {
        queue,
        exists: count !== undefined,
        ready: count?.ready ?? 0,
        held: count?.held,
        parked: count?.parked,
        dead: dead?.ready ?? 0,
      };
    }),
  );
}

/** The report as a table for people. */
export function queueTable(reports: readonly QueueReport[]): readonly string[] {
  const rows = reports.map((row) => [row.queue, row.exists ? row.ready : '-', row.held ?? '-', row.parked ?? '-', row.dead]);
  return table(['queue', 'ready', 'held', 'parked', 'dead'], rows);
}

interface DeadLetter {
  readonly queue: string;
  readonly id: string;
  readonly task: string;
  readonly reason: string;
  readonly error: string | null;
  readonly attempts: number | null;
  readonly time: string | null;
  readonly node: string | null;
}

async function deadLettersOf(broker: Broker, queue: string, limit: number): Promise<readonly DeadLetter[]> {
  const name = deadLetterQueue(queue);
  if ((await broker.count(name)) === undefined) return [];
  return (await broker.peek(name, limit)).map((letter) => {
    const { id, task } = letter.headers;
    const death = readDeath(letter);
    return {
      queue,
      id: typeof id === 'string' ? id : (letter.properties.correlationId ?? '-'),
      task: typeof task === 'string' ? task : '-',
      reason: death?.reason ?? 'unknown',
      error: death?.error ?? null,
      attempts: death?.attempts ?? null,
      time: death?.time ?? null,
      node: death?.node ?? null,
    };
  });
}

const MAX_CELL = 80;

function deadTable(letters: readonly DeadLetter[]): readonly string[] {
  if (letters.length === 0) return ['No dead letters.'];
  const rows = letters.map(({ queue, time, id, task, reason, error }) => {
    return [time ?? '-', queue, id, task, reason, (error ?? '').split('\n')[0]?.slice(0, MAX_CELL) ?? ''];
  });
  return table(['time', 'queue', 'id', 'task', 'reason', 'error'], rows);
}

async function showDead(app: Lovage, names: readonly string[], limit: number, out: Output): Promise<number> {
  const broker = await reachBroker(app, 'read');
  const chosen = names.length > 0 ? names : app.queueNames();
  const letters = (await Promise.all(chosen.map((queue) => deadLettersOf(broker, queue, limit)))).flat();
  out.answer(letters, deadTable(letters));
  return EXIT.ok;
}

export const queues: Command = defineCommand({
  name: 'queues',
  summary: 'Show how many messages wait, are held, are parked and are dead.',
  examples: ['lovage -A tasks.ts queues', 'lovage -A tasks.ts queues celery payments --json', 'lovage -A tasks.ts queues --dead'],
  parser: object({
    names: multiple(argument(string({ metavar: 'QUEUE' }), { description: message`Only these queues.` })),
    dead: option('--dead', { description: message`List the dead letters: which task, why, and when.` }),
    limit: withDefault(
      option('--limit', integer({ metavar: 'NUMBER', min: 1 }), { description: message`With --dead: how many of each queue.` }),
      20,
      { message: message`20` },
    ),
  }),
  run: async ({ names, dead, limit }, { loadApp, out }) => {
    const app = await loadApp();
    if (dead) return showDead(app, names, limit, out);
    const reports = await reportQueues(app, names);
    out.answer(reports, queueTable(reports));
    return EXIT.ok;
  },
});
