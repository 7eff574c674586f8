--- @include "announce"
local user = ARGV[1]

return announce(user)
