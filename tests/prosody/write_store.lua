-- Writes what the Lua plugin writes at first logins, by its rules and with
-- Prosody's own code: write_store.lua DATA HOST, then lines "USER MONTH KEY KEY".
local data, host = ...;
prosody = { paths = { data = data } }; -- luacheck: ignore 111
local datamanager = require "util.datamanager";
datamanager.set_data_path(data);

local totals = datamanager.load(nil, host, "monthly-visitors") or {};
for line in io.lines() do
	local user, month, place, client = line:match("^(%S+) (%S+) (%S+) (%S+)$");
	local known = datamanager.load(user, host, "monthly-visitors");
	if not known or known["last-recorded"] ~= month then
		local counts = totals[month] or {};
		for _, key in ipairs { "geo-" .. place, "client-" .. client } do
			counts[key] = (counts[key] or 0) + 1;
		end
		totals[month] = counts;
		assert(datamanager.store(user, host, "monthly-visitors", { ["last-recorded"] = month }));
		assert(datamanager.store(nil, host, "monthly-visitors", totals));
	end
end
