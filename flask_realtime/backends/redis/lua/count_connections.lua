--- @include "base"
local user, own_lease, ttl, within = unpack(ARGV)
local sure, unsure, renewed = 0, 0, now - within + ttl

for _, entry in ipairs(redis.call('HVALS', base .. ':user:' .. user)) do
  local lease = split(entry)
  local ends = tonumber(redis.call('ZSCORE', base .. ':servers', lease) or 0)
  if lease ~= own_lease and ends > now and redis.call('SISMEMBER', base .. ':leaving', lease) == 0 then
    if ends >= renewed then
      sure = sure + 1
    else
      unsure = unsure + 1
    end
  end
end
return {sure, unsure}
