-- SPDX-License-Identifier: Apache-2.0
-- b1_append: stores one entry and brings it to the members' inboxes.
--
-- KEYS  log, ops, inbox of each of some users, head of each, head of the conversation
-- ARGV  conv, mv, digest of (from, op), session, options, said, plan (what to push, JSON; may be left out)
--         options  <kind> <which of the users sent it; 0 none> <trusted> <complete> <inbox_max> <log_max> <due>
--                  trusted 1: the backend, which need not be a member; complete 1: they are all members; due: see due.lua
--         said     <kind> <ref> <from> <device> <op> \n <body>: the entry, but for its time
-- gives 'ok <seq> <at>' | 'ok <seq> <at> <pt>' (some are left to deliver to: b1_deliver) | 'ok <seq> <at> channel' (nobody is to) |
--       'dup <seq> <at>' | {'members', mv, names} | {'err', code}
--
-- Every key and argument, every part of an answer, and every text that is made costs Redis as much as ten lines of this.
--
-- append#1  The same digest never makes a second entry (while it is remembered: limits OPS_REMEMBERED, OPS_AGE_MS).
-- append#2  Nothing is written unless the answer is 'ok'.
-- append#3  If not all members were among the users, the entry is on the pending set until all deliveries are confirmed.
-- append#4  An edit, deletion or reaction is of a message that is there and not deleted; see state_refuses().
-- append#5  An entry of a channel goes to no inbox, and needs no member list: it is published to the nodes that follow.
-- append#6  An entry's time is not before that of the one before, should the clock be set back by less than AT_BACK_MS; but for what was
--           before the library was loaded.
local OPS_MAX, OPS_DAYS, AT_BACK_MS = 10000, 7, 3600000

local append_options = memo(function(packed)
  local kind, sender, trusted, complete, inbox_max, log_max, due = string.match(packed, '^(%S+) (%d+) (%d) (%d) (%d+) (%d+) (.*)$')
  return {
    is_message = kind == 'message', kind = kind, sender = tonumber(sender), trusted = trusted == '1', complete = complete == '1',
    inbox_max = tonumber(inbox_max), log_max = tonumber(log_max), due = due_wanted(due),
  }
end)

-- What an entry is about, and who said it.
local function said_of(said)
  return string.match(said, '^%S+ (%S*) (%S*)')
end

local latest, latest_text = 0, '0' -- time of the latest entry of any conversation

local function entry_at(now)
  if now ~= latest and (now > latest or latest - now > AT_BACK_MS) then
    latest, latest_text = now, text(now)
  end
  return latest_text
end

-- The answer to an op that is entry seq already. Is the entry gone, it was there before the first that is left.
local function append_repeated(log_key, seq)
  local entry = log_entry(log_key, seq) or log_split(redis.call('LINDEX', log_key, 0) or '')
  return 'dup ' .. seq .. ' ' .. (string.match(entry, '^%d+') or text(now_ms()))
end

-- Is it time for a new generation of ops? One that began on day d lasts to the end of day d + OPS_DAYS, and then OPS_DAYS more as the one before.
local function ops_turn(ops_key, shape, seq, now)
  return now / DAY_MS - shape.ops >= OPS_DAYS + 1 or (seq % 64 == 0 and redis.call('HLEN', ops_key) >= OPS_MAX)
end

-- A new generation of ops begins; if there is one, it becomes the one before, and that before it is forgotten. Gives what the conversation's
-- head is to say.
local function ops_begin(ops_key, shape, now)
  local day, old = math.floor(now / DAY_MS), shape.old
  -- Of a conversation that was silent for two ages there is nothing left to keep.
  if shape.ops and redis.call('EXISTS', ops_key) == 1 then
    local ops_old_key = key_beside(ops_key, 'O')
    redis.call('RENAME', ops_key, ops_old_key)
    redis.call('PEXPIRE', ops_old_key, text(OPS_DAYS * DAY_MS))
    old = day + OPS_DAYS + 1
  end
  return { ops = day, old = old }
end

