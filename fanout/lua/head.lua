-- SPDX-License-Identifier: Apache-2.0
-- head.lua: what every message must know of a user or a conversation, in one string each, so that one MGET brings it of all members.
--
--   of an inbox          <base> <pd> <node> …      absent: 0 -
--     base     how many events were dropped from the inbox
--     pd       see due.lua, - there is none
--     nodes    with live sessions
--   of a conversation    <base> <mv> <kind> <ops> <old> <pt> <class> <states> <epoch>      absent: 0 0 - - - - - - -
--     base     how many entries were dropped from the log: the seq behind which it begins (lua#1)
--     mv       version of the member list
--     kind     - the conversation was deleted: base is its last seq then (change#3), and there is nothing else of it
--     ops      day on which the present generation of ops began, - there is none; old: day before which the one before counts, - there is none
--     pt       from here on the inboxes' c:<conv> are kept up, - never (lua#3)
--     class    how urgent what is pushed of its messages is, if their senders do not say; -
--     states   1 once one of its messages was edited, deleted or reacted to
--     epoch    of the store when it was made, or a channel last followed: of another one, its seqs are others
-- What differs from user to user and from conversation to conversation comes first: the rest is mostly of few kinds, and taken apart once (memo).
local DAY_MS = 86400000

local node_list = memo(function(nodes)
  local list = {}
  for node in string.gmatch(nodes, '%S+') do
    list[#list + 1] = node
  end
  return list
end)

local head_rest = memo(function(packed)
  local pd, nodes = string.match(packed, '^(%S+) ?(.*)$')
  return { pd = pd ~= '-' and pd, nodes = nodes, list = node_list(nodes) }, #pd > 1 -- a score
end)

-- What the head of an inbox says: base (in digits), pd (false: none), and the nodes as one text and as a list.
local function head_split(packed)
  local base, rest = string.match(packed or '0 -', '^(%d+) (.*)$')
  rest = head_rest(rest)
  return base, rest.pd, rest.nodes, rest.list
end

-- The same, but base a number.
local function head_read(head_key)
  local base, pd, nodes, list = head_split(redis.call('GET', head_key))
  return tonumber(base), pd, nodes, list
end

-- A user of whom there is nothing to say has none.
local function head_write(head_key, base, pd, nodes)
  if base == 0 and not pd and nodes == '' then
    redis.call('DEL', head_key)
  else
    redis.call('SET', head_key, text(base) .. ' ' .. (pd or '-') .. (nodes ~= '' and ' ' .. nodes or ''))
  end
end

local conv_shape = memo(function(packed)
  local kind, ops, old, pt, class, states, epoch = string.match(packed, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  return {
    kind = kind ~= '-' and kind, ops = tonumber(ops), old = tonumber(old), pt = tonumber(pt), class = tonumber(class),
    states = tonumber(states), epoch = epoch,
  }, pt ~= '-'
end)

-- What the head of a conversation says: base, mv (in digits), and the rest by name; false or nil: -.
local function conv_split(packed)
  local base, mv, shape = string.match(packed or '0 0 - - - - - - -', '^(%d+) (%d+) (.*)$')
  return base + 0, mv, conv_shape(shape)
end

local function conv_head_key(key)
  return key_beside(key, 'C')
end

-- The same of a conversation of which any key came.
local function conv_read(key)
  return conv_split(redis.call('GET', conv_head_key(key)))
end

local CONV_SHAPE = { 'kind', 'ops', 'old', 'pt', 'class', 'states', 'epoch' }

-- changes: what of the shape is another from now on, false: -.
local function conv_write(head_key, base, mv, shape, changes)
  local function word(name)
    local value = changes and changes[name]
    if value == nil then
      value = shape[name]
    end
    return not value and '-' or type(value) == 'number' and text(value) or value
  end
  local words = { text(base), mv }
  for _, name in ipairs(CONV_SHAPE) do
    words[#words + 1] = word(name)
  end
  redis.call('SET', head_key, table.concat(words, ' '))
end
