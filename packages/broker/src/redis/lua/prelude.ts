/**
 * What scripts share. Time is Redis' own and only ever compared with itself. Lua's own conversion of numbers keeps 14
 * digits, so integers are written with `int`. `keep` gives a key its expiry where it has none yet.
 */
export const PRELUDE = `
local function int(number) return string.format('%.0f', number) end
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local function keep(key, ms)
  if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, ms) end
end
`;

/**
 * `settle(records, leases, boot, always)` forgets the records whose lease ran out; each record's value begins with its
 * lease's length. Who could not renew because Redis was away is not gone: the first look after a restart, when Redis'
 * run id is another than `boot` says, gives every lease its whole length from now. That look is the first at all if
 * `always`, else the first that finds a lease run out.
 */
export const LEASES = `
local function run_id() return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') end
local function mark(boot, id) redis.call('SET', boot, id, 'PX', 172800000) end
local function settle(records, leases, boot, always)
  local gone = redis.call('ZRANGEBYSCORE', leases, '-inf', int(now))
  if #gone == 0 and not always then return end
  local id = run_id()
  if redis.call('GET', boot) ~= id then
    mark(boot, id)
    local held = redis.call('HGETALL', records)
    for i = 1, #held, 2 do
      local lease = string.match(held[i + 1], '^(%d+) ')
      redis.call('ZADD', leases, 'GT', int(now + lease), held[i])
    end
  elseif #gone > 0 then
    redis.call('HDEL', records, unpack(gone))
    redis.call('ZREM', leases, unpack(gone))
  end
end
`;
