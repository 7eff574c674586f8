--- @include "base"

-- Does something once for a token, and repeats its answer when the token comes again.
local function once(token, work)
  local kept = redis.call('GET', base .. ':answer:' .. token)
  if not kept then
    kept = cjson.encode(work())
    redis.call('SET', base .. ':answer:' .. token, kept, 'EX', 60)
  end
  return kept
end
