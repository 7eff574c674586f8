--- @include "base"

-- After the deadline the caller has given up, and handles the change in another way.
local function is_late(deadline)
  return now > tonumber(deadline)
end
