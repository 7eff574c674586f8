--- @include "base"

-- Its caller has given up by then.
local function is_late(deadline)
  return now > tonumber(deadline)
end
