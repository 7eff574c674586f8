--- @include "base"
-- Answers the time, and in turn the users who are waited for and when they are due; with an argument only those who have been due for so
-- many microseconds. Those that nobody has taken for as long as `gone` is kept are forgotten.
redis.call('ZREMRANGEBYSCORE', base .. ':departed', '-inf', text(now - 300000000))
local latest = ARGV[1] and text(now - ARGV[1]) or '+inf'
return {now, redis.call('ZRANGEBYSCORE', base .. ':departed', '-inf', latest, 'WITHSCORES')}
