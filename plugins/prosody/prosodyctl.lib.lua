-- prosodyctl mod_monthly_visitors COMMAND …: in a process of its own, beside the
-- server or without it. Exit status: 0 done, 1 nothing found, 2 trouble.
local configmanager = require "core.configmanager";
local modulemanager = require "core.modulemanager";
local options = module:require "options";
local jid_split = require "util.jid".prepped_split;

local HELP = [=[
Usage: prosodyctl mod_monthly_visitors COMMAND

  report [HOST] [FIRST [LAST]] [--format=FORMAT]
             show the totals of all months, or of those from FIRST to LAST
             (such as 2026-11); FORMAT is table, json, csv or prosody
  purge [HOST] MONTH
             delete the totals of the months before MONTH
  forget USER@HOST
             delete what is kept of a user whose account was deleted; the
             counts stay
  copy [HOST] URL [--from=URL]
             copy all totals into another store, such as
             sealed:/var/lib/prosody/visitors; may be repeated. The history is
             that of the configured store, or of --from ("prosody:" is the
             data directory of the host)
  check [HOST]
             read the options, open everything, say what is right and wrong;
             writes nothing

Without HOST all hosts are meant that have the module.
Exit status: 0 done, 1 nothing found, 2 trouble.]=];

local function complain(text)
	io.stderr:write(text, "\n");
end

-- Why a host has no visitors to ask for; nil when it has.
local function without(host)
	local modules = modulemanager.get_modules_for_host(host);
	if not modules:contains(module.name) then return "This host does not have the module enabled"; end
	return options.uncounted(module:context(host));
end

-- The hosts whose users are counted, sorted.
local function hosts_with_module()
	local found = {};
	for host in pairs(configmanager.getconfig()) do
		if host ~= "*" and not without(host) then
			found[#found + 1] = host;
		end
	end
	table.sort(found);
	return found;
end

-- Whoever asks the configuration for a host that is not there makes one.
local function is_host(name)
	return name ~= "*" and rawget(configmanager.getconfig(), name) ~= nil;
end

-- Words, and options written --name=value or --name value.
local function parse(arg)
	local words, found, at = {}, {}, 1;
	while arg[at] do
		local name, value = arg[at]:match("^%-%-([%w-]+)=(.*)$");
		if name then
			found[name] = value;
		elseif arg[at]:match("^%-%-") then
			found[arg[at]:sub(3)] = arg[at + 1] or "";
			at = at + 1;
		else
			words[#words + 1] = arg[at];
		end
		at = at + 1;
	end
	return words, found;
end

local allowed_options = { report = { format = true }, copy = { from = true }, purge = {}, forget = {}, check = {} };
local most_words = { report = 3, copy = 2, purge = 2, forget = 1, check = 1 };

-- A store that the running server holds is changed by the server itself, for
-- all hosts together. Ends the process when there is a server.
local function ask_server(command, targets, ...)
	local adminstream, st = require "util.adminstream", require "util.stanza";
	local server, resolve = require "net.server", require "util.paths".resolve_relative_path;
	local quoted = {};
	for i, target in ipairs(targets) do
		quoted[i] = ("%q"):format(target);
	end
	local line = ("monthly_visitors:exec(%q, { %s }"):format(command, table.concat(quoted, ", "));
	for _, word in ipairs { ... } do
		line = line .. (", %q"):format(word);
	end
	local client = adminstream.client();
	client.events.add_handler("connected", function ()
		client.send(st.stanza("repl-input"):text(line .. ")"));
		return true;
	end, 1);
	client.events.add_handler("received", function (stanza)
		local text = stanza:get_text() or "";
		if stanza.name == "repl-output" then
			print(text);
		elseif stanza.name == "repl-result" then
			local status = stanza.attr.type ~= "error" and tonumber(text:match("^Result: (%d)"));
			if not status then complain((text:gsub("^Error: ", ""))); end
			os.exit(status or 2);
		end
		return true;
	end, 1);
	client.events.add_handler("disconnected", function ()
		complain("The server has closed the connection");
		os.exit(2);
	end, 1);
	local socket = resolve(prosody.paths.data, configmanager.get("*", "admin_socket") or "prosody.sock");
	if adminstream.connection(socket, client.listeners):connect() then
		server.loop();
	end
end

local function run(arg, get_visitors)
	local words, given = parse(arg);
	local command = table.remove(words, 1);
	if not command or command == "help" or command == "-h" or given.help then
		print(HELP);
		return command and 0 or 2;
	end
	if not allowed_options[command] then
		complain("There is no command of that name.\n");
		complain(HELP);
		return 2;
	end
	for name in pairs(given) do
		if not allowed_options[command][name] then
			complain(("There is no option --%s of %s; see: prosodyctl mod_monthly_visitors help"):format(name, command));
			return 2;
		end
	end
	if #words > most_words[command] then
		complain(("Too many words for %s; see: prosodyctl mod_monthly_visitors help"):format(command));
		return 2;
	end

	local visitors, reason = get_visitors();
	if not visitors then
		complain(reason);
		return 2;
	end
	local commands = module:require "commands" (visitors);

	local hosts = hosts_with_module();
	local username;
	if command == "forget" then
		local name;
		username, name = jid_split(words[1]);
		if not username then
			complain("Say whom to forget: USER@HOST");
			return 2;
		end
		hosts, words = { name }, { username };
	elseif words[1] and is_host(words[1]) then
		hosts = { table.remove(words, 1) };
	elseif words[1] and command ~= "copy" and not words[1]:match("^%d%d%d%d%-%d%d$") then
		complain(words[1] .. " is neither a host of this server nor a month such as 2026-11");
		return 2;
	end
	local named = #hosts == 1 and hosts[1];
	reason = named and (not is_host(named) and "This server has no host of that name" or without(named));
	if #hosts == 0 then
		reason = "No host has this module enabled";
	elseif #hosts > 1 and command == "report" and (given.format or "table") ~= "table" then
		reason = "Say which host: only the table has several";
	end
	if reason then
		complain(reason);
		return 2;
	end

	local function ask(host)
		if command == "report" then
			return commands.report(host, words[1], words[2] or words[1], given.format);
		elseif command == "copy" then
			return commands.copy(host, words[1], given.from);
		end
		return commands[command](host, words[1]);
	end

	local best, refused = 1, {};
	for _, name in ipairs(hosts) do
		local settings, done, text, code;
		settings, text = options.read(module:context(name));
		if settings then
			done, text, code = ask { name = name, settings = settings };
		end
		local heading = #hosts > 1 and name .. ":\n" or "";
		if done == nil then
			refused[#refused + 1] = { name = name, text = heading .. text, code = code };
		elseif text ~= "" then
			print(heading .. text);
		end
		if done then best = 0; end
	end
	if #refused == 0 then return best; end

	-- It may be the server that holds the store.
	if command == "purge" or command == "forget" then
		local targets = {};
		for i, one in ipairs(refused) do
			if one.code ~= visitors.ERR_STORAGE then break; end
			targets[i] = username and username .. "@" .. one.name or one.name;
		end
		if #targets == #refused then
			ask_server(command, targets, not username and words[1] or nil);
		end
	end
	for _, one in ipairs(refused) do
		complain(one.text);
	end
	return 2;
end

return run;
