-- Counts the users of each host month by month, by place and client, and keeps
-- nothing by which any of them could be found again. Policy only: the counting
-- is done by the library, see docs/prosody.md.
--
-- Nothing in here may break or delay a login, and no log line may name a user,
-- an address or a resource.
local options = module:require "options";

-- How often the log, the sweep and a store that could not be opened get a turn,
-- in seconds.
local TURN = 60;
local LOG_TURN = 5;
-- How long a shutdown waits for the store, in milliseconds.
local PATIENCE = 10000;
-- The same complaint is not repeated for so many seconds.
local QUIET = 60 * 60;

-- The library

-- All folders where the parts of this module may be: beside it, and where
-- `prosodyctl install` puts them, which Prosody leaves out for C modules.
local function extended_paths()
	local lua, c = {}, {};
	local beside = module.path and module.path:match("^(.*)/[^/]*$");
	local version = _VERSION:match("5%.%d");
	if beside then
		lua[#lua + 1], c[#c + 1] = beside .. "/?.lua", beside .. "/?.so";
	end
	local installer = prosody.paths.installer;
	if installer then
		lua[#lua + 1] = ("%s/share/lua/%s/?.lua"):format(installer, version);
		c[#c + 1] = ("%s/lib/lua/%s/?.so"):format(installer, version);
	end
	lua[#lua + 1], c[#c + 1] = package.path, package.cpath;
	return table.concat(lua, ";"), table.concat(c, ";");
end

-- The Lua module; nil and a reason when it cannot be loaded. Without require,
-- which in Prosody leaves something behind when it fails.
local function load_library()
	local found = package.loaded.monthly_visitors;
	if type(found) == "table" then return found; end
	local path, cpath = package.path, package.cpath;
	local reason = "monthly_visitors.lua is not installed";
	package.path, package.cpath = extended_paths();
	for template in package.path:gmatch("[^;]+") do
		local name = template:gsub("%?", "monthly_visitors");
		local file = io.open(name);
		if file then
			file:close();
			local chunk, ok;
			chunk, reason = loadfile(name);
			if chunk then
				ok, found = pcall(chunk, "monthly_visitors");
				if ok then
					package.loaded.monthly_visitors = found;
				else
					reason = found;
				end
			end
			break;
		end
	end
	package.path, package.cpath = path, cpath;
	if reason then return nil, "cannot load the library: " .. tostring(reason); end
	return found;
end

function module.command(arg)
	return module:require "prosodyctl" (arg, load_library);
end

if module.host == "*" then return; end -- prosodyctl

local host = prosody.hosts[module.host];

if module:get_host_type() ~= "local" then
	module:log("info", "Nobody logs in to a component, so nobody is counted");
	return;
end
if module:get_option_string("authentication") == "anonymous" or module:get_option_boolean("anonymous_login") then
	module:log("info", "Anonymous users are new each time, so they are not counted");
	return;
end

-- The log

-- Hosts take each other's lines out of the library, so they are kept by number.
local logs = module:shared "/*/monthly_visitors/logs";

local function own_number()
	for number, name in ipairs(logs) do
		if name == module.host then return number; end
	end
	logs[#logs + 1] = module.host;
	return #logs;
end

local log_number = own_number();
local loggers = module:shared "/*/monthly_visitors/loggers";
local hosts = module:shared "/*/monthly_visitors/hosts"; -- for the shell
loggers[module.host] = function (level, line) module:log(level, "%s", line); end;

local complained = {};

local function complain(level, format, reason)
	local text = format:format(tostring(reason));
	local now = os.time();
	if complained[text] and now - complained[text] < QUIET then return; end
	complained[text] = now;
	module:log(level, "%s", text);
end

-- A defect of ours, or memory that ran out, must not become one of the server.
local function guarded(fn)
	return function (...)
		local ok, result = pcall(fn, ...);
		if not ok then
			pcall(complain, "error", "Defect: %s", result);
			return;
		end
		return result;
	end;
end

-- The counter

local visitors, counter, settings, commands;
local opened_with, retry_at, retry_after;

local function take_log()
	if not visitors then return; end
	for _ = 1, 1000 do
		local number, level, line = visitors.take_log();
		if not number then return; end
		local log = loggers[logs[number]];
		if log then log(level, line); end
	end
end

local function prepare()
	local reason;
	visitors, reason = load_library();
	if not visitors then return nil, reason; end
	commands = commands or module:require "commands" (visitors);
	local fresh;
	fresh, reason = options.read(module);
	if not fresh then return nil, reason; end
	fresh.log = log_number;
	return fresh;
end

-- Opens the counter with the options as they are now, or changes its settings.
-- On failure it stays as it was.
local function open()
	local fresh, reason = prepare();
	local config, ok;
	if fresh then
		for _, option in ipairs(options.unknown(module.host)) do
			complain("warn", "There is no option %s", option);
		end
		if counter and options.fingerprint(fresh) == opened_with then return true; end
		options.make_folders(fresh);
		config, reason = visitors.configure(fresh);
	end
	if config then
		local fresh_counter = counter or visitors.counter();
		ok, reason = visitors.open(fresh_counter, config);
		if not ok and counter and reason:find("close the counter first", 1, true) then
			-- The host's secret or keys moved: that needs a new beginning.
			ok, reason = visitors.close(counter);
			if ok then
				counter = nil;
				ok, reason = visitors.open(fresh_counter, config);
			end
		end
		if ok then
			counter, settings, opened_with = fresh_counter, fresh, options.fingerprint(fresh);
		end
	end
	take_log();
	if ok then
		complained = {};
		retry_at, retry_after = nil, nil;
		module:log("info", "Visitors are counted in %s", options.shown(settings));
		return true;
	end
	complain("error", counter and "The options stay as they were: %s" or "Visitors are not counted: %s", reason);
	if not counter then
		-- What is missing may come: a disk, a database, the end of a command.
		retry_after = math.min((retry_after or TURN / 2) * 2, QUIET);
		retry_at = os.time() + retry_after;
	end
end

local function close()
	if not counter then return; end
	local closing = counter;
	local ok, reason = visitors.flush(closing, PATIENCE);
	if ok then
		counter = nil;
		ok, reason = visitors.close(closing);
	end
	take_log();
	if not ok then
		module:log("error", "The last visits are lost: %s", tostring(reason));
	end
end

-- Logins

-- Called at each login, so it does no more than it must.
local record;
local function count(session)
	if not counter then return; end
	local ok, reason = record(counter, session.username, session.ip, session.resource);
	if not ok then
		complain("warn", "Not counted: %s", reason);
	end
end

local function counted(session)
	local ok, reason = pcall(count, session);
	if not ok then
		pcall(complain, "error", "Defect: %s", reason);
	end
end

module:hook("resource-bind", function (event)
	counted(event.session);
end);

-- A stream that is taken up again binds no resource.
module:hook("smacks-hibernation-end", function (event)
	counted(event.resumed);
end);

local sweep = module:require "sweep" (host.sessions, counted);

-- Accounts

-- To be deleted as soon as the store can be written.
local to_forget = {};

local function forget_them()
	if not counter or next(to_forget) == nil or visitors.health(counter, "failing") == 1 then return; end
	for username in pairs(to_forget) do
		local ok, reason = visitors.forget(counter, username);
		if not ok then
			complain("error", "The marker of a deleted account is still there: %s", reason);
			return;
		end
		to_forget[username] = nil;
	end
end

module:hook_global("user-deleted", guarded(function (event)
	if event.host ~= module.host or not event.username then return; end
	to_forget[event.username] = true;
	forget_them();
end));

-- The server

local function open_for_logins()
	open();
	record = visitors and visitors.record;
end

local try_open = guarded(open_for_logins);
local try_close = guarded(close);
local try_log = guarded(take_log);
local try_turn = guarded(function ()
	local now = os.time();
	if retry_at and now >= retry_at then
		open_for_logins();
	end
	forget_them();
	sweep(now);
end);

module:hook_global("config-reloaded", try_open);
module:hook_global("server-stopping", guarded(function ()
	if not counter then return; end
	local ok, reason = visitors.flush(counter, PATIENCE);
	if not ok then
		complain("warn", "Visits are waiting: %s", reason);
	end
end));
module:hook_global("server-stopped", try_close);
module.unload = guarded(function ()
	close();
	loggers[module.host] = nil;
	hosts[module.host] = nil;
end);

module:add_timer(LOG_TURN, function ()
	try_log();
	return LOG_TURN;
end);
module:add_timer(TURN, function ()
	try_turn();
	return TURN;
end);

local show_metrics;
module:hook_global("stats-update", guarded(function ()
	if not visitors then return; end
	show_metrics = show_metrics or module:require "metrics" (visitors, function () return counter; end);
	show_metrics(os.time());
end));

guarded(module:require "shell")();
hosts[module.host] = function ()
	if not visitors then
		local _, reason = load_library();
		return nil, reason or "Visitors are not counted yet";
	end
	local fresh, reason = settings, nil;
	if not fresh then
		fresh, reason = prepare();
		if not fresh then return nil, reason; end
	end
	return { name = module.host, settings = fresh, counter = counter, commands = commands };
end;

try_open();
