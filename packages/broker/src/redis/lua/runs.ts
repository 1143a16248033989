import { CLOSED_MS } from '../../store.js';
import { script } from '../link.js';
import { PRELUDE } from './prelude.js';

/**
 * The catalog of runs, which all live in one slot: `runs`, a hash of records by id, `<owner>/<name>`; `ends`, a sorted set
 * of ids by when each expires; `closed`, a sorted set of `<digest> <id>` by when it is forgotten that each was closed;
 * `version`, which changes with every change of a record, so that readers fetch only what is new.
 */
const CATALOG = `${PRELUDE}
local function changed() redis.call('SET', version, int(micros), 'KEEPTTL') end
local function sweep()
  local ended = redis.call('ZRANGEBYSCORE', ends, '-inf', int(now))
  if #ended == 0 then return end
  redis.call('HDEL', runs, unpack(ended))
  redis.call('ZREM', ends, unpack(ended))
  changed()
end
local function touch(id, ms)
  redis.call('ZADD', ends, 'GT', int(now + ms), id)
  for i = 1, #KEYS do redis.call('PEXPIRE', KEYS[i], int(2 * ms)) end
end
`;

const KEYS = ['runs', 'ends', 'version', 'closed'] as const;

/** ARGV: id, record, how long an idle run is kept. Returns the record that is open now, and whether it is new. */
export const OPEN_RUN = script(
  KEYS,
  `${CATALOG}
sweep()
local id, ms = ARGV[1], tonumber(ARGV[3])
local given = cjson.decode(ARGV[2])
local known = redis.call('HGET', runs, id)
local open = known and cjson.decode(known)
if open and open.digest ~= given.digest then
  touch(id, ms)
  return {known, 0}
end
if open then given.openedAt, given.state = open.openedAt, open.state end
redis.call('ZREM', closed, given.digest .. ' ' .. id)
for _, value in ipairs(redis.call('HVALS', runs)) do
  local sibling = cjson.decode(value)
  if sibling.owner == given.owner and sibling.digest == given.digest then
    given.chunkSize, given.fingerprint = sibling.chunkSize, sibling.fingerprint
    break
  end
end
local record = cjson.encode(given)
if record ~= known then
  redis.call('HSET', runs, id, record)
  changed()
end
touch(id, ms)
return {record, open and 0 or 1}
`,
);

/** ARGV: the version that the reader has. Returns the version, and all records where it is another. */
export const LIST_RUNS = script(
  KEYS,
  `${CATALOG}
sweep()
local at = redis.call('GET', version) or '0'
if at == ARGV[1] then return {at} end
return {at, redis.call('HVALS', runs)}
`,
);

/** ARGV: id, digest, how long an idle run is kept. */
export const TOUCH_RUN = script(
  KEYS,
  `${CATALOG}
local known = redis.call('HGET', runs, ARGV[1])
if known and cjson.decode(known).digest == ARGV[2] then touch(ARGV[1], tonumber(ARGV[3])) end
`,
);

/** ARGV: id, digest. */
export const CLOSE_RUN = script(
  KEYS,
  `${CATALOG}
local known = redis.call('HGET', runs, ARGV[1])
if known and cjson.decode(known).digest == ARGV[2] then
  redis.call('HDEL', runs, ARGV[1])
  redis.call('ZREM', ends, ARGV[1])
  changed()
  redis.call('ZREMRANGEBYSCORE', closed, '-inf', int(now))
  redis.call('ZADD', closed, int(now + ${CLOSED_MS}), ARGV[2] .. ' ' .. ARGV[1])
  if redis.call('PTTL', closed) < ${CLOSED_MS} then redis.call('PEXPIRE', closed, ${CLOSED_MS}) end
end
`,
);

/** ARGV: id, digest. */
export const WAS_CLOSED = script(
  ['closed'],
  `${PRELUDE}
return (tonumber(redis.call('ZSCORE', closed, ARGV[2] .. ' ' .. ARGV[1])) or 0) > now and 1 or 0
`,
);

/** ARGV: id, state. Returns the record with it, or false where no such run is open. */
export const SET_STATE = script(
  KEYS,
  `${CATALOG}
sweep()
local known = redis.call('HGET', runs, ARGV[1])
if not known then return false end
local run = cjson.decode(known)
if run.state == ARGV[2] then return known end
run.state = ARGV[2]
local record = cjson.encode(run)
redis.call('HSET', runs, ARGV[1], record)
changed()
return record
`,
);
