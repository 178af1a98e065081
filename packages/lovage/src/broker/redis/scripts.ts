// The Lua texts of the Redis driver. Each is one atomic step; none decodes an envelope unless it must, since cjson would change it.
//
// A holder's messages lie in the hash `held`: field `<turn>.<n>.<list>` → the envelope, or (in Celery's mode) `t` and the tag under
// which `unacked` has it, or `r` and the envelope where it has no tag of its own. The lease's value are the numbers of the last turn and of the last take that waited.
import { JOINT_LUA, LEAN_FITS_LUA, LEAN_PUSHES_LUA, LEAN_PUTS_LUA, type RedisScript, redisScript } from '../../util/index.ts';

/** Chunks keep `unpack` below Lua's stack limit. */
const CHUNK = 500;

/** Everything that looks into an envelope from Lua; the quick patterns are tried first, at the end of the text, where Celery writes them. */
const ENVELOPE_LUA = `
local function decoded(raw)
  local ok, envelope = pcall(cjson.decode, raw)
  if ok and type(envelope) == 'table' then return envelope end
end
local function properties_of(raw)
  local envelope = decoded(raw)
  return envelope and type(envelope.properties) == 'table' and envelope.properties or {}
end
local function tag_and_route(raw)
  local tail = raw:sub(-600)
  local tag = tail:match('"delivery_tag": ?"([^"\\\\]+)"}}$')
  local exchange, key = tail:match('^.*"delivery_info": ?{"exchange": ?"([^"\\\\]*)", ?"routing_key": ?"([^"\\\\]*)"')
  if tag and exchange then return tag, '"' .. exchange .. '"', '"' .. key .. '"' end
  local properties = properties_of(raw)
  local info = type(properties.delivery_info) == 'table' and properties.delivery_info or {}
  if type(properties.delivery_tag) ~= 'string' or type(info.exchange) ~= 'string' or type(info.routing_key) ~= 'string' then return nil end
  return properties.delivery_tag, cjson.encode(info.exchange), cjson.encode(info.routing_key)
end
local function priority_of(raw)
  local priority = tonumber(raw:sub(-300):match('"priority": ?(%d+), ?"body_encoding"') or properties_of(raw).priority)
  return priority and math.max(0, math.min(9, math.floor(priority))) or 0
end
local function server_now()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local function number_text(number) return string.format('%.6f', number) end
`;

/** Can a message be put there? A key of another kind is another program's, and a command on it would end the script halfway. */
const FITS_LUA = `
local function fits(key, kind)
  local found = redis.call('TYPE', key).ok
  return found == 'none' or found == kind
end
`;

/** Takes one field out of `held` (and out of `unacked`); false when it is no longer ours. Needs HELD, UNACKED, INDEX. */
const RELEASE_LUA = `
local function release(field)
  local value = UNACKED ~= '' and redis.call('HGET', HELD, field)
  local there = redis.call('HDEL', HELD, field) == 1
  if not value or value:sub(1, 1) ~= 't' then return there end
  local tag = value:sub(2)
  redis.call('ZREM', INDEX, tag)
  return redis.call('HDEL', UNACKED, tag) == 1
end
`;

/** A turn that was done before answers as it did then. Needs HELD, UNACKED, `turn` and the number `last` of the last turn. */
const REPEATED_LUA = `
if last == turn then
  local again, all = {}, redis.call('HGETALL', HELD)
  for i = 1, #all, 2 do
    if all[i]:sub(1, #turn + 1) == turn .. '.' then
      local value = all[i + 1]
      if UNACKED ~= '' then
        value = value:sub(1, 1) == 't' and 't' .. (redis.call('HGET', UNACKED, value:sub(2)) or '') or value
      end
      again[#again + 1] = all[i]
      again[#again + 1] = value
    end
  end
  return { 'again', {}, again }
end
-- Sent again over a fresh line, this turn and later ones may have overtaken what still lay in the old line's socket.
if tonumber(turn) < (tonumber(last) or 0) then return { 'stale', {}, {} } end
`;

