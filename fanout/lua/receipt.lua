-- SPDX-License-Identifier: Apache-2.0
-- b1_receipt: raises a member's watermarks and tells the members.
--
-- KEYS  conv, members, then user, inbox and receipts of each name
-- ARGV  channels, counters, conv, user, delivered, read, mv, inbox_max, quiet (1: raise, tell nobody), names …
-- gives {'ok', delivered, read} | {'same', delivered, read} | {'members', mv, names} | {'err', code}
--
-- receipt#1  Watermarks only rise, never above the conversation's seq, and delivered is never below read.
redis.register_function('b1_receipt', function(keys, args)
  local h = redis.call('HMGET', keys[1], 'seq', 'mv', 'kind')
  if not h[3] then
    return { 'err', 'not_found' }
  end
  if h[3] == 'channel' then
    return { 'err', 'channel' }
  end
  local role, delivered, read = member_of(redis.call('HGET', keys[2], args[4]))
  if not role then
    return { 'err', 'forbidden' }
  end
  local seq, new_delivered, new_read = tonumber(h[1]), tonumber(args[5]), tonumber(args[6])
  if new_read > seq or new_delivered > seq then
    return { 'err', 'bad_request' }
  end
  new_read = math.max(read, new_read)
  new_delivered = math.max(delivered, new_delivered, new_read)
  if new_read == read and new_delivered == delivered then
    return { 'same', delivered, read }
  end
  if h[2] ~= args[7] and args[9] ~= '1' then
    return stale(keys[1], keys[2])
  end
  local marks = text(new_delivered) .. ' ' .. text(new_read)
  redis.call('HSET', keys[2], args[4], role .. ' ' .. marks)
  if args[9] ~= '1' then
    local targets = {}
    fan_receipt(keys, 3, args, 10, args[3], args[4], marks, tonumber(args[8]), targets)
    publish_all(args[1], args[2], targets, 'R', args[3] .. ' ' .. args[4] .. ' ' .. marks, '')
  end
  return { 'ok', new_delivered, new_read }
end)

-- b1_tell_receipt: the rest of the members, as in b1_deliver. Calls may overtake each other: what is not above what a member was told
-- is not told.
-- KEYS user, inbox, receipts of each name   ARGV channels, counters, conv, user, delivered, read, inbox_max, names …
redis.register_function('b1_tell_receipt', function(keys, args)
  local targets = {}
  local marks, sum = args[5] .. ' ' .. args[6], tonumber(args[5]) + tonumber(args[6])
  for i = 8, #args do
    local k = (i - 8) * 3
    local packed = redis.call('HGET', keys[k + 3], args[3] .. ' ' .. args[4])
    local delivered, read = string.match(packed or '', '^%d+ (%d+) (%d+)$')
    if not delivered or tonumber(delivered) + tonumber(read) < sum then
      fan_receipt({ keys[k + 1], keys[k + 2], keys[k + 3] }, 1, { args[i] }, 1, args[3], args[4], marks, tonumber(args[7]), targets)
    end
  end
  publish_all(args[1], args[2], targets, 'R', args[3] .. ' ' .. args[4] .. ' ' .. marks, '')
  return 0
end)
