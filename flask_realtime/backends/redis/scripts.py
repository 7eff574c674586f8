"""What Redis does for the presence and conversation back ends, each in one step that nothing can fall into.

The keys of one channel begin with `{channel}:`, so that they are all on one node of a cluster:

| Key | Type | What it holds |
|---|---|---|
| `servers` | sorted set | lease -> when it runs out; 0: it is being reaped, and can be renewed no more |
| `reaped` | sorted set | lease -> when it was reaped |
| `leaving` | set | leases of servers that are about to stop: their clients are on the way to others |
| `server:<lease>` | set | the connections under a lease, each as `<connection> <user>` |
| `online` | set | the users who have a connection |
| `user:<user>` | hash | connection -> `<lease> <since> <device>` |
| `joined:<connection>` | set | the conversations that a connection has joined |
| `conversation:<conversation>` | hash | connection -> `<lease> <user>` |
| `gone:<user>` | string | `<version> <cause>` for a while after a user went offline, so that nobody says so twice |
| `came:<user>` | string | `<connection> <version> <cause>` for a while after a user came back: who came, and from being gone how |
| `announced:<user>` | string | when the user's allowance of announcements is full again, while it is not |
| `unsettled` | set | users who have no connection that Redis knows of, and of whom nobody was told yet |
| `settling` | string | exists for a while after Redis lost its data: servers that have not come back yet may know more |
| `answer:<token>` | string | what a script answered, for a caller whom the answer did not reach |
| `version` | string | the highest version given out |
| `check` | string | what a health check writes, for a while |

All times are Redis's own, in microseconds. A connection is under the lease named in its entries: a server that has lost its lease
writes them again under a new one, and they are not removed with the old one.

A script that writes names its deadline and the lease it works under. It does nothing after the deadline, when its caller has given
up and sees to the matter in another way: commands can lie for long in the buffers of a server that hangs or a network that is cut.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Any, Final

from redis import Redis
from redis.exceptions import NoScriptError, ResponseError

from flask_realtime.backends.base import BackendUnavailable

STAYS: Final = 0
"""The change made no difference to anybody else."""

TURNED: Final = 1
"""The user came online, or went offline."""

UNSETTLED: Final = 2
"""The user has no connection left that Redis knows of, but Redis may not know of all of them."""

CAME: Final = 3
"""The user had come online with the connection before, and nobody was told: the answer that said so got lost."""

LATE: Final = -1
"""Nothing was done: the deadline has passed."""

NOT_HELD: Final = -2
"""Nothing was done: the lease is not held."""


class Script:
    """A Lua script.

    Args:
        body: Its text, for which the common functions are there.
    """

    def __init__(self, body: str) -> None:
        self._text = _COMMON + body
        self._digest = sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    def run(self, client: Redis, base: str, *args: str | int) -> Any:
        """Run it.

        Args:
            client: Where.
            base: What the keys' names begin with.
            args: Its arguments.

        Raises:
            BackendUnavailable: Redis refuses to run it now: it is out of memory, or a replica.
            RedisError: Redis cannot be reached.
        """
        try:
            try:
                return client.evalsha(self._digest, 1, base, *args)
            except NoScriptError:
                return client.eval(self._text, 1, base, *args)
        except ResponseError as error:
            msg = f"Redis refused a script: {error}"
            raise BackendUnavailable(msg) from error


_COMMON = """
local base = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local STAYS, TURNED, UNSETTLED, CAME, LATE, NOT_HELD = 0, 1, 2, 3, -1, -2

local function text(number)
  return string.format('%.0f', number)
end

local function split(entry)
  local space = string.find(entry, ' ', 1, true)
  return string.sub(entry, 1, space - 1), string.sub(entry, space + 1)
end

local function is_held(lease)
  return tonumber(redis.call('ZSCORE', base .. ':servers', lease) or 0) > 0
end

