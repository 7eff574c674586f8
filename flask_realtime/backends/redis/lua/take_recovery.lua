--- @include "deadline"
--- @include "recovery"
-- Answers a lease's fields and values in turn, as they were; where an attempt is made again, as they were before the first time.
local deadline, key, user, owner, ttl, attempt = unpack(ARGV)

if is_late(deadline) then
  return {now, LATE, ''}
end
local noted = redis.call('HMGET', lease_key(key), 'user', 'ended', 'attempt', 'previous')
if noted[1] ~= user or noted[2] then
  return {now, STAYS, ''}
end
if noted[3] == attempt then
  redis.call('HSET', lease_key(key), 'owner', noted[4])
  redis.call('HINCRBY', lease_key(key), 'turn', -1)
end
local fields = redis.call('HGETALL', lease_key(key))
redis.call('HSET', lease_key(key), 'previous', redis.call('HGET', lease_key(key), 'owner'), 'owner', owner, 'attempt', attempt)
redis.call('HINCRBY', lease_key(key), 'turn', 1)
redis.call('PEXPIRE', lease_key(key), ttl)
return {now, TURNED, cjson.encode(fields)}
