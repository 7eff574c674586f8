-- The prefix of the keys, the time, the codes of answers (as in answers.py), and the parsing of entries.
local base = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local STAYS, TURNED, UNSETTLED, CAME, LATE, NOT_HELD = 0, 1, 2, 3, -1, -2

local function text(number)
  return string.format('%.0f', number)
end

-- Returns whether an entry is another server's: a connection that came back there has taken the place of the one here. A server's
-- leases are its name, a dot, and a random part.
local function is_of_another(entry, lease)
  return entry and string.match(entry, '^(%S*)%.') ~= string.match(lease, '^(.*)%.')
end

local function split(entry)
  local space = string.find(entry, ' ', 1, true)
  return string.sub(entry, 1, space - 1), string.sub(entry, space + 1)
end