-- What speaks against writing, or nothing.
local function refusal()
  if now > tonumber(ARGV[1]) then
    return {now, LATE, '0'}
  elseif not is_held(ARGV[2]) then
    return {now, NOT_HELD, '0'}
  end
end

local function next_version()
  local version = math.max(now, (redis.call('GET', base .. ':version') or 0) + 1)
  redis.call('SET', base .. ':version', text(version))
  return text(version)
end

local function has_connections(user)
  return redis.call('EXISTS', base .. ':user:' .. user) == 1
end

local function note_gone(user, version, cause)
  redis.call('SREM', base .. ':online', user)
  redis.call('SREM', base .. ':unsettled', user)
  local had_come_back = redis.call('DEL', base .. ':came:' .. user) == 1
  redis.call('SET', base .. ':gone:' .. user, version .. ' ' .. cause, 'EX', 300)
  return had_come_back
end

-- Takes one from what may be announced of a user, 4 at once and 6 a minute; answers 0, or the milliseconds until there is one. With
-- the first coming and going in 5 minutes, which are announced without, no minute has more than 12.
local function announce(user)
  local key, interval = base .. ':announced:' .. user, 10000000
  local full_at = math.max(now, tonumber(redis.call('GET', key) or 0))
  local wait = full_at - now - 3 * interval
  if wait > 0 then
    return math.ceil(wait / 1000)
  end
  redis.call('SET', key, text(full_at + interval), 'PX', text(math.ceil((full_at + interval - now) / 1000)))
  return 0
end

-- A user who has no connection any more goes offline. The cause is what would be tried again if the answer got lost.
local function go_offline(user, cause)
  local version = next_version()
  local had_come_back = note_gone(user, version, cause)
  return TURNED, version, had_come_back
end

-- Or does so later, if nobody comes back.
local function may_go_offline(user)
  redis.call('SREM', base .. ':online', user)
  redis.call('SADD', base .. ':unsettled', user)
  return UNSETTLED, '0'
end

-- The version of the user's last change, if that was not long ago and others were told of it: the user went offline.
local function last_gone(user)
  local gone = redis.call('GET', base .. ':gone:' .. user)
  if not gone then
    return 0
  end
  local version, cause = split(gone)
  return tonumber(version), cause, version
end

-- Answers the version of the user's going offline before too.
local function add(lease, user, connection, details)
  local is_first = not has_connections(user)
  redis.call('HSET', base .. ':user:' .. user, connection, lease .. ' ' .. details)
  redis.call('SADD', base .. ':server:' .. lease, connection .. ' ' .. user)
  if not is_first then
    return STAYS, '0', 0
  end
  local gone, cause, version = last_gone(user)
  redis.call('DEL', base .. ':gone:' .. user)
  redis.call('SADD', base .. ':online', user)
  if redis.call('SREM', base .. ':unsettled', user) == 1 then
    return STAYS, '0', 0
  end
  if version then
    redis.call('SET', base .. ':came:' .. user, connection .. ' ' .. version .. ' ' .. cause, 'EX', 300)
  else
    redis.call('DEL', base .. ':came:' .. user)
  end
  return TURNED, next_version(), gone
end

local function remove_known(user, connection, entry)
  redis.call('HDEL', base .. ':user:' .. user, connection)
  redis.call('SREM', base .. ':server:' .. split(entry), connection .. ' ' .. user)
  if has_connections(user) then
    return STAYS, '0'
  end
  if redis.call('EXISTS', base .. ':settling') == 1 then
    return may_go_offline(user)
  end
  return go_offline(user, connection)
end

-- It is unknown because it was reaped, because it came and went while Redis was away, because Redis lost its data, or because an
-- earlier removal's answer got lost.
local function remove_unknown(user, connection, told, is_repeated)
  if has_connections(user) then
    return STAYS, '0'
  end
  local gone, cause, version = last_gone(user)
  if cause == connection and is_repeated then
    return TURNED, version
  elseif gone > told then
    return STAYS, '0'
  end
  redis.call('DEL', base .. ':gone:' .. user)
  return may_go_offline(user)
