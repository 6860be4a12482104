-- SPDX-License-Identifier: Apache-2.0
-- b1_store: the epoch of the store, made once, and anew when the store went back in time: when it knows less of a lease than the
-- node was told. A clock that was set back is no proof of that; and it is done once, by the first hub that comes under the old epoch.
-- Anew, too, when the keys are of a layout that we do not read.
-- KEYS store, nodes   ARGV a random epoch, the epoch known so far, node, when its lease was renewed as far as the store told it
-- gives the epoch
local STORE_LAYOUT = '2' -- rises with the meaning of a key; 1, of which the store said nothing: see store_convert()

-- Layout 1 had what the head of an inbox says in the user's hash. All users at once, some 15 us each: whoever delivers reads the heads alone.
local function store_convert(store_key)
  local prefix = string.gsub(string.match(store_key, '^[^{]*'), '[%*%?%[%]\\]', '\\%0')
  local from = '0'
  repeat
    local step = redis.call('SCAN', from, 'MATCH', prefix .. '{*}:u:*', 'COUNT', 1000)
    from = step[1]
    for _, user_key in ipairs(step[2]) do
      local h = string.match(user_key, '^[^{]*{%d+}:u:') and redis.call('HMGET', user_key, 'base', 'pd', 'nodes') or {}
      if h[1] or h[2] or h[3] then
        head_write(key_beside(user_key, 'h'), tonumber(h[1]) or 0, h[2], h[3] or '')
        if h[2] then
          redis.call('HSET', user_key, 'reg', '1')
        end
        redis.call('HDEL', user_key, 'base', 'pd', 'nodes')
      end
    end
  until from == '0'
end

register_freeing('b1_store', function(keys, args)
  local h = redis.call('HMGET', keys[1], 'epoch', 'layout')
  local epoch, at, layout = h[1], tonumber(args[4]), h[2]
  if epoch and not layout then
    store_convert(keys[1])
    layout = STORE_LAYOUT
    redis.call('HSET', keys[1], 'layout', layout)
  end
  local renewed = tonumber(redis.call('ZSCORE', keys[2], args[3]) or '') or at
  if not epoch or layout ~= STORE_LAYOUT or (epoch == args[2] and renewed < at and now_ms() >= at) then
    epoch = args[1]
    redis.call('HSET', keys[1], 'epoch', epoch, 'layout', STORE_LAYOUT)
  end
  return epoch
end)

-- b1_epoch: the epoch of the store, '' if it has none.   KEYS store
redis.register_function{
  function_name = 'b1_epoch',
  callback = function(keys, args)
    return redis.call('HGET', keys[1], 'epoch') or ''
  end,
  flags = { 'no-writes' },
}

-- b1_lease: a node says that it lives, and learns who else does.
-- KEYS nodes   ARGV node, channels of the partition of nodes, ttl_ms   gives {now, node, at …}
--
-- lease#1  A node that is new, or comes back after its lease ran out, is told to all others before any session of it can be
--          (the same link brings both in order), so nobody takes its sessions for those of a dead node.
register_freeing('b1_lease', function(keys, args)
  local now = now_ms()
  local before = tonumber(redis.call('ZSCORE', keys[1], args[1]) or '0')
  redis.call('ZADD', keys[1], text(now), args[1])
  local out = { now }
  local all = redis.call('ZRANGE', keys[1], 0, -1, 'WITHSCORES')
  for i = 1, #all, 2 do
    out[#out + 1] = all[i]
    out[#out + 1] = all[i + 1]
    if now - before > tonumber(args[3]) and all[i] ~= args[1] then
      redis.call('SPUBLISH', args[2] .. all[i], 'N 0 ' .. args[1])
    end
  end
  return out
end)

-- b1_leave: a node goes.   KEYS nodes, counter …   ARGV node, ttl_ms (a node whose lease holds does not go: the caller only believes
-- it to be dead; 0: it surely goes)   gives 1, or 0 if it stays
register_freeing('b1_leave', function(keys, args)
  local renewed = tonumber(redis.call('ZSCORE', keys[1], args[1]) or '0')
  if now_ms() - renewed < tonumber(args[2] or '0') then
    return 0
  end
  redis.call('ZREM', keys[1], args[1])
  for i = 2, #keys do
    redis.call('DEL', keys[i])
  end
  return 1
end)

-- b1_cast: something ephemeral to the members who are here now; written nowhere, counted nowhere.
-- (Not flagged no-writes: Redis refuses to publish from such a function.)
-- KEYS conv, members, then head of each name   ARGV channels, conv, from, mv, letter, header, body, names …
-- gives {'ok', how many nodes} | {'members', mv, names} | {'err', code}
register_batchable('b1_cast', function(keys, args)
  local h = redis.call('HMGET', keys[1], 'kind', 'mv')
  if not h[1] then
    return { 'err', 'not_found' }
  end
  if h[1] == 'channel' then
    return { 'err', 'channel' }
  end
  if redis.call('HEXISTS', keys[2], args[3]) == 0 then
    return { 'err', 'forbidden' }
  end
  if h[2] ~= args[4] then
    return stale(keys[1], keys[2])
  end
  local targets, nodes = {}, 0
  local heads = #keys > 2 and redis.call('MGET', unpack(keys, 3)) or {}
  for i, packed in ipairs(heads) do
    local _, _, nodes = head_split(packed)
    address(targets, nodes, args[7 + i], 0)
  end
  for node, list in pairs(targets) do
    nodes = nodes + 1
    redis.call('SPUBLISH', args[1] .. node, args[5] .. ' 0 ' .. args[6] .. '\n' .. table.concat(list, ' ') .. '\n' .. args[7])
  end
  return { 'ok', nodes }
end, register_freeing)
