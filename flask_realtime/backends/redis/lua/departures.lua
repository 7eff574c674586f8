--- @include "base"
-- Answers the time, and in turn the users who are waited for and when they are due. Those that nobody has taken for as long as `gone`
-- is kept are forgotten.
redis.call('ZREMRANGEBYSCORE', base .. ':departed', '-inf', text(now - 300000000))
return {now, redis.call('ZRANGE', base .. ':departed', 0, -1, 'WITHSCORES')}
