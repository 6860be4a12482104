-- SPDX-License-Identifier: Apache-2.0
-- push.lua: what the push worker takes, and where it writes down how it went. In the push hash of a user:
--   t            <worker> <until>     who works for this user now, and how long that counts without a word (b1_push_keep)
--   g:<device>   <provider> <app> <env> <at> <token>     a registration; at: when
--   d:<device>   <due> <class> <mark> …     what is owed to the device: all events up to mark were looked at; rest: push/ledger.h
--   e:<op>       <due> <class> …            an escalation that runs: push/ledger.h
-- A due of 0: nothing is owed. Dead letters of a partition: a hash id -> text, and a zset id -> time.
--
--   push#1  One worker at a time has a user; what another writes is refused ('fenced'). Whoever dies is waited for until its time is over.
--   push#2  When a worker lets go of a user, the user is on the due set for the earliest due of all its d: and e: fields, at once if
--           the inbox reaches beyond what was decided on, or if somebody said so meanwhile, and on no set if nothing is owed. So nothing
--           is lost with a worker.
--   push#3  A registration ends only if it is still the one that was tried.
--   push#4  A token is registered for one device of one user: the latest.

-- Puts the user on the set for class and time, or takes it off (class nil).
local function due_settle(user_key, due, user, class, at, registered)
  local head_key = key_beside(user_key, 'h')
  local base, _, nodes = head_read(head_key)
  local pd
  if class then
    pd = due_put(head_key, user, class, at)
  else
    redis.call('ZREM', due, user)
    pd = registered and '0' or nil
  end
  head_write(head_key, base, pd, nodes)
end

-- push#2: {class, time} of the earliest that is owed, or nil; and whether any device is registered.
local function due_of_all(push_key)
  local all, class, at, registered = redis.call('HGETALL', push_key), nil, nil, false
  for i = 1, #all, 2 do
    local kind = string.sub(all[i], 1, 2)
    if kind == 'g:' then
      registered = true
    elseif kind == 'd:' or kind == 'e:' then
      local when, which = string.match(all[i + 1], '^(%d+) (%d)')
      when, which = tonumber(when), tonumber(which)
      if when > 0 then
        class = math.min(class or which, which)
        at = math.min(at or when, when)
      end
    end
  end
  return class, at, registered
end

-- How many are due, and the time of the first; nothing of those who are taken, whose time is the end of their lease.
local function due_count(key, now)
  local count, first = 0, nil
  for class = 0, 3 do
    local low, high = text(class * DUE_CLASS), text(class * DUE_CLASS + now)
    local here = redis.call('ZCOUNT', key, low, high)
    if here > 0 then
      local at = select(2, due_split(redis.call('ZRANGE', key, low, high, 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]))
      count, first = count + here, math.min(first or at, at)
    end
  end
  return count, first
end

