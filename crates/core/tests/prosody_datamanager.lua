-- Reads or writes monthly visitors with Prosody's own util.datamanager.
--   lua5.4 prosody_datamanager.lua CODE DATA HOST show
--   lua5.4 prosody_datamanager.lua CODE DATA HOST store MONTH NAME...
--   lua5.4 prosody_datamanager.lua CODE DATA HOST presets
-- CODE is where Prosody's Lua files are, DATA its data directory.
package.path = arg[1].."/?.lua;"..package.path;
package.cpath = arg[1].."/?.so;"..package.cpath;

local datamanager = require "util.datamanager";
local store = "monthly-visitors";
local host, command = arg[3], arg[4];
datamanager.set_data_path(arg[2]);

-- One line a fact, with bytes outside of ASCII as they are.
local function show()
	local lines = {};
	for month, counts in pairs(datamanager.load(nil, host, store) or {}) do
		for key, count in pairs(counts) do
			table.insert(lines, ("%s %s %d"):format(month, key, count));
		end
	end
	for user in datamanager.users(host, store) do
		local data = assert(datamanager.load(user, host, store));
		table.insert(lines, ("%s %s"):format(user, data["last-recorded"]));
	end
	table.sort(lines);
	print(table.concat(lines, "\n"));
end

-- What the Lua plugin does for each new user of a month.
local function record(month, user)
	local totals = datamanager.load(nil, host, store) or {};
	local counts = totals[month] or {};
	totals[month] = counts;
	for _, key in ipairs { "geo-DE-HE-2925533", "client-IOS", "client-\"'\\\n\r\0\127é" } do
		counts[key] = (counts[key] or 0) + 1;
	end
	assert(datamanager.store(nil, host, store, totals));
	assert(datamanager.store(user, host, store, { ["last-recorded"] = month }));
end

-- The same data in every way that Prosody's writer and Lua's %q write them.
local function presets()
	local serialization = require "util.serialization";
	local bytes = {};
	for i = 0, 255 do
		bytes[i + 1] = string.char(i);
	end
	bytes = table.concat(bytes);
	local data = {
		text = bytes; [bytes] = true; list = { "a", "b", { deep = false } };
		numbers = { 1, -2, 0.5, 1e99, 2^53, math.huge, -math.huge, math.maxinteger };
		["2026-11"] = { ["geo-DE-HE-2925533"] = 2 }; [10] = "ten"; [1.5] = {}; [true] = "yes";
	};
	for _, preset in ipairs { "default", "oneline", "compact", "debug" } do
		local file = assert(io.open(arg[2].."/"..preset, "wb"));
		file:write("return ", serialization.serialize(data, preset), ";\n");
		file:close();
	end
	local file = assert(io.open(arg[2].."/quoted", "wb"));
	file:write(("return { text = %q, %q, %q, %q, %q };"):format(bytes, 0.1, math.huge, math.mininteger, 1e300));
	file:close();
end

if command == "show" then
	show();
elseif command == "presets" then
	presets();
else
	for i = 6, #arg do
		record(arg[5], arg[i]);
	end
end
