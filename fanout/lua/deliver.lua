-- SPDX-License-Identifier: Apache-2.0
-- b1_deliver: the second half of append, for members whom the first call did not name (other slots, large groups), and the
-- sweeper's repair. May be repeated at will.
--
-- KEYS  head of each name, then inbox of each name
-- ARGV  channels, counters, conv, seq, session, entry (as in the log), inbox_max, due (see due.lua), pt (of the conversation, see lua#3),
--       names …
redis.register_function('b1_deliver', function(keys, args)
  local seq, entry, count = args[4], args[6], #keys / 2
  local from = string.match(entry, '^%S+ %S+ %S* (%S*)')
  local targets, due, sender = {}, due_wanted(args[8]), 0
  for i = 1, count do
    sender = args[9 + i] == from and i or sender
  end
  fan_message(keys, 0, args, 9, count, args[3], seq, sender, tonumber(args[7]), targets, due and due.class, due, tonumber(args[9]))
  publish_all(args[1], args[2], targets, 'M', seq .. ' ' .. args[3] .. ' ' .. args[5], entry)
  return 0
end)

-- b1_settle: all deliveries of an entry are confirmed.   KEYS pending   ARGV member
register_freeing('b1_settle', function(keys, args)
  return redis.call('ZREM', keys[1], args[1])
end)

-- b1_unsettled: what has been pending for too long.   KEYS pending …   ARGV age_ms, limit of each   gives members
redis.register_function{
  function_name = 'b1_unsettled',
  callback = function(keys, args)
    local out = {}
    if redis.call('EXISTS', unpack(keys)) == 0 then -- as nearly always: one command instead of hundreds
      return out
    end
    local before = text(now_ms() - tonumber(args[1]))
    for _, key in ipairs(keys) do
      for _, member in ipairs(redis.call('ZRANGE', key, '-inf', before, 'BYSCORE', 'LIMIT', 0, args[2])) do
        out[#out + 1] = member
      end
    end
    return out
  end,
  flags = { 'no-writes' },
}

-- b1_entry: an entry and the members it is for.   KEYS conv, log, members, states   ARGV seq   gives {mv, names, entry or '', pt ('' none)}
redis.register_function{
  function_name = 'b1_entry',
  callback = function(keys, args)
    local entry = log_entry(keys[2], args[1])
    entry = entry and redacted(keys[4], args[1], entry) or ''
    local h = redis.call('HMGET', keys[1], 'mv', 'pt')
    return { h[1] or '0', redis.call('HKEYS', keys[3]), entry, h[2] or '' }
  end,
  flags = { 'no-writes' },
}
