// Writes to one Redis that can be part of somebody else's script: the Lua text that applies them, and how their arguments lie in ARGV.
// result/redis.ts makes put and fence writes, broker/redis makes pushes; a worker's turn applies both together with its acks.

import { orAborted } from './deadline.ts';
import { CHORD_LUA, type RedisWrite } from './redis-chords.ts';
import type { RedisArg, RedisLine, RedisScript } from './redis-client.ts';
import { redisScript } from './redis-client.ts';
import { frames } from './redis-command.ts';

/** A result to store, if nothing better is there. */
export interface RedisPut {
  /** Key and channel of the result, with its prefix. */
  readonly key: string;
  /** Key of the fence, with its prefix. */
  readonly fenceKey: string;
  readonly attempt: number;
  readonly state: string;
  readonly ready: boolean;
  /** Seconds; undefined keeps it for ever. */
  readonly expires: number | undefined;
  readonly body: string | Buffer;
}

/** Stores and publishes unless a SUCCESS, a higher fence, or (for a state that is not ready) any ready state is there. Answers 1, or 0 when refused. */
export function putWrite(put: RedisPut): RedisWrite {
  return [
    'put',
    7,
    put.key,
    put.fenceKey,
    put.attempt,
    put.state,
    put.ready ? 1 : 0,
    put.expires === undefined ? 0 : Math.max(1, Math.round(put.expires * 1000)),
    put.body,
  ];
}

/** Writes the number of a redelivered attempt, never a lower one than is there. Answers the stored result, or false. */
export function fenceWrite(fence: {
  readonly key: string;
  readonly fenceKey: string;
  readonly attempt: number;
  readonly expires: number | undefined;
}): RedisWrite {
  return [
    'fence',
    4,
    fence.key,
    fence.fenceKey,
    fence.attempt,
    fence.expires === undefined ? 0 : Math.round(fence.expires * 1000),
  ];
}

/** LPUSH of envelopes, in their order. Answers their number. */
export function pushWrite(list: string, envelopes: readonly string[]): RedisWrite {
  return ['push', envelopes.length + 1, list, ...envelopes];
}

/** Where a message with an eta goes: parked while a live worker promotes it, else onto the list as Celery would send it. */
export interface RedisParking {
  /** Exists while a Lovage worker serves the queue. */
  readonly serves: string;
  /** The sorted set of the queue's parked messages. */
  readonly parked: string;
  /** The set of all queues that may have parked messages, and this queue's name in it. */
  readonly registry: string;
  readonly queue: string;
  readonly list: string;
  /** Epoch seconds. */
  readonly dueAt: number;
  readonly envelope: string;
}

export function parkWrite(parking: RedisParking): RedisWrite {
  const { serves, parked, registry, queue, list, dueAt, envelope } = parking;
  return ['park', 7, serves, parked, registry, queue, list, dueAt, envelope];
}

/** PEXPIRE of keys: a queue with `x-expires` lives from push to push. */
export function expireWrite(milliseconds: number, keys: readonly string[]): RedisWrite {
  return ['expire', keys.length + 1, milliseconds, ...keys];
}

/** ARGV of a list of writes: their number, then each. */
export function jointArguments(writes: readonly RedisWrite[]): RedisArg[] {
  const out: RedisArg[] = [writes.length];
  for (const write of writes) for (const part of write) out.push(part);
  return out;
}

/** Lua: `state_of(key)` knows the `status` of a stored result in JSON, MessagePack and YAML, mostly without decoding the whole. */
const STATE_LUA = `local READY = { SUCCESS = true, FAILURE = true, REVOKED = true }
local function state_of(key)
  local head = redis.pcall('GETRANGE', key, 0, 63)
  -- No text at all (another program's key) is no result: it is written over.
  if type(head) ~= 'string' or head == '' then return nil end
  local state = head:match('^%s*{%s*"status"%s*:%s*"([^"]*)"') or head:match('^[\\128-\\143\\222].?.?\\166status[\\160-\\191]([%u_]+)')
  if state then return state end
  local whole = redis.call('GET', key)
  local ok, meta = pcall(cjson.decode, whole)
  if ok and type(meta) == 'table' then return tostring(meta.status) end
  return whole:match('^status: ([%u_]+)') or whole:match('\\nstatus: ([%u_]+)') or whole:match('\\166status[\\160-\\191]([%u_]+)') or ''
end`;

