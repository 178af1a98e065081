// What every process that opens the broker does now and then: give back the lists of the dead, move parked messages that are due
// to their queues, and (in Celery's mode) sweep `unacked` as kombu does. Cheap, unref'ed, and never the reason of a failure.
import { after, logger, type Timer, uuid } from '../../util/index.ts';
import type { RedisContext } from './context.ts';
import { readEnvelope, returnedEnvelope, unackedEnvelope } from './envelope.ts';
import { giveBackTheDead } from './give-back.ts';
import { PROMOTE, RESTORE, TIMED_OUT, UNLOCK } from './scripts.ts';

const log = logger('broker', 'redis');

/** Most that one look moves: longer scripts would hold up the server. */
const PROMOTE_AT_ONCE = 500;
/** Seconds between looks for due messages when nothing is known to be due sooner: in workers, and in programs that only send. */
const PROMOTE_SECONDS = { serving: 1, sending: 5 };
/** Seconds before the first round: a worker takes its first tasks before. */
const FIRST = 0.05;
const MAX_RESTORE = 10_000;

export interface Chores {
  /** A worker lives here: look more often. */
  serve(): void;
  [Symbol.dispose](): void;
}

/** Finds the queues that an entry of `unacked` goes back to. */
export type FindQueues = (exchange: string, routingKey: string) => Promise<readonly string[]>;

/** Starts the chores; the first round comes soon. */
export function startChores(context: RedisContext, findQueues: FindQueues): Chores {
  const { transport } = context;
  let serving = false;
  const repeat = (work: () => Promise<number>): Repeated => repeated(() => context.line.isConnected, work);
  const promoting = repeat(async () => {
    const next = await promote(context);
    const idle = serving ? PROMOTE_SECONDS.serving : PROMOTE_SECONDS.sending;
    return next === undefined ? idle : Math.min(idle, Math.max(0.005, next));
  });
  // A random part keeps many processes from looking at the same moment.
  const mourning = repeat(async () => {
    await giveBackTheDead(context);
    const often = Math.max(0.2, Math.min(serving ? 1.5 : 10, transport.leaseSeconds / 3));
    return often * (0.75 + Math.random() / 2);
  });
  const sweeping =
    transport.inFlight !== 'celery'
      ? undefined
      : repeat(async () => {
          await sweep(context, findQueues);
          return transport.unackedRestoreInterval * transport.unackedRestoreThrottle;
        });
  context.parking.tell = (dueAt) => promoting.within(dueAt - Date.now() / 1000);
  return {
    serve: () => {
      if (serving) return;
      serving = true;
      promoting.within(FIRST);
      mourning.within(FIRST);
    },
    [Symbol.dispose]: () => {
      context.parking.tell = () => undefined;
      for (const chore of [promoting, mourning, sweeping]) chore?.stop();
    },
  };
}

interface Repeated {
  /** Runs after these seconds at the latest. */
  within(seconds: number): void;
  stop(): void;
}

/** Runs `work` again and again, each time after the seconds that it answered; a failure waits for the next round. */
function repeated(possible: () => boolean, work: () => Promise<number>): Repeated {
  let timer: Timer | undefined;
  let nextRun = Number.POSITIVE_INFINITY;
  let stopped = false;
  let running = false;
  const arm = (seconds: number): void => {
    timer?.cancel();
    nextRun = performance.now() + seconds * 1000;
    timer = after(seconds, run);
  };
  const run = (): void => {
    if (running || stopped) return;
    timer?.cancel();
    if (!possible()) {
      // A wait for the connection would keep a program alive that has nothing else to do.
      arm(1);
      return;
    }
    running = true;
    void work()
      .catch((error: unknown) => {
        if (!stopped) log.debug('A chore failed and is tried again: {error}', { error });
        return 1;
      })
      .then((seconds) => {
        running = false;
        if (!stopped) arm(seconds);
      });
  };
  arm(FIRST);
  return {
    within: (seconds) => {
      // A little late rather than too early and once more.
      if (!running && !stopped && performance.now() + seconds * 1000 < nextRun) arm(Math.max(0, seconds) + 0.002);
    },
    stop: () => {
      stopped = true;
      timer?.cancel();
    },
  };
}

/** Moves what is due; resolves to the seconds until the next. */
async function promote({ line, keys }: RedisContext): Promise<number | undefined> {
  const next = await line.script(
    PROMOTE,
    [keys.parkedQueues],
    [keys.parked(''), keys.prefix, keys.sep, PROMOTE_AT_ONCE, ...keys.steps],
  );
  return next === '' ? undefined : Number(next);
}

/** Puts back what timed out in `unacked`, under the same mutex as kombu. */
async function sweep(context: RedisContext, findQueues: FindQueues): Promise<void> {
  const { line, keys, transport } = context;
  const token = uuid();
  const won = await line.call('SET', [keys.unackedMutex, token, 'NX', 'PX', Math.round(transport.unackedMutexExpire * 1000)]);
  if (won !== 'OK') return;
  try {
    const limit = transport.unackedRestoreLimit ?? MAX_RESTORE;
    const entries = (await line.script(
      TIMED_OUT,
      [keys.unackedIndex, keys.unacked],
      [transport.visibilityTimeout, limit],
    )) as string[];
    for (let i = 0; i < entries.length; i += 2) await restore(context, findQueues, entries[i] ?? '', entries[i + 1] ?? '');
  } finally {
    await line.script(UNLOCK, [keys.unackedMutex], [token]);
  }
}

async function restore(context: RedisContext, findQueues: FindQueues, tag: string, entry: string): Promise<void> {
  const { line, keys } = context;
  const parts = unackedEnvelope(entry);
  if (parts === undefined) return;
  const queues = parts.exchange === '' ? [parts.routingKey] : await findQueues(parts.exchange, parts.routingKey);
  // Without a queue the entry stays where somebody can still find it; Python would drop it.
  if (queues.length === 0) return;
  const { priority } = readEnvelope(parts.raw, parts.routingKey).message.properties;
  const lists = queues.map((queue) => keys.list(queue, priority));
  await line.script(RESTORE, [keys.unackedIndex, keys.unacked, ...lists], [tag, returnedEnvelope(parts.raw, {})]);
}
