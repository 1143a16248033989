import { REPORTS_KEPT } from '../../records.js';
import { script } from '../link.js';
import { PRELUDE } from './prelude.js';

/**
 * The reports of one run digest: `substitutions` and `failures`, lists of JSON, the newest first; `reported`, a hash:
 * how many of each there were ever. `report` adds one.
 */
export const REPORT = `
local function report(list, kind, json, ms)
  redis.call('LPUSH', list, json)
  redis.call('LTRIM', list, 0, ${REPORTS_KEPT - 1})
  redis.call('HINCRBY', reported, kind, 1)
  redis.call('PEXPIRE', list, int(ms))
  redis.call('PEXPIRE', reported, int(ms))
end
`;

/** ARGV: how long they are kept, reports. */
export const REPORT_SUBSTITUTIONS = script(
  ['names', 'substitutions', 'reported'],
  `${PRELUDE}${REPORT}
if redis.call('ZCOUNT', names, '(' .. int(now), '+inf') == 0 then return end
for i = 2, #ARGV do report(substitutions, 'substitutions', ARGV[i], tonumber(ARGV[1])) end
`,
);

/** ARGV: kind, number before which, how many at most. Returns the total, the first one's number, reports. */
export const REPORTS = script(
  ['substitutions', 'failures', 'reported'],
  `${PRELUDE}
local lists = {substitutions = substitutions, failures = failures}
local total = tonumber(redis.call('HGET', reported, ARGV[1]) or 0)
local first = math.min(total, tonumber(ARGV[2]) - 1)
local from, most = total - first, tonumber(ARGV[3])
if most == 0 then return {total, first} end
return {total, first, redis.call('LRANGE', lists[ARGV[1]], from, from + most - 1)}
`,
);
