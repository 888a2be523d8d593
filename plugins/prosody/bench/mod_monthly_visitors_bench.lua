-- Measures inside the server what mod_monthly_visitors adds to a login: takes
-- the time around its handler of resource-bind, at real logins, for which the
-- processor has just done other things, and then at as many calls in a row.
-- Every third user is measured so. For the others the plugin's handler runs
-- unmeasured, after a control that is measured in its place: one that does
-- nothing, and one that calls the C binding, which refuses at once.
-- Writes microseconds, one on each line, after what they are of.
local modulemanager = require "core.modulemanager";
local now = require "util.time".monotonic;

local path = module:get_option_string("monthly_visitors_bench_output");
local logins = module:get_option_number("monthly_visitors_bench_logins");

local EVENT = "resource-bind";

module:hook_global("server-started", function ()
	local target = modulemanager.get_module(module.host, "monthly_visitors").module;
	local visitors = package.loaded.monthly_visitors;
	local events, original = prosody.hosts[module.host].events, nil;
	for _, name, handler in target.event_handlers:iter(nil, nil, nil) do
		if name == EVENT then original = handler; end
	end
	events.remove_handler(EVENT, original);

	local record = visitors.record;
	local measured = {
		[0] = { "plugin", original };
		{ "nothing", function () end };
		{ "refusal", function (event)
			local session = event.session;
			pcall(record, nil, session.username, session.ip, session.resource);
		end };
	};

	local seen, lines = {}, {};
	local function timed(kind, event)
		local username = event.session.username;
		local what = measured[tonumber(username:match("%d+$")) % 3];
		local handler = what[2];
		local before = now();
		handler(event);
		local time = (now() - before) * 1e6;
		if handler ~= original then original(event); end
		lines[#lines + 1] = ("%s %s %s %.3f"):format(kind, what[1], seen[username] and "again" or "first", time);
		seen[username] = true;
	end

	-- With pauses, in which the server serves and the writer writes.
	local number = 0;
	local function calls()
		for _ = 1, 50 do
			number = number + 1;
			for _ = 1, 2 do
				timed("call", { session = {
					username = "caller" .. number, host = module.host, ip = ("192.0.2.%d"):format(number % 256),
					resource = "Conversations.x" .. number,
				} });
			end
		end
		if #lines < 2 * logins then return 0.005; end
		local file = assert(io.open(path .. ".new", "w"));
		file:write(table.concat(lines, "\n"), "\n");
		file:close();
		os.rename(path .. ".new", path);
	end

	events.add_handler(EVENT, function (event)
		timed("login", event);
		if #lines == logins then
			module:add_timer(0, calls);
		end
	end);
end, -20);
