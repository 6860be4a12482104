-- SPDX-License-Identifier: Apache-2.0
-- b1_deliver: the second half of append, for members whom the first call did not name (other slots, large groups), and the
-- sweeper's repair. May be repeated at will.
--
-- KEYS  user and inbox of each name
-- ARGV  channels, counters, conv, seq, session, header (as in the log), body, inbox_max, due (as for b1_append), pt (of the
--       conversation, see lua#3), names …
redis.register_function('b1_deliver', function(keys, args)
  local seq = tonumber(args[4])
  local from = string.match(args[6], '^%S+ %S+ %S* (%S*)')
  local targets = {}
  fan_message(keys, 1, args, 11, args[3], seq, from, tonumber(args[8]), targets, due_wanted(args[9]), tonumber(args[10]))
  publish_all(args[1], args[2], targets, 'M', text(seq) .. ' ' .. args[3] .. ' ' .. args[5] .. ' ' .. args[6], args[7])
  return 0
end)

-- b1_settle: all deliveries of an entry are confirmed.   KEYS pending   ARGV member
register_freeing('b1_settle', function(keys, args)
  return redis.call('ZREM', keys[1], args[1])
end)

-- b1_unsettled: what has been pending for too long.   KEYS pending   ARGV age_ms, limit   gives members
redis.register_function{
  function_name = 'b1_unsettled',
  callback = function(keys, args)
    return redis.call('ZRANGE', keys[1], '-inf', text(now_ms() - tonumber(args[1])), 'BYSCORE', 'LIMIT', 0, args[2])
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
