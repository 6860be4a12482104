-- SPDX-License-Identifier: Apache-2.0
-- erase.lua: takes the texts of deleted messages out of the store, some entries in each call.
--
-- In the conversation's hash: er, the first seq from which on the log may hold such a text.
--
-- erase#1  The log has every entry and every seq that it had: an erased one is its header and "\n" (state#1).
-- erase#2  A text whose deletion comes while the log is gone through takes er back to it.
local ERASE_ENTRIES, ERASE_READ = 512, 32

-- b1_erase: one step of it.   KEYS conv, log, states   gives 1 if there is more to do
redis.register_function('b1_erase', function(keys, args)
  local low = tonumber(redis.call('HGET', keys[1], 'er') or nil)
  if not low then
    return 0
  end
  for _ = 1, ERASE_ENTRIES / ERASE_READ do
    local first, entries = log_range(keys[2], low, ERASE_READ)
    for i, entry in ipairs(entries) do
      local kept = redacted(keys[3], text(first + i - 1), entry)
      if #kept < #entry then
        log_rewrite(keys[2], first + i - 1, kept) -- and what was to be pushed, which tells the text, too
      end
    end
    low = first + #entries
    if #entries < ERASE_READ then
      redis.call('HDEL', keys[1], 'er')
      return 0
    end
  end
  redis.call('HSET', keys[1], 'er', text(low))
  return 1
end)

-- b1_erased: remembers that a text is erased now, which the file of the store holds on; or asks if that was so long ago.
-- KEYS store   ARGV age_ms (-1: it is now)   gives 1, and forgets it, if the first since then is older
register_freeing('b1_erased', function(keys, args)
  if args[1] == '-1' then
    redis.call('HSETNX', keys[1], 'erased', text(now_ms()))
    return 0
  end
  local at = tonumber(redis.call('HGET', keys[1], 'erased'))
  if not at or now_ms() - at < tonumber(args[1]) then
    return 0
  end
  redis.call('HDEL', keys[1], 'erased')
  return 1
end)
