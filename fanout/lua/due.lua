-- SPDX-License-Identifier: Apache-2.0
-- due.lua: when the push worker is to look at a user next. One zset a partition: user -> score. A score is a class, 0 (critical) to
-- 3 (low), times DUE_CLASS plus a time, so that of those who are due the urgent come first.
--
-- The pd of an inbox's head says the same as the set: none, nobody is to look (no device of the user is registered); '0', nobody
-- is to look now; else the score. So who delivers reads it with what it reads anyway, and mostly has nothing to write.
--
--   due#1  A user with pd other than '0' is on the set with just this score; without, or with '0', it is not.
--   due#2  Whoever brings something that may be pushed puts the user on the set in the same call: nothing is ever stored without.
local DUE_CLASS = 4000000000000 -- above any time in ms (the year 2096), and 4 of them are exact as doubles

-- The set of the user's partition: in the slot of the call, as its key begins as the user's does.
local function due_key(head_key)
  return key_parts(head_key) .. 'due:'
end

local function due_put(head_key, user, class, at)
  local score = text(class * DUE_CLASS + at)
  redis.call('ZADD', due_key(head_key), score, user)
  return score
end

local function due_split(score)
  local class = math.floor(tonumber(score) / DUE_CLASS)
  return class, tonumber(score) - class * DUE_CLASS
end

-- What the argument due of a call says, '<class> <delay>': {class, delay}; false: nothing is pushed by this hub.
local due_wanted = memo(function(packed)
  local class, delay = string.match(packed, '^(%d) (%d+)$')
  return class and { class = tonumber(class), delay = tonumber(delay) } or false
end)

-- Something for a user is there that may be pushed: at once, or delay after now while a session is there. Returns the new pd, or nil if
-- the old one is as good.
local function due_raise(head_key, pd, nodes, class, delay, now)
  local at = now + (nodes ~= '' and delay or 0)
  if pd ~= '0' then
    local old_class, old_at = due_split(pd)
    if old_class <= class and old_at <= at then
      return nil
    end
    class, at = math.min(class, old_class), math.min(at, old_at)
  end
  return due_put(head_key, select(2, key_parts(head_key)), class, at)
end

-- A device can be pushed to no more, and nothing is owed to it. Gives whether it was registered.
local function due_unregister(user_key, push_key, device)
  if redis.call('HDEL', push_key, 'g:' .. device, 'd:' .. device) == 0 then
    return false
  end
  local head_key = key_beside(user_key, 'h')
  local base, pd, nodes = head_read(head_key)
  if pd == '0' then -- else whoever looks next will see
    for _, field in ipairs(redis.call('HKEYS', push_key)) do
      if string.sub(field, 1, 2) == 'g:' then
        return true
      end
    end
    head_write(head_key, base, nil, nodes)
  end
  return true
end
