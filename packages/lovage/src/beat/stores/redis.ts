// The schedule in Redis: two hashes of texts and one of the lease. What the leader writes, and the messages of the runs where the broker
// is the same Redis, are one script, which asks first whether the lease is still the writer's.

import type { JointWrite } from '../../broker/index.ts';
import {
  BackendError,
  camelCase,
  deadline,
  JOINT_LUA,
  jointArguments,
  openRedis,
  parseRedisUrl,
  type RedisArg,
  type RedisLine,
  type RedisScript,
  type RedisWrite,
  redisScript,
} from '../../util/index.ts';
import type { Change, Lease, ScheduleStore, StoreLook, StoreOptions } from '../store.ts';

/** Seconds without a byte while calls wait, after which a line counts as dead. */
const SILENCE = 10;

const LOOK = redisScript(`local m = redis.call('HMGET', KEYS[1], 'token', 'owner', 'beat', 'edits')
return { m[1] or '0', m[2] or '', m[3] or '0', m[4] or '0' }`);

const SWAP = redisScript(`local m = redis.call('HMGET', KEYS[1], 'token', 'owner', 'beat', 'edits')
local token, owner, beat, edits = m[1] or '0', m[2] or '', m[3] or '0', m[4] or '0'
if token ~= ARGV[1] or owner ~= ARGV[2] or beat ~= ARGV[3] then return { token, owner, beat, edits, 0 } end
redis.call('HSET', KEYS[1], 'token', ARGV[4], 'owner', ARGV[5], 'beat', ARGV[6])
return { ARGV[4], ARGV[5], ARGV[6], edits, 1 }`);

const EDIT = redisScript(`local there = redis.call('HGET', KEYS[2], ARGV[1])
local expected = ARGV[2] == '1' and ARGV[3] or false
if there ~= expected then return 0 end
if ARGV[4] == '1' then redis.call('HSET', KEYS[2], ARGV[1], ARGV[5]) else redis.call('HDEL', KEYS[2], ARGV[1]) end
redis.call('HINCRBY', KEYS[1], 'edits', 1)
redis.call('PUBLISH', KEYS[1], ARGV[1])
return 1`);

const COMMIT_LUA = `if (redis.call('HGET', KEYS[1], 'token') or '0') ~= ARGV[1] then return 0 end
local at, changes = 3, tonumber(ARGV[2])
local writes = at + 3 * changes
WRITES
for i = at, writes - 1, 3 do
  if ARGV[i + 1] == '1' then redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 2]) else redis.call('HDEL', KEYS[2], ARGV[i]) end
end
return 1`;
const COMMIT = redisScript(COMMIT_LUA.replace('WRITES', ''));
/** With messages. They go first: what does not fit is refused before anything is written. */
const COMMIT_JOINT = redisScript(
  `${JOINT_LUA}\n${COMMIT_LUA.replace('WRITES', 'local misfit = misfit_of_writes(writes)\nif misfit then return redis.error_reply(misfit) end\napply_writes(writes)')}`,
);

interface Options {
  readonly prefix: string;
  readonly masterName: string | undefined;
  readonly sentinel: { readonly username: string | undefined; readonly password: string | undefined };
}

const text = (value: unknown): string | undefined => (value === undefined || value === null ? undefined : String(value));

/** Those options of the broker, or of the result store, that say where a Redis is. They were checked there. */
function readOptions(given: Readonly<Record<string, unknown>>): Options {
  const named = Object.fromEntries(Object.entries(given).map(([name, value]) => [camelCase(name), value]));
  const sentinel = (named.sentinelKwargs ?? {}) as Readonly<Record<string, unknown>>;
  return {
    prefix: text(named.globalKeyprefix) ?? '',
    masterName: text(named.masterName),
    sentinel: { username: text(sentinel.username), password: text(sentinel.password) },
  };
}

function readLook(answer: unknown): StoreLook & { readonly swapped: boolean } {
  const [token, owner, beat, edits, swapped] = answer as readonly unknown[];
  return {
    lease: { token: Number(token), owner: String(owner), beat: Number(beat) },
    edits: Number(edits),
    swapped: Number(swapped) === 1,
  };
}

