--- @include "base"
local ttl = ARGV[1]

for index = 2, #ARGV do
  if not redis.call('ZSCORE', base .. ':reaped', ARGV[index]) then
    redis.call('ZADD', base .. ':servers', 'NX', text(now + ttl), ARGV[index])
  end
end
return now
