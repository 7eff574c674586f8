--- @include "deadline"
local deadline, name = unpack(ARGV)

if is_late(deadline) then
  return {now, LATE, ''}
end
return {now, redis.call('DEL', base .. ':' .. name), ''}
