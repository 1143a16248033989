import { script } from '../link.js';
import { PRELUDE } from './prelude.js';
import { REPORT } from './reports.js';

/**
 * The chunks of one run, each script on keys of one slot. Values:
 *
 * - `outstanding`, a hash by chunk: `<attempt> <claimed> <taken or 0> <failures> <deaths> <taken by> <hedge's attempt or
 *   0> <hedge taken by>`, nothing for nobody
 * - `waiting`, a set: the outstanding ones that nobody took
 * - `ready`, a hash by chunk: JSON `[attempt, worker, address, TLS name, bytes]`
 * - `ended`, a hash by chunk: JSON `[forget at, failures, deaths, error or '']` of chunks that failed lately
 * - `attempts`, a hash by chunk, and `order`, a list of its fields as they were first claimed; `meta` has `from`, `to`
 *   (both `<epoch> <first>`) and `most` of those that were forgotten; and how many `claims` and `hedges` there were
 * - `names`, a sorted set: the run's names by when each expires
 */

/** How long a chunk's failure, and the counts of a chunk that nobody claims again, are remembered. */
const FORGET_MS = 60_000;
/** Attempts are counted exactly for so many chunks of a run: 1.5 MB of Redis. Beyond them see docs/decisions/0050. */
export const REMEMBERED_CHUNKS = 16_384;

const CHUNKS = `${PRELUDE}
local function record_of(chunk)
  local value = redis.call('HGET', outstanding, chunk)
  if not value then return nil end
  local attempt, claimed, taken, failures, deaths, by, hedge, hedge_by =
    string.match(value, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%S*) (%d+) (%S*)$')
  return {
    attempt = tonumber(attempt), claimed = claimed, taken = taken, by = by,
    failures = tonumber(failures), deaths = tonumber(deaths),
    hedge = tonumber(hedge), hedge_by = hedge_by,
  }
end
local function put(chunk, record)
  local value = table.concat({
    record.attempt, record.claimed, record.taken, record.failures, record.deaths, record.by,
    record.hedge, record.hedge_by,
  }, ' ')
  redis.call('HSET', outstanding, chunk, value)
  redis.call(record.by == '' and 'SADD' or 'SREM', waiting, chunk)
  return value
end
local function end_attempt(chunk)
  redis.call('HDEL', outstanding, chunk)
  redis.call('SREM', waiting, chunk)
end
`;

const ENDED = `
local function ended_of(chunk)
  local value = redis.call('HGET', ended, chunk)
  if not value then return nil end
  local kept = cjson.decode(value)
  if kept[1] > now then return kept end
  redis.call('HDEL', ended, chunk)
  return nil
end
local function remember(chunk, failures, deaths, error)
  redis.call('HSET', ended, chunk, cjson.encode({now + ${FORGET_MS}, failures, deaths, error}))
  redis.call('PEXPIRE', ended, ${FORGET_MS})
  if redis.call('HLEN', ended) % 256 == 0 then
    for _, other in ipairs(redis.call('HKEYS', ended)) do ended_of(other) end
  end
end
`;

const ATTEMPTS = `
local function position(chunk)
  local epoch, first = string.match(chunk, '^(%d+)%-(%d+)')
  return {tonumber(epoch) or 0, tonumber(first) or 0}
end
local function before(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end
local function parsed(text)
  local epoch, first = string.match(text, '^(%d+) (%d+)$')
  return {tonumber(epoch), tonumber(first)}
end
local function span()
  local kept = redis.call('HMGET', meta, 'from', 'to', 'most')
  if not kept[1] then return nil end
  return {from = parsed(kept[1]), to = parsed(kept[2]), most = tonumber(kept[3])}
end
local function forget_oldest()
  local chunk = redis.call('LPOP', order)
  local count = tonumber(redis.call('HGET', attempts, chunk))
  redis.call('HDEL', attempts, chunk)
  local at = position(chunk)
  local known = span() or {from = at, to = at, most = 0}
  if before(at, known.from) then known.from = at end
  if before(known.to, at) then known.to = at end
  redis.call('HSET', meta,
    'from', int(known.from[1]) .. ' ' .. int(known.from[2]),
    'to', int(known.to[1]) .. ' ' .. int(known.to[2]),
    'most', math.max(known.most, count))
end
local function next_attempt(chunk)
  local count = tonumber(redis.call('HGET', attempts, chunk))
  if not count then
    local at, known = position(chunk), span()
    count = 0
    if known and not before(at, known.from) and not before(known.to, at) then count = known.most end
    if redis.call('RPUSH', order, chunk) > ${REMEMBERED_CHUNKS} then forget_oldest() end
  end
  redis.call('HSET', attempts, chunk, count + 1)
  return count + 1
end
`;

