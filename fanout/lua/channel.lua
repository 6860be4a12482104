-- SPDX-License-Identifier: Apache-2.0
-- channel.lua: conversations for large audiences. No inbox knows of their entries: whoever subscribes is told by its node, and
-- resumes from the log. The conversation's field subs names the nodes that follow it; each is told of an entry once.
--
-- channel#1  A node is in subs before b1_follow answers with the seq up to which it was told nothing.
-- channel#2  A node on whose channel nobody listens is in subs no longer: it is dead, or comes back and follows again. So the
--            nodes that were killed do not add up. (SPUBLISH counts the listeners of this server, which has them all.)

-- Publishes one numbered message to each node that follows.
local function publish_followers(conv_key, letter, rest)
  local channels, counters = channels_of(conv_key)
  local subs, kept, gone = redis.call('HGET', conv_key, 'subs') or '', {}, false
  for node in string.gmatch(subs, '%S+') do
    local counter = (tonumber(redis.call('GET', counters .. node)) or 0) + 1
    if redis.call('SPUBLISH', channels .. node, letter .. ' ' .. text(counter) .. ' ' .. rest) > 0 then
      count_message(counters .. node)
      kept[#kept + 1] = node
    else
      gone = true
    end
  end
  if gone then
    redis.call('HSET', conv_key, 'subs', table.concat(kept, ' '))
  end
end

-- What the nodes know of a channel and its members is old: they ask again (b1_follow).
local function tell_followers(conv_key, conv)
  publish_followers(conv_key, 'D', conv)
end

local function has_node(subs, node)
  return string.find(' ' .. subs .. ' ', ' ' .. node .. ' ', 1, true) ~= nil
end

-- b1_follow: a node follows a channel; and who of the users may read it.
-- Its epoch becomes that of the store, so that whoever knows it from before the store went back in time is told.
-- KEYS conv, members, log, store   ARGV node, keep (1: whoever of the users may read), epoch of the store, users …
-- gives {'ok', epoch, seq, seq of the log's first entry (seq + 1 if it is empty), public, 1 or 0 for each user …} | {'err', code}
register_freeing('b1_follow', function(keys, args)
  if redis.call('HGET', keys[4], 'epoch') ~= args[3] then
    return { 'err', 'unavailable' }
  end
  local base, mv, shape = conv_read(keys[1])
  if not shape.kind then
    return { 'err', 'not_found' }
  end
  if shape.kind ~= 'channel' then
    return { 'err', 'no_channel' }
  end
  local h = redis.call('HMGET', keys[1], 'public', 'subs')
  local is_public, subs = h[1] == '1', h[2] or ''
  if shape.epoch ~= args[3] then
    conv_write(conv_head_key(keys[1]), base, mv, shape, { epoch = args[3] })
  end
  local keep = args[2] == '1' or is_public
  local out = { 'ok', args[3], log_seq(keys[3], base), base + 1, is_public and 1 or 0 }
  for i = 4, #args do
    local may = is_public or redis.call('HEXISTS', keys[2], args[i]) == 1
    keep = keep or may
    out[#out + 1] = may and 1 or 0
  end
  if not keep then
    return { 'err', 'forbidden' }
  end
  if not has_node(subs, args[1]) then
    redis.call('HSET', keys[1], 'subs', subs ~= '' and subs .. ' ' .. args[1] or args[1])
  end
  return out
end)

-- b1_unfollow: the last subscriber of a node is gone.   KEYS conv   ARGV node
register_freeing('b1_unfollow', function(keys, args)
  local subs = redis.call('HGET', keys[1], 'subs')
  if not subs or not has_node(subs, args[1]) then
    return 0
  end
  local kept = {}
  for node in string.gmatch(subs, '%S+') do
    if node ~= args[1] then
      kept[#kept + 1] = node
    end
  end
  redis.call('HSET', keys[1], 'subs', table.concat(kept, ' '))
  return 1
end)

-- b1_replay: entries of a channel as subscribers get them.   KEYS conv, log, states   ARGV after, limit, bytes
-- gives {'ok', epoch, seq, seq1, entry1, seq2, entry2 …} (the first always comes) | {'err', code}
redis.register_function{
  function_name = 'b1_replay',
  callback = function(keys, args)
    local base, _, shape = conv_read(keys[1])
    if not shape.kind then
      return { 'err', 'not_found' }
    end
    local out, size = { 'ok', shape.epoch, log_seq(keys[2], base) }, 0
    local first, entries = log_range(keys[2], args[1] + 1, tonumber(args[2]), base)
    for i, entry in ipairs(entries) do
      local seq = first + i - 1
      entry = shape.states and redacted(keys[3], seq, entry) or entry
      size = size + #entry
      if i > 1 and size > tonumber(args[3]) then
        break
      end
      out[#out + 1] = seq
      out[#out + 1] = entry
    end
    return out
  end,
  flags = { 'no-writes' },
}
