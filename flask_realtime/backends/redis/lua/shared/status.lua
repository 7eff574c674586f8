--- @include "users"
--- @include "version"
--- @include "departures"

local function note_gone(user, version, cause)
  redis.call('SREM', base .. ':online', user)
  redis.call('SREM', base .. ':unsettled', user)
  local had_come_back = redis.call('DEL', base .. ':came:' .. user) == 1
  redis.call('SET', base .. ':gone:' .. user, version .. ' ' .. cause, 'EX', 300)
  return had_come_back
end

-- Records that a user went offline. The cause identifies the operation, if it is repeated because its answer was lost.
local function go_offline(user, cause)
  local version = next_version()
  local had_come_back = note_gone(user, version, cause)
  wait_for(user, version)
  return TURNED, version, had_come_back
end

-- Leaves it open whether a user without connections is offline, until all servers have written theirs.
local function may_go_offline(user)
  redis.call('SREM', base .. ':online', user)
  redis.call('SADD', base .. ':unsettled', user)
  return UNSETTLED, '0'
end

-- Returns version and cause of the user's last announced change to offline, for a while after it.
local function last_gone(user)
  local gone = redis.call('GET', base .. ':gone:' .. user)
  if not gone then
    return 0
  end
  local version, cause = split(gone)
  return tonumber(version), cause, version
end

-- Returns, beside code and version, the version of the user's last change to offline, and whether the return was in time for it.
local function add(lease, user, connection, details)
  local is_first = not has_connections(user)
  redis.call('HSET', base .. ':user:' .. user, connection, lease .. ' ' .. details)
  redis.call('SADD', base .. ':server:' .. lease, connection .. ' ' .. user)
  if not is_first then
    return STAYS, '0', 0
  end
  local is_back = is_back_in_time(user)
  local gone, cause, version = last_gone(user)
  redis.call('DEL', base .. ':gone:' .. user)
  redis.call('SADD', base .. ':online', user)
  if redis.call('SREM', base .. ':unsettled', user) == 1 then
    return STAYS, '0', 0
  end
  if version then
    redis.call('SET', base .. ':came:' .. user, connection .. ' ' .. version .. ' ' .. cause, 'EX', 300)
  else
    redis.call('DEL', base .. ':came:' .. user)
  end
  return TURNED, next_version(), gone, is_back
end

local function remove_known(user, connection, entry)
  redis.call('HDEL', base .. ':user:' .. user, connection)
  redis.call('SREM', base .. ':server:' .. split(entry), connection .. ' ' .. user)
  if has_connections(user) then
    return STAYS, '0'
  end
  if redis.call('EXISTS', base .. ':settling') == 1 then
    return may_go_offline(user)
  end
  return go_offline(user, connection)
end

-- It is unknown because it was reaped, because it came and went while Redis was away, because Redis lost its data, or because an
-- earlier removal's answer got lost.
local function remove_unknown(user, connection, told, is_repeated)
  if has_connections(user) then
    return STAYS, '0'
  end
  local gone, cause, version = last_gone(user)
  if cause == connection and is_repeated then
    return TURNED, version
  elseif gone > told then
    return STAYS, '0'
  end
  redis.call('DEL', base .. ':gone:' .. user)
  return may_go_offline(user)
end

local function remove(user, connection, told, is_repeated, lease)
  local entry = redis.call('HGET', base .. ':user:' .. user, connection)
  if is_of_another(entry, lease) then
    redis.call('SREM', base .. ':server:' .. lease, connection .. ' ' .. user)
    return STAYS, '0'
  elseif entry then
    return remove_known(user, connection, entry)
  end
  return remove_unknown(user, connection, told, is_repeated)
end
