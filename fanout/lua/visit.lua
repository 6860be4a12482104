-- SPDX-License-Identifier: Apache-2.0
-- b1_visit: a device comes for one sync, without a session.
--
-- KEYS  user, inbox, devices, store, push, head
-- ARGV  device, epoch of the store, cursor's epoch ('' none), cursor's n, devices_max, ack (-1: none)
-- gives {'ok', epoch, cursor, head, base, fresh, reset} as b1_attach does | {'err', code}
--
-- visit#1  A cursor that is stored stays: it is b1_ack that moves it. So a session of the same device notices nothing.
-- visit#2  A device never seen before starts at the head, or where its cursor says.
-- visit#4  As attach#5.
-- visit#3  An ack beyond the head is refused, and the device is not registered.
-- visit#5  As attach#8.
register_freeing('b1_visit', function(keys, args)
  local device = args[1]
  if redis.call('HGET', keys[4], 'epoch') ~= args[2] then
    return { 'err', 'unavailable' }
  end
  local h = redis.call('HMGET', keys[1], 'epoch', 'live')
  local stored_epoch, base = h[1], head_read(keys[6])
  local epoch = epoch_of(stored_epoch, args[2])
  local head = base + redis.call('LLEN', keys[2])
  local packed = redis.call('HGET', keys[3], device)
  local stored, rest = string.match(packed or '', '^(%d+) %d+(.*)$')
  local cursor = tonumber(stored) or head
  local fresh = stored and 0 or 1
  local reset = 0
  if args[3] ~= '' then
    if args[3] ~= epoch or tonumber(args[4]) > head then
      reset = 1
      cursor = head
    else
      fresh = 0
      cursor = tonumber(args[4])
    end
  end
  if reset == 0 and tonumber(args[6]) > head then
    return { 'err', 'bad_request' }
  end
  local room = stored and '' or find_room(keys[3], tonumber(args[5]), h[2])
  if not room then
    return { 'err', 'full' }
  end
  if stored_epoch ~= epoch then
    redis.call('HSET', keys[1], 'epoch', epoch)
  end
  if room ~= '' then
    forget_device(keys[1], keys[3], keys[5], room)
  end
  redis.call('HSET', keys[3], device, (stored or text(cursor)) .. ' ' .. text(now_ms()) .. (rest or ''))
  return { 'ok', epoch, cursor, head, base, fresh, reset }
end)