-- What is kept of the states of messages, once there are any, of entry seq.
local function append_state(log_key, shape, options, ref, id, seq)
  local conv_key = key_beside(log_key, 'c')
  if options.is_message then
    redis.call('HSET', conv_key, 'lm', id)
    return
  end
  state_note(log_key, key_beside(log_key, 's'), options.kind, ref, id, options.log_max)
  if options.kind == 'delete' then
    erase_later(conv_key, ref)
  end
  if not shape.states then
    redis.call('HSET', conv_key, 'lm', text(seq - 1)) -- all before it are messages
  end
end

register_batchable('b1_append', function(keys, args)
  local call = redis.call
  local conv, digest, options, count = args[1], args[3], append_options(args[5]), (#keys - 3) / 2
  local log_key, ops_key, head_key, plan = keys[1], keys[2], keys[#keys], args[7] or ''
  local heads = call('MGET', unpack(keys, 3 + count, #keys))
  local base, mv, shape = conv_split(heads[count + 1])
  if not shape.kind then
    return { 'err', 'not_found' }
  end
  local is_channel, is_present, is_message = shape.kind == 'channel', mv == args[2], options.is_message
  local named = is_present and options.sender > 0 -- the users are members, as long as the list is the present one
  local ref, from
  if not named or not is_message then
    ref, from = said_of(args[6])
  end
  if not options.trusted and not named and call('HEXISTS', key_beside(log_key, 'm'), from) == 0 then
    return { 'err', 'forbidden' }
  end

  local now, fits = now_ms(), is_channel or is_present
  local seen = shape.old and now / DAY_MS < shape.old and call('HGET', key_beside(log_key, 'O'), digest)
  if not seen and not (fits and is_message) then -- nothing else refuses a message: it is asked for as it is noted
    seen = call('HGET', ops_key, digest)
  end
  if seen then
    return append_repeated(log_key, seen)
  end
  local code = not is_message and
    state_refuses(log_key, key_beside(log_key, 'm'), key_beside(log_key, 's'), options.kind, ref, from, options.trusted)
  if code then
    return { 'err', code }
  end
  if not fits then
    return stale(mv, key_beside(log_key, 'm'))
  end

  local at = entry_at(now)
  local entry = at .. ' ' .. args[6]
  local length = call('RPUSH', log_key, log_join(entry, plan))
  local seq, changes = base + length
  local id = text(seq)
  if not shape.ops or ops_turn(ops_key, shape, seq, now) then
    seen = call('HGET', ops_key, digest)
    changes = not seen and ops_begin(ops_key, shape, now)
  end
  if seen or call('HSETNX', ops_key, digest, id) == 0 then
    call('RPOP', log_key)
    return append_repeated(log_key, seen or call('HGET', ops_key, digest))
  end
  if changes then
    -- A conversation that falls silent forgets its ops by itself, after two ages.
    call('PEXPIRE', ops_key, text((2 * OPS_DAYS + 1) * DAY_MS))
  end
  if not is_message or shape.states then
    append_state(log_key, shape, options, ref, id, seq)
    if not shape.states then
      changes = changes or {}
      changes.states = 1
    end
  end
  local marked = shape.pt
  if not is_channel and not options.complete and not marked then
    marked = seq - 1
    changes = changes or {}
    changes.pt = marked
  end
  local drop = length > options.log_max + LOG_SLACK and length - options.log_max or 0
  if drop > 0 then
    call('LTRIM', log_key, text(drop), -1)
  end
  if changes or drop > 0 then
    conv_write(head_key, base + drop, mv, shape, changes)
  end

  if is_channel then
    publish_followers(key_beside(log_key, 'c'), 'C', id .. ' ' .. conv .. ' ' .. entry)
    return 'ok ' .. id .. ' ' .. at .. ' channel'
  end
  local due = options.due
  local class = due and due.class
  if due and shape.class and is_message and plan == '' then
    class = math.min(class, shape.class)
  end
  local message = message_of('M', id .. ' ' .. conv .. ' ' .. args[4], entry)
  fan_message(heads, keys, 2, count, conv, id, options.sender, args[4], options.inbox_max, message, class, due, marked)
  if options.complete then
    return 'ok ' .. id .. ' ' .. at
  end
  call('ZADD', key_parts(log_key) .. 'w:', text(now), 'm ' .. id .. ' ' .. conv)
  return 'ok ' .. id .. ' ' .. at .. ' ' .. text(marked)
end)
