#!lua name=belfry1
-- SPDX-License-Identifier: Apache-2.0
--
-- common.lua: what the functions of the library share. The files of this folder are joined, this one first, into one
-- Redis function library. Its number (belfry1, b1_…) changes when the meaning of a key or an argument changes, so that
-- hubs of two versions can share a store while one replaces the other.
--
-- Invariants that hold between any two calls:
--   lua#1  A conversation's seq is the highest id in its log; ids have no hole.
--   lua#2  The event at index k of an inbox has n = base + k + 1; n is never given twice within an epoch.
--   lua#3  c:<conv> in a user's hash exists while the user is a member. It, or the conversation's field pt if that is higher, is the
--          highest seq of conv that the inbox points to; without pt the inbox points to all of them since the user joined.
--   lua#4  Whatever is published to a node with a counter was written before, and the counter rose by one for it.
--
-- Keys of other users and nodes are not built here: they come as KEYS. The exception are node channels and counters, which
-- depend on data; they are made from a prefix that carries the call's hash tag, so they stay in the call's slot.
--
-- Packed forms (ids have no spaces; an op may, so it comes last, as fanout/op.h packs it):
--   pointer  m <seq> <conv> | o <seq> <conv> (own message) | r <user> <conv> | j <at> <action> <role> <user> <conv> |
--            x <at> <op> (a notification)
--   receipt  <n> <delivered> <read>
--   entry    <at> <kind> <ref> <from> <device> <op> \n <body>
--   member   <role> <delivered> <read>
--   live     one line a session: <device> <session> <node> <flags> <opened> [<code with which it is to end>]      flags: o online, a away, b background
--            opened: when it connected, by the store's clock as its node knows it
--   device   <cursor> <seen>

-- Functions that free more than they take, or without which nothing could be freed: they are called even when Redis is full.
local function register_freeing(name, callback)
  redis.register_function{ function_name = name, callback = callback, flags = { 'allow-oom' } }
end

-- Functions that hubs call by the thousand: b1_batch calls several of them at once.
local batchable = {}

local function register_batchable(name, callback, register)
  batchable[name] = callback;
  (register or redis.register_function)(name, callback)
end

local function text(number)
  return string.format('%d', number) -- exact up to 2^53, and a third of the cost of %.0f
end

local batch -- while b1_batch runs: now (ms), and said, what is to be published, by node

local function now_ms()
  if batch and batch.now then
    return batch.now
  end
  local t = redis.call('TIME')
  local now = t[1] * 1000 + math.floor(t[2] / 1000)
  if batch then
    batch.now = now
  end
  return now
end

-- One more message for a node. The counter stays in memory only: a node that sees it fall, or connects anew, as after each start of
-- Redis, compares inboxes anyway. To write it to the log would cost more than the counting.
local function count_message(counter_key)
  redis.set_repl(redis.REPL_NONE)
  local counter = redis.call('INCR', counter_key)
  redis.set_repl(redis.REPL_ALL)
  return counter
end

-- Publishes one numbered message to one node: <letter> <counter> <rest>.
local function publish(channels, counters, node, letter, rest)
  local counter = count_message(counters .. node)
  redis.call('SPUBLISH', channels .. node, letter .. ' ' .. text(counter) .. ' ' .. rest)
end

-- Adds "user n" to the list of each node in nodes (a string of names).
local function address(targets, nodes, user, n)
  if not nodes or nodes == '' then
    return
  end
  for node in string.gmatch(nodes, '%S+') do
    local list = targets[node]
    if not list then
      list = {}
      targets[node] = list
    end
    list[#list + 1] = user
    list[#list + 1] = text(n)
  end
end

-- Within b1_batch: goes with what its other calls say to the node. In pieces, as Lua takes a hash of each string that is made, byte by byte.
local function batch_say(node, head, body)
  local said = batch.said[node]
  if not said then
    said = { '', lengths = {} } -- the first piece is the header, when all is known
    batch.said[node] = said
  end
  said[#said + 1] = head
  said[#said + 1] = body
  said.lengths[#said.lengths + 1] = text(#head + #body)
end

-- One message per node with all its users' numbers.
local function publish_all(channels, counters, targets, letter, header, body)
  for node, list in pairs(targets) do
    local rest = header .. '\n' .. table.concat(list, ' ') .. '\n'
    if batch then
      batch_say(node, letter .. ' 0 ' .. rest, body)
    else
      publish(channels, counters, node, letter, rest .. body)
    end
  end
end

-- Appends pointers to an inbox and keeps it within its limit. Returns n of the last.
local function push(user_key, inbox_key, base, inbox_max, ...)
  local length = redis.call('RPUSH', inbox_key, ...)
  -- Trimmed with slack, so that a full inbox is not trimmed at every event.
  if length > inbox_max + 256 then
    local drop = length - inbox_max
    redis.call('LTRIM', inbox_key, drop, -1)
    redis.call('HSET', user_key, 'base', text(base + drop))
  end
  return base + length
end

-- Puts one pointer of any other kind into the inboxes of users who are members.
local function fan_pointer(keys, key, names, first, conv, pointer, inbox_max, targets)
  local field = 'c:' .. conv
  for i = first, #names do
    local user, user_key, inbox_key = names[i], keys[key], keys[key + 1]
    key = key + 2
    local h = redis.call('HMGET', user_key, 'base', 'nodes', field)
    if h[3] then
      address(targets, h[2], user, push(user_key, inbox_key, tonumber(h[1]) or 0, inbox_max, pointer))
    end
  end
end

-- The same for receipts of one conversation, which collapse: the receipts hash remembers the latest n and the watermarks that it
-- tells; older pointers are passed over by sync. So a page tells of each n what was true then: what comes behind it is never less.
-- rose: user, marks … Each member is told of all of them; the address is the n of the first.
local function fan_receipts(keys, key, names, first, conv, rose, inbox_max, targets)
  local field, pointers, fields = 'c:' .. conv, {}, {}
  for i = 1, #rose, 2 do
    pointers[#pointers + 1] = 'r ' .. rose[i] .. ' ' .. conv
    fields[i] = conv .. ' ' .. rose[i]
  end
  for i = first, #names do
    local user, user_key, inbox_key, receipts_key = names[i], keys[key], keys[key + 1], keys[key + 2]
    key = key + 3
    local h = redis.call('HMGET', user_key, 'base', 'nodes', field)
    if h[3] then
      local n = push(user_key, inbox_key, tonumber(h[1]) or 0, inbox_max, unpack(pointers)) - #pointers + 1
      for k = 2, #rose, 2 do
        fields[k] = text(n + k / 2 - 1) .. ' ' .. rose[k]
      end
      redis.call('HSET', receipts_key, unpack(fields))
      address(targets, h[2], user, n)
    end
  end
end

-- What a caller with an old member list gets: the present one. Nothing was written.
local function stale(conv_key, members_key)
  return { 'members', redis.call('HGET', conv_key, 'mv'), redis.call('HKEYS', members_key) }
end

-- role, delivered, read of a packed member; nil if there is none.
local function member_of(packed)
  if not packed then
    return nil
  end
  local role, delivered, read = string.match(packed, '^(%S+) (%d+) (%d+)')
  return role, tonumber(delivered), tonumber(read)
end
