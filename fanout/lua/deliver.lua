-- SPDX-License-Identifier: Apache-2.0
-- b1_deliver: the second half of append, for members who were not among those of the first call (other slots, large groups), and the
-- sweeper's repair. May be repeated at will.
--
-- KEYS  inbox of each of some users, then head of each
-- ARGV  conv, seq, session, entry (as in the log), inbox_max, due (see due.lua), pt (of the conversation, see lua#3), which of the users sent it (0 none)
register_telling('b1_deliver', function(keys, args)
  local conv, seq, due, count = args[1], args[2], due_wanted(args[6]), #keys / 2
  local message = message_of('M', seq .. ' ' .. conv .. ' ' .. args[3], args[4])
  local heads = redis.call('MGET', unpack(keys, 1 + count, 2 * count))
  fan_message(heads, keys, 0, count, conv, seq, tonumber(args[8]), args[3], tonumber(args[5]), message, due and due.class, due, tonumber(args[7]))
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
    local _, mv, shape = conv_read(keys[1])
    return { mv, redis.call('HKEYS', keys[3]), entry, shape.pt and text(shape.pt) or '' }
  end,
  flags = { 'no-writes' },
}
