// Writes to Redis that count the parts of chords, as redis-joint.ts makes the others. The keys are Celery's (K.j the parts, K.s the size,
// K.t what was added, K how the header is nested), so that workers of both languages count one chord; beside them a hash of our own says
// what only we know, and one sorted set which chords are complete but not closed.
import type { RedisArg } from './redis-client.ts';

/** One write: its kind, the number of its arguments, the arguments. What `JointWrite.payload` holds on Redis is an array of these. */
export type RedisWrite = readonly [kind: string, count: number, ...args: RedisArg[]];

/** Names of what a chord has in Redis, prefixes included. */
export interface RedisChordKeys {
  readonly groupId: string;
  /** Celery's key of the group. */
  readonly group: string;
  /** Hash: `callback`, `root` (of a part: its index, [id, root]), `closed`, ids that cannot be told by their score, ids that were added. */
  readonly own: string;
  /** Sorted set of the chords that are complete and not closed, by when they were. */
  readonly waiting: string;
}

const namesOf = ({ group, own, waiting, groupId }: RedisChordKeys): readonly string[] => [group, own, waiting, groupId];
const COMMON = 5;

/** Milliseconds for Lua; 0: for ever. */
const lifetime = (seconds = 0): number => (seconds === 0 ? 0 : Math.max(1, Math.round(seconds * 1000)));

/** Sets the size. Answers 1, or 0 when the chord is closed. */
export function openChordWrite(
  keys: RedisChordKeys,
  opening: {
    readonly size: number;
    readonly callback: string;
    readonly structure: Uint8Array | undefined;
    readonly expires: number | undefined;
  },
): RedisWrite {
  const { size, callback, structure, expires } = opening;
  return ['chord_open', COMMON + 3, ...namesOf(keys), lifetime(expires), size, callback, bufferOf(structure)];
}

/** A part, as JOIN reads it. */
export interface RedisChordPart {
  readonly id: string;
  readonly index: number | undefined;
  readonly body: Uint8Array;
  readonly head: number;
  readonly rootId?: string | undefined;
}

/** Adds parts of one chord. Answers the complete chord as a table [id, callback, structure, parts, root], else a number. */
export function joinChordWrite(
  keys: RedisChordKeys,
  join: {
    readonly parts: readonly RedisChordPart[];
    readonly callback: string | undefined;
    readonly ordered: boolean;
    readonly expires: number | undefined;
  },
): RedisWrite {
  const { parts, callback, ordered, expires } = join;
  const args: RedisArg[] = [...namesOf(keys), lifetime(expires), ordered ? 1 : 0, callback ?? '', rootText(parts)];
  for (const { id, index, body, head } of parts) args.push(index ?? '+inf', id, head, bufferOf(body));
  return ['chord_join', args.length, ...args];
}

/** The root of the first of these parts that brings one, as the hash of our own keeps it: its index, and [id, root] as JSON. */
function rootText(parts: readonly RedisChordPart[]): string {
  let first: RedisChordPart | undefined;
  for (const part of parts) {
    const { rootId, index } = part;
    if (rootId !== undefined && index !== undefined && index < (first?.index ?? Number.POSITIVE_INFINITY)) first = part;
  }
  return first === undefined ? '' : `${first.index} ${JSON.stringify([first.id, first.rootId])}`;
}

/** Closes a chord. When it was closed before, the next `guarded` writes are left out. Answers 1, or 0. */
export function closeChordWrite(keys: RedisChordKeys, expires: number | undefined, guarded: number): RedisWrite {
  return ['chord_close', COMMON + 1, ...namesOf(keys), lifetime(expires), guarded];
}

/** Makes a chord wait for further ids. Answers how many were new. */
export function extendChordWrite(keys: RedisChordKeys, ids: readonly string[], expires: number | undefined): RedisWrite {
  return ['chord_extend', COMMON + ids.length, ...namesOf(keys), lifetime(expires), ...ids];
}

/** Answers, as tables, those of at most 20 chords that were complete `seconds` ago. From now on they count as complete now. */
export function staleChordsWrite(waiting: string, groupPrefix: string, ownPrefix: string, seconds: number): RedisWrite {
  return ['chord_stale', 4, waiting, groupPrefix, ownPrefix, seconds];
}

const bufferOf = (bytes: Uint8Array | undefined): string | Buffer =>
  bytes === undefined ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Lua: the writes above, for the table WRITES of redis-joint.ts. A write answers its reply, and how many of the next to leave out. */
