-- SPDX-License-Identifier: Apache-2.0
-- Tells the nodes that follow a user's presence.
local function tell_presence(channels, counters, user_key, user, live)
  local h = redis.call('HMGET', user_key, 'watch', 'seen', 'inv')
  if h[1] then
    for node in string.gmatch(h[1], '%S+') do
      publish(channels, counters, node, 'P', user .. ' ' .. (h[2] or '0') .. ' ' .. (h[3] or '0') .. '\n' .. live)
    end
  end
end

-- Writes the sessions of a user; with an epoch that one, too. Returns them as one text, and the nodes they are on, for the head.
local function write_live(user_key, lines, epoch)
  local names, seen = {}, {}
  for _, line in ipairs(lines) do
    local node = string.match(line, '^%S+ %S+ (%S+)')
    if not seen[node] then
      seen[node] = true
      names[#names + 1] = node
    end
  end
  local live = table.concat(lines, '\n')
  if #lines == 0 then
    redis.call('HDEL', user_key, 'live')
  elseif epoch then
    redis.call('HSET', user_key, 'live', live, 'epoch', epoch)
  else
    redis.call('HSET', user_key, 'live', live)
  end
  return live, table.concat(names, ' ')
end

-- The same, and the head's nodes.
local function change_live(user_key, lines)
  local head_key = key_beside(user_key, 'h')
  local base, pd, before = head_read(head_key)
  local live, nodes = write_live(user_key, lines)
  if nodes ~= before then
    head_write(head_key, base, pd, nodes)
  end
  return live
end

-- A user has so many devices at most: of those without a session the one not seen for longest makes room for a new one, and is pushed to no
-- more. Gives which one, '' if there is room; nil if all have sessions, and so there is none.
local function find_room(devices_key, devices_max, live)
  if redis.call('HLEN', devices_key) < devices_max then
    return ''
  end
  local oldest_device, oldest_seen
  local all = redis.call('HGETALL', devices_key)
  for i = 1, #all, 2 do
    local seen = tonumber(string.match(all[i + 1], '^%d+ (%d+)'))
    if (not oldest_seen or seen < oldest_seen) and not string.find('\n' .. (live or ''), '\n' .. all[i] .. ' ', 1, true) then
      oldest_device, oldest_seen = all[i], seen
    end
  end
  return oldest_device
end

local function forget_device(user_key, devices_key, push_key, device)
  redis.call('HDEL', devices_key, device)
  due_unregister(user_key, push_key, device)
end

-- b1_attach: a session of a device begins.
--
-- KEYS  user, inbox, devices, store, push, head
-- ARGV  channels, counters, user, device, node, session, flags, epoch of the store, cursor's epoch ('' none), cursor's n,
--       devices_max, again (1: a session that exists registers anew after its node was thought dead), opened, told (with again: the
--       highest n that the session was told), said (when the session last learned whether the user is invisible; 0 never), invisible
-- gives {'ok', epoch, cursor, head, base, fresh, reset, 1 if the user is invisible (else left out)} | {'err', code}
--
-- attach#1  A device has at most one session: an earlier one is told (K) and its line is gone.
-- attach#2  A device never seen before starts at the head.
-- attach#3  With again, a device that meanwhile has another session, opened later, keeps that one ('err' 'conflict').
-- attach#4  Of two sessions of a device the one opened later wins, whichever call comes first: a connection that was given up may
--           be slower than the one that followed it ('err' 'unavailable', so who was not given up comes again).
-- attach#5  A hub that has not noticed yet that the store lost its past registers nobody under the old epoch ('err' 'unavailable').
-- attach#6  What a session was told beyond the head, the store has lost. These numbers are never given again, so that an
--           acknowledgement that is under way is not taken for one of other events. And the user's epoch is another one from now on, so
--           each device is told, whether it had the lost events or not; the nodes of the others hear of it (E).
-- attach#7  A cursor ahead of the stored one is an acknowledgement, and as such for b1_ack, which knows what it means for others: the
--           stored one stays.
-- attach#8  A device that is connected is not forgotten for a new one: if all are, the new one is refused ('err' 'full').
-- attach#9  Whether a user is invisible is what was said last, by whichever session: what one that registers anew knows counts if it is later
--           than what the store has, which may have lost it.
local ATTACH_BURN, ATTACH_OPENED_MS = 256, 60000

-- The epoch of a user: that of the store, or that with a time behind it (attach#6).
local function epoch_of(stored, store_epoch)
  return stored and string.match(stored, '^[^.]*') == store_epoch and stored or store_epoch
end

local function tell_epoch(channels, counters, user, lines)
  local told = {}
  for _, line in ipairs(lines) do
    local node = string.match(line, '^%S+ %S+ (%S+)')
    if not told[node] then
      told[node] = true
      publish(channels, counters, node, 'E', user)
    end
  end
end

-- Goes on behind n. Returns the new base, which the caller writes.
local function burn_numbers(inbox_key, base, head, n)
  if n - head > ATTACH_BURN then
    redis.call('UNLINK', inbox_key)
    return n
  end
  for _ = head + 1, n do
    redis.call('RPUSH', inbox_key, '')
  end
  return base
end

local function write_invisible(user_key, invisible, said)
  redis.call('HSET', user_key, 'said', said)
  if invisible then
    redis.call('HSET', user_key, 'inv', '1')
  else
    redis.call('HDEL', user_key, 'inv')
  end
end

-- Did the session before open later? A clock that was set back must not keep a device out.
local function opened_later(before, opened, now)
  local at = tonumber(before[3] or 0)
  return at > opened and at <= now and at - opened < ATTACH_OPENED_MS
end

register_freeing('b1_attach', function(keys, args)
  local user, device, node, session = args[3], args[4], args[5], args[6]
  if redis.call('HGET', keys[4], 'epoch') ~= args[8] then
    return { 'err', 'unavailable' }
  end
  local h = redis.call('HMGET', keys[1], 'epoch', 'live', 'watch', 'inv', 'said')
  local epoch, invisible = epoch_of(h[1], args[8]), h[4] == '1'
  local base_before, pd, nodes_before = head_read(keys[6])
  local base = base_before
  local head = base + redis.call('LLEN', keys[2])
  local now, opened = now_ms(), tonumber(args[13])

  local lines = {}
  local before
  for line in string.gmatch(h[2] or '', '[^\n]+') do
    local d, s, n, at, code = string.match(line, '^(%S+) (%S+) (%S+) %S+ ?(%d*) ?(%d*)')
    if d ~= device then
      lines[#lines + 1] = line
    else
      before = { s, n, at, code }
    end
  end
  if args[12] == '1' and before and before[1] ~= session and tonumber(before[3]) and tonumber(before[3]) < opened then
    args[12] = '0' -- of all that register anew after a wipe, one that was given up may be the first
  end
  if args[12] == '1' and before and before[1] ~= session then
    return { 'err', 'conflict' }
  end
  if before and before[1] ~= session and opened_later(before, opened, now) then
    return { 'err', 'unavailable' }
  end
  local packed, room = redis.call('HGET', keys[3], device), ''
  if not packed then
    room = find_room(keys[3], tonumber(args[11]), h[2])
    if not room then
      return { 'err', 'full' }
    end
  end
  local told = tonumber(args[14])
  if told > head then
    local before = tonumber(string.match(epoch, '%.(%d+)$')) or 0
    epoch = args[8] .. '.' .. text(math.max(now, before + 1)) -- a millisecond may bring two
  end
  if before and before[1] ~= session then
    publish(args[1], args[2], before[2], 'K', '4409 ' .. user .. ' ' .. device .. ' ' .. before[1])
  end

  local stored = packed and tonumber(string.match(packed, '^%d+'))
  local cursor = stored
  local fresh, reset = 0, 0
  if told > head then
    tell_epoch(args[1], args[2], user, lines)
    reset = 1
    base = burn_numbers(keys[2], base, head, told)
    head = told
  end
  if not cursor then
    fresh = 1
    cursor = head
    if room ~= '' then
      forget_device(keys[1], keys[3], keys[5], room)
      pd = select(2, head_read(keys[6]))
    end
  end
  if args[9] ~= '' then
    local n = tonumber(args[10])
    if args[9] ~= epoch or n > head or reset == 1 then
      reset = 1
      cursor = head
    else
      fresh = 0
      cursor = n
    end
  end
  if args[12] ~= '1' or not packed or reset == 1 then
    local kept = stored and reset == 0 and math.min(stored, cursor) or cursor
    redis.call('HSET', keys[3], device, text(kept) .. ' ' .. text(now))
  end
  local line = device .. ' ' .. session .. ' ' .. node .. ' ' .. args[7] .. ' ' .. args[13]
  if before and before[1] == session and before[4] ~= '' then
    line = line .. ' ' .. before[4] -- it is still to end
    publish(args[1], args[2], node, 'K', before[4] .. ' ' .. user .. ' ' .. device .. ' ' .. session)
  end
  lines[#lines + 1] = line
  local live, nodes = write_live(keys[1], lines, h[1] ~= epoch and epoch)
  if nodes ~= nodes_before or base ~= base_before then
    head_write(keys[6], base, pd, nodes)
  end
  if tonumber(args[15]) > tonumber(h[5] or 0) then
    invisible = args[16] == '1'
    write_invisible(keys[1], invisible, args[15])
  end
  if h[3] then
    tell_presence(args[1], args[2], keys[1], user, live)
  end
  return { 'ok', epoch, cursor, head, base, fresh, reset, invisible and 1 or nil }
end)

-- b1_detach: a session ends. Only its own line goes: a later session of the device stays.
-- KEYS user, devices   ARGV channels, counters, user, device, session   gives 1 if the line was there
register_freeing('b1_detach', function(keys, args)
  local live = redis.call('HGET', keys[1], 'live')
  local lines, found = {}, false
  for line in string.gmatch(live or '', '[^\n]+') do
    local d, s = string.match(line, '^(%S+) (%S+)')
    if d == args[4] and s == args[5] then
      found = true
    else
      lines[#lines + 1] = line
    end
  end
  if not found then
    return 0
  end
  local now = text(now_ms())
  redis.call('HSET', keys[1], 'seen', now)
  local packed = redis.call('HGET', keys[2], args[4])
  if packed then
    redis.call('HSET', keys[2], args[4], string.match(packed, '^%d+') .. ' ' .. now)
  end
  tell_presence(args[1], args[2], keys[1], args[3], change_live(keys[1], lines))
  return 1
end)

local function unwatch(user_key, gone)
  local kept, watch = {}, redis.call('HGET', user_key, 'watch')
  for node in string.gmatch(watch or '', '%S+') do
    if node ~= gone then
      kept[#kept + 1] = node
    end
  end
  if #kept > 0 then
    redis.call('HSET', user_key, 'watch', table.concat(kept, ' '))
  elseif watch then
    redis.call('HDEL', user_key, 'watch')
  end
end

-- b1_prune: forgets sessions of a node that is dead, and its interest in the user; one whose lease holds is not dead, whatever the
-- caller believes: the store may have lost its past, and the node be back already.
-- KEYS user, nodes   ARGV channels, counters, user, node, seen_ms   gives 1 if it had sessions
local PRUNE_LEASE_MS = 4000 -- LEASE_TTL_MS of presence/lease.h

register_freeing('b1_prune', function(keys, args)
  local renewed = tonumber(redis.call('ZSCORE', keys[2], args[4]) or '0')
  if now_ms() - renewed <= PRUNE_LEASE_MS then
    return 0
  end
  unwatch(keys[1], args[4])
  local h = redis.call('HMGET', keys[1], 'live', 'seen')
  local lines, found = {}, false
  for line in string.gmatch(h[1] or '', '[^\n]+') do
    if string.match(line, '^%S+ %S+ (%S+)') == args[4] then
      found = true
    else
      lines[#lines + 1] = line
    end
  end
  if not found then
    return 0
  end
  if tonumber(args[5]) > (tonumber(h[2]) or 0) then
    redis.call('HSET', keys[1], 'seen', args[5])
  end
  tell_presence(args[1], args[2], keys[1], args[3], change_live(keys[1], lines))
  return 1
end)

-- b1_status: online, away or invisible.
-- KEYS user   ARGV channels, counters, user, device, session, status
register_freeing('b1_status', function(keys, args)
  local lines = {}
  for line in string.gmatch(redis.call('HGET', keys[1], 'live') or '', '[^\n]+') do
    local d, s, n, flags, rest = string.match(line, '^(%S+) (%S+) (%S+) (%S+)(.*)$')
    if d == args[4] and s == args[5] and flags ~= 'b' and args[6] ~= 'invisible' then
      flags = args[6] == 'away' and 'a' or 'o'
    end
    lines[#lines + 1] = d .. ' ' .. s .. ' ' .. n .. ' ' .. flags .. rest
  end
  write_invisible(keys[1], args[6] == 'invisible', text(now_ms()))
  tell_presence(args[1], args[2], keys[1], args[3], change_live(keys[1], lines))
  return 0
end)

-- b1_watch: a node begins to follow users.   KEYS user …   ARGV node   gives live, seen, inv of each
register_freeing('b1_watch', function(keys, args)
  local out = {}
  for i, key in ipairs(keys) do
    local h = redis.call('HMGET', key, 'live', 'seen', 'inv', 'watch')
    local watch = h[4] or ''
    if not string.find(' ' .. watch .. ' ', ' ' .. args[1] .. ' ', 1, true) then
      redis.call('HSET', key, 'watch', watch == '' and args[1] or watch .. ' ' .. args[1])
    end
    out[#out + 1] = h[1] or ''
    out[#out + 1] = h[2] or '0'
    out[#out + 1] = h[3] or '0'
  end
  return out
end)

-- b1_unwatch: a node follows users no longer.   KEYS user …   ARGV node
register_freeing('b1_unwatch', function(keys, args)
  for _, key in ipairs(keys) do
    unwatch(key, args[1])
  end
  return 0
end)

-- b1_presence: the same, read only.   KEYS user …   gives live, seen, inv of each
redis.register_function{
  function_name = 'b1_presence',
  callback = function(keys, args)
    local out = {}
    for _, key in ipairs(keys) do
      local h = redis.call('HMGET', key, 'live', 'seen', 'inv')
      out[#out + 1] = h[1] or ''
      out[#out + 1] = h[2] or '0'
      out[#out + 1] = h[3] or '0'
    end
    return out
  end,
  flags = { 'no-writes' },
}

-- b1_devices: the devices of a user.
-- KEYS user, inbox, devices, push, head   gives {live, device, packed, depth, oldest, registration ('' none) …}; packed '': a device that is
-- registered, but was never here
-- depth: events behind the cursor; oldest: the first pointer behind the cursor that has a time (receipts have none), or ''
redis.register_function{
  function_name = 'b1_devices',
  callback = function(keys, args)
    local base = head_read(keys[5])
    local length = redis.call('LLEN', keys[2])
    local out = { redis.call('HGET', keys[1], 'live') or '' }
    local all = redis.call('HGETALL', keys[3])
    local pushed, registrations = redis.call('HGETALL', keys[4]), {}
    for i = 1, #pushed, 2 do
      if string.sub(pushed[i], 1, 2) == 'g:' then
        registrations[string.sub(pushed[i], 3)] = pushed[i + 1]
      end
    end
    for i = 1, #all, 2 do
      local index = math.max(tonumber(string.match(all[i + 1], '^%d+')) - base, 0)
      local oldest = ''
      for _, pointer in ipairs(redis.call('LRANGE', keys[2], index, index + 63)) do
        if string.byte(pointer) ~= 114 then -- 'r'
          oldest = pointer
          break
        end
      end
      out[#out + 1] = all[i]
      out[#out + 1] = all[i + 1]
      out[#out + 1] = length - index
      out[#out + 1] = oldest
      out[#out + 1] = registrations[all[i]] or ''
      registrations[all[i]] = nil
    end
    for device, registration in pairs(registrations) do
      for _, value in ipairs({ device, '', 0, '', registration }) do
        out[#out + 1] = value
      end
    end
    return out
  end,
  flags = { 'no-writes' },
}

-- b1_disconnect: asks the nodes to end sessions. The code stays in their lines until they are gone, should the word be lost (b1_heads).
-- KEYS user   ARGV channels, counters, user, device ('' all), code   gives how many
register_freeing('b1_disconnect', function(keys, args)
  local lines, count = {}, 0
  for line in string.gmatch(redis.call('HGET', keys[1], 'live') or '', '[^\n]+') do
    local d, s, n, flags, at = string.match(line, '^(%S+) (%S+) (%S+) (%S+) ?(%d*)')
    if args[4] == '' or args[4] == d then
      publish(args[1], args[2], n, 'K', args[5] .. ' ' .. args[3] .. ' ' .. d .. ' ' .. s)
      count = count + 1
      line = table.concat({ d, s, n, flags, at == '' and '0' or at, args[5] }, ' ')
    end
    lines[#lines + 1] = line
  end
  if count > 0 then
    redis.call('HSET', keys[1], 'live', table.concat(lines, '\n'))
  end
  return count
end)

-- b1_verify: asks a node whether it has what it is said to have of a user's sessions.   KEYS user   ARGV channels, user, node
register_freeing('b1_verify', function(keys, args)
  return redis.call('SPUBLISH', args[1] .. args[3], 'V 0 ' .. args[2])
end)
