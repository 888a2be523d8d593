-- Takes "shell-command" items as the admin shell of Prosody 13.0 does, for a
-- server that has an older one: shell_items:call("SECTION:NAME", ...).
local jid_split = require "util.jid".prepped_split;

local sections = module:shared "/*/admin_shell/env";
local commands = module:shared "/*/shell_items/commands";

-- The argument that says which host is meant; an error when the item is not as
-- 13.0 wants it.
local function selector(item)
	for _, field in ipairs { "section", "name", "desc", "host_selector" } do
		assert(type(item[field]) == "string", field);
	end
	assert(type(item.handler) == "function", "handler");
	local found;
	for i, arg in ipairs(item.args) do
		assert(type(arg.name) == "string" and (arg.type == nil or type(arg.type) == "string"), "args");
		if arg.name == item.host_selector then found = i; end
	end
	return assert(found, "host_selector");
end

module:handle_items("shell-command", function (event)
	local item = event.item;
	local name, index = item.section .. ":" .. item.name, selector(event.item);
	local command = commands[name] or { hosts = {} };
	commands[name] = command;
	command.hosts[module.host] = item.handler;
	function command.call(self, ...)
		local _, host = jid_split((select(index, ...)));
		local handler = command.hosts[host];
		if not handler then return nil, "This command is not available there"; end
		return handler(self, ...);
	end
end, function (event)
	local item = event.item;
	commands[item.section .. ":" .. item.name].hosts[module.host] = nil;
end);

sections.shell_items = {
	call = function (self, name, ...)
		return commands[name].call(self, ...);
	end;
};
