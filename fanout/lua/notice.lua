-- SPDX-License-Identifier: Apache-2.0
-- Notifications of one user. In the hash of notices, for each:
--   n:<op>       <at> <until> <priority> <size> <collapse> \n <content of size bytes> <plan for the push worker>
--   s:<op>       <n> <at> <until> <delivered> <read> <replaced by>      times, 0: not yet (until 0: never expires)
--   c:<collapse> the op that has this key now
--   p:<op>       when a push for it was taken by a provider first
--   e:<op>       its escalation, once that has ended (while it runs it is in the push hash: push.lua)
-- The op may contain spaces, so it comes last wherever it stands, as does collapse.

local function notice_state(notices_key, op)
  local packed = redis.call('HGET', notices_key, 's:' .. op)
  if not packed then
    return nil
  end
  local n, at, till, delivered, read, replaced = string.match(packed, '^(%d+) (%d+) (%d+) (%d+) (%d+) (.*)$')
  return { n = n, at = at, till = till, delivered = delivered, read = read, replaced = replaced }
end

local function notice_write(notices_key, op, s)
  redis.call('HSET', notices_key, 's:' .. op, table.concat({ s.n, s.at, s.till, s.delivered, s.read, s.replaced }, ' '))
end

-- Is a pointer to be passed over? Not if its notice is forgotten: that is a gap.
local function notice_is_over(notices_key, pointer, now)
  local at, op = string.match(pointer, '^x (%d+) (.+)$')
  local s = op and notice_state(notices_key, op)
  return s and s.at == at and (s.replaced ~= '' or (s.till ~= '0' and tonumber(s.till) <= now))
end

-- A device has acknowledged a pointer. What replay passes over was taken by nobody.
local function notice_delivered(notices_key, pointer, now)
  local at, op = string.match(pointer, '^x (%d+) (.+)$')
  local s = op and notice_state(notices_key, op)
  if s and s.at == at and s.delivered == '0' and not notice_is_over(notices_key, pointer, now) then
    s.delivered = text(now)
    notice_write(notices_key, op, s)
  end
end

local function notice_forget(notices_key, times_key, op)
  local packed = redis.call('HGET', notices_key, 'n:' .. op)
  local collapse = string.match(packed or '', '^%d+ %d+ %S+ %d+ ([^\n]+)\n')
  if collapse and redis.call('HGET', notices_key, 'c:' .. collapse) == op then
    redis.call('HDEL', notices_key, 'c:' .. collapse)
  end
  redis.call('HDEL', notices_key, 'n:' .. op, 's:' .. op, 'e:' .. op, 'p:' .. op)
  redis.call('ZREM', times_key, op)
end

-- b1_notify: stores one notification and brings it to its user's inbox.
--
-- KEYS  head, inbox, notices, notice_times, push
-- ARGV  op, priority, ttl_ms (0: none), collapse ('' none), size, content and plan, inbox_max, notices_max, age_ms,
--       due (class and delay; '' nothing is pushed: see due.lua), first_ms and steps (of its escalation, see push.lua; '' none)
-- gives {'ok', n, at} | {'dup', n, at}
--
-- notify#1  The same op never makes a second one while it is remembered.
-- notify#2  At most notices_max are remembered, none longer than age_ms; what is forgotten before a device took it becomes a gap.
-- notify#3  A later one with the same collapse key replaces the one before, unless some device has acknowledged that.
register_telling('b1_notify', function(keys, args)
  local notices, times, op, collapse = keys[3], keys[4], args[1], args[4]
  local known = notice_state(notices, op)
  if known then
    return { 'dup', tonumber(known.n), tonumber(known.at) }
  end
  local now = now_ms()
  for _, old in ipairs(redis.call('ZRANGE', times, '-inf', text(now - tonumber(args[9])), 'BYSCORE', 'LIMIT', 0, 16)) do
    notice_forget(notices, times, old)
  end
  if redis.call('ZCARD', times) >= tonumber(args[8]) then
    notice_forget(notices, times, redis.call('ZRANGE', times, 0, 0)[1])
  end

  local at = text(now)
  local till = args[3] == '0' and '0' or text(now + tonumber(args[3]))
  local head_key = keys[1]
  local base, old_pd, nodes, list = head_read(head_key)
  local n, to = push(keys[2], base, tonumber(args[7]), 'x ' .. at .. ' ' .. op)
  if collapse ~= '' then
    local before = redis.call('HGET', notices, 'c:' .. collapse)
    local s = before and notice_state(notices, before)
    if s and s.delivered == '0' then
      s.replaced = op
      notice_write(notices, before, s)
    end
    redis.call('HSET', notices, 'c:' .. collapse, op)
  end
  redis.call('HSET', notices, 'n:' .. op, table.concat({ at, till, args[2], args[5], collapse }, ' ') .. '\n' .. args[6])
  notice_write(notices, op, { n = text(n), at = at, till = till, delivered = '0', read = '0', replaced = '' })
  redis.call('ZADD', times, at, op)
  -- A user who gets no more of them is forgotten as a whole.
  redis.call('PEXPIRE', notices, args[9])
  redis.call('PEXPIRE', times, args[9])

  local due, pd = due_wanted(args[10]), old_pd
  if due and pd then
    pd = due_raise(head_key, pd, nodes, due.class, due.delay, now) or pd
  end
  if due and args[12] ~= '' then
    local first = now + tonumber(args[11])
    redis.call('HSET', keys[5], 'e:' .. op, text(first) .. ' ' .. text(due.class) .. ' 0 0\n' .. args[12])
    pd = due_raise(head_key, pd or '0', '', due.class, 0, first) or pd
  end
  if pd ~= old_pd or to ~= base then
    head_write(head_key, to, pd, nodes)
  end

  tell(list, message_of('X', at .. ' ' .. args[2] .. ' ' .. op, string.sub(args[6], 1, tonumber(args[5]))), keys[2], n)
  return { 'ok', n, now }
end)

-- b1_notice: one notification and how far it came.
-- KEYS notices, push   ARGV op   gives {now, state, notice, pushed ('' not), escalation ('' none)} or {}
redis.register_function{
  function_name = 'b1_notice',
  callback = function(keys, args)
    local h = redis.call('HMGET', keys[1], 's:' .. args[1], 'n:' .. args[1], 'p:' .. args[1], 'e:' .. args[1])
    local steps = h[4] or redis.call('HGET', keys[2], 'e:' .. args[1])
    return h[1] and h[2] and { now_ms(), h[1], h[2], h[3] or '', steps or '' } or {}
  end,
  flags = { 'no-writes' },
}

-- b1_notice_read: the user has read it, on whichever device.   KEYS notices   ARGV op   gives {'ok'} | {'err', code}
redis.register_function('b1_notice_read', function(keys, args)
  local s = notice_state(keys[1], args[1])
  if not s then
    return { 'err', 'not_found' }
  end
  if s.read == '0' then
    s.read = text(now_ms())
    if s.delivered == '0' then
      s.delivered = s.read
    end
    notice_write(keys[1], args[1], s)
  end
  return { 'ok' }
end)
