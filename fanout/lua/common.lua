#!lua name=belfry1
-- SPDX-License-Identifier: Apache-2.0
--
-- common.lua: what the functions of the library share. The files of this folder are joined, this one first, into one
-- Redis function library. Its number (belfry1, b1_…) changes with a release in which an argument has another meaning, so that
-- hubs of two releases can share a store while one replaces the other. Where a key has another meaning they cannot (b1_store).
--
-- Invariants that hold between any two calls:
--   lua#1  The entry at index k of a log has seq = base + k + 1 (base: in the conversation's head), and the conversation's seq is the last of them.
--   lua#2  The event at index k of an inbox has n = base + k + 1 (base: in its head); n is never given twice within an epoch.
--   lua#3  c:<conv> in a user's hash exists while the user is a member. It, or the pt of the conversation's head if that is higher, is the
--          highest seq of conv that the inbox points to; without pt the inbox points to all of them since the user joined.
--   lua#4  Whatever is published to a node with a counter was written before, and the counter rose by one for it.
--
-- Keys of other users and conversations are not built here: they come as KEYS. What few calls need of one that came is made from its key
-- (key_beside), as are node channels and counters, which depend on data: all stay in the slot of the call.
--
-- Packed forms (ids have no spaces; an op may, so it comes last, as fanout/op.h packs it):
--   pointer  m <seq> <conv> | o <seq> <conv>[ <session>] (own message, and by which session of the user) | r <user> <conv> | j <at> <action> <role> <user> <conv> |
--            x <at> <op> (a notification)
--   receipt  <n> <delivered> <read>
--   entry    <at> <kind> <ref> <from> <device> <op> \n <body>
--   member   <role> <delivered> <read>
--   live     one line a session: <device> <session> <node> <flags> <opened> [<code with which it is to end>]      flags: o online, a away, b background
--            opened: when it connected, by the store's clock as its node knows it
--   device   <cursor> <seen>
-- and the heads: see head.lua.

-- Functions that free more than they take, or without which nothing could be freed: they are called even when Redis is full.
local function register_freeing(name, callback)
  redis.register_function{ function_name = name, callback = callback, flags = { 'allow-oom' } }
end

-- A whole number as text, exact up to 2^53. Below a million it is put together of two parts, each made once: a third of the cost of string.format().
local DIGITS, DIGITS_PADDED = {}, {}

local function text(number)
  if number >= 1000000 or number < 0 then
    return string.format('%d', number)
  end
  local low = number % 1000
  local high = (number - low) / 1000
  local known = high > 0 and DIGITS_PADDED or DIGITS
  local digits = known[low]
  if not digits then
    digits = string.format(high > 0 and '%03d' or '%d', low)
    known[low] = digits
  end
  return high > 0 and text(high) .. digits or digits
end

-- A function of one text that looks up what it gave before: where few texts come again and again, that costs a tenth of taking them apart. What it
-- gives is shared, and must not be changed. A text of which parse says, too, that there are many is not remembered.
local MEMO_MAX = 256

local function memo(parse)
  local known, count = {}, 0
  return function(packed)
    local value = known[packed]
    if value == nil then
      if count == MEMO_MAX then
        known, count = {}, 0
      end
      local many
      value, many = parse(packed)
      if not many then
        known[packed], count = value, count + 1
      end
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

local telling -- while a call that tells nodes runs (tell.lua): said, by node; event, how many; and now (ms), once it was asked for

local function now_ms()
  if telling and telling.now then
    return telling.now
  end
  local t = redis.call('TIME')
  local now = t[1] * 1000 + math.floor(t[2] / 1000)
  if telling then
    telling.now = now
  end
  return now
end

-- What a caller with an old member list gets: the present one. Nothing was written.
local function stale(mv, members_key)
  return { 'members', mv, redis.call('HKEYS', members_key) }
end

-- role, delivered, read of a packed member; nil if there is none.
local function member_of(packed)
  if not packed then
    return nil
  end
  local role, delivered, read = string.match(packed, '^(%S+) (%d+) (%d+)')
  return role, tonumber(delivered), tonumber(read)
end
