--- @include "base"
-- Answers the leases that have not run out.
return redis.call('ZRANGEBYSCORE', base .. ':servers', '(' .. text(now), '+inf')
