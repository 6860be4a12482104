-- SPDX-License-Identifier: Apache-2.0
-- state.lua: what became of a message: its edits, its deletion, its reactions. In the log they are entries of their own.
--
-- In the states hash of a conversation:
--   <seq>   <seq of the deletion, or 0> <number of edits> <seqs of the latest edits>
--   r<seq>  <seqs of the latest reactions>
-- The conversation's field lm (seq of its latest message) is there once it has a state, which its head tells; without it nobody looks here.
--
-- state#1  The body of a deleted message and of its edits is given to nobody, whichever way it is asked for. Such an entry is
--          its header and "\n": a body is never empty otherwise.
-- state#2  A state outlives the log's entries that it tells of, so a text cannot come back; then it may go.
local STATE_EDITS, STATE_REACTIONS, STATE_REACTION_BYTES = 63, 64, 65536 -- limits.def: VERSIONS less the original, REACTIONS, REACTION_BYTES

-- What looking up one more entry counts for in the size of a page at least: it takes Redis about 5 us, and a page is to take
-- no more than a few ms.
local STATE_LOOKUP_BYTES = 512

local function without_body(entry)
  return string.match(entry, '^[^\n]*\n')
end

-- The seq of a message's deletion, nil if there is none.
local function deletion_of(states_key, seq)
  local deleted = string.match(redis.call('HGET', states_key, seq) or '0', '^%d+')
  return deleted ~= '0' and deleted or nil
end

-- Why an edit, deletion or reaction of ref may not be: an error code, or nil.
local function state_refuses(log_key, members_key, states_key, kind, ref, from, trusted)
  local entry = log_entry(log_key, ref)
  if not entry then
    return 'not_found'
  end
  local about, author = string.match(entry, '^%S+ (%S+) %S* (%S*)')
  if about ~= 'message' then
    return 'conflict'
  end
  if kind ~= 'react' and from ~= author and not trusted then
    local role = member_of(redis.call('HGET', members_key, from))
    if role ~= 'admin' and role ~= 'owner' then
      return 'forbidden'
    end
  end
  return deletion_of(states_key, ref) and 'conflict' or nil
end

-- One seq more at the end of a list of at most max.
local function longer(list, seq, max)
  local _, count = string.gsub(list, '%d+', '')
  if count >= max then
    list = string.match(list, '^%s*%d+%s*(.*)$')
  end
  return (list == '' and '' or list .. ' ') .. seq
end

-- Drops what nobody can ask for any more. Four at random for each one that is written: in the long run no more than a quarter is
-- of entries that the log has lost, and no call ever looks at all of them.
local function forget_states(log_key, states_key)
  local first = log_base(log_key) + 1
  local some = redis.call('HRANDFIELD', states_key, 4, 'WITHVALUES')
  for i = 1, #some, 2 do
    local deleted = string.byte(some[i]) ~= 114 and tonumber(string.match(some[i + 1], '^%d+')) or 0 -- 'r'
    if math.max(deleted, tonumber(string.match(some[i + 1], '(%d+) ?$'))) < first then
      redis.call('HDEL', states_key, some[i])
    end
  end
end

-- Texts from seq on are to be taken out by b1_erase.
local function erase_later(conv_key, seq)
  local before = tonumber(redis.call('HGET', conv_key, 'er') or nil)
  if not before or before > tonumber(seq) then
    redis.call('HSET', conv_key, 'er', seq)
  end
end

-- Entry seq, which state_refuses() let pass, is stored: the state of ref changes.
local function state_note(log_key, states_key, kind, ref, seq, log_max)
  if kind == 'react' then
    redis.call('HSET', states_key, 'r' .. ref, longer(redis.call('HGET', states_key, 'r' .. ref) or '', seq, STATE_REACTIONS))
  else
    local deleted, count, edits = string.match(redis.call('HGET', states_key, ref) or '0 0 ', '^(%d+) (%d+) (.*)$')
    if kind == 'delete' then
      deleted = seq
    else
      count, edits = text(count + 1), longer(edits, seq, STATE_EDITS)
    end
    redis.call('HSET', states_key, ref, deleted .. ' ' .. count .. ' ' .. edits)
  end
  if tonumber(seq) > log_max then
    forget_states(log_key, states_key)
  end
end

-- An entry as it may be given (state#1).
local function redacted(states_key, seq, entry)
  local kind, ref = string.match(entry, '^%S+ (%S+) (%S*)')
  local about = kind == 'message' and seq or kind == 'edit' and ref
  return about and deletion_of(states_key, about) and without_body(entry) or entry
end

-- Entries of a list of seqs as {seq, entry, …}, in order: the latest of them that fit into bytes. And their size.
local function entries_of(log_key, list, bytes, headers_only)
  local out, size, back = {}, 0, {}
  for seq in string.gmatch(list, '%d+') do
    back[#back + 1] = seq
  end
  local from = #back + 1
  while from > 1 do
    local entry = log_entry(log_key, back[from - 1]) or ''
    entry = headers_only and without_body(entry) or entry
    local more = math.max(#entry, STATE_LOOKUP_BYTES)
    if size + more > bytes then
      break
    end
    size = size + more
    from = from - 1
    back[from] = { back[from], entry }
  end
  for i = from, #back do
    out[#out + 1] = tonumber(back[i][1])
    out[#out + 1] = back[i][2]
  end
  return out, size
end

-- Entry seq as history shows it, its present state ('' if nothing became of it, and for all but messages), and the size of both:
-- {entry of its deletion or '', number of edits, latest edit or '', its edits (seq, entry …; if asked for), reactions (seq, entry …)}
local function state_read(log_key, states_key, seq, entry, bytes, with_versions)
  local shown = redacted(states_key, seq, entry)
  if string.match(entry, '^%S+ (%S+)') ~= 'message' then
    return shown, '', #shown
  end
  local h = redis.call('HMGET', states_key, seq, 'r' .. seq)
  if not h[1] and not h[2] then
    return shown, '', #shown
  end
  local deleted, count, edits = string.match(h[1] or '0 0 ', '^(%d+) (%d+) (.*)$')
  local versions, versions_size, reactions, reactions_size, latest = {}, 0, {}, 0, ''
  if with_versions then
    versions, versions_size = entries_of(log_key, edits, bytes, deleted ~= '0')
  end
  if deleted == '0' then
    latest = edits ~= '' and log_entry(log_key, string.match(edits, '%d+$')) or ''
    reactions, reactions_size = entries_of(log_key, h[2] or '', math.min(bytes, STATE_REACTION_BYTES))
  end
  local deletion = deleted ~= '0' and without_body(log_entry(log_key, deleted) or '') or ''
  return shown, { deletion, tonumber(count), latest, versions, reactions },
    #shown + math.max(#deletion + #latest, STATE_LOOKUP_BYTES) + versions_size + reactions_size
end
