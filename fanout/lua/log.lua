-- SPDX-License-Identifier: Apache-2.0
-- log.lua: the log of a conversation, a list. Its first element is the seq after which it begins, so entry seq is at index seq - base.
--
-- An element is the entry; or, if its sender said what to push, that (JSON in one line, which begins with a brace as no entry does),
-- "\n", and the entry. A list takes a third of the time and less memory than a stream, and an element can be rewritten.
--
--   log#1  The list is there only while it has an entry; base + entries is the conversation's seq then (lua#1).
local LOG_SLACK = 64 -- entries above the limit, so that a full log is not cut at every entry

-- The entry in an element, and what to push ('' nothing was said).
local function log_split(element)
  if string.byte(element) ~= 123 then -- '{'
    return element, ''
  end
  local plan, entry = string.match(element, '^([^\n]*)\n(.*)$')
  return entry, plan
end

-- The seq after which the log begins; nil if there is none.
local function log_base(log_key)
  return tonumber(redis.call('LINDEX', log_key, 0) or nil)
end

-- The seq of the first entry; nil if there is none.
local function log_first(log_key)
  local base = log_base(log_key)
  return base and base + 1
end

-- Entry seq and what to push; nil if it is gone.
local function log_entry(log_key, seq)
  local base = log_base(log_key)
  local element = base and tonumber(seq) > base and redis.call('LINDEX', log_key, text(seq - base))
  if element then
    return log_split(element)
  end
  return nil
end

-- Entries from low on, or from the first one that is there, at most count: the seq of the first of them, and these.
local function log_range(log_key, low, count)
  local base = log_base(log_key)
  if not base or count < 1 then
    return low, {}
  end
  low = math.max(low, base + 1)
  local entries = redis.call('LRANGE', log_key, text(low - base), text(low - base + count - 1))
  for i, element in ipairs(entries) do
    entries[i] = log_split(element)
  end
  return low, entries
end

-- Drops what is before entry first; if that is all, the log is gone.
local function log_cut(log_key, first)
  local base = log_base(log_key)
  if not base or first <= base + 1 then
    return
  end
  redis.call('LTRIM', log_key, text(first - base - 1), -1)
  local length = redis.call('LLEN', log_key)
  if length == 1 then
    redis.call('UNLINK', log_key)
  elseif length > 1 then
    redis.call('LSET', log_key, 0, text(first - 1))
  end
end

-- Appends entry seq, and keeps the log within its limit.
local function log_add(log_key, seq, entry, plan, log_max)
  if plan ~= '' then
    entry = string.gsub(plan, '\n', ' ') .. '\n' .. entry -- in JSON a line feed is white space: here it ends the plan
  end
  local length = redis.call('RPUSH', log_key, entry)
  if length == 1 then
    redis.call('LPUSH', log_key, text(seq - 1))
  elseif length - 1 > log_max + LOG_SLACK then
    log_cut(log_key, seq - log_max + 1)
  end
end

-- Entry seq, which is there, as it is from now on; nothing is pushed for it.
local function log_rewrite(log_key, seq, entry)
  redis.call('LSET', log_key, text(seq - log_base(log_key)), entry)
end
