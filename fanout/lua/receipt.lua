-- SPDX-License-Identifier: Apache-2.0
-- b1_receipt: raises watermarks of members of one conversation, and tells all its members.
--
-- KEYS  head of the conversation, log, members, then inbox of each of some users, receipts of each, head of each
-- ARGV  conv, mv, inbox_max, user delivered read …
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
  local base, mv, shape = conv_split(redis.call('GET', keys[1]))
  if not shape.kind then
    return { 'err', 'not_found' }
  end
  if shape.kind == 'channel' then
    return { 'err', 'channel' }
  end
  local seq = log_seq(keys[2], base)
  local out, rose, members = { 'ok' }, {}, {}
  local marked = {} -- user -> as this call has it: two devices of a user may be named
  for i = 4, #args, 3 do
    local user = args[i]
    local role, delivered, read = mark_member(marked[user] or redis.call('HGET', keys[3], user), seq, tonumber(args[i + 1]), tonumber(args[i + 2]))
    if not role and #args == 6 then
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
  if mv ~= args[2] then
    return stale(mv, keys[3])
  end
  redis.call('HSET', keys[3], unpack(members))
  fan_receipts(keys, 3, (#keys - 3) / 3, args[1], rose, tonumber(args[3]))
  return out
end)

-- b1_tell_receipt: the rest of the members, as in b1_deliver. Calls may overtake each other: what is not above what a member was told
-- is not told.
-- KEYS inbox, receipts and head of each   ARGV conv, user, delivered, read, inbox_max
register_telling('b1_tell_receipt', function(keys, args)
  local conv, user, inbox_max = args[1], args[2], tonumber(args[5])
  local marks, sum = args[3] .. ' ' .. args[4], tonumber(args[3]) + tonumber(args[4])
  for k = 1, #keys, 3 do
    local packed = redis.call('HGET', keys[k + 1], conv .. ' ' .. user)
    local delivered, read = string.match(packed or '', '^%d+ (%d+) (%d+)$')
    local is_member = redis.call('HEXISTS', key_beside(keys[k], 'u'), 'c:' .. conv) == 1
    if is_member and (not delivered or tonumber(delivered) + tonumber(read) < sum) then
      fan_receipts(keys, k - 1, 1, conv, { user, marks }, inbox_max)
    end
  end
  return 0
end)
