/**
 * Everything that changes data, and what must be read in one moment, as scripts on the server.
 *
 * Each part (engine, group, ordered store) has a head: one short string that begins with the epoch of its
 * owner and the sequence of its last write. A script changes something only when the head is exactly the one
 * that the owner believes it to be, and ends by setting the next one. So a late write of an old owner finds
 * another epoch, a repeated one finds its own result, and neither does anything. Heads are compared as
 * strings: Lua's numbers are doubles, and never hold an index, a term or a sequence here.
 *
 * Only commands of Redis 6.2. A test holds this file to that.
 */
import { createHash } from 'node:crypto';

export interface Script {
  readonly name: string;
  readonly text: string;
  readonly sha: string;
}

function script(name: string, text: string): Script {
  return { name, text, sha: createHash('sha1').update(text).digest('hex') };
}

/** Decimal digits of an epoch or a sequence in a head. */
export const headDigits = 16;

/**
 * The one that writes: appends a record (entries, truncation, hard state, conf state, compaction) to a
 * segment, sets the head, and removes whole segments that hold nothing any more.
 *
 * KEYS head, segment, segments to remove. ARGV head expected ('' for none), next head, bytes of the segment
 * afterwards, record (last, for it is large). Gives OK when it is done or was done before, else the head that is there.
 */
export const writeScript: Script = script(
  'write',
  `local head = redis.call('GET', KEYS[1]) or ''
if head ~= ARGV[1] then
  if head == ARGV[2] then return 'OK' end
  return head
end
if ARGV[4] ~= '' and redis.call('APPEND', KEYS[2], ARGV[4]) ~= tonumber(ARGV[3]) then
  return redis.error_reply('DAMAGED the segment had another length than was written')
end
redis.call('SET', KEYS[1], ARGV[2])
for i = 3, #KEYS do redis.call('UNLINK', KEYS[i]) end
return 'OK'`,
);

/**
 * Takes a part over. KEYS head. ARGV own epoch, what follows the epoch in the head of a new part.
 * Gives the head as it was, '' for none; an error when an owner came later. Always writes: what was found
 * is made durable anew by that.
 */
export const claimScript: Script = script(
  'claim',
  `local head = redis.call('GET', KEYS[1]) or ''
if string.sub(head, 1, ${String(headDigits)}) > ARGV[1] then
  return redis.error_reply('FENCED by a later owner')
end
if head == '' then
  redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[1] .. string.sub(head, ${String(headDigits + 1)}))
end
return head`,
);

/**
 * Adds or removes a name. KEYS engine's head, registry. ARGV head expected, next head, field, value ('' removes).
 */
export const registerScript: Script = script(
  'register',
  `local head = redis.call('GET', KEYS[1]) or ''
if head ~= ARGV[1] then
  if head == ARGV[2] then return 'OK' end
  return head
end
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[2], ARGV[3])
else
  redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
end
redis.call('SET', KEYS[1], ARGV[2])
return 'OK'`,
);

/**
 * Adds a piece to a chunk that nothing refers to yet. KEYS head, chunk. ARGV epoch, piece, bytes of the chunk
 * afterwards.
 */
export const pieceScript: Script = script(
  'piece',
  `local head = redis.call('GET', KEYS[1]) or ''
if string.sub(head, 1, ${String(headDigits)}) ~= ARGV[1] then return head end
if redis.call('APPEND', KEYS[2], ARGV[2]) ~= tonumber(ARGV[3]) then
  return redis.error_reply('DAMAGED the chunk had another length than was written')
end
return 'OK'`,
);

/**
 * Leaves out the end of a segment that a power cut has torn. KEYS head, segment. ARGV head expected, next head,
 * bytes to keep.
 */
export const cutScript: Script = script(
  'cut',
  `local head = redis.call('GET', KEYS[1]) or ''
if head ~= ARGV[1] then
  if head == ARGV[2] then return 'OK' end
  return head
end
if ARGV[3] == '0' then
  redis.call('UNLINK', KEYS[2])
else
  redis.call('SET', KEYS[2], redis.call('GETRANGE', KEYS[2], '0', string.format('%.0f', tonumber(ARGV[3]) - 1)))
end
redis.call('SET', KEYS[1], ARGV[2])
return 'OK'`,
);

/** Removes what nothing refers to. KEYS head, keys to remove. ARGV epoch. Gives how many there were, or the head. */
export const dropScript: Script = script(
  'drop',
  `local head = redis.call('GET', KEYS[1]) or ''
if string.sub(head, 1, ${String(headDigits)}) ~= ARGV[1] then return head end
local count = 0
for i = 2, #KEYS do count = count + redis.call('UNLINK', KEYS[i]) end
return count`,
);