/**
 * One turn of a holder. KEYS: lease, held, then the lists in the order in which they are served.
 * ARGV: turn, lease ms, take, lists per step, unacked, index, number of served-keys, those keys, number of settlements, each
 * (kind, count, arguments), then the joint writes, and 'wait' for a take that waited (see waiting.ts), else ''. Those two
 * kinds of turn are numbered apart: one that waits is not stale because others came after it.
 * Answers [status, fields lost, taken, lists that are none, what the joint writes had to say]: `ok` with the batch packed (see packed.ts), `again` (this turn was done before) with
 * field and value in turn, `stale` (a later turn was done before: nobody waits for this one any more), or `lost` when the lease is
 * gone; then nothing was done. Nothing is done either when it errs because a list to write to is none.
 */
export const TURN: RedisScript = redisScript(`
${ENVELOPE_LUA}
${JOINT_LUA}
${FITS_LUA}
local LEASE, HELD = KEYS[1], KEYS[2]
local turn, lease_ms, take, width = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local UNACKED, INDEX = ARGV[5], ARGV[6]
${RELEASE_LUA}
-- GETEX, not GET: after a command that only reads, Redis 7.0 would tell this connection of changes of all KEYS, its own lease among them.
-- It is also a first write that a full server allows; what follows in the same script is then allowed as well.
local lease = redis.call('GETEX', LEASE, 'PX', lease_ms)
if not lease then return { 'lost', {}, {} } end
local last, last_wait = lease:match('^(%d+) ?(%d*)$')
local waited = ARGV[#ARGV] == 'wait'
if waited then last, last_wait = last_wait, last end
${REPEATED_LUA}
local at = 8 + tonumber(ARGV[7])
local settlements = tonumber(ARGV[at])
local first = at + 1
at = first
local TARGETS = { move = { 1, 'list' }, park = { 1, 'zset' }, dead = { 1, 'list' } }
for _ = 1, settlements do
  local target = TARGETS[ARGV[at]]
  if target and not fits(ARGV[at + 2 + target[1]], target[2]) then return redis.error_reply('WRONGTYPE ' .. ARGV[at + 3] .. ' is no ' .. target[2]) end
  at = at + 2 + tonumber(ARGV[at + 1])
end
local misfit = misfit_of_writes(at)
if UNACKED ~= '' and not fits(UNACKED, 'hash') then misfit = 'WRONGTYPE ' .. UNACKED .. ' is no hash' end
if UNACKED ~= '' and not fits(INDEX, 'zset') then misfit = 'WRONGTYPE ' .. INDEX .. ' is no zset' end
if misfit then return redis.error_reply(misfit) end
local _, _, answers = apply_writes(at)
redis.call('SET', LEASE, waited and last_wait .. ' ' .. turn or turn .. ' ' .. last_wait, 'PX', lease_ms)
for i = 8, 7 + tonumber(ARGV[7]) do redis.call('SET', ARGV[i], '1', 'PX', lease_ms) end

local lost = {}
local SETTLE = {}
local function ack(fields)
  if UNACKED == '' then
    if redis.call('HDEL', HELD, unpack(fields)) == 0 then for _, field in ipairs(fields) do lost[#lost + 1] = field end end
    return
  end
  local values, tags = redis.call('HMGET', HELD, unpack(fields)), {}
  redis.call('HDEL', HELD, unpack(fields))
  for k, value in ipairs(values) do
    local tag = value and value:sub(1, 1) == 't' and value:sub(2)
    if tag then
      tags[#tags + 1] = tag
      if redis.call('HDEL', UNACKED, tag) == 0 then lost[#lost + 1] = fields[k] end
    elseif not value then lost[#lost + 1] = fields[k] end
  end
  if #tags > 0 then redis.call('ZREM', INDEX, unpack(tags)) end
end
function SETTLE.ack(at, count)
  for i = at, at + count - 1, ${CHUNK} do ack({ unpack(ARGV, i, math.min(i + ${CHUNK - 1}, at + count - 1)) }) end
end
-- From and to one field of a turn: most batches end in the order in which they came.
function SETTLE.acks(at)
  local last, fields = tonumber(ARGV[at + 3]), {}
  for n = tonumber(ARGV[at + 2]), last do
    fields[#fields + 1] = ARGV[at] .. '.' .. n .. '.' .. ARGV[at + 1]
    if #fields == ${CHUNK} or n == last then
      ack(fields)
      fields = {}
    end
  end
end
function SETTLE.move(at)
  if not release(ARGV[at]) then lost[#lost + 1] = ARGV[at] return end
  redis.call(ARGV[at + 2], ARGV[at + 1], ARGV[at + 3])
end
function SETTLE.become(at)
  if redis.call('HEXISTS', HELD, ARGV[at]) == 0 then lost[#lost + 1] = ARGV[at] return end
  redis.call('HSET', HELD, ARGV[at], ARGV[at + 1])
end
function SETTLE.park(at)
  if not release(ARGV[at]) then lost[#lost + 1] = ARGV[at] return end
  -- Promoting goes by the server's clock, so the wait is counted from there: by the worker's it could come back at once, again and again.
  redis.call('ZADD', ARGV[at + 1], number_text(server_now() + tonumber(ARGV[at + 4])), ARGV[at + 5])
  redis.call('SADD', ARGV[at + 2], ARGV[at + 3])
end
function SETTLE.dead(at)
  if not release(ARGV[at]) then lost[#lost + 1] = ARGV[at] return end
  local key, max, ttl, oldest = ARGV[at + 1], tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), ARGV[at + 5]
  redis.call('LPUSH', key, ARGV[at + 2])
  redis.call('LTRIM', key, 0, max - 1)
  redis.call('PEXPIRE', key, ttl)
  for _ = 1, 100 do
    local tail = redis.call('LINDEX', key, -1)
    local time = tail and tail:match('"x%-lovage%-death":.-"time": ?"([^"]+)"')
    if not time or time >= oldest then break end
    redis.call('RPOP', key)
  end
end
at = first
for _ = 1, settlements do
  local count = tonumber(ARGV[at + 1])
  SETTLE[ARGV[at]](at + 2, count)
  at = at + 2 + count
end

local taken, number, refused = {}, 0, {}
local now = UNACKED ~= '' and number_text(server_now())
local function hold(list, popped)
  local fields, entries, scores = { HELD }, { UNACKED }, { INDEX }
  for _, raw in ipairs(popped) do
    number = number + 1
    local value = raw
    if now then
      local tag, exchange, key = tag_and_route(raw)
      -- Two copies under one tag would be one entry: the second is held by us alone.
      if tag and redis.call('HSETNX', UNACKED, tag, '[' .. raw .. ', ' .. exchange .. ', ' .. key .. ']') == 1 then
        value = 't' .. tag
        scores[#scores + 1] = now
        scores[#scores + 1] = tag
      else value = 'r' .. raw end
    end
    fields[#fields + 1] = turn .. '.' .. number .. '.' .. KEYS[list]
    fields[#fields + 1] = value
  end
  taken[#taken + 1] = list - 2
  taken[#taken + 1] = cmsgpack.pack(popped)
  redis.call('HSET', unpack(fields))
  if #scores > 1 then redis.call('ZADD', unpack(scores)) end
end
local left = take
local step = 3
while left > 0 and step <= #KEYS do
  local open = {}
  for list = step, step + width - 1 do open[#open + 1] = list end
  -- The queues of one step share evenly; what one leaves, the others get.
  while left > 0 and #open > 0 do
    local share, still = math.max(1, math.floor(left / #open)), {}
    for _, list in ipairs(open) do
      local want = math.min(share, left, ${CHUNK})
      if want > 0 then
        local popped = redis.pcall('RPOP', KEYS[list], want)
        if type(popped) == 'table' and popped.err then
          refused[#refused + 1] = KEYS[list]
        elseif popped and #popped > 0 then
          hold(list, popped)
          left = left - #popped
          if #popped == want then still[#still + 1] = list end
        end
      end
    end
    open = still
  end
  step = step + width
end
return { 'ok', lost, taken, refused, answers }
`);

