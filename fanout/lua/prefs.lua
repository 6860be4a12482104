-- SPDX-License-Identifier: Apache-2.0
local function quiet_set(prefs_key, user_key, quiet, now)
  if quiet == (redis.call('HGET', prefs_key, 'quiet') or '') then
    return
  end
  if quiet ~= '' then
    redis.call('HSET', prefs_key, 'quiet', quiet)
  else
    redis.call('HDEL', prefs_key, 'quiet')
  end
  local head_key = key_beside(user_key, 'h')
  local base, pd, nodes = head_read(head_key)
  local raised = pd and due_raise(head_key, pd, '', 2, 0, now)
  if raised then
    head_write(head_key, base, raised, nodes)
  end
end

-- b1_prefs_set: changes what a user wants not to be disturbed by. In the hash: m:<conv> -> until; quiet -> from, to, zone.
--
-- KEYS  prefs, user
-- ARGV  conv ('' none), until (ms; 0, or past: no longer muted), quiet given (1), quiet ('' none), mutes_max
-- gives {'ok'} | {'err', code}
--
-- prefs#1  At most mutes_max conversations are muted; mutes that are over make room.
-- prefs#2  Who changes the quiet hours is looked at at once: what waits for their end is decided on anew.
redis.register_function('b1_prefs_set', function(keys, args)
  local now = now_ms()
  local field = 'm:' .. args[1]
  if args[1] ~= '' and tonumber(args[2]) > now then
    if redis.call('HLEN', keys[1]) >= tonumber(args[5]) and redis.call('HEXISTS', keys[1], field) == 0 then
      local all, count = redis.call('HGETALL', keys[1]), 0
      for i = 1, #all, 2 do
        if all[i] ~= 'quiet' and tonumber(all[i + 1]) <= now then
          redis.call('HDEL', keys[1], all[i])
        elseif all[i] ~= 'quiet' then
          count = count + 1
        end
      end
      if count >= tonumber(args[5]) then
        return { 'err', 'conflict' }
      end
    end
    redis.call('HSET', keys[1], field, args[2])
  elseif args[1] ~= '' then
    redis.call('HDEL', keys[1], field)
  end
  if args[3] == '1' then
    quiet_set(keys[1], keys[2], args[4], now)
  end
  return { 'ok' }
end)

-- b1_prefs: what is wanted now.   KEYS prefs   gives {quiet or '', conv, until …}, ordered by conv
redis.register_function{
  function_name = 'b1_prefs',
  callback = function(keys, args)
    local now = now_ms()
    local all, quiet, until_of, convs = redis.call('HGETALL', keys[1]), '', {}, {}
    for i = 1, #all, 2 do
      if all[i] == 'quiet' then
        quiet = all[i + 1]
      elseif tonumber(all[i + 1]) > now then
        local conv = string.sub(all[i], 3)
        convs[#convs + 1] = conv
        until_of[conv] = all[i + 1]
      end
    end
    table.sort(convs)
    local out = { quiet }
    for _, conv in ipairs(convs) do
      out[#out + 1] = conv
      out[#out + 1] = until_of[conv]
    end
    return out
  end,
  flags = { 'no-writes' },
}
