// Results in Redis, readable by Celery and written as Celery writes them (docs/protocol.md): a string with an expiry, published on the
// channel of the same name. Write rule, fence and publication are one Lua call (util/redis-joint.ts).
import {
  applyWrites,
  applyWritesBuffer,
  BackendError,
  deadline,
  fenceWrite,
  isReplyError,
  LovageError,
  openRedis,
  parseRedisUrl,
  putWrite,
  type RedisLine,
  RedisLineError,
  type RedisLineOptions,
  type RedisWrite,
} from '../util/index.ts';
import { createRedisChords } from './redis-chords.ts';
import { redisGroups } from './redis-groups.ts';
import { readResultOptions, resultKeys, urlOptions } from './redis-keys.ts';
import { redisRevokes } from './redis-revokes.ts';
import { createRedisWatch } from './redis-watch.ts';
import { DEFAULT_RETRY, type RetryPolicy, repeatedly } from './retry.ts';
import { isStored } from './rules.ts';
import { type BackendOptions, type Fenced, READY_STATES, type ResultBackend, type StoredResult } from './seam.ts';
import { stateOf } from './sniff.ts';

/** Keys in one MGET at most: a longer one would hold up everybody else's commands. */
const CHUNK = 500;
/** Seconds that a call waits for a Redis that is away, as long as Celery's twenty tries. */
const PATIENCE = 20;
/** Seconds without a byte while calls wait, after which a line counts as dead, when nobody says. */
const SILENCE = 10;