/** Keys that one command of a script is given at once: Lua's stack has an end. */
const keysPerCommand = 1000;

/**
 * Changes pairs of an ordered store. KEYS head, order, values. ARGV head expected, next head but for count and
 * digest, count and digest now, sum of the checksums of the new pairs, whether the old values are wanted (1),
 * number of pairs to put, those pairs (key, value), keys to delete. No key comes twice.
 *
 * Gives OK, the new count and digest, and the old values, or the head that is there. Each value begins with
 * its checksum; the digest is the sum of all, so that a pair that was lost or came back is noticed.
 */
export const applyScript: Script = script(
  'apply',
  `local head = redis.call('GET', KEYS[1]) or ''
if head ~= ARGV[1] then return head end
local count = tonumber(ARGV[3])
local digest = tonumber(ARGV[4]) + tonumber(ARGV[5])
local puts = tonumber(ARGV[7])
local first = 8
local deletes = first + 2 * puts
local reply = {'OK', 0, 0}
local function forget(keys)
  local values = redis.call('HMGET', KEYS[3], unpack(keys))
  for i = 1, #keys do
    local value = values[i]
    if value then
      count = count - 1
      local a, b, c, d = string.byte(value, 1, 4)
      digest = digest - (((a * 256 + b) * 256 + c) * 256 + d)
    end
    if ARGV[6] == '1' then reply[#reply + 1] = value end
  end
end
for from = first, deletes - 1, ${String(keysPerCommand)} do
  local to = math.min(from + ${String(keysPerCommand)}, deletes) - 1
  local keys, members = {}, {}
  for i = from, to, 2 do
    keys[#keys + 1] = ARGV[i]
    members[#members + 1] = '0'
    members[#members + 1] = ARGV[i]
  end
  forget(keys)
  count = count + #keys
  redis.call('HSET', KEYS[3], unpack(ARGV, from, to))
  redis.call('ZADD', KEYS[2], unpack(members))
end
for from = deletes, #ARGV, ${String(keysPerCommand)} do
  local keys = {unpack(ARGV, from, math.min(from + ${String(keysPerCommand)} - 1, #ARGV))}
  forget(keys)
  redis.call('HDEL', KEYS[3], unpack(keys))
  redis.call('ZREM', KEYS[2], unpack(keys))
end
digest = digest % 4294967296
redis.call('SET', KEYS[1], ARGV[2] .. string.format(' %.0f %.0f', count, digest))
reply[2] = count
reply[3] = digest
return reply`,
);

/** Adds pairs to contents that nothing refers to yet. KEYS head, order, values. ARGV epoch, pairs (key, value). */
export const fillScript: Script = script(
  'fill',
  `local head = redis.call('GET', KEYS[1]) or ''
if string.sub(head, 1, ${String(headDigits)}) ~= ARGV[1] then return head end
for from = 2, #ARGV, ${String(keysPerCommand)} do
  local to = math.min(from + ${String(keysPerCommand)} - 1, #ARGV)
  local members = {}
  for i = from, to, 2 do
    members[#members + 1] = '0'
    members[#members + 1] = ARGV[i]
  end
  redis.call('HSET', KEYS[3], unpack(ARGV, from, to))
  redis.call('ZADD', KEYS[2], unpack(members))
end
return 'OK'`,
);

/**
 * Pairs of one moment in key order. KEYS order, values. ARGV lowest and highest key as ZRANGEBYLEX has them,
 * at most so many pairs, at most so many bytes (but at least one pair), bytes of a value that do not count.
 *
 * Gives 1 when bytes cut it, 2 when the number did, 0 when there is no more; then key, value, key, value.
 * A value that is missing is given as false.
 */
export const pageScript: Script = script(
  'page',
  `local keys = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', '0', ARGV[3])
local budget, ignored = tonumber(ARGV[4]), tonumber(ARGV[5])
local taken, cut = {}, 0
if #keys >= tonumber(ARGV[3]) then cut = 2 end
for i = 1, #keys do
  budget = budget - #keys[i] - redis.call('HSTRLEN', KEYS[2], keys[i]) + ignored
  if i > 1 and budget < 0 then
    cut = 1
    break
  end
  taken[i] = keys[i]
end
local reply = {cut}
if #taken == 0 then return reply end
local values = redis.call('HMGET', KEYS[2], unpack(taken))
for i = 1, #taken do
  reply[2 * i] = taken[i]
  reply[2 * i + 1] = values[i]
end
return reply`,
);

/** All of them: loaded with every new connection. */
export const scripts: readonly Script[] = [
  writeScript,
  claimScript,
  registerScript,
  pieceScript,
  cutScript,
  dropScript,
  applyScript,
  fillScript,
  pageScript,
];
