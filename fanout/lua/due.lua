-- SPDX-License-Identifier: Apache-2.0
-- due.lua: when the push worker is to look at a user next. One zset a partition: user -> score. A score is a class, 0 (critical) to
-- 3 (low), times DUE_CLASS plus a time, so that of those who are due the urgent come first.
--
-- The field pd of a user's hash says the same as the set: absent, nobody is to look (no device of the user is registered); '0', nobody
-- is to look now; else the score. So who delivers reads it with what it reads anyway, and mostly has nothing to write.
--
--   due#1  A user with pd other than '0' is on the set with just this score; without, or with '0', it is not.
--   due#2  Whoever brings something that may be pushed puts the user on the set in the same call: nothing is ever stored without.
local DUE_CLASS = 4000000000000 -- above any time in ms (the year 2096), and 4 of them are exact as doubles

-- The set of the user's partition: in the slot of the call, as its key begins as the user's does.
local function due_key(user_key)
  return string.match(user_key, '^(.-{%d+}:)') .. 'due:'
end

local function due_put(user_key, user, class, at)
  local score = text(class * DUE_CLASS + at)
  redis.call('ZADD', due_key(user_key), score, user)
  return score
end

local function due_split(score)
  local class = math.floor(tonumber(score) / DUE_CLASS)
  return class, tonumber(score) - class * DUE_CLASS
end

-- What the argument push of a call says: {class, delay}; nil: nothing is pushed by this hub.
local function due_wanted(arg)
  local class, delay = string.match(arg, '^(%d) (%d+)$')
  return class and { class = tonumber(class), delay = tonumber(delay) } or nil
end

-- Something for the user is there that may be pushed. Returns the new pd, or nil if the old one is as good.
local function due_raise(user_key, user, pd, nodes, wanted)
  wanted.now = wanted.now or now_ms()
  local class, at = wanted.class, wanted.now + (nodes and nodes ~= '' and wanted.delay or 0)
  if pd ~= '0' then
    local old_class, old_at = due_split(pd)
    if old_class <= class and old_at <= at then
      return nil
    end
    class, at = math.min(class, old_class), math.min(at, old_at)
  end
  return due_put(user_key, user, class, at)
end

-- A device can be pushed to no more, and nothing is owed to it. Gives whether it was registered.
local function due_unregister(user_key, push_key, device)
  if redis.call('HDEL', push_key, 'g:' .. device, 'd:' .. device) == 0 then
    return false
  end
  if redis.call('HGET', user_key, 'pd') == '0' then -- else whoever looks next will see
    for _, field in ipairs(redis.call('HKEYS', push_key)) do
      if string.sub(field, 1, 2) == 'g:' then
        return true
      end
    end
    redis.call('HDEL', user_key, 'pd')
  end
  return true
end

-- Puts entry seq of conv into the inboxes of users (names[first …], keys in pairs from key on). A user whose inbox points to
-- seq already, or who is no member, is passed over: a repeated or overtaken call is harmless. A user who misses earlier
-- entries gets pointers to them too, so seq has no hole. wanted: see due_wanted(); the sender's own devices are never pushed to.
-- marked: the conversation's pt, behind which each user's c:<conv> says what the inbox points to (lua#3).
local function fan_message(keys, key, names, first, conv, seq, from, inbox_max, targets, wanted, marked)
  local field = 'c:' .. conv
  for i = first, #names do
    local user, user_key, inbox_key = names[i], keys[key], keys[key + 1]
    key = key + 2
    local h = redis.call('HMGET', user_key, 'base', 'nodes', field, 'pd')
    local last = h[3] and math.max(tonumber(h[3]), marked)
    if last and last < seq then
      local base = tonumber(h[1]) or 0
      for missing = last + 1, seq - 1 do
        local n = push(user_key, inbox_key, base, inbox_max, 'm ' .. text(missing) .. ' ' .. conv)
        base = tonumber(redis.call('HGET', user_key, 'base')) or 0
      end
      local pd = wanted and h[4] and user ~= from and due_raise(user_key, user, h[4], h[2], wanted)
      if pd then
        redis.call('HSET', user_key, field, text(seq), 'pd', pd)
      else
        redis.call('HSET', user_key, field, text(seq))
      end
      local n = push(user_key, inbox_key, base, inbox_max, (user == from and 'o ' or 'm ') .. text(seq) .. ' ' .. conv)
      address(targets, h[2], user, n)
    end
  end
end

-- The same when all members are named, and nothing before is missing anywhere (no pt): this is the way of nearly all messages.
local function fan_to_all(keys, key, names, first, conv, seq, from, inbox_max, targets, wanted)
  local pointer = text(seq) .. ' ' .. conv
  for i = first, #names do
    local user, user_key, inbox_key = names[i], keys[key], keys[key + 1]
    key = key + 2
    local h = redis.call('HMGET', user_key, 'base', 'nodes', 'pd')
    local pd = wanted and h[3] and user ~= from and due_raise(user_key, user, h[3], h[2], wanted)
    if pd then
      redis.call('HSET', user_key, 'pd', pd)
    end
    address(targets, h[2], user, push(user_key, inbox_key, tonumber(h[1]) or 0, inbox_max, (user == from and 'o ' or 'm ') .. pointer))
  end
end
