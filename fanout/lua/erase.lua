-- SPDX-License-Identifier: Apache-2.0
-- erase.lua: takes the texts of deleted messages out of the store.
--
-- An entry of a stream cannot be rewritten, and XDEL only marks it: its bytes stay until all of its block are deleted. So the log is
-- copied without those texts, some entries in each call, and the copy takes its place.
--
-- In the conversation's hash: er, the seq of a deletion whose text is still there; ec, its value when the present copy was begun.
--
-- erase#1  The log has every entry and every seq that it had: an erased one is its header and "\n" (state#1).
-- erase#2  Whoever appends meanwhile notices nothing: the last call copies what was added, and changes the logs in one.
-- erase#3  A text whose deletion came while its log was copied is found by the next round: er is not ec then.
local ERASE_ENTRIES, ERASE_BYTES, ERASE_READ = 256, 262144, 16

-- Copies entries behind the copy's last. Returns true if there are no more.
local function erase_copy(log_key, states_key, copy_key)
  local last = redis.call('XREVRANGE', copy_key, '+', '-', 'COUNT', 1)[1]
  local from, entries, bytes = last and '(' .. last[1] or '-', 0, 0
  while entries < ERASE_ENTRIES and bytes < ERASE_BYTES do
    local rows = redis.call('XRANGE', log_key, from, '+', 'COUNT', ERASE_READ)
    for _, row in ipairs(rows) do
      local entry = redacted(states_key, string.match(row[1], '^%d+'), row[2][2])
      if row[2][3] == 'p' and #entry == #row[2][2] then -- what was to be pushed tells the text, too
        redis.call('XADD', copy_key, row[1], 'e', entry, 'p', row[2][4])
      else
        redis.call('XADD', copy_key, row[1], 'e', entry)
      end
      entries, bytes, from = entries + 1, bytes + #entry, '(' .. row[1]
    end
    if #rows < ERASE_READ then
      return true
    end
  end
  return false
end

-- b1_erase: one step of it.   KEYS conv, log, states, copy   gives 1 if there is more to do
redis.register_function('b1_erase', function(keys, args)
  local h = redis.call('HMGET', keys[1], 'er', 'ec')
  if not h[2] then
    redis.call('UNLINK', keys[4]) -- of a conversation that was deleted meanwhile
    if not h[1] then
      return 0
    end
    redis.call('HSET', keys[1], 'ec', h[1])
  end
  if not erase_copy(keys[2], keys[3], keys[4]) then
    return 1
  end
  local first = redis.call('XRANGE', keys[2], '-', '+', 'COUNT', 1)[1]
  if first then
    redis.call('XTRIM', keys[4], 'MINID', first[1]) -- the log may have been cut meanwhile
    redis.call('UNLINK', keys[2])
    redis.call('RENAME', keys[4], keys[2])
  else
    redis.call('UNLINK', keys[4])
  end
  redis.call('HDEL', keys[1], 'ec')
  if h[2] and h[1] ~= h[2] then
    return 1
  end
  redis.call('HDEL', keys[1], 'er', 'ft')
  return 0
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
