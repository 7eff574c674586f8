--- @include "deadline"
--- @include "recovery"
-- Answers the changes that were refused: the index, from 0, and why.
local deadline, owner, ttl, changes = unpack(ARGV)

local function open(key, user, sid, token, since, known, rooms)
  redis.call('DEL', lease_key(key))
  redis.call('HSET', lease_key(key), 'owner', owner, 'user', user, 'sid', sid, 'since', since, 'known', known, 'token', token)
  for room, offset in pairs(rooms) do
    redis.call('HSET', lease_key(key), 'room:' .. room, offset)
  end
  redis.call('PEXPIRE', lease_key(key), ttl)
  note('user', user, key, ttl)
  note('token', token, key, ttl)
end

local function touch(key, known, token, time)
  if known ~= '' then
    redis.call('HSET', lease_key(key), 'known', known)
  end
  if token ~= '' then
    redis.call('HSET', lease_key(key), 'token', token)
  end
  redis.call('PEXPIRE', lease_key(key), time)
  local noted = redis.call('HMGET', lease_key(key), 'user', 'token')
  note('user', noted[1], key, ttl)
  note('token', noted[2], key, ttl)
end

local kinds = {
  enter = function(key, room, offset)
    redis.call('HSETNX', lease_key(key), 'room:' .. room, offset)
  end,
  leave = function(key, room)
    redis.call('HDEL', lease_key(key), 'room:' .. room)
  end,
  touch = function(key, known, token)
    touch(key, known, token, ttl)
  end,
  lose = touch,
  see = function(key, seen)
    redis.call('HSET', lease_key(key), 'seen', cjson.encode(seen))
  end,
  ['end'] = function(key)
    redis.call('DEL', lease_key(key))
  end,
}

if is_late(deadline) then
  return {now, LATE, ''}
end
local refused = {}
for index, change in ipairs(cjson.decode(changes)) do
  local kind, key, args = change[1], change[2], change[3]
  if kind == 'open' then
    open(key, unpack(args))
  elseif kind == 'strike' then
    strike(key, args[1])
  else
    local reason = refusal_of(key, owner)
    if not reason then
      kinds[kind](key, unpack(args))
    else
      refused[#refused + 1] = {index - 1, reason}
    end
  end
end
return {now, TURNED, cjson.encode(refused)}