/**
 * Lua: `local replies, next, tables = apply_writes(at)` reads what `jointArguments` laid out from ARGV[at] on, and applies it in order.
 */
export const JOINT_LUA: string = `
${STATE_LUA}
local function store(key, ttl, body, ...)
  if ttl > 0 then return redis.call('SET', key, body, 'PX', ttl, ...) end
  return redis.call('SET', key, body, ...)
end
local WRITES = {}
function WRITES.put(at)
  local key, fence_key, attempt = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local ready, ttl, body = ARGV[at + 4] == '1', tonumber(ARGV[at + 5]), ARGV[at + 6]
  -- GETEX, not GET: a connection that is told of changes is not told of what it read by a command that may write.
  local fence = tonumber(redis.call('GETEX', fence_key) or 0)
  if attempt < fence then return 0 end
  -- The usual case: nothing is there.
  if store(key, ttl, body, 'NX') then
    redis.call('PUBLISH', key, body)
    return 1
  end
  local stored = state_of(key)
  if stored == 'SUCCESS' then return 0 end
  if stored and READY[stored] and (not ready or attempt == fence) then return 0 end
  store(key, ttl, body)
  redis.call('PUBLISH', key, body)
  return 1
end
function WRITES.fence(at)
  local key, fence_key, attempt, ttl = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  if attempt > tonumber(redis.call('GET', fence_key) or 0) then store(fence_key, ttl, attempt) end
  return redis.call('GET', key)
end
function WRITES.push(at, count)
  local first, last = at + 1, at + count - 1
  while first <= last do
    local upto = math.min(first + 999, last)
    redis.call('LPUSH', ARGV[at], unpack(ARGV, first, upto))
    first = upto + 1
  end
  return count - 1
end
function WRITES.park(at)
  if redis.call('EXISTS', ARGV[at]) == 1 then
    redis.call('ZADD', ARGV[at + 1], ARGV[at + 5], ARGV[at + 6])
    redis.call('SADD', ARGV[at + 2], ARGV[at + 3])
  else
    redis.call('LPUSH', ARGV[at + 4], ARGV[at + 6])
  end
  return 1
end
function WRITES.expire(at, count)
  for i = at + 1, at + count - 1 do redis.call('PEXPIRE', ARGV[i], ARGV[at]) end
  return 1
end
${CHORD_LUA}
-- What would keep one of the writes from being done: asked before the first, since a script is not undone.
local LISTS = { push = { 0, 'list' }, park = { 4, 'list' } }
local function misfit_of_writes(at)
  local left = tonumber(ARGV[at])
  at = at + 1
  while left > 0 do
    local target = LISTS[ARGV[at]]
    local found = target and redis.call('TYPE', ARGV[at + 2 + target[1]]).ok
    if found and found ~= 'none' and found ~= target[2] then return 'WRONGTYPE ' .. ARGV[at + 2 + target[1]] .. ' is no ' .. target[2] end
    at = at + 2 + tonumber(ARGV[at + 1])
    left = left - 1
  end
end
-- Answers the replies, where the writes end, and those of the replies that are tables.
local function apply_writes(at)
  local replies, tables, left = {}, {}, tonumber(ARGV[at])
  at = at + 1
  while left > 0 do
    local count = tonumber(ARGV[at + 1])
    local reply, leave = WRITES[ARGV[at]](at + 2, count)
    replies[#replies + 1] = reply
    if type(reply) == 'table' then tables[#tables + 1] = reply end
    at = at + 2 + count
    left = left - 1
    for _ = 1, leave or 0 do
      at = at + 2 + tonumber(ARGV[at + 1])
      left = left - 1
    end
  end
  return replies, at, tables
end
`;

const APPLY: RedisScript = redisScript(`${JOINT_LUA}
local misfit = misfit_of_writes(1)
if misfit then return redis.error_reply(misfit) end
return (apply_writes(1))`);

/** Writes of the two kinds that most ends have, as LEAN_TURN reads them. */
export interface LeanWrites {
  /** Number of lists, then each with how many texts, and these. */
  readonly pushes: readonly RedisArg[];
  /** Number of ready results, then key, fence key, attempt, lifetime and body of each. */
  readonly puts: readonly RedisArg[];
  /** All texts that are pushed, in order. */
  readonly pushed: readonly string[];
}

const NO_PUSHES: readonly RedisArg[] = [0];
const NONE: readonly string[] = [];

