--- @include "status"
--- @include "members"
--- @include "once"
local deadline, own_lease, token, limit, wanted = unpack(ARGV)

local function victim()
  if wanted ~= '' then
    return redis.call('ZSCORE', base .. ':servers', wanted) and wanted
  end
  if redis.call('EXISTS', base .. ':settling') == 1 then
    return nil
  end
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', base .. ':servers', '-inf', text(now), 'LIMIT', 0, 2)) do
    if lease ~= own_lease then
      return lease
    end
  end
end

local function end_lease(lease)
  redis.call('ZREM', base .. ':servers', lease)
  redis.call('SREM', base .. ':leaving', lease)
  redis.call('ZADD', base .. ':reaped', text(now), lease)
  redis.call('ZREMRANGEBYSCORE', base .. ':reaped', '-inf', text(now - 86400000000))
end

local function is_under(entry, lease)
  return entry and split(entry) == lease
end

local function reap(lease, connection, user, gone)
  local of_user = base .. ':user:' .. user
  if is_under(redis.call('HGET', of_user, connection), lease) then
    redis.call('HDEL', of_user, connection)
    if not has_connections(user) then
      local _, version = go_offline(user, lease)
      gone[#gone + 1] = {user, version}
    end
  end
  for _, topic in ipairs(redis.call('SMEMBERS', base .. ':joined:' .. connection)) do
    if is_under(redis.call('HGET', base .. ':' .. topic, connection), lease) then
      leave(connection, topic, lease)
    end
  end
end

if now > tonumber(deadline) then
  return {now, LATE, '0'}
end
local lease = victim()
if not lease then
  return {now, STAYS, redis.call('GET', base .. ':answer:' .. token) or '[]'}
end
return {now, TURNED, once(token, function()
  local gone = {}
  redis.call('ZADD', base .. ':servers', '0', lease)
  for _, member in ipairs(redis.call('SPOP', base .. ':server:' .. lease, limit)) do
    local connection, user = split(member)
    reap(lease, connection, user, gone)
  end
  if redis.call('EXISTS', base .. ':server:' .. lease) == 0 then
    end_lease(lease)
  end
  return gone
end)}
