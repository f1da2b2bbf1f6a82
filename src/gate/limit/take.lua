-- One budget for all nodes: the algorithm of domain/limit.rs, in microseconds of this server's clock.
-- KEYS[1]: the account. ARGV: quota a minute, requests wanted, requests given back, their epoch, and how many microseconds of
-- the budget the asking node knows to be spent already. Answers: requests granted, epoch, microseconds until the budget is
-- whole, microseconds until one more would be granted.
local MINUTE = 60000000
local quota, wanted, back = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local epoch, spent = tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local state = redis.call('HMGET', KEYS[1], 'tat', 'epoch')
local tat, since = tonumber(state[1] or 0), tonumber(state[2] or 0)

-- A clock that was turned back must not keep anybody out for longer than an empty budget does.
tat = math.min(tat, now + MINUTE)
-- An epoch ends when the budget is whole: what was not used of an earlier one has flown back by itself.
if back > 0 and since == epoch then
    tat = tat - math.floor(back * MINUTE / quota)
end
if tat < now + spent then
    tat = now + spent
    since = math.max(now, since + 1)
end

local granted = math.min(wanted, math.floor((now + MINUTE - tat) * quota / MINUTE))
if granted > 0 and tat + math.ceil(granted * MINUTE / quota) > now + MINUTE then
    granted = granted - 1
end
granted = math.max(granted, 0)
tat = tat + math.ceil(granted * MINUTE / quota)

redis.call('HSET', KEYS[1], 'tat', string.format('%.0f', tat), 'epoch', string.format('%.0f', since))
redis.call('PEXPIRE', KEYS[1], math.ceil((tat - now) / 1000) + 1000)
local wait = math.max(0, tat + math.ceil(MINUTE / quota) - now - MINUTE)
return { granted, since, tat - now, wait }