end

local function remove(user, connection, told, is_repeated)
  local entry = redis.call('HGET', base .. ':user:' .. user, connection)
  if entry then
    return remove_known(user, connection, entry)
  end
  return remove_unknown(user, connection, told, is_repeated)
end

-- The version and the cause with which a user was gone before coming back with a connection; nothing where others were told of a
-- later coming, or where that they were gone got lost too, as the causes that are keys of a table.
local function told_gone(user, connection, told, lost_causes)
  local kept = redis.call('GET', base .. ':came:' .. user)
  if not kept then
    return
  end
  local came, gone = split(kept)
  local version, cause = split(gone)
  if came == connection and tonumber(version) > told and not lost_causes[cause] then
    return version, cause
  end
end

local function join(lease, user, connection, conversation)
  redis.call('HSET', base .. ':conversation:' .. conversation, connection, lease .. ' ' .. user)
  redis.call('SADD', base .. ':joined:' .. connection, conversation)
  redis.call('SADD', base .. ':server:' .. lease, connection .. ' ' .. user)
end

local function leave(connection, conversation)
  redis.call('HDEL', base .. ':conversation:' .. conversation, connection)
  redis.call('SREM', base .. ':joined:' .. connection, conversation)
end

-- Takes a connection of which nothing is noted any more out of its server's.
local function forget(lease, user, connection)
  local is_present = redis.call('HEXISTS', base .. ':user:' .. user, connection) == 1
  if not is_present and redis.call('EXISTS', base .. ':joined:' .. connection) == 0 then
    redis.call('SREM', base .. ':server:' .. lease, connection .. ' ' .. user)
  end
end

-- Leaves every conversation, those excepted that are keys of a table.
local function leave_others(connection, kept)
  for _, conversation in ipairs(redis.call('SMEMBERS', base .. ':joined:' .. connection)) do
    if not kept[conversation] then
      leave(connection, conversation)
    end
  end
end

-- Leaves every conversation, those too of which there is no note any more that the connection has joined them.
local function leave_all(connection, known)
  local noted = {}
  for _, conversation in ipairs(redis.call('SMEMBERS', base .. ':joined:' .. connection)) do
    noted[conversation] = true
    leave(connection, conversation)
  end
  for _, conversation in ipairs(known) do
    if not noted[conversation] then
      leave(connection, conversation)
    end
  end
end

-- Does something at most once for a token, and answers the same again when asked again.
local function once(token, work)
  local kept = redis.call('GET', base .. ':answer:' .. token)
  if not kept then
    kept = cjson.encode(work())
    redis.call('SET', base .. ':answer:' .. token, kept, 'EX', 60)
  end
  return kept
end

-- The leases that have run out and are not reaped yet, as keys of a table; and whether there are any.
local function dead_leases()
  local leases, any = {}, false
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', base .. ':servers', '-inf', text(now))) do
    leases[lease], any = true, true
  end
  return leases, any
end

local function has_live_connection(user, dead)
  for _, entry in ipairs(redis.call('HVALS', base .. ':user:' .. user)) do
    if not dead[split(entry)] then
      return true
    end
  end
  return false
end

