// Waiting for results on Redis, on one subscriber connection: SUBSCRIBE, then GET, then the message. Called by redis.ts.
// A new connection subscribes to everything that is still waited for and reads it once: whatever was published in between is found.

import type { Redis } from 'ioredis';
import {
  after,
  BackendError,
  backoff,
  isReplyError,
  LovageError,
  openRedis,
  type RedisLineOptions,
  sleep,
} from '../util/index.ts';
import type { ResultKeys } from './redis-keys.ts';
import { createOwnResults } from './redis-own.ts';
import { READY_STATES, type StoredResult } from './seam.ts';
import { closedBackend, createWatchers, type Watchers } from './watchers.ts';

/** Seconds between two looks whether the line is alive while somebody waits: a line cut without a word says nothing by itself. */
const HEARTBEAT = 5;

export interface RedisWatch extends AsyncDisposable {
  readonly watchers: Watchers;
  /** These were deleted: what was heard of them counts no more. */
  forget(ids: readonly string[]): void;
}

export interface RedisWatchParts {
  readonly keys: ResultKeys;
  readonly line: Omit<RedisLineOptions, 'prepare'>;
  /** What is stored, read on the connection for commands. */
  read(ids: readonly string[], signal: AbortSignal): Promise<Iterable<StoredResult>>;
  /** A result out of a message's bytes. */
  result(id: string, body: Buffer): StoredResult;
}

/** Channels in one command: all of them, were they a million, would be more arguments than a call can have. */
const CHUNK = 1000;

function chunks(channels: readonly string[]): readonly (readonly string[])[] {
  return Array.from({ length: Math.ceil(channels.length / CHUNK) }, (_, at) => channels.slice(at * CHUNK, (at + 1) * CHUNK));
}

async function subscribeAll(client: Redis, channels: readonly string[]): Promise<void> {
  await Promise.all(chunks(channels).map((some) => client.subscribe(...some)));
}

/** Makes the subscriber; it connects at the first wait. */
export function createRedisWatch(parts: RedisWatchParts): RedisWatch {
  const closing = new AbortController();
  const watchers = createWatchers({ begin, end });
  const line = openRedis({
    ...parts.line,
    prepare: async (client) => {
      client.on('messageBuffer', hear);
      client.on('pmessageBuffer', (_pattern: string, channel: Buffer, body: Buffer) => hear(channel, body));
      const channels = watchers.ids().map(parts.keys.meta);
      await subscribeAll(client, channels);
    },
  });
  line.observe({ up: () => void catchUp(), down: () => own.lost() });
  const own = createOwnResults(parts.keys, (client, pattern) => {
    // Who waits under the pattern goes on under its own channel, read once more behind that.
    const ids = watchers.ids();
    if (ids.length > 0) subscribeAll(client, ids.map(parts.keys.meta)).then(catchUp, () => undefined);
    client.punsubscribe(pattern).catch(() => undefined);
  });
  let leaving: string[] = [];
  let beating = false;
  /** For each read under way the ids of which something was heard meanwhile: that is newer than what is read. */
  const reading = new Set<Set<string>>();

  function begin(all: readonly string[], over: () => AbortSignal): Promise<void> | undefined {
    const ids: string[] = [];
    for (const id of all) {
      const early = own.take(id);
      if (early !== undefined) give(early);
      else if (!own.covers(id)) ids.push(id);
    }
    beat();
    if (ids.length > 0) return subscribe(ids, over);
    own.wanted();
    return undefined;
  }

  async function subscribe(ids: readonly string[], over: () => AbortSignal): Promise<void> {
    const client = await line.ready(over());
    own.wanted(client);
    beat();
    try {
      await subscribeAll(client, ids.map(parts.keys.meta));
    } catch (error) {
      if (isReplyError(error)) throw new BackendError(`Redis refused to subscribe: ${error.message}`, { cause: error });
      return; // The line is gone; the next one subscribes to what is waited for, and reads it.
    }
    await read(ids, over());
  }

  /** Subscriptions of one turn of the event loop end together, unless somebody waits anew. */
  function end(ids: readonly string[]): void {
    for (const id of ids) {
      if (!own.covers(id) && leaving.push(id) === 1) setImmediate(leave);
    }
  }

  function leave(): void {
    const channels = leaving.filter((id) => !watchers.has(id)).map(parts.keys.meta);
    leaving = [];
    // On a lost line there is nothing left to end.
    if (closing.signal.aborted) return;
    for (const some of chunks(channels)) line.call('UNSUBSCRIBE', some).catch(() => undefined);
  }

  function hear(channel: Buffer, body: Buffer): void {
    const id = parts.keys.idOf(channel.toString());
    if (id === undefined) return;
    const isWaitedFor = watchers.has(id);
    if (!isWaitedFor && !own.covers(id)) return;
    const result = parts.result(id, body);
    for (const newer of reading) newer.add(id);
    if (!READY_STATES.has(result.state)) watchers.deliver(result);
    else if (isWaitedFor) give(result);
    else own.keep(result);
  }

  function give(result: StoredResult): void {
    const isOwn = own.covers(result.id);
    watchers.deliver(result);
    if (isOwn) own.heard(result.id);
  }

  async function catchUp(): Promise<void> {
    try {
      await read(watchers.ids(), closing.signal);
    } catch (error) {
      if (!closing.signal.aborted) watchers.fail(error);
    }
  }

  /** Reads until it succeeds, as long as anybody waits: the connection for commands may be down while this one is up. */
  async function read(ids: readonly string[], over: AbortSignal): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const wanted = ids.filter(watchers.has);
      if (wanted.length === 0) return;
      const newer = new Set<string>();
      reading.add(newer);
      try {
        for (const result of await parts.read(wanted, over)) {
          if (READY_STATES.has(result.state) || !newer.has(result.id)) watchers.deliver(result);
        }
        return;
      } catch (error) {
        if (over.aborted || !(error instanceof LovageError && error.transient)) throw error;
        await sleep(backoff(attempt, { first: 0.05, cap: 2 }), over, { ref: false });
      } finally {
        reading.delete(newer);
      }
    }
  }

  function beat(): void {
    if (beating || closing.signal.aborted || watchers.ids().length === 0) return;
    beating = true;
    after(HEARTBEAT, () => {
      beating = false;
      if (closing.signal.aborted || watchers.ids().length === 0) return;
      // Unanswered, the line cuts itself and comes up anew.
      line.call('PING', []).catch(() => undefined);
      beat();
    });
  }

  return {
    watchers,
    forget: own.forget,
    [Symbol.asyncDispose]: async () => {
      closing.abort();
      own.lost();
      watchers.fail(closedBackend());
      await line[Symbol.asyncDispose]();
    },
  };
}
