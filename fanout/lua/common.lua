#!lua name=belfry1
-- SPDX-License-Identifier: Apache-2.0
--
-- common.lua: what the functions of the library share. The files of this folder are joined, this one first, into one
-- Redis function library. Its number (belfry1, b1_…) changes with a release in which an argument has another meaning, so that
-- hubs of two releases can share a store while one replaces the other. Where a key has another meaning they cannot (b1_store).
--
-- Invariants that hold between any two calls:
--   lua#1  A conversation's seq is the highest id in its log; ids have no hole.
--   lua#2  The event at index k of an inbox has n = base + k + 1 (base: in its head); n is never given twice within an epoch.
--   lua#3  c:<conv> in a user's hash exists while the user is a member. It, or the conversation's field pt if that is higher, is the
--          highest seq of conv that the inbox points to; without pt the inbox points to all of them since the user joined.
--   lua#4  Whatever is published to a node with a counter was written before, and the counter rose by one for it.
--
-- Keys of other users and conversations are not built here: they come as KEYS. What few calls need of one that came is made from its key
-- (key_beside), as are node channels and counters, which depend on data: all stay in the slot of the call.
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
--   head     <base> <pd> <node> …      what whoever delivers to a user must know, in one string, so that one MGET brings those of all members; absent: 0 -
--            base: how many events were dropped from the inbox; pd: see due.lua, - there is none; nodes: with live sessions

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

-- A function of one text that looks up what it gave before: where few texts come again and again, that costs a tenth of taking them apart. What it
-- gives is shared, and must not be changed.
local MEMO_MAX = 256

local function memo(parse)
  local known, count = {}, 0
  return function(packed)
    local value = known[packed]
    if value == nil then
      if count == MEMO_MAX then
        known, count = {}, 0
      end
      value, count = parse(packed), count + 1
      known[packed] = value
    end
    return value
  end
end

-- A key is <prefix>:{<partition>}:<letter>:<id> (contract/keys.def). What comes before the letter, and the id.
local function key_parts(key)
  return string.match(key, '^(.-{%d+}:)%a+:(.*)$')
end

-- Another key of the same user or conversation: in the same slot, and so at hand wherever key is.
local function key_beside(key, letter)
  local tag, id = key_parts(key)
  return tag .. letter .. ':' .. id
end

local batch -- while b1_batch runs: channels and counters, as it was given them; now (ms); and said, what is to be published, by node

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

-- now_ms() as text: of a batch it is made once.
local function now_text(now)
  if not batch then
    return text(now)
  end
  batch.now_text = batch.now_text or text(now)
  return batch.now_text
end

-- One more message for a node. The counter stays in memory only: a node that sees it fall, or connects anew, as after each start of
-- Redis, compares inboxes anyway. To write it to the log would cost more than the counting.
local function count_message(counter_key)
  redis.set_repl(redis.REPL_NONE)
  local counter = redis.call('INCR', counter_key)
  redis.set_repl(redis.REPL_ALL)
  return counter
end

-- The prefixes of the node channels and of their counters: those of the key's partition; within b1_batch, the batch's.
local function channels_of(key)
  if batch then
    return batch.channels, batch.counters
  end
  local tag = key_parts(key)
  return tag .. 'node:', tag .. 'n:'
end

-- Publishes one numbered message to one node: <letter> <counter> <rest>.
local function publish(channels, counters, node, letter, rest)
  local counter = count_message(counters .. node)
  redis.call('SPUBLISH', channels .. node, letter .. ' ' .. text(counter) .. ' ' .. rest)
end

-- What the head of an inbox says: base (in digits), pd (false: none), and the nodes as one text.
local function head_split(packed)
  local base, pd, nodes = string.match(packed or '0 -', '^(%d+) (%S+) ?(.*)$')
  return base, pd ~= '-' and pd, nodes
end

-- The same, but base a number.
local function head_read(head_key)
  local base, pd, nodes = head_split(redis.call('GET', head_key))
  return tonumber(base), pd, nodes
end

-- A user of whom there is nothing to say has none.
local function head_write(head_key, base, pd, nodes)
  if base == 0 and not pd and nodes == '' then
    redis.call('DEL', head_key)
  else
    redis.call('SET', head_key, text(base) .. ' ' .. (pd or '-') .. (nodes ~= '' and ' ' .. nodes or ''))
  end
