-- SPDX-License-Identifier: Apache-2.0
-- log.lua: the log of a conversation, a list of its entries: that of seq is at index seq - base - 1 (lua#1).
--
-- An element is the entry; or, if its sender said what to push, that (JSON in one line, which begins with a brace as no entry does),
-- "\n", and the entry. A list takes a third of the time and less memory than a stream, and an element can be rewritten.
local LOG_SLACK = 64 -- entries above the limit, so that a full log is not cut at every entry

-- The entry in an element, and what to push ('' nothing was said).
local function log_split(element)
  if string.byte(element) ~= 123 then -- '{'
    return element, ''
  end
  local plan, entry = string.match(element, '^([^\n]*)\n(.*)$')
  return entry, plan
end

-- The element that an entry makes.
local function log_join(entry, plan)
  if plan == '' then
    return entry
  end
  return string.gsub(plan, '\n', ' ') .. '\n' .. entry -- in JSON a line feed is white space: here it ends the plan
end

-- The seq behind which the log begins.
local function log_base(log_key)
  return (conv_read(log_key))
end

-- The conversation's seq.
local function log_seq(log_key, base)
  return base + redis.call('LLEN', log_key)
end

-- Entry seq and what to push; nil if it is gone. base: of the log, if it is known.
local function log_entry(log_key, seq, base)
  base = base or log_base(log_key)
  local element = tonumber(seq) > base and redis.call('LINDEX', log_key, text(seq - base - 1))
  if element then
    return log_split(element)
  end
  return nil
end

-- Entries from low on, or from the first one that is there, at most count: the seq of the first of them, and these.
local function log_range(log_key, low, count, base)
  base = base or log_base(log_key)
  low = math.max(low, base + 1)
  if count < 1 then
    return low, {}
  end
  local entries = redis.call('LRANGE', log_key, text(low - base - 1), text(low - base + count - 2))
  for i, element in ipairs(entries) do
    entries[i] = log_split(element)
  end
  return low, entries
end

-- Drops what is before entry first, which is the next one at most.
local function log_cut(log_key, first)
  local base, mv, shape = conv_read(log_key)
  if first > base + 1 then
    redis.call('LTRIM', log_key, text(first - base - 1), -1)
    conv_write(conv_head_key(log_key), first - 1, mv, shape)
  end
end

-- Entry seq, which is there, as it is from now on; nothing is pushed for it.
local function log_rewrite(log_key, seq, entry)
  redis.call('LSET', log_key, text(seq - log_base(log_key) - 1), entry)
end
