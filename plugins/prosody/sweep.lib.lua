-- People who stay connected over the end of a month do not log in again, so
-- they are counted from the list of sessions. Not at once: whoever watches the
-- totals or the load of the server must not see how many they are.
local DAY = 24 * 60 * 60;

-- So that a clock that leaps does not make one long pause.
local AT_ONCE = 1000;

local function shuffle(list)
	for i = #list, 2, -1 do
		local j = math.random(i);
		list[i], list[j] = list[j], list[i];
	end
end

-- A function to be called about every minute with the time. When a month
-- begins, and once at the first call, it takes the users who are connected and
-- gives each to `count` within the 24 hours that follow, in random order, if
-- the user is still there.
--
-- `sessions` is the host's table of users; `count` gets a session.
return function (sessions, count)
	local month, users, done, began;

	return function (now)
		local current = os.date("!%Y-%m", now);
		if current ~= month then
			month, users, done, began = current, {}, 0, now;
			for username in pairs(sessions) do
				users[#users + 1] = username;
			end
			shuffle(users);
		end
		local due = math.min(math.ceil(#users * (now - began) / DAY), #users, done + AT_ONCE);
		while done < due do
			done = done + 1;
			local user = sessions[users[done]];
			local _, session = next(user and user.sessions or {});
			if session then
				count(session);
			end
		end
		if done == #users and done > 0 then
			users, done = {}, 0;
		end
	end;
end;