/**
 * TURN for what nearly every turn is: messages that just end, ready results to store, messages to push, and a take, without Celery's
 * entries. It defines no functions and knows no other kinds, which makes it several times as quick (bench rows redis-get, redis-drain and
 * canvas-chain).
 * KEYS as TURN has them. ARGV: turn, lease ms, take, lists per step, 'wait' or '', then pushes, the runs of fields that end (their number,
 * and of each turn, list, first, last), and results (see leanArguments). Answers as TURN does, but of what was pushed and taken
 * in one turn only which one it is, counted from 1: each text that a script gets costs it a microsecond a kilobyte, which is why such a
 * list is deleted and not popped.
 */
export const LEAN_TURN: RedisScript = redisScript(`
local LEASE, HELD, turn, lease_ms, UNACKED = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ''
-- As in TURN: a first write that a full server allows, and that makes nobody be told of changes of all KEYS.
local lease = redis.call('GETEX', LEASE, 'PX', lease_ms)
if not lease then return { 'lost', {}, {} } end
local space = lease:find(' ', 1, true)
local last, last_wait = lease, ''
if space then last, last_wait = lease:sub(1, space - 1), lease:sub(space + 1) end
local waited = ARGV[5] == 'wait'
if waited then last, last_wait = last_wait, last end
${REPEATED_LUA}
${LEAN_FITS_LUA}
redis.call('SET', LEASE, waited and last_wait .. ' ' .. turn or turn .. ' ' .. last_wait, 'PX', lease_ms)
local lost, answers, fields, own, at = {}, {}, {}, nil, 6
${LEAN_PUSHES_LUA}
local runs = tonumber(ARGV[at])
at = at + 1
for run = 1, runs do
  local head, tail, upto = ARGV[at] .. '.', '.' .. ARGV[at + 1], tonumber(ARGV[at + 3])
  for n = tonumber(ARGV[at + 2]), upto do
    fields[#fields + 1] = head .. n .. tail
    if #fields == ${CHUNK} or (run == runs and n == upto) then
      if redis.call('HDEL', HELD, unpack(fields)) == 0 then for i = 1, #fields do lost[#lost + 1] = fields[i] end end
      fields = {}
    end
  end
  at = at + 4
end
${LEAN_PUTS_LUA}
local taken, refused, number, left, width = {}, {}, 0, tonumber(ARGV[3]), tonumber(ARGV[4])
local step, more = 3, nil
while left > 0 and step <= #KEYS and more ~= 0 do
  local open = { step }
  for list = step + 1, step + width - 1 do open[#open + 1] = list end
  -- The queues of one step share evenly; what one leaves, the others get.
  while left > 0 and #open > 0 do
    local share, still = math.max(1, math.floor(left / #open)), {}
    for i = 1, #open do
      local list = open[i]
      local want = math.min(share, left, ${CHUNK})
      if want > 0 then
        local popped, mine = nil, own and own[KEYS[list]]
        if mine and mine[2] <= want then
          popped = { unpack(ARGV, mine[1], mine[1] + mine[2] - 1) }
          redis.call('DEL', KEYS[list])
          own[KEYS[list]] = nil
        else
          popped, mine = redis.pcall('RPOP', KEYS[list], want), nil
        end
        if popped and popped.err then
          refused[#refused + 1] = KEYS[list]
        elseif popped and #popped > 0 then
          local entries, tail = { HELD }, '.' .. KEYS[list]
          for n = 1, #popped do
            entries[#entries + 1] = turn .. '.' .. number + n .. tail
            entries[#entries + 1] = popped[n]
          end
          redis.call('HSET', unpack(entries))
          if mine then for n = 1, #popped do popped[n] = mine[3] + n end end
          number = number + #popped
          taken[#taken + 1] = list - 2
          taken[#taken + 1] = cmsgpack.pack(popped)
          left = left - #popped
          if #popped == want then still[#still + 1] = list end
        end
      end
    end
    open = still
  end
  step = step + width
  -- One question for all that is left, since it is nearly always nothing: each command costs a script more than it does. Not on the other
  -- connection, which would be told of changes of all KEYS after it.
  if waited and left > 0 and not more and step <= #KEYS and #KEYS < ${CHUNK} then more = redis.call('EXISTS', unpack(KEYS, step)) end
end
return { 'ok', lost, taken, refused, answers }
`);

