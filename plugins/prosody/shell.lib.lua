-- The commands in the Prosody shell: monthly_visitors:report("example.org"), …
--
-- Prosody 13 knows items for this, 0.12 only has its table of sections; the
-- same functions go into both.
local sections = module:shared "/*/admin_shell/env";
local jid_split = require "util.jid".prepped_split;
local options = module:require "options";

-- By name, for each a function that returns what commands want of a host.
local hosts = module:shared "/*/monthly_visitors/hosts";

-- What was put into the section here, which a newer version may replace.
local ours = module:shared "/*/monthly_visitors/shell";

local SECTION = "monthly_visitors";

local definitions = {
	{ "report", "Show the totals of a host", { "host", "first", "last", "format" } };
	{ "purge", "Delete the totals of the months before one", { "host", "month" } };
	{ "forget", "Delete what is kept of a user whose account was deleted", { "jid" } };
	{ "copy", "Copy all totals of a host into another store", { "host", "url", "from" } };
	{ "check", "Say what is right and wrong with the options of a host", { "host" } };
};

-- Returns as commands do.
local function run(name, target, ...)
	local username, host = nil, nil;
	if type(target) == "string" then
		username, host = jid_split(target);
	end
	if not host or name == "forget" and not username then
		return nil, name == "forget" and "Say whom to forget: \"USER@HOST\"" or "Say which host: \"HOST\"";
	end
	local found = hosts[host] and hosts[host]();
	if not found then
		return nil, prosody.hosts[host] and options.uncounted(module:context(host)) or "Visitors are not counted on a host of that name";
	elseif not found.commands then
		return nil, "Visitors are not counted: " .. tostring(found.trouble);
	end
	if name == "forget" then
		return found.commands.forget(found, username);
	elseif name == "report" then
		local first, last, format = ...;
		return found.commands.report(found, first, last or first, format);
	elseif name == "check" then
		-- What would be in force after a restart.
		if not found.options then return nil, tostring(found.trouble); end
		found.settings = found.options;
	elseif not found.settings then
		return nil, "Visitors are not counted: " .. tostring(found.trouble);
	end
	return found.commands[name](found, ...);
end

-- For the shell: what has several lines is printed, and the last one told.
local function show(session, done, text)
	if done == nil then return nil, text; end
	if text == "" then return true, "nothing found"; end
	local lines = {};
	for line in (text .. "\n"):gmatch("(.-)\r?\n") do
		lines[#lines + 1] = line;
	end
	if #lines == 1 then return true, text; end
	for _, line in ipairs(lines) do
		session.print(line);
	end
	return true, ("%d lines"):format(#lines);
end

-- For prosodyctl, several hosts at once: prints, and returns the exit status of
-- it; nil and a message on trouble.
local function exec(self, name, targets, ...)
	local status, trouble = 1, {};
	for _, target in ipairs(targets) do
		local done, text = run(name, target, ...);
		if done == nil then
			trouble[#trouble + 1] = #targets > 1 and target .. ": " .. text or text;
		else
			self.session.print(#targets > 1 and target .. ": " .. text or text);
			if done then status = 0; end
		end
	end
	if #trouble > 0 then return nil, table.concat(trouble, "\n"); end
	return status;
end

local function help(self)
	for _, definition in ipairs(definitions) do
		self.session.print(("%s:%s(%s) - %s"):format(SECTION, definition[1], table.concat(definition[3], ", "), definition[2]));
	end
	return true, ("%d commands"):format(#definitions);
end

-- `get` returns what commands want of this host. Returns a function that ends
-- it; others may go on with the section.
return function (get)
	local section = sections[SECTION] or {};
	sections[SECTION] = section;
	local function offer(name, handler)
		if section[name] == ours[name] then
			section[name], ours[name] = handler, handler;
		end
	end
	for _, definition in ipairs(definitions) do
		local name, description, parameters = definition[1], definition[2], definition[3];
		local args = {};
		for i, parameter in ipairs(parameters) do
			args[i] = { name = parameter, type = "string" };
		end
		local function handler(self, ...)
			return show(self.session, run(name, ...));
		end
		offer(name, handler);
		module:add_item("shell-command", {
			section = SECTION, section_desc = "Monthly visitors of a host";
			name = name, desc = description, args = args, host_selector = parameters[1], handler = handler;
		});
	end
	offer("exec", exec);
	offer("help", help);
	hosts[module.host] = get;
	return function ()
		hosts[module.host] = nil;
	end;
end;
