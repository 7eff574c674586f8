--- @include "base"
-- Users who went offline and are waited for. An entry that nobody has taken 5 seconds after its time was left by servers that died,
-- or could not reach Redis.
local OVERDUE = now - 5000000

local function is_awaited(user)
  local due = redis.call('ZSCORE', base .. ':departed', user)
  return due and tonumber(due) > OVERDUE
end

local function is_anybody_awaited()
  return redis.call('EXISTS', base .. ':departed') == 1
end

local function awaited_users()
  return redis.call('ZRANGEBYSCORE', base .. ':departed', '(' .. text(OVERDUE), '+inf')
end

local function count_awaited()
  return redis.call('ZCOUNT', base .. ':departed', '(' .. text(OVERDUE), '+inf')
end
