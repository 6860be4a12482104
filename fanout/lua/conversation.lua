-- SPDX-License-Identifier: Apache-2.0
-- b1_members: a conversation and its members.
-- KEYS conv, members, log   gives {kind, epoch, seq, mv, public, flat members, template} or {} if there is none
redis.register_function{
  function_name = 'b1_members',
  callback = function(keys, args)
    local base, mv, shape = conv_read(keys[1])
    if not shape.kind then
      return {}
    end
    local h = redis.call('HMGET', keys[1], 'public', 'tp')
    return { shape.kind, shape.epoch, text(log_seq(keys[3], base)), mv, h[1] or '0', redis.call('HGETALL', keys[2]), h[2] or '' }
  end,
  flags = { 'no-writes' },
}

-- b1_change: creates a conversation or changes its members.
--
-- KEYS  conv, members, log, then user and inbox of each name
-- ARGV  conv, mv expected (0: it must not exist), kind, public ('': unchanged), epoch, inbox_max, tell (1: every
--       member is told of every change; 0: only those concerned), template (<class> <JSON>: what to push of messages that do not say; '-': none;
--       '': unchanged), how many changes, action user role …, names …
--       (the names are the members before and after)
-- gives {'ok', mv} | {'members', mv, names} | {'err', code}
--
-- change#1  A new member's watermarks stand at the present seq: what was before is history, not unread.
-- change#2  The version of a member list never comes twice, not even after the conversation was deleted or the store lost its
--           past: hubs compare it with the list they remember, and would deliver to those who were members then.
-- change#3  A conversation that is made again goes on behind its old seq: inboxes may still point to its old entries, and must
--           not find new ones there.
register_telling('b1_change', function(keys, args)
  local conv_key, members_key, conv, epoch, inbox_max = keys[1], keys[2], args[1], args[5], tonumber(args[6])
  local base, mv_before, shape = conv_read(conv_key)
  local exists = shape.kind
  if (exists and mv_before or '0') ~= args[2] then
    return stale(mv_before, members_key)
  end
  local count = tonumber(args[9])
  local first = 10 + count * 3
  local key_of = {}
  for i = first, #args do
    key_of[args[i]] = 4 + (i - first) * 2
  end
  local seq = log_seq(keys[3], base)
  local now = now_ms()
  local mv = math.max(mv_before + 1, now)
  local changes = { kind = args[3] ~= '' and args[3] or nil, epoch = not exists and epoch or nil }
  if args[4] ~= '' then
    redis.call('HSET', conv_key, 'public', args[4])
  end
  if args[8] == '-' then
    redis.call('HDEL', conv_key, 'tp')
    changes.class = false
  elseif args[8] ~= '' then
    redis.call('HSET', conv_key, 'tp', string.sub(args[8], 3))
    changes.class = tonumber(string.sub(args[8], 1, 1))
  end
  conv_write(conv_head_key(conv_key), base, text(mv), shape, changes)

  local field = 'c:' .. conv
  local mark = text(seq)
  local gone = {}
  for i = 10, first - 1, 3 do
    local action, user, role = args[i], args[i + 1], args[i + 2]
    if action == 'joined' then
      redis.call('HSET', members_key, user, role .. ' ' .. mark .. ' ' .. mark)
      redis.call('HSET', keys[key_of[user]], field, mark)
    elseif action == 'role' then
      local _, delivered, read = member_of(redis.call('HGET', members_key, user))
      redis.call('HSET', members_key, user, role .. ' ' .. text(delivered or seq) .. ' ' .. text(read or seq))
    else
      redis.call('HDEL', members_key, user)
      gone[#gone + 1] = user
    end
  end
  for i = 10, first - 1, 3 do
    local action, user, role = args[i], args[i + 1], args[i + 2]
    local about = text(now) .. ' ' .. action .. ' ' .. role .. ' ' .. user .. ' ' .. conv
    local message = message_of('J', about, '')
    if args[7] == '1' then
      fan_pointer(keys, 4, conv, 'j ' .. about, inbox_max, message)
    else
      local k = key_of[user]
      fan_pointer({ keys[k], keys[k + 1] }, 1, conv, 'j ' .. about, inbox_max, message)
    end
  end
  for _, user in ipairs(gone) do
    redis.call('HDEL', keys[key_of[user]], field)
  end
  if shape.kind == 'channel' and (args[4] ~= '' or #gone > 0) then
    tell_followers(conv_key, conv)
  end
  return { 'ok', mv }
end)

-- b1_delete: removes a conversation; every member is told of the own removal. Its seq and the version of its member list are
-- kept for a year (change#2, change#3).
-- KEYS conv, members, log, ops, ops_old, states, then user and inbox of each name
-- ARGV conv, mv expected, inbox_max, names …    gives {'ok'} | {'members', …} | {'err', code}
local GONE_MS = 31536000000

register_telling('b1_delete', function(keys, args)
  local conv = args[1]
  local base, mv, shape = conv_read(keys[1])
  if not shape.kind then
    return { 'err', 'not_found' }
  end
  if mv ~= args[2] then
    return stale(mv, keys[2])
  end
  local now = now_ms()
  for i = 4, #args do
    local k = 7 + (i - 4) * 2
    local about = text(now) .. ' removed member ' .. args[i] .. ' ' .. conv
    fan_pointer({ keys[k], keys[k + 1] }, 1, conv, 'j ' .. about, tonumber(args[3]), message_of('J', about, ''))
    redis.call('HDEL', keys[k], 'c:' .. conv)
  end
  tell_followers(keys[1], conv)
  conv_write(conv_head_key(keys[1]), log_seq(keys[3], base), mv, {})
  redis.call('PEXPIRE', conv_head_key(keys[1]), text(GONE_MS))
  redis.call('UNLINK', keys[1], keys[2], keys[3], keys[4], keys[5], keys[6])
  return { 'ok' }
end, register_freeing)

-- b1_history: a page of a log, ascending.
-- KEYS conv, members, log, states   ARGV user ('' trusted), before (0: none), after (-1: none), limit, bytes, versions (1: with them)
-- gives {'ok', epoch, seq, more, seq1, entry1, state1, seq2, entry2, state2 …} | {'err', code}; the states are state_read()'s
redis.register_function{
  function_name = 'b1_history',
  callback = function(keys, args)
    local base, _, shape = conv_read(keys[1])
    if not shape.kind then
      return { 'err', 'not_found' }
    end
    local seq_last = log_seq(keys[3], base)
    if args[1] ~= '' and redis.call('HGET', keys[1], 'public') ~= '1' and redis.call('HEXISTS', keys[2], args[1]) == 0 then
      return { 'err', 'forbidden' }
    end
    local limit, bytes = tonumber(args[4]), tonumber(args[5])
    local up = tonumber(args[3]) >= 0
    local low, count = tonumber(args[3]) + 1, limit + 1 -- one more tells whether there are more
    if not up then
      local high = tonumber(args[2]) > 0 and math.min(tonumber(args[2]) - 1, seq_last) or seq_last
      low = math.max(high - limit, base + 1)
      count = high - low + 1
    end
    local first, entries = log_range(keys[3], low, count, base)
    local kept, size, shown = 0, 0, {}
    for i = 1, math.min(#entries, limit) do
      local index = up and i or #entries + 1 - i
      local seq, entry = text(first + index - 1), entries[index]
      local state, entry_size = '', #entry
      if shape.states then
        entry, state, entry_size = state_read(keys[3], keys[4], seq, entry, bytes, args[6] == '1')
      end
      size = size + entry_size
      if kept > 0 and size > bytes then
        break
      end
      kept = i
      shown[i] = { tonumber(seq), entry, state }
    end
    local out = { 'ok', shape.epoch, seq_last, #entries > kept and 1 or 0 }
    for i = 1, kept do
      local row = shown[up and i or kept + 1 - i]
      out[#out + 1] = row[1]
      out[#out + 1] = row[2]
      out[#out + 1] = row[3]
    end
    return out
  end,
  flags = { 'no-writes' },
}

-- How many messages of others lie behind read and are not deleted. Looks at no more entries and bytes than left has; those not
-- looked at count as unread.
local UNREAD_STEP = 64

local function count_unread(log_key, user, read, base, seq, left)
  local unread, at, counted = 0, math.max(read, base), {}
  while at < seq and left.entries > 0 and left.bytes > 0 do
    local first, entries = log_range(log_key, at + 1, UNREAD_STEP, base)
    if #entries == 0 then
      return unread
    end
    for i, entry in ipairs(entries) do
      local kind, ref, from = string.match(entry, '^%S+ (%S+) (%S*) (%S*)')
      if kind == 'message' and from ~= user then
        unread = unread + 1
        counted[text(first + i - 1)] = true
      elseif kind == 'delete' and counted[ref] then
        unread = unread - 1 -- a deletion always comes behind its message
      end
      left.bytes = left.bytes - #entry
    end
    left.entries = left.entries - #entries
    at = first + #entries - 1
  end
  return unread + seq - at
end

-- b1_infos: what a member sees of conversations.
-- KEYS conv, members, log, states of each   ARGV user, how many entries to count at most, bytes
-- gives for each {kind, epoch, seq, delivered, read, unread, seq of the latest message, entry or '', state} or {} if it is gone
-- or the user is no member; fewer than asked if bytes ran out (the first always comes)
redis.register_function{
  function_name = 'b1_infos',
  callback = function(keys, args)
    local user, bytes = args[1], tonumber(args[3])
    local left = { entries = tonumber(args[2]), bytes = bytes * 16 }
    local out, size = {}, 0
    for k = 1, #keys, 4 do
      local base, _, shape = conv_read(keys[k])
      local role, delivered, read = member_of(redis.call('HGET', keys[k + 1], user))
      if not shape.kind or not role then
        out[#out + 1] = {}
      else
        local seq = log_seq(keys[k + 2], base)
        local last = shape.states and redis.call('HGET', keys[k], 'lm') or text(seq)
        local entry, state = log_entry(keys[k + 2], last, base) or '', ''
        local entry_size = #entry
        if shape.states and entry ~= '' then
          entry, state, entry_size = state_read(keys[k + 2], keys[k + 3], last, entry, bytes, false)
        end
        size = size + entry_size
        if k > 1 and size > bytes then
          break
        end
        -- Channels have no receipts, so nothing there would ever be read.
        local unread = shape.kind == 'channel' and 0 or count_unread(keys[k + 2], user, read, base, seq, left)
        out[#out + 1] = { shape.kind, shape.epoch, seq, delivered, read, unread, tonumber(last), entry, state }
      end
    end
    return out
  end,
  flags = { 'no-writes' },
}

-- b1_conversations: the conversations of a user, in no order.   KEYS user   gives names
redis.register_function{
  function_name = 'b1_conversations',
  callback = function(keys, args)
    local out = {}
    for _, field in ipairs(redis.call('HKEYS', keys[1])) do
      if string.sub(field, 1, 2) == 'c:' then
        out[#out + 1] = string.sub(field, 3)
      end
    end
    return out
  end,
  flags = { 'no-writes' },
}
