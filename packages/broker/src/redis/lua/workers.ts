import { script } from '../link.js';
import { LEASES, PRELUDE } from './prelude.js';

/**
 * The workers, which all live in one slot: `workers`, a hash by id of `<lease> <record>`; `leases`, a sorted set of ids
 * by when each runs out; `boot`: see `settle`.
 */
const KEYS = ['workers', 'leases', 'boot'] as const;
/** Far longer than an outage after which anybody still waits: until then a restarted Redis knows who may be alive. */
const KEPT_MS = 24 * 3_600_000;

/** ARGV: id, record, lease. */
export const BEAT = script(
  KEYS,
  `${PRELUDE}${LEASES}
redis.call('HSET', workers, ARGV[1], ARGV[3] .. ' ' .. ARGV[2])
redis.call('ZADD', leases, int(now + ARGV[3]), ARGV[1])
if redis.call('EXISTS', boot) == 0 then mark(boot, run_id()) end
for i = 1, #KEYS do redis.call('PEXPIRE', KEYS[i], ${KEPT_MS}) end
`,
);

/** Returns of each living worker how many milliseconds its lease has left, and its record. */
export const WORKERS = script(
  KEYS,
  `${PRELUDE}${LEASES}
settle(workers, leases, boot, true)
local found = {}
local ends = {}
local scores = redis.call('ZRANGE', leases, 0, -1, 'WITHSCORES')
for i = 1, #scores, 2 do ends[scores[i]] = tonumber(scores[i + 1]) end
local held = redis.call('HGETALL', workers)
for i = 1, #held, 2 do
  found[i] = int((ends[held[i]] or now) - now)
  found[i + 1] = string.match(held[i + 1], '^%d+ (.*)$')
end
return found
`,
);

/** ARGV: id. */
export const LEAVE = script(
  KEYS,
  `
redis.call('HDEL', workers, ARGV[1])
redis.call('ZREM', leases, ARGV[1])
`,
);
