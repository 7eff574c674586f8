--- @include "base"
-- Topics have their full names here: `<feature>:<kind>:<id>`.

local function join(lease, user, connection, topic)
  redis.call('HSET', base .. ':' .. topic, connection, lease .. ' ' .. user)
  redis.call('SADD', base .. ':joined:' .. connection, topic)
  redis.call('SADD', base .. ':server:' .. lease, connection .. ' ' .. user)
end

local function leave(connection, topic, lease)
  if is_of_another(redis.call('HGET', base .. ':' .. topic, connection), lease) then
    return
  end
  redis.call('HDEL', base .. ':' .. topic, connection)
  redis.call('SREM', base .. ':joined:' .. connection, topic)
end

-- Removes a connection without any entry from its server's connections.
local function forget(lease, user, connection)
  local is_present = redis.call('HEXISTS', base .. ':user:' .. user, connection) == 1
  if not is_present and redis.call('EXISTS', base .. ':joined:' .. connection) == 0 then
    redis.call('SREM', base .. ':server:' .. lease, connection .. ' ' .. user)
  end
end

-- Leaves every topic except the keys of a table.
local function leave_others(connection, kept, lease)
  for _, topic in ipairs(redis.call('SMEMBERS', base .. ':joined:' .. connection)) do
    if not kept[topic] then
      leave(connection, topic, lease)
    end
  end
end

-- Leaves every topic with a prefix, and the known ones, whose entries in `joined` may be lost.
local function leave_all(connection, prefix, known, lease)
  local noted = {}
  for _, topic in ipairs(redis.call('SMEMBERS', base .. ':joined:' .. connection)) do
    if string.sub(topic, 1, #prefix) == prefix then
      noted[topic] = true
      leave(connection, topic, lease)
    end
  end
  for _, topic in ipairs(known) do
    if not noted[topic] then
      leave(connection, topic, lease)
    end
  end
end
