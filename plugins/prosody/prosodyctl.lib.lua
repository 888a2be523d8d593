-- prosodyctl mod_monthly_visitors COMMAND …: in a process of its own, beside the
-- server or without it. Exit status: 0 done, 1 nothing found, 2 trouble.
local configmanager = require "core.configmanager";
local modulemanager = require "core.modulemanager";
local options = module:require "options";

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

-- The hosts whose users are counted, sorted.
local function hosts_with_module()
	local found = {};
	for host in pairs(configmanager.getconfig()) do
		if host ~= "*" then
			local modules, component = modulemanager.get_modules_for_host(host);
			if not component and modules:contains(module.name)
				and configmanager.get(host, "authentication") ~= "anonymous" then
				found[#found + 1] = host;
			end
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

-- A store that the server holds is changed by the server itself.
local function ask_server(command, host, word)
	if not require "util.prosodyctl".isrunning() then return; end
	local line = command == "forget" and ("monthly_visitors:forget(%q)"):format(word .. "@" .. host)
		or ("monthly_visitors:%s(%q, %q)"):format(command, host, word);
	require "util.prosodyctl.shell".shell({ line }); -- ends the process
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
		username, name = (words[1] or ""):match("^([^@]+)@(.+)$");
		if not username then
			complain("Say whom to forget: USER@HOST");
			return 2;
		end
		if not is_host(name) then
			complain("This server has no host of that name");
			return 2;
		end
		hosts, words = { name }, { username };
	elseif words[1] and is_host(words[1]) then
		hosts = { table.remove(words, 1) };
	elseif words[1] and command ~= "copy" and not words[1]:match("^%d%d%d%d%-%d%d$") then
		complain(words[1] .. " is neither a host of this server nor a month such as 2026-11");
		return 2;
	end
	if #hosts == 0 then
		complain("No host has this module enabled");
		return 2;
	end

	local best, trouble = 1, false;
	for _, name in ipairs(hosts) do
		local settings, done, text;
		settings, text = options.read(module:context(name));
		if settings then
			local host = { name = name, settings = settings };
			if command == "report" then
				done, text = commands.report(host, words[1], words[2] or words[1], given.format);
			elseif command == "copy" then
				done, text = commands.copy(host, words[1], given.from);
			else
				done, text = commands[command](host, words[1]);
			end
			if done == nil and (command == "purge" or command == "forget") and text:find("in use by process", 1, true) then
				ask_server(command, name, words[1]);
			end
		end
		if done == nil then
			trouble = true;
			if #hosts > 1 then complain(name .. ":"); end
			complain(text);
		else
			if #hosts > 1 and text ~= "" then print(name .. ":"); end
			if text ~= "" then print(text); end
			if done then best = 0; end
		end
	end
	return trouble and 2 or best;
end

return run;