-- b1_push_due: who is due.   KEYS due …   ARGV limit of each, count (1: how many are, in all)
-- gives {now, how many (-1: not counted), for how many ms the first of them, for each key a list class, user …, the urgent first}
redis.register_function{
  function_name = 'b1_push_due',
  callback = function(keys, args)
    local now, out = now_ms(), {}
    local count, first = args[2] == '1' and 0 or -1, now
    for i, key in ipairs(keys) do
      local list, left = {}, tonumber(args[1])
      if redis.call('ZCARD', key) > 0 then
        if count >= 0 then
          local here, at = due_count(key, now)
          count, first = count + here, math.min(first, at or now)
        end
        for class = 0, 3 do
          if left > 0 then
            for _, user in ipairs(redis.call('ZRANGE', key, text(class * DUE_CLASS), text(class * DUE_CLASS + now), 'BYSCORE', 'LIMIT', 0, left)) do
              list[#list + 1] = class
              list[#list + 1] = user
              left = left - 1
            end
          end
        end
      end
      out[i + 3] = list
    end
    out[1], out[2], out[3] = now, count, now - first
    return out
  end,
  flags = { 'no-writes' },
}

-- What a look at a user shows: {'ok', now, epoch, base, head, live, push hash flat, devices flat, prefs flat, conversations,
-- n, pointer …, op, state, notice …}; nil if nothing is owed and want_all is not set.
local function push_look(keys, events_max, want_all)
  local user_key, push_key, inbox_key, devices_key, prefs_key, notices_key = unpack(keys, 1, 6)
  local h = redis.call('HMGET', user_key, 'epoch', 'live')
  local base = head_read(key_beside(user_key, 'h'))
  local head = base + redis.call('LLEN', inbox_key)
  local all, devices = redis.call('HGETALL', push_key), redis.call('HGETALL', devices_key)
  local cursor_of, mark_of, wanted, ops, owed = {}, {}, {}, {}, want_all
  for i = 1, #devices, 2 do
    cursor_of[devices[i]] = tonumber(string.match(devices[i + 1], '^%d+'))
  end
  for i = 1, #all, 2 do
    local kind, name = string.sub(all[i], 1, 2), string.sub(all[i], 3)
    if kind == 'd:' then
      mark_of[name] = tonumber(string.match(all[i + 1], '^%d+ %d (%d+)'))
      for n in string.gmatch(all[i + 1], '\n(%d+)') do
        n = tonumber(n)
        if n > (cursor_of[name] or 0) and n > base and n <= head then
          wanted[n] = true
          owed = true
        end
      end
    elseif kind == 'e:' then
      ops[name] = true
      owed = true
    end
  end
  local from = head
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'g:' then
      local name = string.sub(all[i], 3)
      from = math.min(from, math.max(cursor_of[name] or 0, mark_of[name] or 0))
    end
  end
  owed = owed or from < head
  if not owed then
    return nil
  end
  from = math.max(from, head - events_max, base)
  local events = {}
  local function see(n, pointer)
    local kind = string.byte(pointer)
    if kind == 109 or kind == 120 then -- 'm', 'x'
      events[#events + 1] = n
      events[#events + 1] = pointer
      if kind == 120 then
        ops[string.match(pointer, '^x %d+ (.+)$')] = true
      end
    end
  end
  for n in pairs(wanted) do
    local pointer = n <= from and redis.call('LINDEX', inbox_key, n - base - 1)
    if pointer then
      see(n, pointer)
    end
  end
  if from < head then
    for i, pointer in ipairs(redis.call('LRANGE', inbox_key, from - base, -1)) do
      see(from + i, pointer)
    end
  end
  local notices = {}
  for op in pairs(ops) do
    local n = redis.call('HMGET', notices_key, 's:' .. op, 'n:' .. op)
    notices[#notices + 1] = op
    notices[#notices + 1] = n[1] or ''
    notices[#notices + 1] = n[2] or ''
  end
  local convs = {}
  for _, field in ipairs(redis.call('HKEYS', user_key)) do
    if string.sub(field, 1, 2) == 'c:' and #convs < 200 then -- limits.def: PUSH_BADGE_CONVERSATIONS
      convs[#convs + 1] = string.sub(field, 3)
    end
  end
  return { 'ok', now_ms(), h[1] or '', base, head, h[2] or '', all, devices, redis.call('HGETALL', prefs_key), table.concat(convs, ' '),
    events, notices }
end

-- b1_push_take: a worker takes a user who is due, or whom it has.
-- KEYS  user, push, inbox, devices, prefs, notices, due
-- ARGV  user, worker, lease_ms, events_max
-- gives push_look() | {'idle'} (nothing is owed; the user is off the set) | {'busy'} (another worker has the user) | {'later'} (not due)
redis.register_function('b1_push_take', function(keys, args)
  local user, worker, now = args[1], args[2], now_ms()
  local score = redis.call('ZSCORE', keys[7], user)
  if not score then
    return { 'later' }
  end
  local class, at = due_split(score)
  local holder, till = string.match(redis.call('HGET', keys[2], 't') or '', '^(%S+) (%d+)$')
  if at > now and holder ~= worker then
    return { 'later' }
  end
  if holder and holder ~= worker and tonumber(till) > now then
    due_settle(keys[1], keys[7], user, class, tonumber(till))
    return { 'busy' }
  end
  local look = push_look(keys, tonumber(args[4]), false)
  if not look then
    redis.call('HDEL', keys[2], 't')
    local _, _, registered = due_of_all(keys[2])
    due_settle(keys[1], keys[7], user, nil, nil, registered)
    return { 'idle' }
  end
  local lease = now + tonumber(args[3])
  redis.call('HSET', keys[2], 't', worker .. ' ' .. text(lease))
  due_settle(keys[1], keys[7], user, class, lease)
  return look
end)

-- b1_push_look: the same without taking anybody, for operators.   KEYS as b1_push_take   ARGV events_max
redis.register_function{
  function_name = 'b1_push_look',
  callback = function(keys, args)
    return push_look(keys, tonumber(args[1]), true)
  end,
  flags = { 'no-writes' },
}

local function push_holds(push_key, worker)
  return string.match(redis.call('HGET', push_key, 't') or '', '^(%S+) ') == worker
end

-- b1_push_keep: the worker still works for the user.   KEYS user, push, due   ARGV user, worker, lease_ms   gives 1, or 0 if it has lost the user
redis.register_function('b1_push_keep', function(keys, args)
  if not push_holds(keys[2], args[2]) then
    return 0
  end
  local now = now_ms()
  local till = now + tonumber(args[3])
  redis.call('HSET', keys[2], 't', args[2] .. ' ' .. text(till))
  local class, at = due_split(redis.call('ZSCORE', keys[3], args[1]) or 3 * DUE_CLASS + till)
  due_settle(keys[1], keys[3], args[1], class, at > now and till or at) -- who was made due is about to be looked at
  return 1
end)

-- b1_push_fetch: what is pushed of entries, and the badge.
-- KEYS  notices, notice_times, then log, states, members and conv of each entry, then conv, log and members of each conversation for the badge
-- ARGV  user, entries_max (looked at for the badge; 0: no badge is wanted), how many entries, seq of each
-- gives {badge, for each entry: header, plan ('' none), deleted (1), seq up to which the user has read, template (of a message without plan;
-- '' none), body (if that asks for it)}; header '' if it is gone
redis.register_function{
  function_name = 'b1_push_fetch',
  callback = function(keys, args)
    local user, now, count, badge = args[1], now_ms(), tonumber(args[3]), 0
    local out = { 0 }
    for i = 1, count do
      local k, seq = i * 4 - 1, args[3 + i]
      local entry, plan = log_entry(keys[k], seq)
      local header = entry and string.match(entry, '^([^\n]*)\n') or ''
      local kind, ref = string.match(header, '^%S+ (%S+) (%S*)')
      local about = kind == 'message' and seq or kind == 'edit' and ref -- the text of a deleted message is in its edits, too
      local _, _, read = member_of(redis.call('HGET', keys[k + 2], user))
      local template = plan == '' and kind == 'message' and redis.call('HGET', keys[k + 3], 'tp') or ''
      out[#out + 1] = header
      out[#out + 1] = plan or ''
      out[#out + 1] = about and deletion_of(keys[k + 1], about) and 1 or 0
      out[#out + 1] = read or 0
      out[#out + 1] = template
      out[#out + 1] = string.find(template, '{body.', 1, true) and string.sub(entry, #header + 2) or ''
    end
    if args[2] ~= '0' then
      local left = { entries = tonumber(args[2]), bytes = 1048576 }
      for k = 3 + count * 4, #keys, 3 do
        local base, _, shape = conv_read(keys[k])
        local role, _, read = member_of(redis.call('HGET', keys[k + 2], user))
        if role and shape.kind and shape.kind ~= 'channel' then
          badge = badge + count_unread(keys[k + 1], user, read, base, log_seq(keys[k + 1], base), left)
        end
      end
      local ops = redis.call('ZRANGE', keys[2], -64, -1)
      for _, op in ipairs(ops) do
        local s = notice_state(keys[1], op)
        if s and s.read == '0' and s.replaced == '' and (s.till == '0' or tonumber(s.till) > now) then
          badge = badge + 1
        end
      end
    end
    out[1] = badge
    return out
  end,
  flags = { 'no-writes' },
}

-- A dead letter; the oldest make room.
local function dead_put(dead_key, dead_times, id, letter, now, dead_max)
  redis.call('HSET', dead_key, id, letter)
  redis.call('ZADD', dead_times, text(now), id)
  local over = redis.call('ZCARD', dead_times) - dead_max
  if over > 0 then
    for _, old in ipairs(redis.call('ZRANGE', dead_times, 0, over - 1)) do
      redis.call('HDEL', dead_key, old)
      redis.call('ZREM', dead_times, old)
    end
  end
end

-- b1_push_done: how it went for one device or escalation; with release the worker lets go of the user.
-- KEYS  user, push, inbox, notices, due, dead, dead_times
-- ARGV  user, worker, release (1), n up to which all was decided on, dead_max, then three each:
--         'd', device, ledger        what is owed to the device now
--         'u', device, <since> <registration>   the provider says it is dead (since: from when, ms; 0: it did not say)
--         'e', op, ledger            an escalation goes on        'f', op, ledger   it has ended
--         'p', op, ''                a provider took a push for this notification
--         'l', id, letter            a dead letter
-- gives {'ok', registrations that ended} | {'fenced'}: nothing is written
redis.register_function('b1_push_done', function(keys, args)
  local user, now, ended = args[1], now_ms(), 0
  if not push_holds(keys[2], args[2]) then
    return { 'fenced' }
  end
  for i = 6, #args, 3 do
    local what, name, value = args[i], args[i + 1], args[i + 2]
    if what == 'd' then
      if redis.call('HEXISTS', keys[2], 'g:' .. name) == 1 then
        redis.call('HSET', keys[2], 'd:' .. name, value)
      end
    elseif what == 'u' then
      local since, tried = string.match(value, '^(%d+) (.*)$')
      local at = tonumber(string.match(tried, '^%S+ %S+ %S+ (%d+)'))
      if redis.call('HGET', keys[2], 'g:' .. name) == tried and (since == '0' or tonumber(since) >= at) then
        redis.call('HDEL', keys[2], 'g:' .. name, 'd:' .. name)
        ended = ended + 1
      end
    elseif what == 'e' then
      redis.call('HSET', keys[2], 'e:' .. name, value)
    elseif what == 'f' then
      redis.call('HDEL', keys[2], 'e:' .. name)
      if redis.call('HEXISTS', keys[4], 's:' .. name) == 1 then
        redis.call('HSET', keys[4], 'e:' .. name, value)
      end
    elseif what == 'p' then
      if redis.call('HEXISTS', keys[4], 's:' .. name) == 1 then
        redis.call('HSETNX', keys[4], 'p:' .. name, text(now))
      end
    elseif what == 'l' then
      dead_put(keys[6], keys[7], name, value, now, tonumber(args[5]))
    end
  end
  if args[3] == '1' then
    redis.call('HDEL', keys[2], 't')
    local class, at, registered = due_of_all(keys[2])
    local head = head_read(key_beside(keys[1], 'h')) + redis.call('LLEN', keys[3])
    local present, since = due_split(redis.call('ZSCORE', keys[5], user) or 4 * DUE_CLASS - 1)
    if registered and (head > tonumber(args[4]) or since <= now) then
      class, at = math.min(class or present, present), now
    end
    due_settle(keys[1], keys[5], user, class, at, registered)
  end
  return { 'ok', ended }
end)

-- b1_push_register: where a device can be pushed to.
-- KEYS  user, push, inbox   ARGV  device, 'provider app env', token, devices_max   gives {'ok'} | {'err', 'conflict'}
--
-- A device that comes again with the same keeps what is owed to it; its registration is newer. Else nothing from before is owed.
redis.register_function('b1_push_register', function(keys, args)
  local device, now = args[1], text(now_ms())
  local old = redis.call('HGET', keys[2], 'g:' .. device)
  if not old then
    local count = 0
    for _, field in ipairs(redis.call('HKEYS', keys[2])) do
      count = count + (string.sub(field, 1, 2) == 'g:' and 1 or 0)
    end
    if count >= tonumber(args[4]) then
      return { 'err', 'conflict' }
    end
  end
  local where, token = string.match(old or '', '^(%S+ %S+ %S+) %d+ (.*)$')
  redis.call('HSET', keys[2], 'g:' .. device, args[2] .. ' ' .. now .. ' ' .. args[3])
  local head_key = key_beside(keys[1], 'h')
  local base, pd, nodes = head_read(head_key)
  if where ~= args[2] or token ~= args[3] then
    redis.call('HSET', keys[2], 'd:' .. device, '0 3 ' .. text(base + redis.call('LLEN', keys[3])))
  end
  if not pd then
    head_write(head_key, base, '0', nodes)
    redis.call('HSET', keys[1], 'reg', '1')
  end
  return { 'ok' }
end)

-- b1_push_claim: who has a token now? A phone on which another user signs in keeps its token, and what is pushed to the former one must not
-- reach the latter. Called once the device is registered: what has the token then is asked to let go of it (b1_push_release), and the token
-- claimed again, with former. So of two who register at the same time the later has it.
-- KEYS token   ARGV user, device, former ('' at first), ttl_ms   gives '' (it is ours), or who has it: <user> <device>
redis.register_function('b1_push_claim', function(keys, args)
  local ours, holder = args[1] .. ' ' .. args[2], redis.call('GET', keys[1])
  if holder and holder ~= ours and holder ~= args[3] then
    return holder
  end
  redis.call('SET', keys[1], ours, 'PX', args[4])
  return ''
end)

-- b1_push_release: a device lets go of a token, if it still has it.   KEYS user, push   ARGV device, provider, token   gives 1, or 0 if it had another
redis.register_function('b1_push_release', function(keys, args)
  local provider, token = string.match(redis.call('HGET', keys[2], 'g:' .. args[1]) or '', '^(%S+) %S+ %S+ %d+ (.*)$')
  if provider ~= args[2] or token ~= args[3] then
    return 0
  end
  due_unregister(keys[1], keys[2], args[1])
  return 1
end)

-- b1_push_unregister: not any more.   KEYS user, push   ARGV device, provider ('' any)   gives 1, or 0 if it was not registered
redis.register_function('b1_push_unregister', function(keys, args)
  local old = redis.call('HGET', keys[2], 'g:' .. args[1])
  if not old or (args[2] ~= '' and string.match(old, '^%S+') ~= args[2]) then
    return 0
  end
  due_unregister(keys[1], keys[2], args[1])
  return 1
end)

-- b1_push_registrations: of a user.   KEYS push   gives device, registration …
redis.register_function{
  function_name = 'b1_push_registrations',
  callback = function(keys, args)
    local all, out = redis.call('HGETALL', keys[1]), {}
    for i = 1, #all, 2 do
      if string.sub(all[i], 1, 2) == 'g:' then
        out[#out + 1] = string.sub(all[i], 3)
        out[#out + 1] = all[i + 1]
      end
    end
    return out
  end,
  flags = { 'no-writes' },
}

-- b1_push_workers: this worker is there; who else is?   KEYS workers   ARGV worker, age_ms, leave (1)   gives the names in order
redis.register_function('b1_push_workers', function(keys, args)
  local now = now_ms()
  if args[3] == '1' then
    redis.call('ZREM', keys[1], args[1])
  else
    redis.call('ZADD', keys[1], text(now), args[1])
  end
  redis.call('ZREMRANGEBYSCORE', keys[1], '-inf', text(now - tonumber(args[2])))
  local names = redis.call('ZRANGE', keys[1], 0, -1)
  table.sort(names)
  return names
end)

-- b1_push_dead: dead letters.   KEYS dead …   ARGV after (an id; '' from the start), limit   gives id, letter …, in the order of the keys, then of ids
redis.register_function{
  function_name = 'b1_push_dead',
  callback = function(keys, args)
    local after, limit, out = args[1], tonumber(args[2]), {}
    local skip = tonumber(string.match(after, '^(%d+)%.'))
    for k, key in ipairs(keys) do
      if #out < limit * 2 and (not skip or k >= skip + 1) and redis.call('EXISTS', key) == 1 then
        local ids = redis.call('HKEYS', key)
        table.sort(ids)
        for _, id in ipairs(ids) do
          if #out < limit * 2 and (skip ~= k - 1 or id > after) then
            out[#out + 1] = id
            out[#out + 1] = redis.call('HGET', key, id)
          end
        end
      end
    end
    return out
  end,
  flags = { 'no-writes' },
}

-- b1_push_letter: one of them.   KEYS dead   ARGV id   gives the letter, or '' if there is none
redis.register_function{
  function_name = 'b1_push_letter',
  callback = function(keys, args)
    return redis.call('HGET', keys[1], args[1]) or ''
  end,
  flags = { 'no-writes' },
}

-- b1_push_forget: a dead letter goes.   KEYS dead, dead_times   ARGV id   gives 1, or 0 if there was none
redis.register_function('b1_push_forget', function(keys, args)
  redis.call('ZREM', keys[2], args[1])
  return redis.call('HDEL', keys[1], args[1])
end)

-- b1_push_replay: a dead letter is tried again: the event is owed to the device once more, the step of an escalation runs again.
-- KEYS  user, push, notices, dead, dead_times   ARGV  id, user, 'd' or 'e', device or op, n or step
-- gives {'ok'} | {'err', 'not_found'} (the letter, the registration or the notification is gone)
redis.register_function('b1_push_replay', function(keys, args)
  local user, what, name, which = args[2], args[3], args[4], args[5]
  local now, field = text(now_ms()), args[3] .. ':' .. args[4]
  local ledger = redis.call('HGET', keys[2], field)
  if redis.call('HEXISTS', keys[4], args[1]) == 0 then
    return { 'err', 'not_found' }
  end
  if what == 'd' then
    if not ledger then
      return { 'err', 'not_found' }
    end
    ledger = now .. ' 1' .. string.match(ledger, '^%d+ %d(.*)$')
    if not string.find(ledger, '\n' .. which .. ' ', 1, true) then
      ledger = ledger .. '\n' .. which .. ' 0 ' .. now .. ' 1'
    end
  else
    ledger = ledger or redis.call('HGET', keys[3], field)
    if not ledger then
      return { 'err', 'not_found' }
    end
    local steps = string.match(ledger, '\n(.*)$')
    ledger = now .. ' 1 ' .. which .. ' 0\n' .. steps
    redis.call('HDEL', keys[3], field)
  end
  redis.call('HSET', keys[2], field, ledger)
  local head_key = key_beside(keys[1], 'h')
  local base, pd, nodes = head_read(head_key)
  pd = pd or '0'
  head_write(head_key, base, due_raise(head_key, pd, '', 1, 0, now_ms()) or pd, nodes)
  redis.call('HDEL', keys[4], args[1])
  redis.call('ZREM', keys[5], args[1])
  return { 'ok' }
end)