/** Opens a lease. KEYS: holders, lease, then those that say which queues are served. ARGV: incarnation, turn, lease ms. */
export const OPEN: RedisScript = redisScript(`
-- A full server allows a script whose first write frees memory: a worker must be able to come and drain it.
redis.call('DEL', KEYS[2])
-- A server that is too old, or does not allow it, says so now and not in the middle of a turn.
local probe = redis.pcall('RPOP', KEYS[2], 1)
if type(probe) == 'table' and probe.err then return redis.error_reply(probe.err) end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('SADD', KEYS[1], ARGV[1])
for i = 3, #KEYS do redis.call('SET', KEYS[i], '1', 'PX', ARGV[3]) end
return 1
`);

/** Renews a lease from the keeper. KEYS: lease, held, then those that say which queues are served. ARGV: lease ms, index ('' without Celery's entries). Answers 0 when it is gone. */
export const RENEW: RedisScript = redisScript(`
${ENVELOPE_LUA}
if redis.call('PEXPIRE', KEYS[1], ARGV[1]) == 0 then return 0 end
for i = 3, #KEYS do redis.call('SET', KEYS[i], '1', 'PX', ARGV[1]) end
if ARGV[2] ~= '' then
  local now = number_text(server_now())
  for _, value in ipairs(redis.call('HVALS', KEYS[2])) do
    if value:sub(1, 1) == 't' then redis.call('ZADD', ARGV[2], 'XX', now, value:sub(2)) end
  end
end
return 1
`);

