--- @include "base"

-- Does something at most once for a token, and answers the same again when asked again.
local function once(token, work)
  local kept = redis.call('GET', base .. ':answer:' .. token)
  if not kept then
    kept = cjson.encode(work())
    redis.call('SET', base .. ':answer:' .. token, kept, 'EX', 60)
  end
  return kept
end
