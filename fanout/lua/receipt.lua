-- SPDX-License-Identifier: Apache-2.0
-- b1_receipt: raises watermarks of members of one conversation, and tells all its members.
--
-- KEYS  conv, members, then head, inbox and receipts of each name
-- ARGV  channels, counters, conv, mv, inbox_max, how many marks, user delivered read …, names …
-- gives {'ok', user, delivered, read …} (those that rose) | {'members', mv, names} | {'err', code}
--
-- receipt#1  Watermarks only rise, never above the conversation's seq, and delivered is never below read.
-- receipt#2  One mark that cannot be is an error; of several, it is passed over.

-- What a mark makes of a packed member: role, delivered, read (nil: they stand already), or nil and an error code.
local function mark_member(packed, seq, delivered, read)
  local role, old_delivered, old_read = member_of(packed)
  if not role then
    return nil, 'forbidden'
  end
  if read > seq or delivered > seq then
    return nil, 'bad_request'
  end
  read = math.max(old_read, read)
  delivered = math.max(old_delivered, delivered, read)
  if read == old_read and delivered == old_delivered then
    return role
  end
  return role, delivered, read
end

register_batchable('b1_receipt', function(keys, args)
  local h = redis.call('HMGET', keys[1], 'seq', 'mv', 'kind')
  if not h[3] then
    return { 'err', 'not_found' }
  end
  if h[3] == 'channel' then
    return { 'err', 'channel' }
  end
  local seq, count = tonumber(h[1]), tonumber(args[6])
  local out, rose, members = { 'ok' }, {}, {}
  local marked = {} -- user -> as this call has it: two devices of a user may be named
  for i = 7, 4 + count * 3, 3 do
    local user = args[i]
    local role, delivered, read = mark_member(marked[user] or redis.call('HGET', keys[2], user), seq, tonumber(args[i + 1]), tonumber(args[i + 2]))
    if not role and count == 1 then
      return { 'err', delivered }
    end
    if role and read then
      local marks = text(delivered) .. ' ' .. text(read)
      members[#members + 1] = user
      members[#members + 1] = role .. ' ' .. marks
      marked[user] = role .. ' ' .. marks
      rose[#rose + 1] = user
      rose[#rose + 1] = marks
      for _, value in ipairs({ user, delivered, read }) do
        out[#out + 1] = value
      end
    end
  end
  if #rose == 0 then
    return out
  end
  if h[2] ~= args[4] then
    return stale(keys[1], keys[2])
  end
  redis.call('HSET', keys[2], unpack(members))
  local targets = {}
  fan_receipts(keys, 3, args, 7 + count * 3, args[3], rose, tonumber(args[5]), targets)
  publish_all(args[1], args[2], targets, 'R', args[3] .. ' ' .. table.concat(rose, ' '), '')
  return out
end)

-- b1_tell_receipt: the rest of the members, as in b1_deliver. Calls may overtake each other: what is not above what a member was told
-- is not told.
-- KEYS head, inbox, receipts of each name   ARGV channels, counters, conv, user, delivered, read, inbox_max, names …
redis.register_function('b1_tell_receipt', function(keys, args)
  local targets = {}
  local marks, sum = args[5] .. ' ' .. args[6], tonumber(args[5]) + tonumber(args[6])
  for i = 8, #args do
    local k = (i - 8) * 3
    local packed = redis.call('HGET', keys[k + 3], args[3] .. ' ' .. args[4])
    local delivered, read = string.match(packed or '', '^%d+ (%d+) (%d+)$')
    local is_member = redis.call('HEXISTS', key_beside(keys[k + 1], 'u'), 'c:' .. args[3]) == 1
    if is_member and (not delivered or tonumber(delivered) + tonumber(read) < sum) then
      fan_receipts({ keys[k + 1], keys[k + 2], keys[k + 3] }, 1, { args[i] }, 1, args[3], { args[4], marks }, tonumber(args[7]), targets)
    end
  end
  publish_all(args[1], args[2], targets, 'R', args[3] .. ' ' .. args[4] .. ' ' .. marks, '')
  return 0
end)
