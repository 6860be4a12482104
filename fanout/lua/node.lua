-- SPDX-License-Identifier: Apache-2.0
-- b1_store: the epoch of the store, made once, and anew when the store went back in time: when it knows less of a lease than the
-- node was told. A clock that was set back is no proof of that; and it is done once, by the first hub that comes under the old epoch.
-- Anew, too, when the keys are of a layout that we do not read.
-- KEYS store, nodes   ARGV a random epoch, the epoch known so far, node, when its lease was renewed as far as the store told it
-- gives the epoch
local STORE_LAYOUT = '3' -- rises with the meaning of a key; 1, of which the store said nothing: see store_convert()

-- Every key of one letter; it may come twice.
local function store_walk(store_key, letter, visit)
  local prefix = string.gsub(string.match(store_key, '^[^{]*'), '[%*%?%[%]\\]', '\\%0')
  local from = '0'
  repeat
    local step = redis.call('SCAN', from, 'MATCH', prefix .. '{*}:' .. letter .. ':*', 'COUNT', 1000)
    from = step[1]
    for _, key in ipairs(step[2]) do
      if string.match(key, '^[^{]*{%d+}:(%a+):') == letter then
        visit(key)
      end
    end
  until from == '0'
end

-- Layout 1 had what the head of an inbox says in the user's hash.
local function store_convert_user(user_key)
  local h = redis.call('HMGET', user_key, 'base', 'pd', 'nodes')
  if h[1] or h[2] or h[3] then
    head_write(key_beside(user_key, 'h'), tonumber(h[1]) or 0, h[2], h[3] or '')
    if h[2] then
      redis.call('HSET', user_key, 'reg', '1')
    end
    redis.call('HDEL', user_key, 'base', 'pd', 'nodes')
  end
end

-- Layout 2 had what the head of a conversation says in its hash, with the seq and the times of ops, and base in front of the log. A hub of
-- then may have written to a store of today that it took for a new one: what was there keeps its seq and its versions (change#2, change#3).
local function store_convert_conv(conv_key)
  local h = redis.call('HMGET', conv_key, 'mv', 'seq', 'kind', 'oa', 'ob', 'pt', 'tc', 'lm', 'epoch')
  if not h[1] then
    return
  end
  local head_key, log_key = conv_head_key(conv_key), key_beside(conv_key, 'l')
  local base_before, mv_before = conv_read(conv_key)
  local base = tonumber(string.match(redis.call('LINDEX', log_key, 0) or '', '^%d+$')) -- entries have spaces
  if base then
    redis.call('LPOP', log_key)
  end
  base = math.max(base or h[2] - redis.call('LLEN', log_key), base_before)
  conv_write(head_key, base, text(math.max(h[1], mv_before)), {}, {
    kind = h[3], ops = h[4] and math.floor(h[4] / DAY_MS) - 1, -- its ops go after 14 days, not 15
    old = h[5] and math.floor(h[5] / DAY_MS) + 1, pt = h[6], class = h[7], states = h[8] and 1, epoch = h[9],
  })
  if h[3] then
    redis.call('HDEL', conv_key, 'mv', 'seq', 'kind', 'at', 'oa', 'ob', 'pt', 'tc', 'epoch')
  else -- deleted
    redis.call('PEXPIRE', head_key, redis.call('PTTL', conv_key))
    redis.call('DEL', conv_key)
  end
end

-- All at once, some 15 us each: after that nobody looks in the old places.
local function store_convert(store_key, layout)
  if not layout then
    store_walk(store_key, 'u', store_convert_user)
  end
  store_walk(store_key, 'c', store_convert_conv)
end

register_freeing('b1_store', function(keys, args)
  local h = redis.call('HMGET', keys[1], 'epoch', 'layout')
  local epoch, at, layout = h[1], tonumber(args[4]), h[2]
  if epoch and (not layout or layout == '2') then
    store_convert(keys[1], layout)
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
-- KEYS head of the conversation, members, then head of each of some users   ARGV from, mv, letter, header, body
-- gives {'ok'} | {'members', mv, names} | {'err', code}
register_batchable('b1_cast', function(keys, args)
  local _, mv, shape = conv_split(redis.call('GET', keys[1]))
  if not shape.kind then
    return { 'err', 'not_found' }
  end
  if shape.kind == 'channel' then
    return { 'err', 'channel' }
  end
  if redis.call('HEXISTS', keys[2], args[1]) == 0 then
    return { 'err', 'forbidden' }
  end
  if mv ~= args[2] then
    return stale(mv, keys[2])
  end
  local message = message_of(args[3], args[4], args[5])
  for i, packed in ipairs(#keys > 2 and redis.call('MGET', unpack(keys, 3)) or {}) do
    local _, _, _, list = head_split(packed)
    tell(list, message, keys[2 + i], 0)
  end
  return { 'ok' }
end, register_freeing)
