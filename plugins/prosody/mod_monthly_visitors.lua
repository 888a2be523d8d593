-- Counts the users of each host month by month, by place and client, and keeps
-- nothing by which any of them could be found again. Policy only: the counting
-- is done by the library, see docs/prosody.md.
--
-- Nothing in here may break or delay a login, and no log line may name a user,
-- an address or a resource.
local load_library = module:require "library";

function module.command(arg)
	return module:require "prosodyctl" (arg, load_library);
end

if module.host == "*" then return; end -- prosodyctl

local options = module:require "options";
local logger = require "util.logger";
local time = require "util.time".now;

local uncounted = options.uncounted(module);
if uncounted then
	module:log("info", "%s", uncounted);
	return;
end

-- How often the log and the health of the store are looked at, and how often
-- the sweep and a counter that could not be opened get a turn, in seconds.
local LOOK, TURN = 5, 20;
-- How long the server may wait for the store at a reload, and at its end for
-- the stores of all hosts together, in seconds.
local PATIENCE, LAST_PATIENCE = 2, 5;
-- The same complaint is not repeated for so many seconds.
local QUIET = 60 * 60;

-- The log

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

local visitors, record, commands;
-- All three, or none: the open counter, its settings, and these as a config.
local counter, settings, config;
-- Why there is no counter, or why the options as they are now are not in force.
local trouble;
-- Whether the log says where visitors are counted.
local announced;
local retry_at, retry_after;

