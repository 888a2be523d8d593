-- Whether the store is written: it may fail, which the library tells, or hang,
-- which it cannot.

-- For how many seconds what waits may wait longer than it should.
local GRACE = 60;

local SECONDS = { ms = 0.001, s = 1, m = 60, h = 3600 };

-- The longest time that a visit waits when all is well.
local function interval(settings)
	local number, unit = tostring(settings.flush_interval or "1s"):match("^(%d+)(%l+)$");
	return number and SECONDS[unit] and number * SECONDS[unit] or SECONDS.h;
end

local failing_since, waiting_since, written_last;

-- Since when the store has not been written although it should, in Unix time,
-- and whether it hangs; nil when all is well. To be called every few seconds.
return function (visitors, counter, settings, now)
	failing_since = visitors.health(counter, "failing") == 1 and (failing_since or now) or nil;
	local pending, written = visitors.health(counter, "pending") or 0, visitors.health(counter, "last_flush");
	if pending == 0 then
		waiting_since = nil;
	elseif not waiting_since or written ~= written_last then
		waiting_since = now;
	end
	written_last = written;
	local hangs = waiting_since and now - waiting_since > interval(settings) + GRACE;
	return failing_since or hangs and waiting_since or nil, hangs;
end;
