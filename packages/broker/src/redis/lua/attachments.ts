import { script } from '../link.js';
import { LEASES, PRELUDE } from './prelude.js';

/**
 * The attachments of one run digest, each script on keys of one slot. Fields are ranks, JSON `[name, rank, consumer]`:
 *
 * - `names`, a sorted set: the names under which the run is open, by when each expires
 * - `attachments`, a hash: `<lease> <fencing> <record>`; `leases`, a sorted set: the same ranks by when each runs out
 * - `cursors`, a hash: `<fencing> <next step>` of the newest attachment of each rank, also when it is gone
 * - `boot`: see `settle`
 */

/** Cursors are a convenience; jobs that come and go for ever must not fill the memory with them. */
const MAX_CURSORS = 10_000;

/** Every key of a run but its names, for those that end or keep it. */
export const RUN_KEYS = [
  'attachments',
  'leases',
  'cursors',
  'boot',
  'outstanding',
  'waiting',
  'ready',
  'ended',
  'attempts',
  'order',
  'meta',
  'substitutions',
  'failures',
  'reported',
] as const;

const NAMES = `${PRELUDE}
local function is_open(name)
  return (tonumber(redis.call('ZSCORE', names, name)) or 0) > now
end
local function touch(name, ms)
  redis.call('ZADD', names, 'GT', int(now + ms), name)
  for i = 1, #KEYS do redis.call('PEXPIRE', KEYS[i], int(2 * ms)) end
end
`;

/** Opens the run under a name, anew where nobody has it open any more. ARGV: name, how long it is kept. */
export const OPEN = script(
  ['names', ...RUN_KEYS],
  `${NAMES}
redis.call('ZREMRANGEBYSCORE', names, '-inf', int(now))
if redis.call('ZCARD', names) == 0 then redis.call('DEL', unpack(KEYS)) end
touch(ARGV[1], tonumber(ARGV[2]))
`,
);

/** Closes the run under a name; with its last name all of it goes. ARGV: name. */
export const CLOSE = script(
  ['names', ...RUN_KEYS],
  `${NAMES}
redis.call('ZREM', names, ARGV[1])
redis.call('ZREMRANGEBYSCORE', names, '-inf', int(now))
if redis.call('ZCARD', names) == 0 then
  redis.call('DEL', unpack(KEYS))
  return
end
for _, records in ipairs({attachments, cursors}) do
  for _, rank in ipairs(redis.call('HKEYS', records)) do
    if cjson.decode(rank)[1] == ARGV[1] then
      redis.call('HDEL', records, rank)
      redis.call('ZREM', leases, rank)
    end
  end
end
`,
);

const HOLD = `
local function hold(rank, fencing, step, record, lease)
  redis.call('HSET', attachments, rank, int(lease) .. ' ' .. int(fencing) .. ' ' .. record)
  redis.call('ZADD', leases, int(now + lease), rank)
  redis.call('HSET', cursors, rank, int(fencing) .. ' ' .. step)
  if redis.call('HLEN', cursors) > ${MAX_CURSORS} then
    for _, other in ipairs(redis.call('HRANDFIELD', cursors, 8)) do
      if redis.call('HEXISTS', attachments, other) == 0 then
        redis.call('HDEL', cursors, other)
        break
      end
    end
  end
end
local function keep_held(lease, idle)
  for _, key in ipairs({attachments, leases, cursors}) do keep(key, int(2 * math.max(idle, lease))) end
end
`;

/** ARGV: name, rank, process, next step, record without fencing, lease, how long an idle run is kept, takeover. */
export const ATTACH = script(
  ['names', 'attachments', 'leases', 'cursors', 'boot'],
  `${NAMES}${LEASES}${HOLD}
local name, rank = ARGV[1], ARGV[2]
local lease, idle = tonumber(ARGV[6]), tonumber(ARGV[7])
if not is_open(name) then return {'closed'} end
settle(attachments, leases, boot, true)
local holder = redis.call('HGET', attachments, rank)
if holder and ARGV[8] == '0' then
  local record = string.match(holder, '^%d+ %d+ (.*)$')
  if cjson.decode(record).process ~= ARGV[3] then return {'held', holder} end
end
-- By the clock, so that a number which Redis forgot in a crash is not given twice.
local newest = tonumber(string.match(redis.call('HGET', cursors, rank) or '0 0', '^(%d+) '))
local fencing = math.max(micros, newest + 1)
hold(rank, fencing, ARGV[4], ARGV[5], lease)
keep_held(lease, idle)
return {'attached', int(fencing)}
`,
);

/**
 * ARGV: lease, how long an idle run is kept; then of each attachment its name, rank, fencing, next step and record
 * without fencing. Returns a word on each: `due` where the run is to be touched, not at each of very many renewals.
 */
export const RENEW = script(
  ['names', 'attachments', 'leases', 'cursors'],
  `${NAMES}${HOLD}
local lease, idle = tonumber(ARGV[1]), tonumber(ARGV[2])
local ends = {}
local words = {}
for i = 3, #ARGV, 5 do
  local name, rank, fencing = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  if not ends[name] then ends[name] = tonumber(redis.call('ZSCORE', names, name)) or 0 end
  local newest = tonumber(string.match(redis.call('HGET', cursors, rank) or '0 0', '^(%d+) '))
  local word = 'renewed'
  if ends[name] <= now then word = 'closed'
  elseif newest > fencing then word = 'superseded'
  else
    hold(rank, fencing, ARGV[i + 3], ARGV[i + 4], lease)
    if ends[name] - now < 0.9 * math.max(lease, idle) then
      word = 'due'
      ends[name] = now + math.max(lease, idle)
    end
  end
  words[#words + 1] = word
end
keep_held(lease, idle)
return words
`,
);

/** ARGV: name, how long it is kept. */
export const TOUCH = script(
  ['names', ...RUN_KEYS],
  `${NAMES}
if is_open(ARGV[1]) then touch(ARGV[1], tonumber(ARGV[2])) end
`,
);

/** ARGV: rank, fencing, next step. */
export const DETACH = script(
  ['attachments', 'leases', 'cursors'],
  `
local held = redis.call('HGET', attachments, ARGV[1])
if not held or string.match(held, '^%d+ (%d+) ') ~= ARGV[2] then return end
redis.call('HDEL', attachments, ARGV[1])
redis.call('ZREM', leases, ARGV[1])
redis.call('HSET', cursors, ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
`,
);

/** Returns the values of the live attachments. */
export const ATTACHMENTS = script(
  ['attachments', 'leases', 'boot'],
  `${PRELUDE}${LEASES}
settle(attachments, leases, boot, false)
return redis.call('HVALS', attachments)
`,
);

/** Where a rank was, or nothing where the run is not open under that name. ARGV: name, rank. */
export const CURSOR = script(
  ['names', 'cursors'],
  `${NAMES}
if not is_open(ARGV[1]) then return false end
return redis.call('HGET', cursors, ARGV[2])
`,
);