/** ARGV: how long keys are kept; then each chunk and the share it is claimed in. Nothing where no run is open. */
export const CLAIM = script(
  ['names', 'outstanding', 'waiting', 'ready', 'ended', 'attempts', 'order', 'meta'],
  `${CHUNKS}${ENDED}${ATTEMPTS}
local ms = ARGV[1]
if redis.call('ZCOUNT', names, '(' .. int(now), '+inf') == 0 then return false end
local in_queue = redis.call('SCARD', waiting)
local claimed = 0
local function claim(chunk, share)
  local value = redis.call('HGET', ready, chunk)
  if value then return {'ready', value} end
  value = redis.call('HGET', outstanding, chunk)
  if value then return {'outstanding', value} end
  local kept = ended_of(chunk)
  if kept and kept[4] ~= '' then return {'failed', kept[4]} end
  if in_queue >= share then return {'share'} end
  local failures, deaths = 0, 0
  if kept then
    failures, deaths = kept[2], kept[3]
    redis.call('HDEL', ended, chunk)
  end
  value = put(chunk, {
    attempt = next_attempt(chunk), claimed = int(now), taken = 0, by = '',
    failures = failures, deaths = deaths, hedge = 0, hedge_by = '',
  })
  in_queue = in_queue + 1
  claimed = claimed + 1
  return {'claimed', value}
end
local answers = {}
for i = 2, #ARGV, 2 do answers[#answers + 1] = claim(ARGV[i], tonumber(ARGV[i + 1])) end
if claimed > 0 then redis.call('HINCRBY', meta, 'claims', claimed) end
for _, key in ipairs({outstanding, waiting, attempts, order, meta}) do keep(key, ms) end
return answers
`,
);

/** ARGV: chunk, attempt that is late, percent, how long keys are kept. Returns the hedge's attempt, or nothing. */
export const HEDGE = script(
  ['outstanding', 'waiting', 'attempts', 'order', 'meta'],
  `${CHUNKS}${ATTEMPTS}
local chunk = ARGV[1]
local record = record_of(chunk)
if not record or record.attempt ~= tonumber(ARGV[2]) or record.by == '' or record.hedge > 0 then return false end
local claims, hedges = unpack(redis.call('HMGET', meta, 'claims', 'hedges'))
if 100 * (tonumber(hedges) or 0) > tonumber(ARGV[3]) * (tonumber(claims) or 0) then return false end
redis.call('HINCRBY', meta, 'hedges', 1)
record.hedge = next_attempt(chunk)
put(chunk, record)
for _, key in ipairs({outstanding, waiting, attempts, order, meta}) do keep(key, ARGV[4]) end
return record.hedge
`,
);

/** ARGV: chunk, attempt, worker. */
export const BEGIN = script(
  ['outstanding', 'waiting'],
  `${CHUNKS}
local chunk, attempt, worker = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local record = record_of(chunk)
if not record then return 0 end
if record.hedge > 0 and record.hedge == attempt then
  if record.hedge_by ~= '' or record.by == worker then return record.hedge_by == worker and 1 or 0 end
  record.hedge_by = worker
elseif record.attempt == attempt then
  if record.by ~= '' then return record.by == worker and 1 or 0 end
  record.by, record.taken = worker, int(now)
else
  return 0
end
put(chunk, record)
return 1
`,
);