/** Which holders are dead: KEYS: holders. ARGV: prefix of leases. */
export const DEAD: RedisScript = redisScript(`
local dead = {}
for _, incarnation in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('EXISTS', ARGV[1] .. incarnation) == 0 then dead[#dead + 1] = incarnation end
end
return dead
`);

/** What a holder holds: KEYS: held. ARGV: unacked, or '' without. Answers field and envelope (or entry of \`unacked\`, after a \`t\`) in turn. */
export const HOLDINGS: RedisScript = redisScript(`
local all = redis.call('HGETALL', KEYS[1])
if ARGV[1] == '' then return all end
for i = 2, #all, 2 do
  local kind = all[i]:sub(1, 1)
  if kind == 't' then all[i] = 't' .. (redis.call('HGET', ARGV[1], all[i]:sub(2)) or '') end
end
return all
`);

/**
 * Gives back what a holder held. KEYS: holders, lease, held. ARGV: incarnation, own (1: the holder itself, whose lease ends here),
 * unacked, index, then field, list, command and envelope of each. Answers how many were given back, or -1 when the holder lives.
 * What cannot go back because its key is no list stays where it is, for a later round.
 */
export const GIVE_BACK: RedisScript = redisScript(`
${FITS_LUA}
local HELD, UNACKED, INDEX = KEYS[3], ARGV[3], ARGV[4]
if ARGV[2] ~= '1' and redis.call('EXISTS', KEYS[2]) == 1 then return -1 end
${RELEASE_LUA}
local given = 0
for at = 5, #ARGV, 4 do
  if (ARGV[at + 1] == '' or fits(ARGV[at + 1], 'list')) and release(ARGV[at]) then
    given = given + 1
    if ARGV[at + 1] ~= '' then redis.call(ARGV[at + 2], ARGV[at + 1], ARGV[at + 3]) end
  end
end
if redis.call('HLEN', HELD) == 0 then
  redis.call('SREM', KEYS[1], ARGV[1])
  redis.call('DEL', KEYS[2])
end
return given
`);

/**
 * Moves what is due from the parked sets to the lists; it stays where a list is none. KEYS: the set of queues with parked messages.
 * ARGV: prefix of parked sets, prefix of keys, sep, most to move, then the priority steps. Answers seconds until the next is due, or ''.
 */
export const PROMOTE: RedisScript = redisScript(`
${ENVELOPE_LUA}
${FITS_LUA}
local left = tonumber(ARGV[4])
local now, next_due = server_now(), nil
for _, queue in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local parked = ARGV[1] .. queue
  local due = redis.call('ZRANGEBYSCORE', parked, '-inf', number_text(now), 'LIMIT', 0, left)
  local free, stays = {}, false
  for _, raw in ipairs(due) do
    local priority, step = priority_of(raw), tonumber(ARGV[5])
    for i = 5, #ARGV do if tonumber(ARGV[i]) <= priority then step = tonumber(ARGV[i]) end end
    local list = ARGV[2] .. queue .. (step == 0 and '' or ARGV[3] .. step)
    if free[list] == nil then free[list] = fits(list, 'list') end
    if free[list] then
      redis.call('ZREM', parked, raw)
      redis.call('LPUSH', list, raw)
    else stays = true end
  end
  left = left - #due
  local head = redis.call('ZRANGE', parked, 0, 0, 'WITHSCORES')
  -- What stays is due, and is looked at now and then: its key is another program's.
  if stays then head = redis.call('ZRANGEBYSCORE', parked, '(' .. number_text(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1) end
  if head[1] then next_due = math.min(next_due or tonumber(head[2]), tonumber(head[2]))
  elseif not stays then redis.call('SREM', KEYS[1], queue) end
end
return next_due and number_text(math.max(0, next_due - now)) or ''
`);

