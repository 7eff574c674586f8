--- @include "base"

local function join(lease, user, connection, conversation)
  redis.call('HSET', base .. ':conversation:' .. conversation, connection, lease .. ' ' .. user)
  redis.call('SADD', base .. ':joined:' .. connection, conversation)
  redis.call('SADD', base .. ':server:' .. lease, connection .. ' ' .. user)
end

local function leave(connection, conversation)
  redis.call('HDEL', base .. ':conversation:' .. conversation, connection)
  redis.call('SREM', base .. ':joined:' .. connection, conversation)
end

-- Takes a connection of which nothing is noted any more out of its server's.
local function forget(lease, user, connection)
  local is_present = redis.call('HEXISTS', base .. ':user:' .. user, connection) == 1
  if not is_present and redis.call('EXISTS', base .. ':joined:' .. connection) == 0 then
    redis.call('SREM', base .. ':server:' .. lease, connection .. ' ' .. user)
  end
end

-- Leaves every conversation, those excepted that are keys of a table.
local function leave_others(connection, kept)
  for _, conversation in ipairs(redis.call('SMEMBERS', base .. ':joined:' .. connection)) do
    if not kept[conversation] then
      leave(connection, conversation)
    end
  end
end

-- Leaves every conversation, those too of which there is no note any more that the connection has joined them.
local function leave_all(connection, known)
  local noted = {}
  for _, conversation in ipairs(redis.call('SMEMBERS', base .. ':joined:' .. connection)) do
    noted[conversation] = true
    leave(connection, conversation)
  end
  for _, conversation in ipairs(known) do
    if not noted[conversation] then
      leave(connection, conversation)
    end
  end
end