-- The users all of whose connections are under leases that have run out, each once.
local function dead_users(dead)
  local users, seen = {}, {}
  for lease in pairs(dead) do
    for _, member in ipairs(redis.call('SMEMBERS', base .. ':server:' .. lease)) do
      local _, user = split(member)
      if not seen[user] and has_connections(user) and not has_live_connection(user, dead) then
        users[#users + 1] = user
      end
      seen[user] = true
    end
  end
  return users
end
"""

# Leases -----------------------------------------------------------------------------------------------------------------------

TAKE_LEASE: Final = Script("""
-- lease, microseconds that it lasts, and for how many Redis may know too little of the other servers, if it may
redis.call('ZADD', base .. ':servers', text(now + ARGV[2]), ARGV[1])
if tonumber(ARGV[3]) > 0 then
  redis.call('SET', base .. ':settling', '1', 'PX', text(math.ceil(ARGV[3] / 1000)))
end
return now
""")

ADOPT: Final = Script("""
-- microseconds, leases; has those that nobody knows of any more run out after so many, unless they are renewed
for index = 2, #ARGV do
  if not redis.call('ZSCORE', base .. ':reaped', ARGV[index]) then
    redis.call('ZADD', base .. ':servers', 'NX', text(now + ARGV[1]), ARGV[index])
  end
end
return now
""")

RENEW_LEASE: Final = Script("""
-- lease, microseconds that it lasts, '1' where its server is about to stop; answers what became of it, and which Redis this is
local info = redis.pcall('INFO', 'server')
local redis_id = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
if is_held(ARGV[1]) then
  redis.call('ZADD', base .. ':servers', text(now + ARGV[2]), ARGV[1])
  if ARGV[3] == '1' then
    redis.call('SADD', base .. ':leaving', ARGV[1])
  end
  return {now, 'held', redis_id}
end
if redis.call('ZSCORE', base .. ':servers', ARGV[1]) or redis.call('ZSCORE', base .. ':reaped', ARGV[1]) then
  return {now, 'reaped', redis_id}
end
return {now, 'lost', redis_id}
""")

REAP: Final = Script("""
-- deadline, the caller's lease, token, how many connections, the lease to reap, or '' for any that has run out
-- Answers whether there was something to reap, and the users who went offline with it, as [user, version].
local function victim()
  if ARGV[5] ~= '' then
    return redis.call('ZSCORE', base .. ':servers', ARGV[5]) and ARGV[5]
  end
  if redis.call('EXISTS', base .. ':settling') == 1 then
    return nil
  end
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', base .. ':servers', '-inf', text(now), 'LIMIT', 0, 2)) do
    if lease ~= ARGV[2] then
      return lease
    end
  end
end

local function end_lease(lease)
  redis.call('ZREM', base .. ':servers', lease)
  redis.call('SREM', base .. ':leaving', lease)
  redis.call('ZADD', base .. ':reaped', text(now), lease)
  redis.call('ZREMRANGEBYSCORE', base .. ':reaped', '-inf', text(now - 86400000000))
end

local function is_under(entry, lease)
  return entry and split(entry) == lease
end

local function reap(lease, connection, user, gone)
  local of_user = base .. ':user:' .. user
  if is_under(redis.call('HGET', of_user, connection), lease) then
    redis.call('HDEL', of_user, connection)
    if not has_connections(user) then
      local _, version = go_offline(user, lease)
      gone[#gone + 1] = {user, version}
    end
  end
  for _, conversation in ipairs(redis.call('SMEMBERS', base .. ':joined:' .. connection)) do
    if is_under(redis.call('HGET', base .. ':conversation:' .. conversation, connection), lease) then
      leave(connection, conversation)
    end
  end
end

if now > tonumber(ARGV[1]) then
  return {now, LATE, '0'}
end
local lease = victim()
if not lease then
  return {now, STAYS, redis.call('GET', base .. ':answer:' .. ARGV[3]) or '[]'}
end
return {now, TURNED, once(ARGV[3], function()
  local gone = {}
  redis.call('ZADD', base .. ':servers', '0', lease)
  for _, member in ipairs(redis.call('SPOP', base .. ':server:' .. lease, ARGV[4])) do
    local connection, user = split(member)
    reap(lease, connection, user, gone)
  end
  if redis.call('EXISTS', base .. ':server:' .. lease) == 0 then
    end_lease(lease)
  end
  return gone
end)}
""")

# One connection ---------------------------------------------------------------------------------------------------------------

ADD: Final = Script("""
-- deadline, lease, user, connection, since and device; answers the version, how many connections the user has, and for how many
-- milliseconds the change is not to be announced
if refusal() then
  return refusal()
end
local code, version, gone = add(ARGV[2], ARGV[3], ARGV[4], ARGV[5])
local hold = code == TURNED and gone > 0 and announce(ARGV[3]) or 0
return {now, code, version .. ' ' .. redis.call('HLEN', base .. ':user:' .. ARGV[3]) .. ' ' .. hold}
""")

REMOVE: Final = Script("""
-- deadline, lease, user, connection, the version with which others were told that the user came online while Redis was away, or 0,
-- and the conversations that it has joined, as JSON
if refusal() then
  return refusal()
end
leave_all(ARGV[4], cjson.decode(ARGV[6]))
local code, version, had_come_back = remove(ARGV[3], ARGV[4], tonumber(ARGV[5]), false)
local hold = code == TURNED and had_come_back and announce(ARGV[3]) or 0
return {now, code, version .. ' 0 ' .. hold}
""")

JOIN: Final = Script("""
-- deadline, lease, user, connection, conversation
if refusal() then
  return refusal()
end
join(ARGV[2], ARGV[3], ARGV[4], ARGV[5])
return {now, STAYS, '0'}
""")

LEAVE: Final = Script("""
-- deadline, lease, user, connection, conversation
if refusal() then
  return refusal()
end
leave(ARGV[4], ARGV[5])
forget(ARGV[2], ARGV[3], ARGV[4])
return {now, STAYS, '0'}
""")

LEAVE_ALL: Final = Script("""
-- deadline, lease, user, connection, the conversations that it has joined, as JSON
if refusal() then
  return refusal()
end
leave_all(ARGV[4], cjson.decode(ARGV[5]))
forget(ARGV[2], ARGV[3], ARGV[4])
return {now, STAYS, '0'}
""")

# Many connections at once -----------------------------------------------------------------------------------------------------

WRITE: Final = Script("""
-- deadline, lease, token, '1' where the lease before this one was reaped, connections as JSON: for each the fields of a `State`
-- Answers [code, version] for each. Those that are there come first: who still has one of them does not go offline.
local function write(connection, user, details, conversations, told, is_repeated)
  local kept = {}
  for _, conversation in ipairs(conversations) do
    kept[conversation] = true
    join(ARGV[2], user, connection, conversation)
  end
  leave_others(connection, kept)
  if details == '' then
    forget(ARGV[2], user, connection)
    return remove(user, connection, told, is_repeated)
  end
  local code, version, gone = add(ARGV[2], user, connection, details)
  redis.call('SADD', base .. ':online', user)
  if code == TURNED and (gone > told or (told == 0 and ARGV[4] == '1')) then
    return TURNED, version
  end
  return STAYS, '0'
end

-- Makes good that nobody was told of an arrival whose answer got lost: those who are still there have come, and those who are not
-- are as they were before.
local function make_good(code, answer, user, connection, told, lost_causes)
  local version, cause = told_gone(user, connection, told, lost_causes)
  if not version then
    return code, answer
  elseif code == UNSETTLED then
    note_gone(user, version, cause)
    return STAYS, '0'
  end
  redis.call('DEL', base .. ':came:' .. user)
  return CAME, next_version()
end

if refusal() then
  return refusal()
end
return {now, STAYS, once(ARGV[3], function()
  local answers, lost_causes, connections = {}, {}, cjson.decode(ARGV[5])
  for _, entry in ipairs(connections) do
    lost_causes[entry[1]] = entry[6]
  end
  for _, is_there in ipairs({true, false}) do
    for index, entry in ipairs(connections) do
      if (entry[3] ~= '') == is_there then
        local connection, user, _, _, told, _, is_unheard = unpack(entry)
        local code, version = write(unpack(entry))
        if is_unheard and code ~= TURNED then
          code, version = make_good(code, version, user, connection, told, lost_causes)
        end
        answers[index] = {code, version}
      end
    end
  end
  return answers
end)}
""")

VERIFY: Final = Script("""
-- deadline, lease, token, connections as JSON: for each its id, its user, and the conversations that it has joined
-- Answers the places of those, from 0, of which something that was noted is not there any more.
local function is_noted(connection, user, conversations)
  local entry = redis.call('HGET', base .. ':user:' .. user, connection)
  if not entry or split(entry) ~= ARGV[2]
    or redis.call('SISMEMBER', base .. ':online', user) == 0
    or redis.call('SISMEMBER', base .. ':server:' .. ARGV[2], connection .. ' ' .. user) == 0 then
    return false
  end
  for _, conversation in ipairs(conversations) do
    if redis.call('HEXISTS', base .. ':conversation:' .. conversation, connection) == 0
      or redis.call('SISMEMBER', base .. ':joined:' .. connection, conversation) == 0 then
      return false
    end
  end
  return true
end

if refusal() then
  return refusal()
end
local missing = {}
for index, entry in ipairs(cjson.decode(ARGV[4])) do
  if not is_noted(unpack(entry)) then
    missing[#missing + 1] = index - 1
  end
end
return {now, STAYS, cjson.encode(missing)}
""")

SETTLE: Final = Script("""
-- deadline, lease, token, users as JSON; answers those who are offline and of whom nobody was told, as [user, version]
if refusal() then
  return refusal()
end
return {now, STAYS, once(ARGV[3], function()
  local gone = {}
  for _, user in ipairs(cjson.decode(ARGV[4])) do
    if not has_connections(user) and redis.call('EXISTS', base .. ':gone:' .. user) == 0 then
      local _, version = go_offline(user, ARGV[2])
      gone[#gone + 1] = {user, version}
    end
  end
  return gone
end)}
""")

ANNOUNCE: Final = Script("""
-- user
return announce(ARGV[1])
""")

# Questions --------------------------------------------------------------------------------------------------------------------

ONLINE: Final = Script("""
-- users; answers those who are online
local online, dead, any = {}, dead_leases()
for _, user in ipairs(ARGV) do
  if has_connections(user) and (not any or has_live_connection(user, dead)) then
    online[#online + 1] = user
  end
end
return online
""")

USERS: Final = Script("""
-- answers the users with an entry, and those of them who are not online any more
local dead, any = dead_leases()
return {redis.call('SMEMBERS', base .. ':online'), any and dead_users(dead) or {}}
""")

COUNT: Final = Script("""
local dead, any = dead_leases()
return redis.call('SCARD', base .. ':online') - (any and #dead_users(dead) or 0)
""")

CROWD: Final = Script("""
-- user, the caller's lease, microseconds that leases last, microseconds; answers how many connections the user has on other servers
-- that have renewed their leases in the last so many, and on those that may be gone
local sure, unsure, renewed = 0, 0, now - ARGV[4] + ARGV[3]
for _, entry in ipairs(redis.call('HVALS', base .. ':user:' .. ARGV[1])) do
  local lease = split(entry)
  local ends = tonumber(redis.call('ZSCORE', base .. ':servers', lease) or 0)
  if lease ~= ARGV[2] and ends > now and redis.call('SISMEMBER', base .. ':leaving', lease) == 0 then
    if ends >= renewed then
      sure = sure + 1
    else
      unsure = unsure + 1
    end
  end
end
return {sure, unsure}
""")

ENTRIES: Final = Script("""
-- the rest of a hash's name; answers its fields and values in turn, and the leases that have run out
return {redis.call('HGETALL', base .. ':' .. ARGV[1]), redis.call('ZRANGEBYSCORE', base .. ':servers', '-inf', text(now))}
""")

# Health -----------------------------------------------------------------------------------------------------------------------

TRY_TO_WRITE: Final = Script("""
redis.call('SET', base .. ':check', '1', 'EX', 60)
return now
""")
