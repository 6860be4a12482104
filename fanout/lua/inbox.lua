-- SPDX-License-Identifier: Apache-2.0
-- b1_sync: one page of an inbox, as pointers.
-- KEYS user, inbox, receipts, notices, devices, head   ARGV after (n), limit, device
-- gives {epoch, base, head, cursor of the device if base is above after, else 0, pointer …}; the first pointer is the event max(after, base) + 1. A receipt comes with its watermarks,
-- r <user> <conv> <delivered> <read>; one that a later one replaced, or a notification that is over, as ''.
redis.register_function{
  function_name = 'b1_sync',
  callback = function(keys, args)
    local epoch, base = redis.call('HGET', keys[1], 'epoch') or '', head_read(keys[6])
    local length = redis.call('LLEN', keys[2])
    local after = math.max(tonumber(args[1]), base)
    local cursor = after > tonumber(args[1]) and string.match(redis.call('HGET', keys[5], args[3]) or '', '^%d+')
    local out = { epoch, base, base + length, tonumber(cursor or 0) }
    if after < base + length then
      local list = redis.call('LRANGE', keys[2], after - base, after - base + tonumber(args[2]) - 1)
      for i, pointer in ipairs(list) do
        if string.byte(pointer) == 114 then -- 'r'
          local about, conv = string.match(pointer, '^r (%S+) (%S+)$')
          local n, marks = string.match(redis.call('HGET', keys[3], conv .. ' ' .. about) or '', '^(%d+) (.*)$')
          pointer = tonumber(n) == after + i and pointer .. ' ' .. marks or ''
        elseif string.byte(pointer) == 120 and notice_is_over(keys[4], pointer, now_ms()) then -- 'x'
          pointer = ''
        end
        out[#out + 1] = pointer
      end
    end
    return out
  end,
  flags = { 'no-writes' },
}

-- b1_fetch: what pointers point to, in their order, until bytes are used up (the first always comes).
-- KEYS for each the log and states, or the notices   ARGV bytes, then for each 'm' seq or 'x' op
-- gives the entry or notification of each, '' where it is gone; fewer than asked if bytes ran out
redis.register_function{
  function_name = 'b1_fetch',
  callback = function(keys, args)
    local out, size, bytes = {}, 0, tonumber(args[1])
    local key, has_states, bases = 1, {}, {} -- asked once for each conversation of the page
    for i = 1, (#args - 1) / 2 do
      local value
      local what, which = args[i * 2], args[i * 2 + 1]
      if what == 'm' then
        local log_key, states_key = keys[key], keys[key + 1]
        bases[log_key] = bases[log_key] or log_base(log_key)
        value = log_entry(log_key, which, bases[log_key]) or ''
        if has_states[states_key] == nil then
          has_states[states_key] = redis.call('EXISTS', states_key) == 1
        end
        if has_states[states_key] and value ~= '' then
          value = redacted(states_key, which, value)
        end
        key = key + 2
      else
        value = redis.call('HGET', keys[key], 'n:' .. which) or ''
        key = key + 1
      end
      size = size + #value
      if i > 1 and size > bytes then
        break
      end
      out[i] = value
    end
    return out
  end,
  flags = { 'no-writes' },
}

-- b1_heads: the heads of inboxes, and the sessions.   KEYS user, inbox and head of each   gives n, live of each
redis.register_function{
  function_name = 'b1_heads',
  callback = function(keys, args)
    local out = {}
    for k = 1, #keys, 3 do
      out[#out + 1] = head_read(keys[k + 2]) + redis.call('LLEN', keys[k + 1])
      out[#out + 1] = redis.call('HGET', keys[k], 'live') or ''
    end
    return out
  end,
  flags = { 'no-writes' },
}

-- Has the device another session by now?
local function ack_is_late(live, device, session)
  local at = '\n' .. device .. ' '
  local _, last = string.find('\n' .. (live or ''), at, 1, true)
  return last and session ~= '' and string.match(live, '^%S+', last) ~= session
end

-- b1_ack: cursors move on.
--
-- KEYS  user, inbox, devices, receipts, notices, head of each
-- ARGV  device_age_ms, then device, n, epoch of n, and session ('' none) of each
-- gives for each the pointers that are acknowledged now for the first time, with 0xff between them: to take them apart is the caller's
--
-- ack#1  A cursor only rises, and not above the head.
-- ack#2  An event is dropped from the inbox only when every device seen lately has acknowledged it, and nobody is to look what to push.
-- ack#3  An n of another epoch is about other events, and one of a session that was replaced comes too late: the new session has
--        begun at a cursor without it. Neither moves anything.
register_freeing('b1_ack', function(keys, args)
  local out = {}
  local now = now_ms()
  local oldest = now - tonumber(args[1])
  for i = 0, #keys / 6 - 1 do
    local user_key, inbox_key, devices_key, receipts_key, notices_key, head_key = unpack(keys, i * 6 + 1, i * 6 + 6)
    local device, n, epoch, session = args[i * 4 + 2], tonumber(args[i * 4 + 3]), args[i * 4 + 4], args[i * 4 + 5]
    local taken = {}
    local packed = redis.call('HGET', devices_key, device)
    local cursor = packed and tonumber(string.match(packed, '^%d+'))
    local h = redis.call('HMGET', user_key, 'epoch', 'live')
    local base, pd, nodes = head_read(head_key)
    n = math.min(n, base + redis.call('LLEN', inbox_key))
    if cursor and n > cursor and h[1] == epoch and not ack_is_late(h[2], device, session) then
      redis.call('HSET', devices_key, device, text(n) .. ' ' .. text(now))
      if n > base then
        taken = redis.call('LRANGE', inbox_key, math.max(cursor - base, 0), n - base - 1)
        for _, pointer in ipairs(taken) do
          if string.byte(pointer) == 120 then -- 'x'
            notice_delivered(notices_key, pointer, now)
          end
        end
      end
      -- Looked at now and then only: the list shrinks in steps. What may still be pushed, to devices that have no cursor, too, is left to b1_tend_users.
      if n - base >= 64 and (not pd or pd == '0') then
        local low = n
        for _, other in ipairs(redis.call('HVALS', devices_key)) do
          local at, seen = string.match(other, '^(%d+) (%d+)')
          if tonumber(seen) >= oldest then
            low = math.min(low, tonumber(at))
          end
        end
        if low > base then
          for _, pointer in ipairs(redis.call('LRANGE', inbox_key, 0, low - base - 1)) do
            if string.byte(pointer) == 114 then -- 'r'
              local about, conv = string.match(pointer, '^r (%S+) (%S+)$')
              local latest = string.match(redis.call('HGET', receipts_key, conv .. ' ' .. about) or '', '^%d+')
              if latest and tonumber(latest) <= low then
                redis.call('HDEL', receipts_key, conv .. ' ' .. about)
              end
            end
          end
          redis.call('LTRIM', inbox_key, low - base, -1)
          head_write(head_key, low, pd, nodes)
        end
      end
    end
    out[#out + 1] = table.concat(taken, '\255')
  end
  return out
end)
