"""Lua scripts of the quota store. Redis runs each script atomically.

They keep the sliding window of ``domain.quota_store``: a list of tenths of a second, the requests (``r``) and tokens
(``t``) booked in each, and their sums. All workers share the time of the Redis server.
"""

from typing import Final

_NOW: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
"""

ACQUIRE: Final = (
    _NOW
    + """
-- KEYS: slots, booked, answer
-- ARGV: read the cache (1), maximum age in ms, book (1), requests per minute, tokens per minute, tokens
local slots, booked = KEYS[1], KEYS[2]
local function number(field) return tonumber(redis.call('HGET', booked, field) or 0) end
local function counts_until(slot) return (slot + 1) * 100 + 60000 end

if ARGV[1] == '1' then
  local kept = redis.call('HMGET', KEYS[3], 'at', 'value')
  if kept[1] and now - kept[1] < tonumber(ARGV[2]) then return {'found', kept[2]} end
end
if ARGV[3] ~= '1' then return {'nothing', 0} end

local slot = math.floor(now / 100)
local last = tonumber(redis.call('LINDEX', slots, -1) or slot)
if last > slot + 600 then  -- the clock was set back: the age of the bookings is unknown
  redis.call('DEL', slots, booked)
elseif last > slot then
  slot = last
end
local first = tonumber(redis.call('LINDEX', slots, 0))
while first and counts_until(first) <= now do
  redis.call('HINCRBY', booked, 'r', -number('r' .. first))
  redis.call('HINCRBY', booked, 't', -number('t' .. first))
  redis.call('HDEL', booked, 'r' .. first, 't' .. first)
  redis.call('LPOP', slots)
  first = tonumber(redis.call('LINDEX', slots, 0))
end

local function wait(of, amount, limit)
  local excess = number(of) + math.min(amount, limit) - limit
  if excess <= 0 then return 0 end
  for _, each in ipairs(redis.call('LRANGE', slots, 0, -1)) do
    excess = excess - number(of .. each)
    if excess <= 0 then return counts_until(each) - now end
  end
  return 60000
end
local tokens = tonumber(ARGV[6])
local ms = math.max(wait('r', 1, tonumber(ARGV[4])), wait('t', tokens, tonumber(ARGV[5])))
if ms > 0 then return {'wait', ms} end

if redis.call('HEXISTS', booked, 'r' .. slot) == 0 then redis.call('RPUSH', slots, slot) end
for _, of in ipairs({'r', 'r' .. slot}) do redis.call('HINCRBY', booked, of, 1) end
for _, of in ipairs({'t', 't' .. slot}) do redis.call('HINCRBY', booked, of, tokens) end
redis.call('PEXPIRE', slots, 61000)
redis.call('PEXPIRE', booked, 61000)
return {'permit', slot}
"""
)

CORRECT: Final = """
-- KEYS: booked. ARGV: slot, tokens more than were booked
if redis.call('HEXISTS', KEYS[1], 't' .. ARGV[1]) == 1 then
  for _, of in ipairs({'t', 't' .. ARGV[1]}) do redis.call('HINCRBY', KEYS[1], of, ARGV[2]) end
end
"""

CACHE_RESULT: Final = (
    _NOW
    + """
-- KEYS: answer. ARGV: value, time to live in ms
redis.call('HSET', KEYS[1], 'at', now, 'value', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
)
