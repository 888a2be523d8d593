-- Reads a host's visitors with Prosody's own code: read_store.lua DATA HOST
-- Prints JSON: { totals: …, users: { name: month } }.
local data, host = ...;
prosody = { paths = { data = data } }; -- luacheck: ignore 111
local datamanager = require "util.datamanager";
local json = require "util.json";
datamanager.set_data_path(data);

local users = {};
for name in datamanager.users(host, "monthly-visitors") do
	local content, reason = datamanager.load(name, host, "monthly-visitors");
	users[name] = assert(content, reason)["last-recorded"];
end
local totals, reason = datamanager.load(nil, host, "monthly-visitors");
assert(reason == nil, reason);
print(json.encode { totals = totals or {}, users = users });
