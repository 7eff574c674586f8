--- @include "leases"
--- @include "status"
--- @include "members"
--- @include "once"
-- Open connections come first, so that a user who still has one does not go offline.
local deadline, lease, token, was_reaped, states = unpack(ARGV)

local function write(connection, user, details, topics, told, is_repeated)
  local kept = {}
  for _, topic in ipairs(topics) do
    kept[topic] = true
    join(lease, user, connection, topic)
  end
  leave_others(connection, kept, lease)
  if details == '' then
    forget(lease, user, connection)
    return remove(user, connection, told, is_repeated, lease)
  end
  local code, version, gone = add(lease, user, connection, details)
  redis.call('SADD', base .. ':online', user)
  if code == TURNED and (gone > told or (told == 0 and was_reaped == '1')) then
    return TURNED, version
  end
  return STAYS, '0'
end

-- Returns version and cause of the change to offline before a user's return with a connection; nothing if others were told of a
-- later return, or if the answer about that change was lost too.
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

-- Corrects an arrival that nobody was told of because its answer was lost: a user who is still connected has come online now, any
-- other is offline as before.
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

local refused = refusal(deadline, lease)
if refused then
  return refused
end
return {now, STAYS, once(token, function()
  local answers, lost_causes, connections = {}, {}, cjson.decode(states)
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
