// `lovage queues`: what waits, what is held, what is parked, what died.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { multiple, optional, withDefault } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { choice, integer, string } from '@optique/core/valueparser';
import type { Lovage } from '../../app/index.ts';
import { type Broker, deadLetterQueue, readDeath } from '../../broker/index.ts';
import { BrokerConnectionError } from '../../util/index.ts';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { seconds, time } from '../options.ts';
import { type Output, table } from '../output.ts';
import { change, peek, setPaused, whenOf } from './queue-actions.ts';
import { reachBroker } from './reach.ts';

export interface QueueReport {
  readonly queue: string;
  readonly exists: boolean;
  readonly ready: number;
  readonly held: number | undefined;
  readonly parked: number | undefined;
  readonly dead: number;
  /** Workers take nothing from it until it is resumed. */
  readonly paused: boolean;
}

/** Counts of the named queues, or of those that the app consumes from by default. */
export async function reportQueues(app: Lovage, names: readonly string[]): Promise<readonly QueueReport[]> {
  const broker = await reachBroker(app, 'read');
  const chosen = names.length > 0 ? names : app.queueNames();
  // Whoever may count may perhaps not ask for pauses.
  const paused = new Set(
    await broker.paused(chosen).catch((error: unknown) => {
      if (error instanceof BrokerConnectionError) throw error;
      return [];
    }),
  );
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
        paused: paused.has(queue),
      };
    }),
  );
}

/** The report as a table for people. */
export function queueTable(reports: readonly QueueReport[]): readonly string[] {
  const rows = reports.map((row) => [
    row.paused ? `${row.queue} (paused)` : row.queue,
    row.exists ? row.ready : '-',
    row.held ?? '-',
    row.parked ?? '-',
    row.dead,
  ]);
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

/** What else can be done with queues than to list them; a queue of such a name is listed by `queues list NAME`. */
const ACTIONS = ['list', 'pause', 'resume', 'peek', 'cancel', 'run', 'reschedule'] as const;
type Action = (typeof ACTIONS)[number];

const isAction = (word: string | undefined): word is Action => ACTIONS.some((action) => action === word);

export const queues: Command = defineCommand({
  name: 'queues',
  summary: 'Show how many messages wait, are held, are parked and are dead; pause queues, look into them, cancel or reschedule.',
  examples: [
    'lovage -A tasks.ts queues',
    'lovage -A tasks.ts queues celery payments --json',
    'lovage -A tasks.ts queues pause payments',
    'lovage -A tasks.ts queues resume payments',
    'lovage -A tasks.ts queues peek payments --state parked',
    'lovage -A tasks.ts queues cancel payments 0f3c9f6e-8a6d-4b61-a6a2-1b7a8e6f1c55',
    'lovage -A tasks.ts queues run payments 0f3c9f6e-8a6d-4b61-a6a2-1b7a8e6f1c55',
    'lovage -A tasks.ts queues reschedule payments 0f3c9f6e-8a6d-4b61-a6a2-1b7a8e6f1c55 --countdown 3600',
  ],
  parser: object({
    words: multiple(
      argument(string({ metavar: 'WORD' }), {
        description: message`Queues; or first what to do with them: list, pause, resume, peek, cancel, run, reschedule. The last three take one queue and ids of tasks.`,
      }),
    ),
    dead: option('--dead', { description: message`List the dead letters: which task, why, and when. See also dlq.` }),
    limit: withDefault(
      option('--limit', integer({ metavar: 'NUMBER', min: 1 }), {
        description: message`With --dead and peek: how many of each queue.`,
      }),
      20,
      { message: message`20` },
    ),
    state: optional(
      option('--state', choice(['ready', 'parked', 'all']), { description: message`peek: only what is ready, or parked.` }),
    ),
    countdown: optional(option('--countdown', seconds(), { description: message`reschedule: due in so many seconds.` })),
    eta: optional(option('--eta', time(), { description: message`reschedule: due at this time.` })),
  }),
  run: async ({ words, dead, limit, state, countdown, eta }, { loadApp, out }) => {
    const [first, ...rest] = words;
    const action: Action = isAction(first) ? first : 'list';
    const names = isAction(first) ? rest : words;
    const app = await loadApp();
    if (dead) return showDead(app, names, limit, out);
    switch (action) {
      case 'list': {
        const reports = await reportQueues(app, names);
        out.answer(reports, queueTable(reports));
        return EXIT.ok;
      }
      case 'pause':
      case 'resume':
        return setPaused(app, names, action === 'pause', out);
      case 'peek':
        return peek(app, names, { limit, ...(state === undefined ? {} : { state }) }, out);
      default:
        return change(app, { action, names, when: whenOf(action, countdown, eta) }, out);
    }
  },
});
