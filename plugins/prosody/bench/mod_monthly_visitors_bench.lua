-- Measures inside the server what mod_monthly_visitors adds to a login: calls
-- its handler of resource-bind as the server does, between other work. Writes
-- microseconds, one on each line, "first" or "repeat" before them.
local modulemanager = require "core.modulemanager";
local now = require "util.time".monotonic;

local path = module:get_option_string("monthly_visitors_bench_output");
local logins = module:get_option_number("monthly_visitors_bench_logins", 20000);
local AT_ONCE, PAUSE = 50, 0.005;

local function handler_of(event)
	local target = modulemanager.get_module(module.host, "monthly_visitors").module;
	for _, name, handler in target.event_handlers:iter(nil, nil, nil) do
		if name == event then return handler; end
	end
end

module:hook_global("server-started", function ()
	local bind = handler_of("resource-bind");
	local times, number = { first = {}, again = {} }, 0;

	local function login(list, n)
		local event = { session = {
			username = "user" .. n, host = module.host, ip = ("192.0.2.%d"):format(n % 256), resource = "Conversations.x" .. n,
		} };
		local before = now();
		bind(event);
		list[#list + 1] = (now() - before) * 1e6;
	end

	module:add_timer(1, function ()
		for _ = 1, AT_ONCE do
			number = number + 1;
			login(times.first, number);
			login(times.again, math.random(number));
		end
		if number < logins then return PAUSE; end
		local file = assert(io.open(path .. ".new", "w"));
		for name, list in pairs(times) do
			for _, time in ipairs(list) do
				file:write(name, " ", ("%.3f"):format(time), "\n");
			end
		end
		file:close();
		os.rename(path .. ".new", path);
	end);
end);
