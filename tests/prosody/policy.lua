-- The plugin itself without a server, for a Lua that no Prosody here runs on:
-- policy.lua PLUGINS FOLDER MMDB
--
-- What it needs of Prosody is played by the tables below. Prints what is counted.
-- With one more argument the store cannot be written, and nothing but the log is
-- printed.
local plugins, folder, mmdb, blocked = ...;

local handlers, timers, lines = {}, {}, {};
local options = {
	mod_monthly_visitors_mmdb_path = mmdb;
	mod_monthly_visitors_client_patterns = { ["^Zom"] = "IOS"; ["^Zom%-x"] = "OTHER" };
	mod_monthly_visitors_flush_interval = 0.02;
};

prosody = { start_time = 0, hosts = { localhost = { sessions = {} } }, paths = {} }; -- luacheck: ignore 111
package.preload["core.configmanager"] = function ()
	return { getconfig = function () return { ["*"] = options, localhost = {} }; end };
end;
package.preload["util.datamanager"] = function ()
	return { getpath = function (_, host, name, ext) return folder .. "/" .. host .. "/" .. name .. "." .. ext; end };
end;
package.preload["core.storagemanager"] = function ()
	return { get_driver = function () return {}, "internal"; end };
end;
package.preload["util.time"] = function () return { now = os.time }; end;
package.preload["util.logger"] = function ()
	return { init = function () return function (level, format, ...) lines[#lines + 1] = level .. " " .. format:format(...); end; end };
end;
package.preload["util.jid"] = function ()
	return { prepped_split = function (jid) return jid:match("^([^@]+)@(.*)$"); end };
end;
package.preload["lfs"] = function () return { mkdir = function () end }; end;

local shared = {};
local module = { name = "monthly_visitors", host = "localhost", path = plugins .. "/mod_monthly_visitors.lua" };
local env = setmetatable({ module = module }, { __index = _G });

local function load_file(name)
	if rawget(_G, "setfenv") then
		return setfenv(assert(loadfile(plugins .. "/" .. name)), env); -- luacheck: ignore 113
	end
	return assert(loadfile(plugins .. "/" .. name, "t", env));
end
local function hook(_, event, handler) handlers[event] = handler; end

module.hook, module.hook_global = hook, hook;
function module:require(name) return load_file(name .. ".lib.lua")(); end -- luacheck: ignore 212/self
function module:shared(path) shared[path] = shared[path] or {}; return shared[path]; end -- luacheck: ignore 212/self
function module:get_option(name) return options[name]; end -- luacheck: ignore 212/self
module.get_option_string, module.get_option_boolean = module.get_option, module.get_option;
function module:get_host_type() return "local"; end -- luacheck: ignore 212/self
function module:metric() return {}; end -- luacheck: ignore 212/self
function module:add_timer(_, fn) timers[#timers + 1] = fn; end -- luacheck: ignore 212/self
function module:add_item() end -- luacheck: ignore 212/self
function module:log(level, format, ...) lines[#lines + 1] = level .. " " .. format:format(...); end -- luacheck: ignore 212/self

load_file("mod_monthly_visitors.lua")();

local function bind(user, ip, resource)
	handlers["resource-bind"] { session = { username = user, ip = ip, resource = resource, host = "localhost" } };
end
if blocked then
	local path = folder .. "/localhost/monthly%2dvisitors";
	assert(os.rename(path, path .. ".away"));
	assert(io.open(path, "w")):close();
	bind("juliet", "192.0.2.1", "Zom-1");
	local function wait_for(text)
		for _ = 1, 600 do
			for _, timer in ipairs(timers) do timer(); end
			if lines[#lines]:find(text, 1, true) then break; end
			os.execute("sleep 0.1");
		end
		print(lines[#lines]);
	end
	wait_for("not written");
	os.remove(path);
	os.rename(path .. ".away", path);
	wait_for("written again");
	os.exit(0);
end
bind("juliet", "192.0.2.1", "Zom-1");
bind("juliet", "203.0.113.1", "Zom-x");
bind("romeo", "::ffff:203.0.113.1", "Zom-x1");
bind("nurse", "junk", nil);
bind("paris", nil, 7);
bind(nil, "192.0.2.1", "x");
handlers["resource-bind"] {};
handlers["smacks-hibernation-end"] { resumed = { username = "tybalt", ip = "2001:db8::1", resource = "x" } };
prosody.hosts.localhost.sessions.benvolio = { sessions = { x = { username = "benvolio", resource = "Zom" } } };
for _, timer in ipairs(timers) do timer(); end
handlers["user-deleted"] { host = "localhost", username = "romeo" };
handlers["user-deleted"] { host = "elsewhere", username = "juliet" };
options.mod_monthly_visitors_pattern_syntax = "perl";
handlers["config-reloaded"]();
handlers["server-stopping"]();
handlers["server-stopped"]();
bind("late", nil, nil);

for _, name in ipairs { "monthly-visitors.dat", "monthly%2dvisitors.dat" } do
	local file = io.open(folder .. "/localhost/" .. name);
	if file then
		print((file:read("*a"):gsub("%d%d%d%d%-%d%d", "MONTH")));
		file:close();
	end
end
for _, user in ipairs { "juliet", "romeo", "nurse", "paris", "tybalt", "benvolio", "late" } do
	local file = io.open(folder .. "/localhost/monthly%2dvisitors/" .. user .. ".dat");
	print(user, file ~= nil);
end
for _, line in ipairs(lines) do
	print((line:gsub(folder:gsub("%p", "%%%0"), "FOLDER")));
end