/** Celery's sweep, first half: the tags and entries that timed out. KEYS: index, unacked. ARGV: seconds, most. */
export const TIMED_OUT: RedisScript = redisScript(`
${ENVELOPE_LUA}
local out = {}
local upto = number_text(server_now() - tonumber(ARGV[1]))
for _, tag in ipairs(redis.call('ZREVRANGEBYSCORE', KEYS[1], upto, 0, 'LIMIT', 0, ARGV[2])) do
  out[#out + 1] = tag
  out[#out + 1] = redis.call('HGET', KEYS[2], tag) or ''
end
return out
`);

/** Second half: puts one back if nobody else did. It stays where a key is no list. KEYS: index, unacked, then the lists. ARGV: tag, envelope. */
export const RESTORE: RedisScript = redisScript(`
${FITS_LUA}
for i = 3, #KEYS do if not fits(KEYS[i], 'list') then return 0 end end
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
for i = 3, #KEYS do redis.call('RPUSH', KEYS[i], ARGV[2]) end
return 1
`);

/** Releases Celery's mutex if it is still ours. */
export const UNLOCK: RedisScript = redisScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
`);

/** Counts a queue. KEYS: holders, parked, serves, lists. ARGV: prefix of held hashes. Answers ready, held, parked, number of keys that exist. */
export const COUNT: RedisScript = redisScript(`
local ready, exist, held, mine = 0, redis.call('EXISTS', KEYS[2], KEYS[3]), 0, {}
for i = 4, #KEYS do
  local length = redis.pcall('LLEN', KEYS[i])
  if type(length) == 'number' then ready = ready + length end
  exist = exist + redis.call('EXISTS', KEYS[i])
  mine[KEYS[i]] = true
end
for _, incarnation in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  for _, field in ipairs(redis.call('HKEYS', ARGV[1] .. incarnation)) do
    if mine[field:match('^%d+%.%d+%.(.*)$')] then held = held + 1 end
  end
end
return { ready, held, redis.call('ZCARD', KEYS[2]), exist }
`);

/**
 * Takes texts out of where they wait, and puts others there in their place, each pair as a whole. KEYS: parked, the set of queues with parked messages,
 * lists. ARGV: queue, seconds from now until they are due or '' (ready) or 'gone', then for each the text, the number of the list for its
 * priority, and the new text. Answers for each the score at which it was parked, '' when it was ready, or false when it was not there any more.
 */
export const REPLACE: RedisScript = redisScript(`
${ENVELOPE_LUA}
${FITS_LUA}
local out = {}
local fate = ARGV[2]
local due = tonumber(fate) and number_text(server_now() + tonumber(fate))
for at = 3, fate == '' and #ARGV or 0, 3 do
  local list = KEYS[2 + tonumber(ARGV[at + 1])]
  if not fits(list, 'list') then return redis.error_reply('WRONGTYPE ' .. list .. ' is no list') end
end
for at = 3, #ARGV, 3 do
  local raw = ARGV[at]
  local found = redis.call('ZSCORE', KEYS[1], raw)
  if found then redis.call('ZREM', KEYS[1], raw)
  else
    for i = 3, #KEYS do
      local removed = redis.pcall('LREM', KEYS[i], -1, raw)
      if removed == 1 then found = '' break end
    end
  end
  out[#out + 1] = found
  if found and due then redis.call('ZADD', KEYS[1], due, ARGV[at + 2])
  elseif found and fate == '' then redis.call('LPUSH', KEYS[2 + tonumber(ARGV[at + 1])], ARGV[at + 2]) end
end
if due then redis.call('SADD', KEYS[2], ARGV[1]) end
return out
`);

/** Deletes what waits. KEYS: parked, lists. Answers how many. */
export const PURGE: RedisScript = redisScript(`
local purged = redis.call('ZCARD', KEYS[1])
for i = 2, #KEYS do
  local length = redis.pcall('LLEN', KEYS[i])
  if type(length) == 'number' then
    purged = purged + length
    redis.call('UNLINK', KEYS[i])
  end
end
redis.call('UNLINK', KEYS[1])
return purged
`);
