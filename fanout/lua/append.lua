-- SPDX-License-Identifier: Apache-2.0
-- b1_append: stores one entry and brings it to the members' inboxes.
--
-- KEYS  conv, log, members, ops, ops_old, pending, states, then user and inbox of each name
-- ARGV  channels, counters, conv, from, device, session, digest of (from, op), op, kind, ref, body, mv, trusted (1: the
--       backend, which need not be a member), inbox_max, log_max, complete (1: the names are all members), due (class and delay; ''
--       nothing is pushed: see due.lua), plan (what to push, JSON; '' none), names …
-- gives {'ok', seq, at} | {'ok', seq, at, pt} (some are left to deliver to: b1_deliver) | {'ok', seq, at, 'channel'} (nobody is to) | {'dup', seq, at} | {'members', mv, names} | {'err', code}
--
-- append#1  The same digest never makes a second entry (while it is remembered: limits OPS_REMEMBERED, OPS_AGE_MS).
-- append#2  Nothing is written unless the answer is 'ok'.
-- append#3  If not all members were named, the entry is on the pending set until all deliveries are confirmed.
-- append#4  An edit, deletion or reaction is of a message that is there and not deleted; see state_refuses().
-- append#5  An entry of a channel goes to no inbox, and needs no member list: it is published to the nodes that follow.
local OPS_MAX, OPS_AGE_MS = 10000, 604800000

local function is_named(names, first, name)
  for i = first, #names do
    if names[i] == name then
      return true
    end
  end
  return false
end

-- The generation of ops gives way to the next one; that before it is forgotten.
local function turn_ops(conv_key, ops_key, ops_old_key, now)
  -- Of a conversation that was silent for two ages there is nothing left to keep.
  if redis.call('EXISTS', ops_key) == 1 then
    redis.call('RENAME', ops_key, ops_old_key)
    redis.call('PEXPIRE', ops_old_key, OPS_AGE_MS)
    redis.call('HSET', conv_key, 'ob', text(now + OPS_AGE_MS))
  end
end

register_batchable('b1_append', function(keys, args)
  local conv, from, digest, kind, ref = args[3], args[4], args[7], args[9], args[10]
  local h = redis.call('HMGET', keys[1], 'kind', 'seq', 'mv', 'at', 'oa', 'lm', 'pt', 'ob', 'tc')
  if not h[1] then
    return { 'err', 'not_found' }
  end
  local is_channel, is_present = h[1] == 'channel', h[3] == args[12]
  local named = is_present and is_named(args, 19, from) -- the names are members, as long as the list is the present one
  if args[13] ~= '1' and not named and redis.call('HEXISTS', keys[3], from) == 0 then
    return { 'err', 'forbidden' }
  end

  local now, began = now_ms(), tonumber(h[5])
  local seq = tonumber(h[2]) + 1
  local id = text(seq)
  local turns = began and (now - began >= OPS_AGE_MS or (seq % 64 == 0 and redis.call('HLEN', keys[4]) >= OPS_MAX))
  local seen, noted = h[8] and now < tonumber(h[8]) and redis.call('HGET', keys[5], digest), false
  if not seen and began then
    if kind == 'message' and not turns and (is_channel or is_present) then -- nothing refuses it now: asked and noted in one
      noted = redis.call('HSETNX', keys[4], digest, id) == 1
    end
    seen = not noted and redis.call('HGET', keys[4], digest)
  end
  if seen then
    local entry = log_entry(keys[2], seen)
    local at = entry and string.match(entry, '^%d+') or h[4]
    return { 'dup', tonumber(seen), tonumber(at) }
  end
  local code = kind ~= 'message' and state_refuses(keys[2], keys[3], keys[7], kind, ref, from, args[13] == '1')
  if code then
    return { 'err', code }
  end
  if not is_channel and not is_present then
    return stale(keys[1], keys[3])
  end

  local at = math.max(now, tonumber(h[4]) or 0)
  if turns then
    turn_ops(keys[1], keys[4], keys[5], now)
    began = nil
  end
  if began then
    redis.call('HSET', keys[1], 'seq', id, 'at', text(at))
  else
    redis.call('HSET', keys[1], 'seq', id, 'at', text(at), 'oa', text(now))
  end
  if not noted then
    redis.call('HSET', keys[4], digest, id)
  end
  if not began then
    -- A conversation that falls silent forgets its ops by itself, after two ages.
    redis.call('PEXPIRE', keys[4], 2 * OPS_AGE_MS)
  end
  local header = text(at) .. ' ' .. kind .. ' ' .. ref .. ' ' .. from .. ' ' .. args[5] .. ' ' .. args[8]
  log_add(keys[2], seq, header .. '\n' .. args[11], args[18], tonumber(args[15]))
  if kind ~= 'message' then
    state_note(keys[2], keys[7], kind, ref, id, tonumber(args[15]))
    if kind == 'delete' then
      erase_later(keys[1], ref)
    end
  end
  if kind ~= 'message' and not h[6] then
    redis.call('HSET', keys[1], 'lm', h[2]) -- all before it are messages
  elseif kind == 'message' and h[6] then
    redis.call('HSET', keys[1], 'lm', id)
  end

  if is_channel then
    publish_followers(keys[1], args[1], args[2], 'C', id .. ' ' .. conv .. ' ' .. header .. '\n' .. args[11])
    return { 'ok', seq, at, 'channel' }
  end

  local targets, inbox_max, wanted, marked = {}, tonumber(args[14]), due_wanted(args[17]), h[7] or nil
  if wanted and h[9] and kind == 'message' and args[18] == '' then
    wanted.class = math.min(wanted.class, tonumber(h[9]))
  end
  if args[16] ~= '1' and not marked then
    marked = h[2]
    redis.call('HSET', keys[1], 'pt', marked)
  end
  if marked then
    fan_message(keys, 8, args, 19, conv, seq, from, inbox_max, targets, wanted, tonumber(marked))
  else
    fan_to_all(keys, 8, args, 19, conv, seq, from, inbox_max, targets, wanted)
  end
  publish_all(args[1], args[2], targets, 'M', id .. ' ' .. conv .. ' ' .. args[6] .. ' ' .. header, args[11])
  if args[16] == '1' then
    return { 'ok', seq, at }
  end
  redis.call('ZADD', keys[6], text(now), 'm ' .. id .. ' ' .. conv)
  return { 'ok', seq, at, tonumber(marked) }
end)