/** ARGV: chunk, the ready record, how long keys are kept. */
export const PUBLISH = script(
  ['outstanding', 'waiting', 'ready'],
  `${CHUNKS}
local chunk = ARGV[1]
if redis.call('HEXISTS', outstanding, chunk) == 0 then return 0 end
end_attempt(chunk)
redis.call('HSET', ready, chunk, ARGV[2])
keep(ready, ARGV[3])
return 1
`,
);

/** ARGV: chunk, worker, attempt ('' for any). Returns whether the record was that worker's and is gone. */
export const RETRACT = script(
  ['ready'],
  `
local value = redis.call('HGET', ready, ARGV[1])
if not value then return 0 end
local record = cjson.decode(value)
if record[2] ~= ARGV[2] or (ARGV[3] ~= '' and record[1] ~= tonumber(ARGV[3])) then return 0 end
return redis.call('HDEL', ready, ARGV[1])
`,
);

/** ARGV: chunk, attempt, why. Returns its failures and deaths. */
export const RELEASE = script(
  ['outstanding', 'waiting', 'ended'],
  `${CHUNKS}${ENDED}
local chunk, why = ARGV[1], ARGV[3]
local record = record_of(chunk)
if not record then
  local kept = ended_of(chunk)
  if not kept then return {0, 0} end
  return {kept[2], kept[3]}
end
if record.hedge > 0 and record.hedge == tonumber(ARGV[2]) then
  record.hedge, record.hedge_by = 0, ''
  put(chunk, record)
end
if record.attempt ~= tonumber(ARGV[2]) then return {record.failures, record.deaths} end
record.failures = record.failures + (why == 'failure' and 1 or 0)
record.deaths = record.deaths + (why == 'death' and 1 or 0)
if record.hedge > 0 then
  record.attempt, record.by, record.taken = record.hedge, record.hedge_by, record.hedge_by == '' and 0 or int(now)
  record.hedge, record.hedge_by = 0, ''
  put(chunk, record)
else
  end_attempt(chunk)
  if record.failures + record.deaths > 0 then remember(chunk, record.failures, record.deaths, '') end
end
return {record.failures, record.deaths}
`,
);

/** ARGV: chunk, the error. Returns the ready record where there is one, and then does nothing. */
export const FAIL = script(
  ['names', 'outstanding', 'waiting', 'ready', 'ended', 'failures', 'reported'],
  `${CHUNKS}${ENDED}${REPORT}
local chunk = ARGV[1]
if redis.call('ZCOUNT', names, '(' .. int(now), '+inf') == 0 then return false end
local value = redis.call('HGET', ready, chunk)
if value then return value end
end_attempt(chunk)
remember(chunk, 0, 0, ARGV[2])
local json = cjson.encode({chunk = chunk, errorJson = ARGV[2], at = now})
report(failures, 'failures', json, tonumber(ARGV[3]))
return false
`,
);

/** ARGV: chunks. Of each, in order, a letter and its record: r(eady), o(utstanding), f(ailed), or nothing. */
export const STATES = script(
  ['outstanding', 'ready', 'ended'],
  `${PRELUDE}
local found = {}
local held = redis.call('HMGET', ready, unpack(ARGV))
local made = redis.call('HMGET', outstanding, unpack(ARGV))
local failed = redis.call('HMGET', ended, unpack(ARGV))
for i = 1, #ARGV do
  found[i] = ''
  if held[i] then found[i] = 'r' .. held[i]
  elseif made[i] then found[i] = 'o' .. made[i]
  elseif failed[i] then
    local kept = cjson.decode(failed[i])
    if kept[1] > now and kept[4] ~= '' then found[i] = 'f' .. kept[4] end
  end
end
return found
`,
);

/** Returns the outstanding chunks with their records, and a few ready ones, chosen at random, with theirs. */
export const OUTSTANDING = script(
  ['outstanding', 'ready'],
  `return {redis.call('HGETALL', outstanding), redis.call('HRANDFIELD', ready, 16, 'WITHVALUES')}`,
);
