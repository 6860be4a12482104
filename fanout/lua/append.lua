-- SPDX-License-Identifier: Apache-2.0
-- b1_append: stores one entry and brings it to the members' inboxes.
--
-- KEYS  conv, log, members, ops, ops_old, pending, states, then user and inbox of each name
-- ARGV  channels, counters, conv, from, device, session, digest of (from, op), op, kind, ref, body, mv, trusted (1: the
--       backend, which need not be a member), inbox_max, log_max, complete (1: the names are all members), due (class and delay; ''
--       nothing is pushed: see due.lua), plan (what to push, JSON; '' none), names …
-- gives {'ok', seq, at} | {'ok', seq, at, 'channel'} (nobody is left to deliver to) | {'dup', seq, at} | {'members', mv, names} | {'err', code}
--
-- append#1  The same digest never makes a second entry (while it is remembered: limits OPS_REMEMBERED, OPS_AGE_MS).
-- append#2  Nothing is written unless the answer is 'ok'.
-- append#3  If not all members were named, the entry is on the pending set until all deliveries are confirmed.
-- append#4  An edit, deletion or reaction is of a message that is there and not deleted; see state_refuses().
-- append#5  An entry of a channel goes to no inbox, and needs no member list: it is published to the nodes that follow.
local OPS_MAX, OPS_AGE_MS = 10000, 604800000
local TRIM_EVERY = 32 -- entries: to ask for it each time costs as much as a read

local function is_named(names, first, name)
  for i = first, #names do
    if names[i] == name then
      return true
    end
  end
  return false
end

register_batchable('b1_append', function(keys, args)
  local conv, from, digest = args[3], args[4], args[7]
  local h = redis.call('HMGET', keys[1], 'kind', 'seq', 'mv', 'at', 'oa', 'lm', 'tc')
  if not h[1] then
    return { 'err', 'not_found' }
  end
  local named = h[3] == args[12] and is_named(args, 19, from) -- the names are members, as long as the list is the present one
  if args[13] ~= '1' and not named and redis.call('HEXISTS', keys[3], from) == 0 then
    return { 'err', 'forbidden' }
  end
  local now = now_ms()
  local began = tonumber(h[5])
  local seen = began and redis.call('HGET', keys[4], digest)
  if began and not seen then
    seen = redis.call('HGET', keys[5], digest)
  end
  if seen then
    local entry = redis.call('XRANGE', keys[2], seen .. '-0', seen .. '-0')
    local at = entry[1] and string.match(entry[1][2][2], '^%d+') or h[4]
    return { 'dup', tonumber(seen), tonumber(at) }
  end
  local kind, ref = args[9], args[10]
  local code = kind ~= 'message' and state_refuses(keys[2], keys[3], keys[7], kind, ref, from, args[13] == '1')
  if code then
    return { 'err', code }
  end
  if h[1] ~= 'channel' and h[3] ~= args[12] then
    return stale(keys[1], keys[3])
  end

  local seq = tonumber(h[2]) + 1
  local at = math.max(now, tonumber(h[4]) or 0)
  local id = text(seq)
  if began and (now - began >= OPS_AGE_MS or (seq % 64 == 0 and redis.call('HLEN', keys[4]) >= OPS_MAX)) then
    -- Of a conversation that was silent for two ages there is nothing left to keep.
    if redis.call('EXISTS', keys[4]) == 1 then
      redis.call('RENAME', keys[4], keys[5])
      redis.call('PEXPIRE', keys[5], OPS_AGE_MS)
    end
    began = nil
  end
  if began then
    redis.call('HSET', keys[1], 'seq', id, 'at', text(at))
  else
    redis.call('HSET', keys[1], 'seq', id, 'at', text(at), 'oa', text(now))
  end
  redis.call('HSET', keys[4], digest, id)
  if not began then
    -- A conversation that falls silent forgets its ops by itself, after two ages.
    redis.call('PEXPIRE', keys[4], 2 * OPS_AGE_MS)
  end
  local header = text(at) .. ' ' .. kind .. ' ' .. ref .. ' ' .. from .. ' ' .. args[5] .. ' ' .. args[8]
  if args[18] == '' then
    redis.call('XADD', keys[2], id .. '-0', 'e', header .. '\n' .. args[11])
  else
    redis.call('XADD', keys[2], id .. '-0', 'e', header .. '\n' .. args[11], 'p', args[18])
  end
  if seq % TRIM_EVERY == 0 then
    redis.call('XTRIM', keys[2], 'MAXLEN', '~', args[15])
  end
  if kind ~= 'message' then
    state_note(keys[2], keys[7], kind, ref, id, tonumber(args[15]))
    if kind == 'delete' then
      redis.call('HSET', keys[1], 'er', id) -- for b1_erase
    end
  end
  if kind ~= 'message' and not h[6] then
    redis.call('HSET', keys[1], 'lm', h[2]) -- all before it are messages
  elseif kind == 'message' and h[6] then
    redis.call('HSET', keys[1], 'lm', id)
  end

  if h[1] == 'channel' then
    publish_followers(keys[1], args[1], args[2], 'C', id .. ' ' .. conv .. ' ' .. header .. '\n' .. args[11])
    return { 'ok', seq, at, 'channel' }
  end

  local targets, wanted = {}, due_wanted(args[17])
  if wanted and h[7] and kind == 'message' and args[18] == '' then
    wanted.class = math.min(wanted.class, tonumber(h[7]))
  end
  fan_message(keys, 8, args, 19, conv, seq, from, tonumber(args[14]), targets, wanted)
  publish_all(args[1], args[2], targets, 'M', id .. ' ' .. conv .. ' ' .. args[6] .. ' ' .. header, args[11])
  if args[16] ~= '1' then
    redis.call('ZADD', keys[6], text(now), 'm ' .. id .. ' ' .. conv)
  end
  return { 'ok', seq, at }
end)