-- Counters log in a queue, with the number of their host. Whoever comes first
-- takes the lines of all.
local function log_number()
	local hosts = visitors.kept.hosts;
	for number, name in ipairs(hosts) do
		if name == module.host then return number; end
	end
	hosts[#hosts + 1] = module.host;
	return #hosts;
end

local function take_log()
	if not visitors then return; end
	for _ = 1, 1000 do
		local number, level, line = visitors.take_log();
		if not number then return; end
		logger.init(("%s:%s"):format(visitors.kept.hosts[number], module.name))(level, "%s", line);
	end
end

-- A counter outlives this plugin when it is loaded anew, and when its store
-- cannot be written: what waits in it is not lost.
local function keep()
	visitors.kept.counters[module.host] = { counter = counter, settings = settings, config = config };
	counter, settings, config = nil, nil, nil;
end

local function take_over()
	local counters = visitors.kept.counters;
	local kept = counters[module.host];
	if kept then
		counter, settings, config = kept.counter, kept.settings, kept.config;
		counters[module.host] = nil;
	end
end

-- The settings as the options are now; nil and a reason.
local function read_options()
	local reason;
	visitors, reason = load_library();
	if not visitors then return nil, reason; end
	record = visitors.record;
	commands = commands or module:require "commands" (visitors);
	local fresh;
	fresh, reason = options.read(module);
	if fresh then
		fresh.log = log_number();
	end
	return fresh, reason;
end

-- Opens the counter, or changes its settings. On failure nothing has changed,
-- and a reason is returned.
local function apply(fresh)
	local fresh_config, reason = visitors.configure(fresh);
	if not fresh_config then return nil, reason; end
	options.make_folders(fresh);
	local fresh_counter, ok = counter or visitors.counter(), nil;
	local moves, begins = options.moves(settings, fresh);
	if counter and moves then
		ok, reason = visitors.flush(counter, PATIENCE * 1000);
		if ok and begins then
			ok, reason = visitors.close(counter);
		end
		if not ok then return nil, reason; end
	end
	ok, reason = visitors.open(fresh_counter, fresh_config);
	if not ok then
		if counter and begins then
			local back, why = visitors.open(counter, config);
			if not back then
				counter, settings, config = nil, nil, nil;
				reason = ("%s; and the former options: %s"):format(reason, why);
			end
		end
		return nil, reason;
	end
	counter, settings, config = fresh_counter, fresh, fresh_config;
	return true;
end

local function open()
	local before = trouble;
	local fresh, reason = read_options();
	trouble = reason;
	local unchanged;
	if fresh then
		for _, option in ipairs(options.unknown(module.host)) do
			complain("warn", "There is no option %s", option);
		end
		take_over();
		unchanged = counter and options.fingerprint(fresh) == options.fingerprint(settings);
		if not unchanged then
			trouble = select(2, apply(fresh));
		end
	end
	take_log();
	if trouble then
		complain("error", counter and "The options stay as they were: %s" or "Visitors are not counted: %s", trouble);
	elseif before or not unchanged or not announced then
		complained, announced = {}, true;
		module:log("info", "Visitors are counted in %s", options.shown(settings));
		local elsewhere = options.elsewhere(module, settings);
		if elsewhere then
			module:log("warn", "Prosody keeps its data in %s storage: a history that the Lua plugin has there is not continued", elsewhere);
		end
	end
	if counter then
		retry_at, retry_after = nil, nil;
	else
		-- What is missing may come: a disk, a database, the end of a command.
		retry_after = math.min((retry_after or TURN / 2) * 2, QUIET);
		retry_at = os.time() + retry_after;
	end
end

-- True when everything is in the store, and the counter closed.
local function close(patience)
	local closing = counter;
	local ok, reason = visitors.flush(closing, math.floor(patience * 1000));
	if ok then
		ok, reason = visitors.close(closing);
	end
	take_log();
	return ok, reason;
end

-- Logins

local function not_counted(ok, reason)
	if ok then
		complain("warn", "Not counted: %s", reason);
	else
		complain("error", "Defect: %s", reason);
	end
end

-- Called at each login, so it does no more than it must.
local function count(session)
	if not counter or not session then return; end
	local ok, done, reason = pcall(record, counter, session.username, session.ip, session.resource);
	if not done or not ok then
		pcall(not_counted, ok, reason or done);
	end
end

module:hook("resource-bind", function (event)
	count(event.session);
end);

-- A stream that is taken up again binds no resource.
module:hook("smacks-hibernation-end", function (event)
	count(event.resumed);
end);

-- Accounts

module:hook_global("user-deleted", guarded(function (event)
	if event.host ~= module.host or not event.username then return; end
	local ok, reason = nil, "visitors are not counted";
	if counter then
		ok, reason = visitors.forget(counter, event.username);
	end
	if not ok then
		complain("warn", "What is kept of a deleted account stays until prosodyctl mod_monthly_visitors forget: %s", reason);
	end
end));

-- The server

local sweep = module:require "sweep" (prosody.hosts[module.host].sessions, count);
local watch = module:require "watch";

-- Since when the store has not been written although it should, and whether the
-- log says so.
local unwritten_since, said;

local function look(now)
	take_log();
	local hangs;
	if counter then
		unwritten_since, hangs = watch(visitors, counter, settings, now);
	else
		unwritten_since = nil;
	end
	-- Of a store that fails the library tells, and why, if it can.
	if unwritten_since and not said and (hangs or not visitors.has_log) then
		said = true;
		module:log("error", "The store is not written: visits wait in memory");
	elseif said and not unwritten_since then
		said = nil;
		module:log("info", "The store is written again");
	end
end

local function turn(now)
	if retry_at and now >= retry_at then open(); end
end

for interval, tasks in pairs { [LOOK] = { guarded(look) }, [TURN] = { guarded(turn), guarded(sweep) } } do
	module:add_timer(interval, function ()
		local now = os.time();
		for _, task in ipairs(tasks) do task(now); end
		return interval;
	end);
end

module:hook_global("config-reloaded", guarded(function ()
	complained = {};
	open();
end));

-- All stores are written at the same time.
module:hook_global("server-stopping", guarded(function ()
	if counter then visitors.flush(counter, 0); end
end));

module:hook_global("server-stopped", guarded(function ()
	if not counter then return; end
	local kept = visitors.kept;
	kept.deadline = kept.deadline or time() + LAST_PATIENCE;
	local ok, reason = close(math.max(kept.deadline - time(), 0));
	if not ok then
		module:log("error", "The last visits are lost: %s", tostring(reason));
		visitors.detach(counter);
	end
	counter = nil;
end));

-- Who asks

local show_metrics, read_totals = module:require "metrics" (function ()
	return visitors, counter, unwritten_since;
end);
module:hook_global("stats-update", guarded(function () show_metrics(os.time()); end));

-- What commands in the shell need; nil and a reason.
local leave_shell = module:require "shell" (guarded(function ()
	local fresh, reason = read_options();
	if not commands or not (counter or fresh) then return { name = module.host, trouble = trouble or reason }; end
	return {
		name = module.host;
		commands = commands;
		counter = counter;
		settings = settings or fresh;
		options = fresh;
		trouble = trouble or reason;
		purged = read_totals;
	};
end));

-- Before a module is loaded anew.
module.save = guarded(function ()
	if counter then keep(); end
end);

module.unload = guarded(function ()
	leave_shell();
	if not counter then return; end
	local ok, reason = close(PATIENCE);
	if not ok then
		module:log("error", "What waits for the store is kept until this module is loaded again: %s", tostring(reason));
		keep();
	end
end);

-- Prosody 0.12 becomes a daemon after the modules are loaded, by a fork. Only
-- then the counter is opened, so that the process that counts holds the store.
if prosody.start_time then
	guarded(open)();
else
	module:hook_global("server-started", guarded(open), -10);
end
