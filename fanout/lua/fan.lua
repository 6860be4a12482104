-- SPDX-License-Identifier: Apache-2.0
-- fan.lua: brings pointers to inboxes, and says so to the nodes with sessions of their users.

local INBOX_SLACK = 256 -- events above the limit, so that a full inbox is not trimmed at every event

-- Keeps an inbox of length events within its limit. Returns the base as it is now, which the caller writes.
local function push_trim(inbox_key, base, length, inbox_max)
  if length <= inbox_max + INBOX_SLACK then
    return base
  end
  local drop = length - inbox_max
  redis.call('LTRIM', inbox_key, drop, -1)
  if base + 0 == 0 then
    redis.call('HSET', key_beside(inbox_key, 'u'), 'reg', '1') -- of a user who was never here there may be nothing else that a walk finds
  end
  return base + drop
end

-- Appends pointers to an inbox. Returns n of the last, and the base as it is now, which the caller writes.
local function push(inbox_key, base, inbox_max, ...)
  local length = redis.call('RPUSH', inbox_key, ...)
  return base + length, push_trim(inbox_key, base, length, inbox_max)
end

-- The same to an inbox whose head says packed, and that is written if it has to. Returns n of the last, and the nodes as a list.
local function push_to(head_key, packed, inbox_key, inbox_max, ...)
  local base, pd, nodes, list = head_split(packed)
  local n, to = push(inbox_key, base, inbox_max, ...)
  if to ~= base then
    head_write(head_key, to, pd, nodes)
  end
  return n, list
end

-- Puts one pointer of any other kind than of an entry into the inboxes of users who are members, and tells message.
-- keys: user and inbox of each, from key on.
local function fan_pointer(keys, key, conv, pointer, inbox_max, message)
  local field = 'c:' .. conv
  for k = key, #keys, 2 do
    local user_key, inbox_key = keys[k], keys[k + 1]
    if redis.call('HEXISTS', user_key, field) == 1 then
      local head_key = key_beside(user_key, 'h')
      local n, list = push_to(head_key, redis.call('GET', head_key), inbox_key, inbox_max, pointer)
      tell(list, message, inbox_key, n)
    end
  end
end

-- The same for receipts of one conversation, which collapse: the receipts hash remembers the latest n and the watermarks that it
-- tells; older pointers are passed over by sync. So a page tells of each n what was true then: what comes behind it is never less.
-- keys: inboxes of count users from key + 1 on, behind them their receipts, and then their heads. rose: user, marks …: each of the users is
-- told of all of them, by the n of the first.
local function fan_receipts(keys, key, count, conv, rose, inbox_max)
  local pointers, fields = {}, {}
  local message = message_of('R', conv .. ' ' .. table.concat(rose, ' '), '')
  for i = 1, #rose, 2 do
    pointers[#pointers + 1] = 'r ' .. rose[i] .. ' ' .. conv
    fields[i] = conv .. ' ' .. rose[i]
  end
  local heads = count > 0 and redis.call('MGET', unpack(keys, key + 2 * count + 1, key + 3 * count))
  for i = 1, count do
    local inbox_key = keys[key + i]
    local n, list = push_to(keys[key + 2 * count + i], heads[i], inbox_key, inbox_max, unpack(pointers))
    n = n - #pointers + 1
    for k = 2, #rose, 2 do
      fields[k] = text(n + k / 2 - 1) .. ' ' .. rose[k]
    end
    redis.call('HSET', keys[key + count + i], unpack(fields))
    tell(list, message, inbox_key, n)
  end
end

-- In a conversation with pt (marked): c:<conv> of a user rises to seq, and the inbox gets pointers to what it misses before, so seq has no
-- hole; who sent that is not known here, so its sender gets it as the others do. Returns the base; nil if the inbox points to seq already, or
-- the user is no member: a repeated or overtaken call is harmless.
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

-- Puts entry seq of conv into the inboxes of count users, keys[key + 1 …]; behind them are the keys of their heads, and heads is what these say.
-- Tells message.
-- sender: which of the users sent it, whose own devices are never pushed to; session: by which session ('' none), as that one has the body.
-- class: how urgent it is, false nothing is pushed; due: see due_wanted().
-- marked: the conversation's pt, behind which each user's c:<conv> says what the inbox points to (lua#3). Without it all members are among
-- the users, and nothing before is missing anywhere: this is the way of nearly all messages.
local function fan_message(heads, keys, key, count, conv, seq, sender, session, inbox_max, message, class, due, marked)
  local call, pointer = redis.call, ' ' .. seq .. ' ' .. conv
  local theirs = 'm' .. pointer
  for i = 1, count do
    local inbox_key = keys[key + i]
    local before, old_pd, nodes, list = head_split(heads[i])
    local base = before
    if marked then
      base = fan_missing(keys[key + count + i], inbox_key, base, inbox_max, conv, tonumber(seq), marked)
    end
    if base then
      local pd = class and old_pd and i ~= sender and due_raise(keys[key + count + i], old_pd, nodes, class, due.delay, now_ms())
      local length = call('RPUSH', inbox_key, i == sender and (session == '' and 'o' .. pointer or 'o' .. pointer .. ' ' .. session) or theirs)
      local to = length > inbox_max + INBOX_SLACK and push_trim(inbox_key, base, length, inbox_max) or base
      if pd or to ~= before then
        head_write(keys[key + count + i], tonumber(to), pd or old_pd, nodes)
      end
      tell(list, message, inbox_key, base + length)
    end
  end
end
