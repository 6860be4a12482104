-- SPDX-License-Identifier: Apache-2.0
-- tell.lua: what nodes are told of events of their users. All that one call, or one b1_batch, says to a node goes to it as one message, by one
-- counter, when the call is over:
--
--      Z <counter> \n   then for each event   0xff <letter> <header> \n <body> 0xfe <key> <n> <key> <n> …
--
-- with a space behind 0xfe and between what follows. A key is any of the user's: to pass the name beside it would cost more. The rest is UTF-8, where
-- neither 0xfe nor 0xff is a byte (RFC 3629 section 1): to tell lengths instead would cost as much as a command.
-- Everything else that a node is told is a message of its own:   <letter> <counter> <rest>

-- One more message for a node. The counter stays in memory only: a node that sees it fall, or connects anew, as after each start of
-- Redis, compares inboxes anyway. To write it to the log would cost more than the counting.
local function count_message(counter_key)
  redis.set_repl(redis.REPL_NONE)
  local counter = redis.call('INCR', counter_key)
  redis.set_repl(redis.REPL_ALL)
  return counter
end

-- The prefixes of the node channels and of their counters, in the partition of a key.
local function channels_of(key)
  local tag = key_parts(key)
  return tag .. 'node:', tag .. 'n:'
end

-- Publishes one numbered message to one node.
local function publish(channels, counters, node, letter, rest)
  local counter = count_message(counters .. node)
  redis.call('SPUBLISH', channels .. node, letter .. ' ' .. text(counter) .. ' ' .. rest)
end

-- An event, as tell() takes it: the latest one, by its number, as two may be told in the same words.
local function message_of(letter, header, body)
  telling.event = telling.event + 1
  return '\255' .. letter .. ' ' .. header .. '\n' .. body .. '\254'
end

-- Tells a list of nodes that a user, of whom any key is given, has the event as number n; 0: it is in no inbox, and not counted. In pieces, as
-- Lua takes a hash of each text that is made.
local function tell(nodes, message, key, n)
  local said, event = telling.said, telling.event
  for i = 1, #nodes do
    local pieces = said[nodes[i]]
    if not pieces then
      pieces = { '' } -- the place of the counter
      said[nodes[i]] = pieces
    end
    local last = #pieces
    if pieces.event ~= event then
      pieces.event, pieces.counted = event, pieces.counted or n > 0
      last = last + 1
      pieces[last] = message
    end
    pieces[last + 1], pieces[last + 2] = key, text(n)
  end
end

-- Runs callback, and then publishes what it told. An error of it goes on after that.
local function tell_of(channels, counters, callback, ...)
  telling = { said = {}, event = 0 }
  local ok, answer = pcall(callback, ...)
  redis.set_repl(redis.REPL_ALL) -- whatever a failed call left behind
  local said = telling.said
  telling = nil
  for node, pieces in pairs(said) do
    pieces[1] = 'Z ' .. (pieces.counted and text(count_message(counters .. node)) or '0') .. '\n'
    redis.call('SPUBLISH', channels .. node, table.concat(pieces, ' '))
  end
  if not ok then
    error(answer)
  end
  return answer
end

-- A function that tells: if it was not called by b1_batch, what it says goes to the channels of its first key's partition.
local function register_telling(name, callback, register)
  (register or redis.register_function)(name, function(keys, args)
    local channels, counters = channels_of(keys[1])
    return tell_of(channels, counters, callback, keys, args)
  end)
end

-- Of these hubs call many at once: b1_batch runs them.
local batchable = {}

local function register_batchable(name, callback, register)
  batchable[name] = callback
  register_telling(name, callback, register)
end