const leaseArguments = ({ token, owner, beat }: Lease): readonly RedisArg[] => [token, owner, beat];
const changeArguments = ([name, value]: Change): readonly RedisArg[] => [name, value === undefined ? '0' : '1', value ?? ''];

/** RESP3 answers with an object or a map, RESP2 with one list. */
function readHash(answer: unknown): ReadonlyMap<string, string> {
  if (answer instanceof Map) return new Map([...answer].map(([name, value]) => [String(name), String(value)]));
  if (!Array.isArray(answer)) return new Map(Object.entries(answer as Readonly<Record<string, string>>));
  const flat = (answer as readonly unknown[]).flat().map(String);
  return new Map(Array.from({ length: flat.length / 2 }, (_, index) => [flat[2 * index] ?? '', flat[2 * index + 1] ?? '']));
}

export function open(options: StoreOptions): ScheduleStore {
  const { prefix, masterName, sentinel } = readOptions(options.transportOptions);
  const target = parseRedisUrl(options.url, { tls: options.tls, masterName, sentinel });
  const lineOptions = { target, connectTimeout: options.connectTimeout, name: `${options.appName}-beat`, replyTimeout: SILENCE };
  const line: RedisLine = openRedis(lineOptions);
  const key = `${prefix}lovage.beat.${options.appName}`;
  const [lease, edited, states] = [key, `${key}.entries`, `${key}.states`];
  const late = (): BackendError => new BackendError(`No answer within ${options.patience} s`, { transient: true });
  const bounded = async <T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    using limit = deadline(options.patience, late);
    return await call(limit.signal);
  };
  const script = (what: RedisScript, keys: readonly string[], args: readonly RedisArg[]): Promise<unknown> =>
    bounded((signal) => line.script(what, keys, args, signal));
  return {
    name: 'redis',
    url: target.url,
    database: target.database,
    look: async () => {
      const { lease: seen, edits } = readLook(await script(LOOK, [lease], []));
      return { lease: seen, edits };
    },
    swapLease: async (expected, next) =>
      readLook(await script(SWAP, [lease], [...leaseArguments(expected), ...leaseArguments(next)])),
    load: async () => {
      // The number first: an edit that comes in between is read again.
      const { edits } = readLook(await script(LOOK, [lease], []));
      const [entries, kept] = await bounded((signal) =>
        Promise.all([line.call('HGETALL', [edited], signal), line.call('HGETALL', [states], signal)]),
      );
      return { edits, edited: readHash(entries), states: readHash(kept) };
    },
    commit: async (token, changes, writes = []) => {
      const all = writes.flatMap(({ payload }: JointWrite) => payload as readonly RedisWrite[]);
      const args = [token, changes.length, ...changes.flatMap(changeArguments)];
      const more = all.length === 0 ? [] : jointArguments(all);
      return Number(await script(all.length === 0 ? COMMIT : COMMIT_JOINT, [lease, states], [...args, ...more])) === 1;
    },
    edit: async (name, expected, value) => {
      const args = [name, expected === undefined ? '0' : '1', expected ?? '', value === undefined ? '0' : '1', value ?? ''];
      return Number(await script(EDIT, [lease, edited], args)) === 1;
    },
    onEdit: (listener) => {
      const ear = openRedis({
        ...lineOptions,
        healthCheck: SILENCE,
        prepare: async (client) => {
          client.on('messageBuffer', listener);
          await client.subscribe(lease);
        },
      });
      // What was said while there was no line was not heard.
      ear.observe({ up: listener });
      ear.ready().catch(() => undefined);
      return { [Symbol.dispose]: () => void ear[Symbol.asyncDispose]() };
    },
    onDown: (listener) => ({ [Symbol.dispose]: line.observe({ down: listener }) }),
    [Symbol.asyncDispose]: () => line[Symbol.asyncDispose](),
  };
}
