-- The commands in the Prosody shell: monthly_visitors:report("example.org"), …
--
-- Prosody 13 knows items for this, 0.12 only has its table of sections; the
-- same functions go into both.
local sections = module:shared "/*/admin_shell/env";
local jid_split = require "util.jid".prepped_split;

-- By name, for each a function that returns what commands want of a host.
local hosts = module:shared "/*/monthly_visitors/hosts";

local SECTION = "monthly_visitors";

local definitions = {
	{ "report", "Show the totals of a host", { "host", "first", "last", "format" } };
	{ "purge", "Delete the totals of the months before one", { "host", "month" } };
	{ "forget", "Delete what is kept of a user whose account was deleted", { "jid" } };
	{ "copy", "Copy all totals of a host into another store", { "host", "url", "from" } };
	{ "check", "Say what is right and wrong with the options of a host", { "host" } };
};

local function run(name, self, target, ...)
	if type(target) ~= "string" then
		return nil, name == "forget" and "Say whom to forget: \"USER@HOST\"" or "Say which host: \"HOST\"";
	end
	local username, host = jid_split(target);
	local get = host and hosts[host];
	if not get then
		return nil, "Visitors are not counted on a host of that name";
	end
	local found, reason = get();
	if not found then return nil, reason; end
	local done, text;
	if name == "forget" then
		if not username then return nil, "Say whom to forget: \"USER@HOST\""; end
		done, text = found.commands.forget(found, username);
	elseif name == "report" then
		local first, last, format = ...;
		done, text = found.commands.report(found, first, last or first, format);
	else
		done, text = found.commands[name](found, ...);
	end
	if done == nil then return nil, text; end
	if not text:find("\n", 1, true) then return true, text ~= "" and text or "nothing found"; end
	for line in text:gmatch("[^\n]+") do
		self.session.print(line);
	end
	return true, module.name;
end

return function ()
	local section = sections[SECTION] or {};
	sections[SECTION] = section;
	for _, definition in ipairs(definitions) do
		local name, description, parameters = definition[1], definition[2], definition[3];
		local args = {};
		for i, parameter in ipairs(parameters) do
			args[i] = { name = parameter, type = "string" };
		end
		local function handler(self, ...)
			return run(name, self, ...);
		end
		section[name] = section[name] or handler;
		module:add_item("shell-command", {
			section = SECTION, section_desc = "Monthly visitors of a host";
			name = name, desc = description, args = args, host_selector = parameters[1], handler = handler;
		});
	end
end;
