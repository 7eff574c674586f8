--- @include "base"
local FEW = 16

local function lease_key(key)
  return base .. ':recovery:lease:' .. key
end

-- Notes that a lease is a user's, or a token's.
local function note(kind, id, key, ttl)
  if not id or id == '' then
    return
  end
  local index = base .. ':recovery:' .. kind .. ':' .. id
  redis.call('SADD', index, key)
  redis.call('PEXPIRE', index, ttl)
  if redis.call('SCARD', index) <= FEW then
    return
  end
  for _, other in ipairs(redis.call('SRANDMEMBER', index, 2)) do
    if redis.call('EXISTS', lease_key(other)) == 0 then
      redis.call('SREM', index, other)
    end
  end
end

-- Returns why a server may not change a lease, or nil.
local function refusal_of(key, owner)
  local noted = redis.call('HMGET', lease_key(key), 'owner', 'ended')
  if not noted[1] then
    return 'forgotten'
  elseif noted[2] then
    return 'ended'
  elseif noted[1] ~= owner then
    return 'taken'
  end
end

-- Ends all leases of a user or a token, or takes them out of a room.
local function strike(whose, room)
  for _, key in ipairs(redis.call('SMEMBERS', base .. ':recovery:' .. whose)) do
    if room ~= '' then
      redis.call('HDEL', lease_key(key), 'room:' .. room)
    elseif redis.call('EXISTS', lease_key(key)) == 1
      and (string.sub(whose, 1, 6) ~= 'token:' or 'token:' .. redis.call('HGET', lease_key(key), 'token') == whose) then
      redis.call('HSET', lease_key(key), 'ended', '1')
    end
  end
end
