// What `app.deadLetters(queue)` gives: a look at a queue's dead letters, and the way back for them.
import {
  type Broker,
  type DeadLetter,
  deadLetterQueue,
  discardDeadLetters,
  listDeadLetters,
  type ResendOptions,
  resendDeadLetters,
} from '../broker/index.ts';
import { READY_STATES, type ResultBackend, type StoredResult } from '../result/index.ts';

/** The dead letters of one queue. */
export interface DeadLetters {
  /** The oldest first, without taking them. @default limit 1000 */
  list(limit?: number): Promise<readonly DeadLetter[]>;
  /**
   * Sends them to the queue where they died, with a delivery count that begins anew; resolves to those that were sent. The FAILURE
   * that was stored for them is forgotten, so whoever asks for the result waits for the new one. Those that cannot be sent stay, with their FAILURE.
   * Killed in between and called again, it sends what is left. What it may have sent before is marked, and a Lovage worker that takes it
   * reads the task's record first: it runs twice only if both copies run at once, or no result is stored of it.
   */
  resend(options?: Choice): Promise<readonly DeadLetter[]>;
  /** Deletes them; resolves to those that were deleted. What was stored as their results stays. */
  discard(options?: Choice): Promise<readonly DeadLetter[]>;
  /** Deletes all, however many; resolves to their number. */
  purge(): Promise<number>;
}

/** Which dead letters are meant: `where` chooses (all), `limit` says how many are looked at, the oldest first (1000). */
export type Choice = Pick<ResendOptions, 'where' | 'limit'>;

export interface DeadLettersHost {
  readonly broker: () => Promise<Broker>;
  readonly backend: () => Promise<ResultBackend>;
  /** Signs anew what was signed; undefined when this app signs nothing. */
  readonly renew: () => ResendOptions['renew'];
  readonly forget: (ids: readonly string[]) => Promise<unknown>;
  /** When the task ended, as its record says. */
  readonly endedAt: (id: string) => Promise<Date | undefined>;
  /** Seconds that a result is kept; undefined: for ever. */
  readonly expires: () => number | undefined;
}

export function createDeadLetters(queue: string, host: DeadLettersHost): DeadLetters {
  return {
    list: async (limit) => listDeadLetters(await host.broker(), queue, limit),
    discard: async (options) => discardDeadLetters(await host.broker(), queue, options),
    purge: async () => {
      const broker = await host.broker();
      const dead = deadLetterQueue(queue);
      // RabbitMQ closes the channel over a queue that is not there.
      return (await broker.count(dead)) === undefined ? 0 : broker.purge(dead);
    },
    resend: async ({ where, limit } = {}) => {
      const backend = await host.backend();
      return resendDeadLetters(await host.broker(), queue, {
        ...(where === undefined ? {} : { where }),
        ...(limit === undefined ? {} : { limit }),
        ...renewal(host.renew()),
        // Also the fence of the earlier attempts: the new one counts from 1.
        before: async (fresh, inDoubt) => {
          const wanted = backend.features.persistent ? idsOf([...fresh, ...inDoubt]) : [];
          if (wanted.length === 0) return async () => undefined;
          const stored = await backend.get(wanted);
          const isPast = await Promise.all(inDoubt.map((letter) => isOfPast(letter, stored, host)));
          const ids = new Set(idsOf([...fresh, ...inDoubt.filter((_, index) => isPast[index])]));
          await host.forget([...ids]);
          // Those that could not be sent are as dead as before, and whoever waits for them shall know.
          return async (unsent) => {
            const lost = idsOf(unsent).flatMap((id) => (ids.has(id) ? (stored.get(id) ?? []) : []));
            if (lost.length > 0) await backend.put(lost.map((result) => ({ ...result, expires: host.expires(), attempt: 1 })));
          };
        },
      });
    },
  };
}

/** Milliseconds that this time may be too late by: some stores keep whole seconds, and round up. */
const coarseness = (time: Date): number => (time.getMilliseconds() === 0 ? 1000 : 0);

/**
 * Is what is stored of a letter older than its death? Else it tells what became of the copy that an interrupted run sent: it stays, so that
 * the worker which takes the second copy finds it.
 */
async function isOfPast(
  { id = '', death }: DeadLetter,
  stored: ReadonlyMap<string, StoredResult>,
  { endedAt }: DeadLettersHost,
): Promise<boolean> {
  const state = stored.get(id)?.state;
  if (state === undefined || !READY_STATES.has(state)) return state !== 'RETRY';
  const ended = await endedAt(id).catch(() => undefined);
  const died = Date.parse(death?.time ?? '');
  if (ended === undefined || Number.isNaN(died)) return state !== 'SUCCESS';
  return ended.getTime() - coarseness(ended) <= died;
}

const idsOf = (letters: readonly DeadLetter[]): readonly string[] =>
  letters.flatMap(({ id }) => (id === undefined || id === '' ? [] : [id]));

const renewal = (renew: ResendOptions['renew']): Pick<ResendOptions, 'renew'> => (renew === undefined ? {} : { renew });
