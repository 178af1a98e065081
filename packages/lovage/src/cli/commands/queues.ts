// `lovage queues`: what waits, what is held, what is parked, what died.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { multiple } from '@optique/core/modifiers';
import { argument } from '@optique/core/primitives';
import { string } from '@optique/core/valueparser';
import type { Lovage } from '../../app/index.ts';
import { deadLetterQueue } from '../../broker/index.ts';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { table } from '../output.ts';

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
  const broker = await app.openBroker('read');
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

export const queues: Command = defineCommand({
  name: 'queues',
  summary: 'Show how many messages wait, are held, are parked and are dead.',
  examples: ['lovage -A tasks.ts queues', 'lovage -A tasks.ts queues celery payments --json'],
  parser: object({ names: multiple(argument(string({ metavar: 'QUEUE' }), { description: message`Only these queues.` })) }),
  run: async ({ names }, { loadApp, out }) => {
    const reports = await reportQueues(await loadApp(), names);
    out.answer(reports, queueTable(reports));
    return EXIT.ok;
  },
});
