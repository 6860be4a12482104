-- SPDX-License-Identifier: Apache-2.0
-- b1_batch: calls that came together, one after the other, each as if it were alone; but what they tell a node goes to it as one message.
--
-- KEYS  of all calls, in their order
-- ARGV  channels, counters (of any partition of this owner), then for each call: '<function> <how many keys> <how many arguments>', arguments
-- gives the answer of each; an error where a call failed, which hinders no other
--
-- Redis reads 16 KiB of a link at a time, does what is whole, and then syncs its log before it reads on: so with single calls some
-- fifteen share one sync, however many wait. One command that is longer is read to its end first.
local batch_call = memo(function(packed)
  local name, key_count, arg_count = string.match(packed, '^(%S+) (%d+) (%d+)$')
  return { fn = batchable[name], keys = tonumber(key_count), args = tonumber(arg_count) }
end)

local function batch_run(keys, args)
  local out, key, at = {}, 1, 3
  while at <= #args do
    local call = batch_call(args[at])
    local ok, answer = pcall(call.fn, { unpack(keys, key, key + call.keys - 1) }, { unpack(args, at + 1, at + call.args) })
    if not ok then
      redis.set_repl(redis.REPL_ALL) -- whatever a failed call left behind
      answer = type(answer) == 'table' and answer or { err = tostring(answer) }
    end
    out[#out + 1] = answer
    key, at = key + call.keys, at + 1 + call.args
  end
  return out
end

redis.register_function('b1_batch', function(keys, args)
  return tell_of(args[1], args[2], batch_run, keys, args)
end)
