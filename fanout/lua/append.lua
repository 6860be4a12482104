-- SPDX-License-Identifier: Apache-2.0
-- b1_append: stores one entry and brings it to the members' inboxes.
--
-- KEYS  conv, log, ops, then head of each name, then inbox of each name
-- ARGV  conv, mv, digest of (from, op), session, options, said, names …, plan (what to push, JSON; '' none)
--         options  <kind> <which of the names sent it; 0 none> <trusted> <complete> <inbox_max> <log_max> <due>
--                  trusted 1: the backend, which need not be a member; complete 1: the names are all members; due: see due.lua
--         said     <kind> <ref> <from> <device> <op> \n <body>: the entry, but for its time
-- gives 'ok <seq> <at>' | 'ok <seq> <at> <pt>' (some are left to deliver to: b1_deliver) | 'ok <seq> <at> channel' (nobody is to) |
--       'dup <seq> <at>' | {'members', mv, names} | {'err', code}
--
-- Every key and argument, and every part of an answer, costs Redis as much as ten lines of this: hence the packed ones.
--
-- append#1  The same digest never makes a second entry (while it is remembered: limits OPS_REMEMBERED, OPS_AGE_MS).
-- append#2  Nothing is written unless the answer is 'ok'.
-- append#3  If not all members were named, the entry is on the pending set until all deliveries are confirmed.
-- append#4  An edit, deletion or reaction is of a message that is there and not deleted; see state_refuses().
-- append#5  An entry of a channel goes to no inbox, and needs no member list: it is published to the nodes that follow.
local OPS_MAX, OPS_AGE_MS = 10000, 604800000

local append_options = memo(function(packed)
  local kind, sender, trusted, complete, inbox_max, log_max, due = string.match(packed, '^(%S+) (%d+) (%d) (%d) (%d+) (%d+) (.*)$')
  return {
    kind = kind, sender = tonumber(sender), trusted = trusted == '1', complete = complete == '1',
    inbox_max = tonumber(inbox_max), log_max = tonumber(log_max), due = due,
  }
end)

-- What an entry is about, and who said it.
local function said_of(said)
  return string.match(said, '^%S+ (%S*) (%S*)')
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
  local conv_key, log_key, ops_key = keys[1], keys[2], keys[3]
  local conv, digest, said, options = args[1], args[3], args[6], append_options(args[5])
  local count = (#keys - 3) / 2
  local plan = args[7 + count]
  local h = redis.call('HMGET', conv_key, 'kind', 'seq', 'mv', 'at', 'oa', 'lm', 'pt', 'ob', 'tc')
  if not h[1] then
    return { 'err', 'not_found' }
  end
  local is_channel, is_present, is_message = h[1] == 'channel', h[3] == args[2], options.kind == 'message'
  local named = is_present and options.sender > 0 -- the names are members, as long as the list is the present one
  local ref, from
  if not named or not is_message then
    ref, from = said_of(said)
  end
  if not options.trusted and not named and redis.call('HEXISTS', key_beside(conv_key, 'm'), from) == 0 then
    return { 'err', 'forbidden' }
  end

  local now, began = now_ms(), h[5]
  local seq = h[2] + 1
  local id = text(seq)
  local turns = began and (now - began >= OPS_AGE_MS or (seq % 64 == 0 and redis.call('HLEN', ops_key) >= OPS_MAX))
  local seen = h[8] and now - h[8] < 0 and redis.call('HGET', key_beside(conv_key, 'O'), digest)
  local noted = false
  if not seen and began then
    if is_message and not turns and (is_channel or is_present) then -- nothing refuses it now: asked and noted in one
      noted = redis.call('HSETNX', ops_key, digest, id) == 1
    end
    seen = not noted and redis.call('HGET', ops_key, digest)
  end
  if seen then
    local entry = log_entry(log_key, seen)
    return 'dup ' .. seen .. ' ' .. (entry and string.match(entry, '^%d+') or h[4] or 0)
  end
  local states_key = not is_message and key_beside(conv_key, 's')
  local code = states_key and state_refuses(log_key, key_beside(conv_key, 'm'), states_key, options.kind, ref, from, options.trusted)
  if code then
    return { 'err', code }
  end
  if not is_channel and not is_present then
    return stale(conv_key, key_beside(conv_key, 'm'))
  end

  local at = h[4] and h[4] - now > 0 and h[4] or now_text(now)
  if turns then
    turn_ops(conv_key, ops_key, key_beside(conv_key, 'O'), now)
    began = nil
  end
  if began then
    redis.call('HSET', conv_key, 'seq', id, 'at', at)
  else
    redis.call('HSET', conv_key, 'seq', id, 'at', at, 'oa', text(now))
  end
  if not noted then
    redis.call('HSET', ops_key, digest, id)
  end
  if not began then
    -- A conversation that falls silent forgets its ops by itself, after two ages.
    redis.call('PEXPIRE', ops_key, 2 * OPS_AGE_MS)
  end
  local entry = at .. ' ' .. said
  log_add(log_key, seq, entry, plan, options.log_max)
  if states_key then
    state_note(log_key, states_key, options.kind, ref, id, options.log_max)
    if options.kind == 'delete' then
      erase_later(conv_key, ref)
    end
    if not h[6] then
      redis.call('HSET', conv_key, 'lm', h[2]) -- all before it are messages
    end
  elseif h[6] then
    redis.call('HSET', conv_key, 'lm', id)
  end

  local channels, counters = channels_of(conv_key)
  if is_channel then
    publish_followers(conv_key, channels, counters, 'C', id .. ' ' .. conv .. ' ' .. entry)
    return 'ok ' .. id .. ' ' .. at .. ' channel'
  end

  local targets, due, marked = {}, due_wanted(options.due), h[7]
  local class = due and h[9] and is_message and plan == '' and math.min(due.class, tonumber(h[9])) or due and due.class
  if not options.complete and not marked then
    marked = h[2]
    redis.call('HSET', conv_key, 'pt', marked)
  end
  fan_message(keys, 3, args, 6, count, conv, id, options.sender, options.inbox_max, targets, class, due, tonumber(marked or nil))
  publish_all(channels, counters, targets, 'M', id .. ' ' .. conv .. ' ' .. args[4], entry)
  if options.complete then
    return 'ok ' .. id .. ' ' .. at
  end
  redis.call('ZADD', key_parts(conv_key) .. 'w:', text(now), 'm ' .. id .. ' ' .. conv)
  return 'ok ' .. id .. ' ' .. at .. ' ' .. marked
end)
