--- @include "leases"
local lease, ttl, is_leaving = unpack(ARGV)

local info = redis.pcall('INFO', 'server')
local redis_id = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
if is_held(lease) then
  redis.call('ZADD', base .. ':servers', text(now + ttl), lease)
  if is_leaving == '1' then
    redis.call('SADD', base .. ':leaving', lease)
  end
  return {now, 'held', redis_id}
end
if redis.call('ZSCORE', base .. ':servers', lease) or redis.call('ZSCORE', base .. ':reaped', lease) then
  return {now, 'reaped', redis_id}
end
return {now, 'lost', redis_id}
