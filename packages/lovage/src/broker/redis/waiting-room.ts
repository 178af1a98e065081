// A look into the lists and parked sets, and a hand in them. Texts are found here, in pieces, and changed by one script that does
// nothing to those that a worker has taken meanwhile.
import type { Message, Waiting, WaitingQuery, WaitingRoom } from '../seam.ts';
import { taskIdOf, waitingOf } from '../waiting.ts';
import { brokerError, type RedisContext } from './context.ts';
import { readEnvelope, rescheduledEnvelope } from './envelope.ts';
import { REPLACE } from './scripts.ts';

/** Texts read at once, so that no answer holds up the server or fills our memory. */
const PIECE = 500;
/** The same where nobody asked for the messages and every worker looks at once: their bodies may be large. */
const LOOK = 100;

interface Found {
  readonly raw: string;
  readonly message: Message;
  readonly dueAt: number | undefined;
}

export function createWaitingRoom(context: RedisContext): WaitingRoom {
  const { line, keys, parking } = context;

  async function ask<T>(work: Promise<unknown>): Promise<T> {
    try {
      return (await work) as T;
    } catch (error) {
      throw brokerError(error, 'Looking into a queue failed');
    }
  }

  /** Texts of a list, next first. */
  async function* ready(queue: string): AsyncGenerator<{ readonly raw: string; readonly dueAt: undefined }> {
    for (const list of keys.lists(queue)) {
      for (let end = -1; ; end -= PIECE) {
        const texts = await ask<string[]>(line.call('LRANGE', [list, end - PIECE + 1, end]));
        for (const raw of texts.toReversed()) yield { raw, dueAt: undefined };
        if (texts.length < PIECE) break;
      }
    }
  }

  /** Texts of a list from where new ones come in: workers that take at the other end, and senders, hide none. */
  async function* readySafely(queue: string): AsyncGenerator<{ readonly raw: string; readonly dueAt: undefined }> {
    for (const list of keys.lists(queue)) {
      for (let start = 0; ; start += PIECE) {
        const texts = await ask<string[]>(line.call('LRANGE', [list, start, start + PIECE - 1]));
        for (const raw of texts) yield { raw, dueAt: undefined };
        if (texts.length < PIECE) break;
      }
    }
  }

  async function* parked(queue: string): AsyncGenerator<{ readonly raw: string; readonly dueAt: number }> {
    for (let start = 0; ; start += PIECE) {
      const range = line.call('ZRANGE', [keys.parked(queue), start, start + PIECE - 1, 'WITHSCORES']);
      // Flat in RESP2, in pairs in RESP3.
      const pairs = (await ask<readonly (string | readonly string[])[]>(range)).flat();
      for (let at = 0; at < pairs.length; at += 2) yield { raw: String(pairs[at]), dueAt: Number(pairs[at + 1]) };
      if (pairs.length < 2 * PIECE) break;
    }
  }

  async function find(queue: string, { state = 'all', ids, limit = Number.POSITIVE_INFINITY }: WaitingQuery): Promise<Found[]> {
    const wanted = ids === undefined ? undefined : new Set<string | undefined>(ids);
    const found: Found[] = [];
    const seen = new Set<string>();
    const sources = [
      ...(state === 'parked' ? [] : [wanted === undefined ? ready(queue) : readySafely(queue)]),
      ...(state === 'ready' ? [] : [parked(queue)]),
    ];
    for (const source of sources) {
      for await (const { raw, dueAt } of source) {
        if (found.length >= limit) return found;
        if (ids?.some((id) => raw.includes(id)) === false || seen.has(raw)) continue;
        const { message } = readEnvelope(raw, queue);
        if (wanted !== undefined && !wanted.has(taskIdOf(message))) continue;
        seen.add(raw);
        found.push({ raw, message, dueAt });
      }
    }
    return found;
  }

  /** Texts of the parked set in pieces, also while it changes: what is there all the time is met, now and then twice. */
  async function* parkedPieces(queue: string): AsyncGenerator<readonly string[]> {
    let cursor = '0';
    do {
      const [next, pairs] = await ask<readonly [string, readonly string[]]>(
        line.call('ZSCAN', [keys.parked(queue), cursor, 'COUNT', LOOK]),
      );
      // Flat in RESP2, in pairs in RESP3.
      yield pairs.flat().filter((_, index) => index % 2 === 0);
      cursor = String(next);
    } while (cursor !== '0');
  }

  /** Deletes (`gone`), or puts others in their place; answers for each whether it was still there. */
  async function replace(
    queue: string,
    found: readonly Found[],
    fate: 'gone' | number | undefined,
    text: (raw: string) => string,
  ): Promise<readonly boolean[]> {
    if (found.length === 0) return [];
    const lists = keys.lists(queue);
    const pairs = found.flatMap(({ raw, message }) => {
      const list = lists.indexOf(keys.list(queue, message.properties.priority));
      return [raw, list + 1, text(raw)];
    });
    const answer = await ask<readonly (string | null)[]>(
      line.script(REPLACE, [keys.parked(queue), keys.parkedQueues, ...lists], [queue, fate ?? '', ...pairs]),
    );
    return answer.map((was) => was !== null);
  }

  return {
    list: async (queue, query = {}) => (await find(queue, query)).map(({ message, dueAt }) => waitingOf(message, dueAt)),
    remove: async (queue, ids) => {
      const found = await find(queue, { ids });
      const there = await replace(queue, found, 'gone', () => '');
      return found.filter((_, index) => there[index]).map(({ message, dueAt }) => waitingOf(message, dueAt));
    },
    reschedule: async (queue, ids, dueAt, state = 'all') => {
      const found = await find(queue, { ids, state });
      const seconds = dueAt === undefined ? 0 : dueAt - Date.now() / 1000;
      const later = seconds > 0 ? dueAt : undefined;
      const there = await replace(queue, found, later === undefined ? undefined : seconds, (raw) =>
        rescheduledEnvelope(raw, dueAt),
      );
      if (later !== undefined) parking.tell(later);
      return found
        .filter((_, index) => there[index])
        .map(({ raw }): Waiting => waitingOf(readEnvelope(rescheduledEnvelope(raw, dueAt), queue).message, later));
    },
    wake: async function* (queue, isMeant) {
      for await (const texts of parkedPieces(queue)) {
        const all = texts.map((raw): Found => ({ raw, message: readEnvelope(raw, queue).message, dueAt: undefined }));
        const meant = all.filter(({ message }) => isMeant(message));
        const there = await replace(queue, meant, undefined, (raw) => raw);
        yield there.filter(Boolean).length;
      }
    },
  };
}
