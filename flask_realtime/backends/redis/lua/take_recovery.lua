--- @include "deadline"
--- @include "recovery"
-- Answers a lease's fields and values in turn, as they were.
local deadline, key, user, owner, ttl = unpack(ARGV)

if is_late(deadline) then
  return {now, LATE, ''}
end
local fields = redis.call('HGETALL', lease_key(key))
local noted = redis.call('HMGET', lease_key(key), 'user', 'ended')
if noted[1] ~= user or noted[2] then
  return {now, STAYS, ''}
end
redis.call('HSET', lease_key(key), 'owner', owner)
redis.call('HINCRBY', lease_key(key), 'turn', 1)
redis.call('PEXPIRE', lease_key(key), ttl)
return {now, TURNED, cjson.encode(fields)}
