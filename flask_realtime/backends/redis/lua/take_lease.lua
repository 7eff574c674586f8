--- @include "base"
local lease, ttl, settling = unpack(ARGV)

redis.call('ZADD', base .. ':servers', text(now + ttl), lease)
if tonumber(settling) > 0 then
  redis.call('SET', base .. ':settling', '1', 'PX', text(math.ceil(settling / 1000)))
end
return now