end

local node_list = memo(function(nodes)
  local list = {}
  for node in string.gmatch(nodes, '%S+') do
    list[#list + 1] = node
  end
  return list
end)

-- Adds "user n" to the list of each of the nodes. n stays a number, of which table.concat() makes 14 digits at most.
local function address(targets, nodes, user, n)
  for _, node in ipairs(node_list(nodes)) do
    local list = targets[node]
    if not list then
      targets[node] = { user, n }
    else
      local last = #list
      list[last + 1], list[last + 2] = user, n
    end
  end
end

-- One message per node with all its users' numbers. Within b1_batch it goes with what its other calls say to the node; in pieces, as Lua
-- takes a hash of each string that is made, byte by byte.
local function publish_all(channels, counters, targets, letter, header, body)
  for node, list in pairs(targets) do
    if not batch then
      publish(channels, counters, node, letter, header .. '\n' .. table.concat(list, ' ') .. '\n' .. body)
    else
      local said = batch.said[node]
      if not said then
        said = { '' } -- the place of the header, when all is known
        batch.said[node] = said
      end
      local last = #said
      said[last + 1] = letter .. ' 0 ' .. header .. '\n' .. table.concat(list, ' ') .. '\n'
      said[last + 2] = body
      said[last + 3] = '\255'
    end
  end
end

-- Appends pointers to an inbox and keeps it within its limit. Returns n of the last, and the base as it is now, which the caller writes.
local function push(inbox_key, base, inbox_max, ...)
  local length = redis.call('RPUSH', inbox_key, ...)
  -- Trimmed with slack, so that a full inbox is not trimmed at every event.
  if length > inbox_max + 256 then
    local drop = length - inbox_max
    redis.call('LTRIM', inbox_key, drop, -1)
    if base + 0 == 0 then
      redis.call('HSET', key_beside(inbox_key, 'u'), 'reg', '1') -- of a user who was never here there may be nothing else that a walk finds
    end
    return base + length, base + drop
  end
  return base + length, base
end

-- The same to an inbox whose head is not known, and that is written. Returns n of the last, and the nodes.
local function push_to(head_key, inbox_key, inbox_max, ...)
  local base, pd, nodes = head_read(head_key)
  local n, to = push(inbox_key, base, inbox_max, ...)
  if to ~= base then
    head_write(head_key, to, pd, nodes)
  end
  return n, nodes
end

-- Puts one pointer of any other kind into the inboxes of users who are members.
local function fan_pointer(keys, key, names, first, conv, pointer, inbox_max, targets)
  local field = 'c:' .. conv
  for i = first, #names do
    local user_key, inbox_key = keys[key], keys[key + 1]
    key = key + 2
    if redis.call('HEXISTS', user_key, field) == 1 then
      local n, nodes = push_to(key_beside(user_key, 'h'), inbox_key, inbox_max, pointer)
      address(targets, nodes, names[i], n)
    end
  end
end

-- The same for receipts of one conversation, which collapse: the receipts hash remembers the latest n and the watermarks that it
-- tells; older pointers are passed over by sync. So a page tells of each n what was true then: what comes behind it is never less.
-- rose: user, marks … Each of the names (of which the keys are head, inbox and receipts) is told of all of them; the address is the n of the first.
local function fan_receipts(keys, key, names, first, conv, rose, inbox_max, targets)
  local pointers, fields = {}, {}
  for i = 1, #rose, 2 do
    pointers[#pointers + 1] = 'r ' .. rose[i] .. ' ' .. conv
    fields[i] = conv .. ' ' .. rose[i]
  end
  for i = first, #names do
    local head_key, inbox_key, receipts_key = keys[key], keys[key + 1], keys[key + 2]
    key = key + 3
    local n, nodes = push_to(head_key, inbox_key, inbox_max, unpack(pointers))
    n = n - #pointers + 1
    for k = 2, #rose, 2 do
      fields[k] = text(n + k / 2 - 1) .. ' ' .. rose[k]
    end
    redis.call('HSET', receipts_key, unpack(fields))
    address(targets, nodes, names[i], n)
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
