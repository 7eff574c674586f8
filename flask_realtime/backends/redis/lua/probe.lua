--- @include "base"
redis.call('SET', base .. ':check', '1', 'EX', 60)
return now