/** Opens the backend. */
export function open(options: BackendOptions): ResultBackend {
  const transport = readResultOptions(options.transportOptions);
  const target = parseRedisUrl(options.url, urlOptions(options.tls, transport));
  const keys = resultKeys(transport);
  const lineOptions: Omit<RedisLineOptions, 'prepare'> = {
    target,
    connectTimeout: options.connectTimeout,
    name: options.redis?.clientName ?? `${options.appName}-results`,
    replyTimeout: options.redis?.replyTimeout ?? SILENCE,
    healthCheck: options.redis?.healthCheck,
    keepAlive: options.redis?.keepAlive,
    wrap: (message, cause) => new BackendError(`Result backend: ${message}`, { cause }),
  };
  const line = openRedis(lineOptions);
  const closing = new AbortController();
  const patience: Patience = {
    line,
    policy: options.retry ?? DEFAULT_RETRY,
    // Who asked for long answers is not cut off before them.
    seconds: Math.max(PATIENCE, options.redis?.replyTimeout ?? 0),
    closing: closing.signal,
  };
  const patiently = <T>(call: (signal: AbortSignal) => Promise<T>) => patient(call, patience);

  const write = (result: StoredResult): RedisWrite =>
    putWrite({
      key: keys.meta(result.id),
      fenceKey: keys.fence(result.id),
      attempt: result.attempt,
      state: result.state,
      ready: READY_STATES.has(result.state),
      expires: result.expires,
      body: Buffer.from(result.body.buffer, result.body.byteOffset, result.body.byteLength),
    });

  async function get(ids: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, StoredResult>> {
    const found = new Map<string, StoredResult>();
    for (let at = 0; at < ids.length; at += CHUNK) {
      const part = ids.slice(at, at + CHUNK);
      const bodies = (await line.callBuffer('MGET', part.map(keys.meta), signal)) as readonly (Buffer | null)[];
      for (const [index, id] of part.entries()) {
        const body = bodies[index];
        if (body) found.set(id, resultOf(id, body));
      }
    }
    return found;
  }

  async function put(results: readonly StoredResult[]): Promise<readonly string[]> {
    if (results.length === 0) return [];
    const writes = results.map(write);
    const answers = await patiently((signal) => applyWrites(line, writes, signal));
    const refused = results.filter((_, index) => Number(answers[index]) !== 1);
    if (refused.length === 0) return [];
    const ids = refused.map((result) => result.id);
    const stored = await patiently((signal) => get(ids, signal));
    return refused.filter((result) => !isStored(result, stored)).map((result) => result.id);
  }

  /** Read apart from the fence's own answer: a script's answer comes as text, and a record need not be text. */
  async function readFenced(id: string, attempt: number, signal: AbortSignal): Promise<Fenced> {
    const [body, fence] = (await line.callBuffer('MGET', [keys.meta(id), keys.fence(id)], signal)) as readonly (Buffer | null)[];
    return { stored: body ? resultOf(id, body) : undefined, attempt: Math.max(attempt, Number(fence?.toString() ?? 0)) };
  }

  const watch = createRedisWatch({
    keys,
    line: lineOptions,
    read: async (ids, signal) => (await get(ids, signal)).values(),
    result: resultOf,
  });

  return {
    name: 'redis',
    url: target.url,
    database: target.database,
    features: { persistent: true, fence: true, autoExpire: true, states: true, messages: true },
    groups: redisGroups(line, keys, patiently),
    revokes: redisRevokes(line, keys, patiently),
    put,
    jointPut: (results) => ({ database: target.database, payload: results.map(write) }),
    get: (ids) => patiently((signal) => get(ids, signal)),
    watch: (ids, signal) => watch.watchers.watch(ids, signal),
    listen: (ids, receiver) => watch.watchers.listen(ids, receiver),
    forget: async (ids) => {
      if (ids.length === 0) return;
      watch.forget(ids);
      const both = ids.flatMap((id) => [keys.meta(id), keys.fence(id)]);
      await patiently((signal) => line.call('DEL', both, signal));
    },
    fence: async (id, attempt, expires) => {
      const writing = fenceWrite({ key: keys.meta(id), fenceKey: keys.fence(id), attempt, expires });
      await patiently((signal) => applyWrites(line, [writing], signal));
      return patiently((signal) => readFenced(id, attempt, signal));
    },
    chords: createRedisChords({
      apply: (writes, signal) => applyWritesBuffer(line, writes, signal),
      keys,
      database: target.database,
      ordered: transport.resultChordOrdered,
      expires: options.expires,
      patiently,
    }),
    check: async (signal) => {
      await line.call('PING', [], signal);
    },
    [Symbol.asyncDispose]: async () => {
      closing.abort();
      await watch[Symbol.asyncDispose]();
      await line[Symbol.asyncDispose]();
    },
  };
}

/**
 * Redis keeps no content type: reader and writer share the setting resultSerializer, so the codec takes an empty one for its own.
 * Nor does it keep who wrote: Celery's record has no place for that.
 */
function resultOf(id: string, body: Buffer): StoredResult {
  return { id, state: stateOf(body), body, contentType: '', contentEncoding: '', attempt: 1 };
}

/** How long and how often a call is tried. */
interface Patience {
  readonly line: RedisLine;
  readonly policy: RetryPolicy;
  readonly seconds: number;
  readonly closing: AbortSignal;
}

/** Runs a call that may be repeated until it is answered, for as long as a Redis that restarts may take. */
async function patient<T>(call: (signal: AbortSignal) => Promise<T>, { line, policy, seconds, closing }: Patience): Promise<T> {
  const tooLong = (): Error => new BackendError(`The Redis that holds the results has not answered for ${seconds} s.`);
  using limit = deadline(seconds, tooLong);
  return await repeatedly(
    policy,
    limit.signal,
    () => (line.isConnected ? call(limit.signal) : connectFirst(line, call, limit.signal)),
    (error) => canMend(error, closing),
  );
}

/** A try that has no connection yet ends with the next attempt to make one: else it would wait for all of them, and count as one. */
async function connectFirst<T>(line: RedisLine, call: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  const failed = new AbortController();
  const stop = line.observe({
    down: (cause) => {
      const error = new BackendError(`The Redis that holds the results cannot be reached: ${cause.message}`, { cause });
      // Later, for a refused login has an error of its own.
      setImmediate(() => failed.abort(error));
    },
  });
  try {
    return await call(AbortSignal.any([signal, failed.signal]));
  } finally {
    stop();
  }
}

/** Waiting mends neither a wrong password nor a backend that this program closed. */
function canMend(error: unknown, closing: AbortSignal): boolean {
  if (closing.aborted || !(error instanceof LovageError) || !error.transient) return false;
  return !(error.cause instanceof RedisLineError && isReplyError(error.cause.cause));
}
