-- SPDX-License-Identifier: Apache-2.0
-- tend.lua: what grew old. A hub (fanout/tend.c) walks over all keys, a few at a time, and has each user and conversation looked at.
--
-- tend#1  No call looks at more than it was given keys for, and none takes Redis much longer than a millisecond: what is more says so.
-- tend#2  Each call is whole: whoever dies between two of them leaves nothing behind that the next walk does not find.
-- tend#3  n and seq go on where they were; who misses what was dropped finds a hole at the start of the inbox or the log: a gap.
--
-- Events have no time of their own. So a walk leaves a mark in the user's field marks, "<time> <head> …": what was in the inbox
-- at that time is as old as the mark at least.
local TEND_MARKS = 16 -- within the age of an inbox: so it is right to a sixteenth of it
local TEND_STEP = 1000 -- entries dropped from one log in one call

-- b1_walk: one step of the walk over all keys.
-- KEYS store   ARGV from ('' : where the walk of whoever did it before stands), pattern, count   gives {next ('0': over), key …}
register_freeing('b1_walk', function(keys, args)
  local from = args[1] ~= '' and args[1] or redis.call('HGET', keys[1], 'walk') or '0'
  local step = redis.call('SCAN', from, 'MATCH', args[2], 'COUNT', args[3])
  if step[1] ~= from then
    redis.call('HSET', keys[1], 'walk', step[1])
  end
  local out = { step[1] }
  for _, key in ipairs(step[2]) do
    out[#out + 1] = key
  end
  return out
end)

-- Sessions by device, and {node, when its sessions were last heard of …} of all that the user's fields name.
local function tend_nodes(live, watch, seen_of)
  local sessions, order, seen = {}, {}, {}
  local function note(node, at)
    if not seen[node] then
      order[#order + 1] = node
    end
    seen[node] = math.max(seen[node] or 0, at)
  end
  for line in string.gmatch(live or '', '[^\n]+') do
    local device, node = string.match(line, '^(%S+) %S+ (%S+)')
    sessions[device] = true
    note(node, seen_of[device] or 1) -- never 0, which says that no session is there
  end
  for node in string.gmatch(watch or '', '%S+') do
    note(node, 0)
  end
  local out = {}
  for _, node in ipairs(order) do
    out[#out + 1] = node
    out[#out + 1] = text(seen[node])
  end
  return sessions, out
end

-- Up to which n the inbox is too old, by the marks; and the marks that are left, with one of now if it is time.
local function tend_marks(marks, head, age_ms, now)
  local old, kept, latest = 0, {}, 0
  for at, n in string.gmatch(marks or '', '(%d+) (%d+)') do
    latest = tonumber(at)
    if latest <= now - age_ms then
      old = math.max(old, tonumber(n))
    else
      kept[#kept + 1] = at .. ' ' .. n
    end
  end
  if now - latest >= age_ms / TEND_MARKS then
    kept[#kept + 1] = text(now) .. ' ' .. text(head)
  end
  return old, table.concat(kept, ' ')
end

-- Receipts whose pointers are dropped: all of them with the inbox's last, else sixteen at random, so that no call looks at many.
local function tend_receipts(receipts_key, base, head)
  if base == head then
    redis.call('UNLINK', receipts_key)
    return
  end
  local some = redis.call('HRANDFIELD', receipts_key, 16, 'WITHVALUES')
  for i = 1, #some, 2 do
    if tonumber(string.match(some[i + 1], '^%d+')) <= base then
      redis.call('HDEL', receipts_key, some[i])
    end
  end
end

-- The devices that are kept hold back what they have not acknowledged; the others are pushed to no more. Returns the lowest of the cursors
-- and how many devices were forgotten.
local function tend_devices(user_key, devices_key, push_key, packed, sessions, oldest, head)
  local low, forgotten = head, 0
  for device, words in pairs(packed) do
    if words.seen < oldest and not sessions[device] then
      redis.call('HDEL', devices_key, device)
      due_unregister(user_key, push_key, device)
      forgotten = forgotten + 1
    else
      low = math.min(low, words.cursor)
    end
  end
  return low, forgotten
end

-- What is still to be pushed is held back, too: a device that only the backend registered has no cursor.
local function tend_pushes(push_key, packed, low)
  local all = redis.call('HGETALL', push_key)
  for i = 1, #all, 2 do
    local device = string.match(all[i], '^d:(.*)$')
    if device then
      local cursor = packed[device] and packed[device].cursor or 0
      low = math.min(low, math.max(cursor, tonumber(string.match(all[i + 1], '^%d+ %d (%d+)'))))
      for n in string.gmatch(all[i + 1], '\n(%d+)') do
        low = math.min(low, math.max(cursor, n - 1))
      end
    end
  end
  return low
end

-- b1_tend_users: forgets devices that were away for too long, and events that all devices have or that are too old.
-- KEYS user, inbox, devices, receipts, push of each   ARGV device_age_ms, inbox_age_ms (0: no limit)
-- gives for each {devices forgotten, events that some device had not acknowledged, events dropped in all, node, seen …}: the nodes that it
-- has sessions on or is followed by, for the caller to know whether they live
register_freeing('b1_tend_users', function(keys, args)
  local now, out = now_ms(), {}
  for k = 1, #keys, 5 do
    local user_key, inbox_key = keys[k], keys[k + 1]
    local h = redis.call('HMGET', user_key, 'live', 'watch', 'marks')
    local head_key = key_beside(user_key, 'h')
    local base = head_read(head_key)
    local head = base + redis.call('LLEN', inbox_key)
    local packed, seen_of = {}, {}
    local all = redis.call('HGETALL', keys[k + 2])
    for i = 1, #all, 2 do
      local cursor, seen = string.match(all[i + 1], '^(%d+) (%d+)')
      packed[all[i]] = { cursor = tonumber(cursor), seen = tonumber(seen) }
      seen_of[all[i]] = tonumber(seen)
    end
    local sessions, nodes = tend_nodes(h[1], h[2], seen_of)
    local low, forgotten = tend_devices(user_key, keys[k + 2], keys[k + 4], packed, sessions, now - tonumber(args[1]), head)
    local _, pd, at_nodes = head_read(head_key) -- a device that was forgotten may have been the last to push to
    if pd and pd ~= '0' then
      low = tend_pushes(keys[k + 4], packed, low)
    end
    local old, marks = 0, ''
    if tonumber(args[2]) > 0 and low < head then
      old, marks = tend_marks(h[3], head, tonumber(args[2]), now)
    end
    local to = math.max(low, old, base)
    if to > base then
      redis.call('LTRIM', inbox_key, to - base, -1)
      head_write(head_key, to, pd, at_nodes)
      tend_receipts(keys[k + 3], to, head)
    end
    if to == head then
      marks = ''
    end
    if marks ~= (h[3] or '') then
      if marks == '' then
        redis.call('HDEL', user_key, 'marks')
      else
        redis.call('HSET', user_key, 'marks', marks)
      end
    end
    local row = { forgotten, math.max(to - math.max(low, base), 0), to - base }
    for _, word in ipairs(nodes) do
      row[#row + 1] = word
    end
    out[#out + 1] = row
  end
  return out
end)

-- b1_all_have: has every device of every one of the users acknowledged all there is, entry seq of conv included, and is nothing to be pushed?
-- KEYS user, inbox, devices, head of each   ARGV conv, seq, pt of the conversation (seq if it has none)   gives 1 or 0
redis.register_function{
  function_name = 'b1_all_have',
  callback = function(keys, args)
    for k = 1, #keys, 4 do
      local last, base, pd = redis.call('HGET', keys[k], 'c:' .. args[1]), head_read(keys[k + 3])
      if not last or math.max(tonumber(last), tonumber(args[3])) < tonumber(args[2]) then
        return 0 -- not even delivered to the inbox
      end
      if pd and pd ~= '0' then
        return 0
      end
      local head = base + redis.call('LLEN', keys[k + 1])
      for _, packed in ipairs(redis.call('HVALS', keys[k + 2])) do
        if tonumber(string.match(packed, '^%d+')) < head then
          return 0
        end
      end
    end
    return 1
  end,
  flags = { 'no-writes' },
}

local function tend_at(log_key, base, seq)
  local entry = log_entry(log_key, seq, base)
  return entry and tonumber(string.match(entry, '^%d+'))
end

-- The first entry of a log that is not older than oldest, or the one after high if that is older, too. Ids have no hole (lua#1).
local function tend_cut(log_key, base, low, high, oldest)
  while low <= high do
    local middle = math.floor((low + high) / 2)
    if (tend_at(log_key, base, middle) or 0) < oldest then
      low = middle + 1
    else
      high = middle - 1
    end
  end
  return low
end

-- Drops the entries up to upto that are older than oldest. Returns 1 if there are more of them.
local function tend_log(log_key, states_key, base, seq, upto, oldest)
  if base == seq or (tend_at(log_key, base, base + 1) or oldest) >= oldest then
    return 0
  end
  if upto >= seq and (tend_at(log_key, base, seq) or oldest) < oldest then
    log_cut(log_key, seq + 1)
    redis.call('UNLINK', states_key)
    return 0
  end
  local cut = tend_cut(log_key, base, base + 1, math.min(base + TEND_STEP, upto), oldest)
  log_cut(log_key, cut)
  return cut > base + TEND_STEP and 1 or 0
end

-- b1_tend_convs: drops from logs what is too old, and what is nobody's use any more.
-- KEYS conv, log, states, ops, ops_old of each
-- ARGV age_ms (0: no limit), then for each the seq up to which age_ms counts ('' all)
-- gives for each {kind ('' if there is none), seq, 1 if it has a log, 1 if there is more to drop, 1 if texts wait for b1_erase}
register_freeing('b1_tend_convs', function(keys, args)
  local now, out, age_ms = now_ms(), {}, tonumber(args[1])
  for k = 1, #keys, 5 do
    local conv_key, log_key = keys[k], keys[k + 1]
    local base, mv, shape = conv_read(conv_key)
    local seq, more = log_seq(log_key, base), 0
    local upto = tonumber(args[2 + (k - 1) / 5]) or seq
    if shape.kind and age_ms > 0 then
      more = tend_log(log_key, keys[k + 2], base, seq, upto, now - age_ms)
    end
    local has_log = redis.call('EXISTS', log_key)
    if has_log == 0 and shape.kind and redis.call('EXISTS', keys[k + 3], keys[k + 4]) == 0 and (shape.ops or shape.states) then
      redis.call('HDEL', conv_key, 'lm', 'er') -- marks of what is gone
      conv_write(conv_head_key(conv_key), seq, mv, shape, { ops = false, old = false, states = false })
    end
    out[#out + 1] = { shape.kind or '', seq, has_log, more, redis.call('HEXISTS', conv_key, 'er') }
  end
  return out
end)
