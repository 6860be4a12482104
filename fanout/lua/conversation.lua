-- SPDX-License-Identifier: Apache-2.0
-- b1_members: a conversation and its members.
-- KEYS conv, members   gives {kind, epoch, seq, mv, public, flat members, template} or {} if there is none
redis.register_function{
  function_name = 'b1_members',
  callback = function(keys, args)
    local h = redis.call('HMGET', keys[1], 'kind', 'epoch', 'seq', 'mv', 'public', 'tp')
    if not h[1] then
      return {}
    end
    return { h[1], h[2], h[3], h[4], h[5] or '0', redis.call('HGETALL', keys[2]), h[6] or '' }
  end,
  flags = { 'no-writes' },
}

-- b1_change: creates a conversation or changes its members.
--
-- KEYS  conv, members, then user and inbox of each name
-- ARGV  channels, counters, conv, mv expected (0: it must not exist), kind, public ('': unchanged), epoch, inbox_max, tell (1: every
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
redis.register_function('b1_change', function(keys, args)
  local conv, epoch = args[3], args[7]
  local h = redis.call('HMGET', keys[1], 'mv', 'seq', 'kind')
  local exists = h[3]
  if (exists and h[1] or '0') ~= args[4] then
    return stale(keys[1], keys[2])
  end
  local count = tonumber(args[11])
  local first = 12 + count * 3
  local key_of = {}
  for i = first, #args do
    key_of[args[i]] = 3 + (i - first) * 2
  end
  local seq = tonumber(h[2]) or 0
  local now = now_ms()
  local mv = math.max((tonumber(h[1]) or 0) + 1, now)
  if not exists then
    redis.call('HSET', keys[1], 'kind', args[5], 'epoch', epoch, 'seq', text(seq), 'mv', text(mv), 'at', '0')
    redis.call('PERSIST', keys[1])
  else
    redis.call('HSET', keys[1], 'mv', text(mv))
    if args[5] ~= '' and args[5] ~= h[3] then
      redis.call('HSET', keys[1], 'kind', args[5])
    end
  end
  if args[6] ~= '' then
    redis.call('HSET', keys[1], 'public', args[6])
  end
  if args[10] == '-' then
    redis.call('HDEL', keys[1], 'tc', 'tp')
  elseif args[10] ~= '' then
    redis.call('HSET', keys[1], 'tc', string.sub(args[10], 1, 1), 'tp', string.sub(args[10], 3))
  end

  local field = 'c:' .. conv
  local mark = text(seq)
  local gone = {}
  for i = 0, count - 1 do
    local action, user, role = args[12 + i * 3], args[13 + i * 3], args[14 + i * 3]
    if action == 'joined' then
      redis.call('HSET', keys[2], user, role .. ' ' .. mark .. ' ' .. mark)
      redis.call('HSET', keys[key_of[user]], field, mark)
    elseif action == 'role' then
      local _, delivered, read = member_of(redis.call('HGET', keys[2], user))
      redis.call('HSET', keys[2], user, role .. ' ' .. text(delivered or seq) .. ' ' .. text(read or seq))
    else
      redis.call('HDEL', keys[2], user)
      gone[#gone + 1] = user
    end
  end
  for i = 0, count - 1 do
    local action, user, role = args[12 + i * 3], args[13 + i * 3], args[14 + i * 3]
    local about = text(now) .. ' ' .. action .. ' ' .. role .. ' ' .. user .. ' ' .. conv
    local targets = {}
    if args[9] == '1' then
      fan_pointer(keys, 3, args, first, conv, 'j ' .. about, tonumber(args[8]), targets)
    else
      local k = key_of[user]
      fan_pointer({ keys[k], keys[k + 1] }, 1, { user }, 1, conv, 'j ' .. about, tonumber(args[8]), targets)
    end
    publish_all(args[1], args[2], targets, 'J', about, '')
  end
  for _, user in ipairs(gone) do
    redis.call('HDEL', keys[key_of[user]], field)
  end
  if h[3] == 'channel' and (args[6] ~= '' or #gone > 0) then
    tell_followers(keys[1], args[1], args[2], conv)
  end
  return { 'ok', mv }
end)

-- b1_delete: removes a conversation; every member is told of the own removal. Its seq and the version of its member list are
-- kept for a year (change#2, change#3).
-- KEYS conv, members, log, ops, ops_old, states, then user and inbox of each name
-- ARGV channels, counters, conv, mv expected, inbox_max, names …    gives {'ok'} | {'members', …} | {'err', code}
local GONE_MS = 31536000000

register_freeing('b1_delete', function(keys, args)
  local conv = args[3]
  local h = redis.call('HMGET', keys[1], 'mv', 'seq', 'kind')
  if not h[3] then
    return { 'err', 'not_found' }
  end
  if h[1] ~= args[4] then
    return stale(keys[1], keys[2])
  end
  local now = now_ms()
  for i = 6, #args do
    local k = 7 + (i - 6) * 2
    local about = text(now) .. ' removed member ' .. args[i] .. ' ' .. conv
    local targets = {}
    fan_pointer({ keys[k], keys[k + 1] }, 1, { args[i] }, 1, conv, 'j ' .. about, tonumber(args[5]), targets)
    publish_all(args[1], args[2], targets, 'J', about, '')
    redis.call('HDEL', keys[k], 'c:' .. conv)
  end
  tell_followers(keys[1], args[1], args[2], conv)
  redis.call('UNLINK', keys[1], keys[2], keys[3], keys[4], keys[5], keys[6])
  redis.call('HSET', keys[1], 'mv', h[1], 'seq', h[2])
  redis.call('PEXPIRE', keys[1], GONE_MS)
  return { 'ok' }
end)

-- b1_history: a page of a log, ascending.
-- KEYS conv, members, log, states   ARGV user ('' trusted), before (0: none), after (-1: none), limit, bytes, versions (1: with them)
-- gives {'ok', epoch, seq, more, seq1, entry1, state1, seq2, entry2, state2 …} | {'err', code}; the states are state_read()'s
redis.register_function{
  function_name = 'b1_history',
  callback = function(keys, args)
    local h = redis.call('HMGET', keys[1], 'epoch', 'seq', 'public', 'lm')
    if not h[1] then
      return { 'err', 'not_found' }
    end
    if args[1] ~= '' and h[3] ~= '1' and redis.call('HEXISTS', keys[2], args[1]) == 0 then
      return { 'err', 'forbidden' }
    end
    local limit, bytes = tonumber(args[4]), tonumber(args[5])
    local up = tonumber(args[3]) >= 0
    local low, count = tonumber(args[3]) + 1, limit + 1 -- one more tells whether there are more
    if not up then
      local high = tonumber(args[2]) > 0 and math.min(tonumber(args[2]) - 1, tonumber(h[2])) or tonumber(h[2])
      low = math.max(high - limit, log_first(keys[3]) or 1)
      count = high - low + 1
    end
    local first, entries = log_range(keys[3], low, count)
    local kept, size, shown = 0, 0, {}
    for i = 1, math.min(#entries, limit) do
      local index = up and i or #entries + 1 - i
      local seq, entry = text(first + index - 1), entries[index]
      local state, entry_size = '', #entry
      if h[4] then
        entry, state, entry_size = state_read(keys[3], keys[4], seq, entry, bytes, args[6] == '1')
      end
      size = size + entry_size
      if kept > 0 and size > bytes then
        break
      end
      kept = i
      shown[i] = { tonumber(seq), entry, state }
    end
    local out = { 'ok', h[1], tonumber(h[2]), #entries > kept and 1 or 0 }
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

local function count_unread(log_key, user, read, seq, left)
  local unread, at, counted = 0, math.max(read, log_base(log_key) or seq), {}
  while at < seq and left.entries > 0 and left.bytes > 0 do
    local first, entries = log_range(log_key, at + 1, UNREAD_STEP)
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
      local h = redis.call('HMGET', keys[k], 'kind', 'epoch', 'seq', 'lm')
      local role, delivered, read = member_of(redis.call('HGET', keys[k + 1], user))
      if not h[1] or not role then
        out[#out + 1] = {}
      else
        local seq = tonumber(h[3])
        local last = h[4] or h[3]
        local entry, state = log_entry(keys[k + 2], last) or '', ''
        local entry_size = #entry
        if h[4] and entry ~= '' then
          entry, state, entry_size = state_read(keys[k + 2], keys[k + 3], last, entry, bytes, false)
        end
        size = size + entry_size
        if k > 1 and size > bytes then
          break
        end
        -- Channels have no receipts, so nothing there would ever be read.
        local unread = h[1] == 'channel' and 0 or count_unread(keys[k + 2], user, read, seq, left)
        out[#out + 1] = { h[1], h[2], seq, delivered, read, unread, tonumber(last), entry, state }
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
