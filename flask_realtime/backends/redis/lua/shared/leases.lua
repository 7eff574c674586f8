--- @include "deadline"

local function is_held(lease)
  return tonumber(redis.call('ZSCORE', base .. ':servers', lease) or 0) > 0
end

-- Returns the answer that refuses a write, or nil.
local function refusal(deadline, lease)
  if is_late(deadline) then
    return {now, LATE, '0'}
  elseif not is_held(lease) then
    return {now, NOT_HELD, '0'}
  end
end

-- Returns the leases that have run out and are not reaped yet, as keys of a table, and whether there are any.
local function dead_leases()
  local leases, any = {}, false
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', base .. ':servers', '-inf', text(now))) do
    leases[lease], any = true, true
  end
  return leases, any
end
