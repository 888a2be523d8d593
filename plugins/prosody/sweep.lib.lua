-- People who stay connected over the end of a month do not log in again, so
-- they are counted from the list of sessions. Not at once: whoever watches the
-- totals or the load of the server must not see how many they are.
local DAY = 24 * 60 * 60;

-- So that a clock that leaps does not make one long pause.
local AT_ONCE = 1000;

-- A function to be called about every minute with the time. When a month
-- begins, and once at the first call, it takes the users who are connected,
-- each with a random moment of the 24 hours that follow. When that has come,
-- and the user is still there, `count` gets a session of the user.
--
-- `sessions` is the host's table of users.
return function (sessions, count)
	local month;
	local waiting, done = {}, 0;

	return function (now)
		local current = os.date("!%Y-%m", now);
		if current ~= month then
			month, waiting, done = current, {}, 0;
			for username in pairs(sessions) do
				waiting[#waiting + 1] = { username = username, at = now + math.random() * DAY };
			end
			table.sort(waiting, function (a, b) return a.at < b.at; end);
		end
		local last = math.min(#waiting, done + AT_ONCE);
		while done < last and waiting[done + 1].at <= now do
			done = done + 1;
			local user = sessions[waiting[done].username];
			waiting[done].username = nil;
			local _, session = next(user and user.sessions or {});
			if session then
				count(session);
			end
		end
	end;
end;