export const CHORD_LUA: string = `
local function chord_now()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local function chord_at(at) return ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4]) end
local function chord_expire(ttl, ...)
  if ttl > 0 then for _, key in ipairs({ ... }) do redis.call('PEXPIRE', key, ttl) end end
end
-- Python writes a space behind a comma of JSON.
local function chord_head(part, length) return part:gsub('^%[1, ', '[1,', 1):sub(1, length) end
local function chord_answer(group, own, id)
  local parts = group .. '.j'
  local all = redis.call('TYPE', parts).ok == 'list' and redis.call('LRANGE', parts, 0, -1) or redis.call('ZRANGE', parts, 0, -1)
  -- Somebody may have saved the group for himself: no structure is worth an error here.
  local structure = redis.pcall('GET', group)
  local callback, root = unpack(redis.call('HMGET', own, 'callback', 'root'))
  return { id, callback, type(structure) == 'string' and structure, all, root }
end
-- Ends of the header of which this is the structure: [[id, parent], members], members null for a task.
local function chord_leaves(tuple)
  if type(tuple) ~= 'table' or type(tuple[2]) ~= 'table' then return 1 end
  local sum = 0
  for _, member in ipairs(tuple[2]) do sum = sum + chord_leaves(member) end
  return sum
end
-- A Celery worker that starts a group at the end of a member writes the size of that group over the chord's.
local function chord_size(group, size, counted)
  local structure = redis.pcall('GET', group)
  if type(structure) ~= 'string' then return size end
  local read, saved = pcall(cjson.decode, structure)
  local whole = read and type(saved) == 'table' and chord_leaves(saved.result) or 0
  if whole <= size then return size end
  if counted < whole then redis.call('SET', group .. '.s', whole, 'KEEPTTL') end
  return whole
end
function WRITES.chord_open(at)
  local group, own, waiting, id, ttl = chord_at(at)
  if redis.call('HGET', own, 'closed') then return 0 end
  redis.call('HSETNX', own, 'callback', ARGV[at + 6])
  redis.call('SET', group .. '.s', ARGV[at + 5])
  if ARGV[at + 7] ~= '' then redis.call('SET', group, ARGV[at + 7]) chord_expire(ttl, group) end
  chord_expire(ttl, group .. '.s', own)
  return 1
end
function WRITES.chord_join(at, count)
  local group, own, waiting, id, ttl = chord_at(at)
  local parts = group .. '.j'
  local kind = redis.call('TYPE', parts).ok
  if kind == 'none' then kind = ARGV[at + 5] == '1' and 'zset' or 'list' end
  if (kind ~= 'zset' and kind ~= 'list') or redis.call('HGET', own, 'closed') then return 0 end
  if ARGV[at + 6] ~= '' then redis.call('HSETNX', own, 'callback', ARGV[at + 6]) end
  if ARGV[at + 7] ~= '' then
    local there = redis.call('HGET', own, 'root')
    if not there or tonumber(ARGV[at + 7]:match('^%S+')) < tonumber(there:match('^%S+')) then redis.call('HSET', own, 'root', ARGV[at + 7]) end
  end
  local added = 0
  for i = at + 8, at + count - 1, 4 do
    local score, task, part = ARGV[i], ARGV[i + 1], ARGV[i + 3]
    local length, known = tonumber(ARGV[i + 2]), false
    local head = chord_head(part, length)
    if kind == 'zset' and score ~= '+inf' then
      -- A worker of the other language may have counted this id, so the parts themselves are asked.
      for _, there in ipairs(redis.call('ZRANGEBYSCORE', parts, score, score)) do
        if chord_head(there, length) == head then known = true break end
      end
    else known = redis.call('HSETNX', own, 'part ' .. task, 1) == 0 end
    if not known then
      added = added + 1
      if kind == 'zset' then redis.call('ZADD', parts, score, part) else redis.call('RPUSH', parts, part) end
    end
  end
  chord_expire(ttl, parts, own, group .. '.s', group .. '.t')
  local size = tonumber(redis.call('GETEX', group .. '.s') or '')
  if not size then return 0 end
  local added_size = tonumber(redis.call('GETEX', group .. '.t') or 0)
  local counted = redis.call(kind == 'zset' and 'ZCARD' or 'LLEN', parts)
  if counted < size + added_size then return 0 end
  if counted < chord_size(group, size, counted) + added_size then return 0 end
  local first = redis.call('ZADD', waiting, 'NX', chord_now(), id) == 1
  -- Only repeats, and not completed by one of us: a worker of the other language has, and is about to send the body.
  if added == 0 and first then return 0 end
  return chord_answer(group, own, id)
end
function WRITES.chord_close(at)
  local group, own, waiting, id, ttl = chord_at(at)
  redis.call('ZREM', waiting, id)
  if redis.call('HGET', own, 'closed') then return 0, tonumber(ARGV[at + 5]) end
  redis.call('DEL', group .. '.j', group .. '.t', group .. '.s', own)
  redis.call('HSET', own, 'closed', 1)
  redis.call('PEXPIRE', own, ttl > 0 and ttl or 86400000)
  return 1
end
function WRITES.chord_extend(at, count)
  local group, own, waiting, id, ttl = chord_at(at)
  if redis.call('HGET', own, 'closed') then return 0 end
  local new = 0
  for i = at + 5, at + count - 1 do new = new + redis.call('HSETNX', own, 'added ' .. ARGV[i], 1) end
  if new > 0 then redis.call('INCRBY', group .. '.t', new) end
  chord_expire(ttl, group .. '.t', own)
  return new
end
function WRITES.chord_stale(at)
  local waiting, now, out = ARGV[at], chord_now(), {}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', waiting, '-inf', now - tonumber(ARGV[at + 3]), 'LIMIT', 0, 20)) do
    local group, own = ARGV[at + 1] .. id, ARGV[at + 2] .. id
    if redis.call('EXISTS', group .. '.j') == 0 then redis.call('ZREM', waiting, id)
    else
      redis.call('ZADD', waiting, 'XX', now, id)
      out[#out + 1] = chord_answer(group, own, id)
    end
  end
  return out
end
`;
