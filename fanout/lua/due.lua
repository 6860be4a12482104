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

-- Something for the user is there that may be pushed: at once, or delay after now while a session is there. Returns the new pd, or nil if
-- the old one is as good.
local function due_raise(head_key, user, pd, nodes, class, delay, now)
  local at = now + (nodes ~= '' and delay or 0)
  if pd ~= '0' then
    local old_class, old_at = due_split(pd)
    if old_class <= class and old_at <= at then
      return nil
    end
    class, at = math.min(class, old_class), math.min(at, old_at)
  end
  return due_put(head_key, user, class, at)
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

-- In a conversation with pt (marked): c:<conv> of a user rises to seq, and the inbox gets pointers to what it misses before, so seq has no
-- hole. Returns the base; nil if the inbox points to seq already, or the user is no member: a repeated or overtaken call is harmless.
local function fan_missing(head_key, inbox_key, base, inbox_max, conv, seq, marked)
  local user_key, field = key_beside(head_key, 'u'), 'c:' .. conv
  local last = tonumber(redis.call('HGET', user_key, field) or nil)
  last = last and math.max(last, marked)
  if last and last < seq then
    for missing = last + 1, seq - 1 do
      base = select(2, push(inbox_key, base, inbox_max, 'm ' .. text(missing) .. ' ' .. conv))
    end
    redis.call('HSET', user_key, field, text(seq))
    return base
  end
  return nil
end

-- Puts entry seq of conv into the inboxes of count users: names[name + 1 …], whose heads are keys[key + 1 …] and, behind them, the inboxes.
-- sender: which of the names sent it, whose own devices are never pushed to. class: how urgent it is, false nothing is pushed; due: see
-- due_wanted().
-- marked: the conversation's pt, behind which each user's c:<conv> says what the inbox points to (lua#3). Without it all members are named,
-- and nothing before is missing anywhere: this is the way of nearly all messages.
local function fan_message(keys, key, names, name, count, conv, seq, sender, inbox_max, targets, class, due, marked)
  local heads = count > 0 and redis.call('MGET', unpack(keys, key + 1, key + count))
  local pointer = ' ' .. seq .. ' ' .. conv
  local theirs = 'm' .. pointer
  for i = 1, count do
    local user, head_key, inbox_key = names[name + i], keys[key + i], keys[key + count + i]
    local before, old_pd, nodes = head_split(heads[i])
    local base = before
    if marked then
      base = fan_missing(head_key, inbox_key, base, inbox_max, conv, tonumber(seq), marked)
    end
    if base then
      local pd = class and old_pd and i ~= sender and due_raise(head_key, user, old_pd, nodes, class, due.delay, now_ms())
      local n, to = push(inbox_key, base, inbox_max, i == sender and 'o' .. pointer or theirs)
      if pd or to ~= before then
        head_write(head_key, tonumber(to), pd or old_pd, nodes)
      end
      address(targets, nodes, user, n)
    end
  end
end
