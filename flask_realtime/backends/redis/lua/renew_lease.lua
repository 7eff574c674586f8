--- @include "leases"
-- Answers the names of missing values too, so that looking for them takes no call.
local lease, ttl, is_leaving, names = unpack(ARGV)

local missing = {}
for _, name in ipairs(cjson.decode(names)) do
  if redis.call('EXISTS', base .. ':' .. name) == 0 then
    missing[#missing + 1] = name
  end
end
local info = redis.pcall('INFO', 'server')
local redis_id = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
if is_held(lease) then
  redis.call('ZADD', base .. ':servers', text(now + ttl), lease)
  if is_leaving == '1' then
    redis.call('SADD', base .. ':leaving', lease)
  end
  return {now, 'held', redis_id, missing}
end
if redis.call('ZSCORE', base .. ':servers', lease) or redis.call('ZSCORE', base .. ':reaped', lease) then
  return {now, 'reaped', redis_id, missing}
end
return {now, 'lost', redis_id, missing}