/** Undefined when one of the writes is of another kind, or states its result is not ready. */
export function leanArguments(writes: readonly RedisWrite[]): LeanWrites | undefined {
  const puts: RedisArg[] = [0];
  let pushes: RedisArg[] | undefined;
  let pushed: string[] | undefined;
  let lists = 0;
  for (const write of writes) {
    if (write[0] === 'put' && write[6] === 1)
      puts.push(write[2] ?? '', write[3] ?? '', write[4] ?? '', write[7] ?? '', write[8] ?? '');
    else if (write[0] === 'push') {
      pushes ??= [0];
      pushed ??= [];
      const [, , list = '', ...texts] = write;
      lists++;
      pushes.push(list, texts.length, ...texts);
      for (const text of texts) pushed.push(`${text}`);
    } else return undefined;
  }
  puts[0] = (puts.length - 1) / 5;
  if (pushes !== undefined) pushes[0] = lists;
  return { pushes: pushes ?? NO_PUSHES, puts, pushed: pushed ?? NONE };
}

/** Lua that answers an error before anything is written when what the pushes from ARGV[6] on name is no list. */
export const LEAN_FITS_LUA: string = `
if ARGV[6] ~= '0' then
  local at = 7
  for _ = 1, tonumber(ARGV[6]) do
    local found = redis.call('TYPE', ARGV[at]).ok
    if found ~= 'none' and found ~= 'list' then return redis.error_reply('WRONGTYPE ' .. ARGV[at] .. ' is no list') end
    at = at + 2 + tonumber(ARGV[at + 1])
  end
end
`;

/**
 * Lua that pushes what stands from ARGV[at] on. If something is taken, too, `own` knows of each list that holds nothing else where its
 * texts stand in ARGV, how many they are, and how many were pushed before them.
 */
export const LEAN_PUSHES_LUA: string = `
local lists, pushed = tonumber(ARGV[at]), 0
at = at + 1
if lists > 0 and ARGV[3] ~= '0' then own = {} end
for _ = 1, lists do
  local list, count = ARGV[at], tonumber(ARGV[at + 1])
  local first, last, length = at + 2, at + 1 + count, 0
  for from = first, last, 500 do length = redis.call('LPUSH', list, unpack(ARGV, from, math.min(from + 499, last))) end
  if own then own[list] = length == count and { first, count, pushed } or nil end
  pushed = pushed + count
  at = last + 1
end
`;

/**
 * Lua that applies what `leanArguments` laid out from ARGV[at] on, as WRITES.put does, into `answers`. A text without functions: making
 * those of JOINT_LUA takes a script ten times as long as storing one result.
 */
export const LEAN_PUTS_LUA: string = `
for i = at + 1, at + 5 * tonumber(ARGV[at]), 5 do
  local key, attempt, ttl, body = ARGV[i], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), ARGV[i + 4]
  local fence = tonumber(redis.call('GETEX', ARGV[i + 1]) or 0)
  local stored = 0
  if attempt >= fence then
    local free
    if ttl > 0 then free = redis.call('SET', key, body, 'PX', ttl, 'NX') else free = redis.call('SET', key, body, 'NX') end
    if not free then
      ${STATE_LUA}
      local state = state_of(key)
      free = not (state == 'SUCCESS' or (state and READY[state] and attempt == fence))
      if free and ttl > 0 then redis.call('SET', key, body, 'PX', ttl) elseif free then redis.call('SET', key, body) end
    end
    if free then
      redis.call('PUBLISH', key, body)
      stored = 1
    end
  end
  answers[#answers + 1] = stored
end
`;

/** The script that applies writes on their own, and its arguments, for who reaches Redis in another way than by a line. */
export function writesCall(writes: readonly RedisWrite[]): { readonly script: RedisScript; readonly args: readonly RedisArg[] } {
  return { script: APPLY, args: jointArguments(writes) };
}

/** Applies writes on their own, all in one script; resolves to the answer of each. */
export async function applyWrites(
  line: RedisLine,
  writes: readonly RedisWrite[],
  signal?: AbortSignal,
): Promise<readonly unknown[]> {
  return (await line.script(APPLY, [], jointArguments(writes), signal)) as unknown[];
}

/** The same with answers that need not be text. */
export async function applyWritesBuffer(
  line: RedisLine,
  writes: readonly RedisWrite[],
  signal?: AbortSignal,
): Promise<readonly unknown[]> {
  const answers = line.evaluate(APPLY, frames([0]), frames(jointArguments(writes)));
  return (await (signal === undefined ? answers : orAborted(answers, signal))) as unknown[];
}
