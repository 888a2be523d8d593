-- From the options of the server's configuration to the settings of a counter.
--
-- Options are named as the settings, with "mod_monthly_visitors_" before them.
-- Those of the first mod_monthly_visitors and of its fork are understood, too.
local configmanager = require "core.configmanager";
local datamanager = require "util.datamanager";
local storagemanager = require "core.storagemanager";
local lfs = require "lfs";
local have_pposix, pposix = pcall(require, "util.pposix");

local PREFIX = "mod_monthly_visitors_";

-- Each setting, and the options it is taken from: the first one that is set.
local names = {
	store = { "store" };
	geoip = { "geoip", "geoip_mmdb_path", "mmdb_path" };
	asn = { "asn", "isp_mmdb_path" };
	pattern_syntax = { "pattern_syntax" };
	record_countries = { "record_countries", "record_country" };
	retention_months = { "retention_months" };
	flush_interval = { "flush_interval" };
	pending_limit = { "pending_limit" };
	secret_file = { "secret_file" };
	key_dir = { "key_dir" };
};

local known = { client_patterns = true };
for _, options in pairs(names) do
	for _, option in ipairs(options) do
		known[option] = true;
	end
end

-- How many characters a pattern prescribes; the signs for begin and end count
-- as one each. What may be absent prescribes nothing.
local function specificity(pattern, escape)
	local count, at = 0, 1;
	while at <= #pattern do
		local char, literal = pattern:sub(at, at), true;
		if char == escape then
			char = pattern:sub(at + 1, at + 1);
			literal = char:find("%W") ~= nil;
			at = at + 1;
		elseif char == "[" then
			local stop = pattern:find("]", at + 2, true) or #pattern;
			at, literal = stop, false;
		elseif char == "^" or char == "$" then
			count = count + 1;
			literal = false;
		elseif char:find("[%.%(%)*+?|-]") then
			literal = char == "-" and escape == "\\";
		end
		local quantifier = pattern:sub(at + 1, at + 1);
		if literal and quantifier ~= "*" and quantifier ~= "?" and not (quantifier == "-" and escape == "%") then
			count = count + 1;
		end
		at = at + 1;
	end
	return count;
end

-- A map has no order, so it gets one: the pattern that prescribes more comes
-- first, and of equals the one that is first in the alphabet.
local function in_order(map, escape)
	local list = {};
	for pattern, category in pairs(map) do
		if type(pattern) ~= "string" or type(category) ~= "string" then
			return nil, PREFIX .. "client_patterns must have texts for patterns and categories";
		end
		list[#list + 1] = { pattern, category };
	end
	table.sort(list, function (a, b)
		local more, less = specificity(a[1], escape), specificity(b[1], escape);
		if more ~= less then return more > less; end
		return a[1] < b[1];
	end);
	return list;
end

local function clients(patterns, syntax)
	if type(patterns) ~= "table" then
		return nil, PREFIX .. "client_patterns must be a table";
	end
	if patterns[1] == nil then
		return in_order(patterns, syntax == "regex" and "\\" or "%");
	end
	for key in pairs(patterns) do
		if type(key) ~= "number" or patterns[key - 1] == nil and key ~= 1 then
			return nil, PREFIX .. "client_patterns must be either a list without gaps or a map";
		end
	end
	local list = {};
	for i, entry in ipairs(patterns) do
		local pattern = type(entry) == "table" and (entry[1] or entry.pattern);
		local category = type(entry) == "table" and (entry[2] or entry.category);
		if type(pattern) ~= "string" or type(category) ~= "string" then
			return nil, ("%sclient_patterns: entry %d must be { \"pattern\", \"CATEGORY\" }"):format(PREFIX, i);
		end
		list[i] = { pattern, category };
	end
	return list;
end

-- Where Prosody keeps the data of a host.
local function data_dir(host)
	return (datamanager.getpath(nil, host, "monthly-visitors", "dat"):gsub("/[^/]*$", ""));
end

-- A host's own folder below `dir`, which is named like its data directory.
local function own_folder(dir, host)
	return (dir:gsub("/+$", "")) .. "/" .. data_dir(host):match("[^/]*$");
end

-- The store of a host: `prosody:` alone is its data directory; below a folder
-- each host has one of its own.
local function store_of(url, host)
	if url == "prosody:" then
		return url .. data_dir(host);
	end
	local kind, dir = url:match("^(%l+):(.+)$");
	if kind == "prosody" or kind == "sealed" then
		return kind .. ":" .. own_folder(dir, host);
	end
	return url;
end

-- Why the users of a host are not counted; nil when they are.
local function uncounted(context)
	if context:get_option("component_module") then
		return "Nobody logs in to a component, so nobody is counted";
	elseif context:get_option("authentication") == "anonymous" or context:get_option("anonymous_login") then
		return "Anonymous users are new each time, so they are not counted";
	end
end

-- The settings of a host; nil and a message when an option is of no use. What
-- the values mean is the library's to check.
local function read(context)
	local host = context.host;
	local settings = { host = host };
	for name, options in pairs(names) do
		for _, option in ipairs(options) do
			local value = context:get_option(PREFIX .. option);
			if value ~= nil then
				local kind = type(value);
				if kind == "table" and name ~= "record_countries" or kind == "function" then
					return nil, ("%s%s must be a text or a number"):format(PREFIX, option);
				end
				settings[name] = value;
				break;
			end
		end
	end
	local interval = settings.flush_interval;
	if type(interval) == "number" and interval >= 0 and interval < 1e6 then
		settings.flush_interval = ("%dms"):format(math.floor(interval * 1000 + 0.5));
	end
	settings.store = store_of(tostring(settings.store or "prosody:"), host);
	if settings.key_dir then
		settings.key_dir = own_folder(tostring(settings.key_dir), host);
	end
	local patterns = context:get_option(PREFIX .. "client_patterns");
	if patterns ~= nil then
		local list, err = clients(patterns, settings.pattern_syntax);
		if not list then return nil, err; end
		settings.client = list;
	end
	return settings;
end

-- The options of a host that begin as ours do and are none.
local function unknown(host)
	local found, config = {}, configmanager.getconfig();
	for _, section in ipairs { "*", host } do
		for option in pairs(rawget(config, section) or {}) do
			local name = type(option) == "string" and option:match("^" .. PREFIX .. "(.*)$");
			if name and not known[name] then
				found[#found + 1] = option;
			end
		end
	end
	table.sort(found);
	return found;
end

-- Makes the folders that a store is in and the library does not make: the one
-- of all hosts, and for files and keys that of the host.
local function make_folders(settings)
	local before = have_pposix and pposix.umask("077");
	local kind, dir = settings.store:match("^(%l+):(/.*)$");
	local wanted = {
		{ settings.key_dir, "077", true };
		{ (kind == "prosody" or kind == "sealed") and dir, kind == "sealed" and "077" or "027", kind == "prosody" };
	};
	for _, folder in ipairs(wanted) do
		local path, mask, itself = folder[1], folder[2], folder[3];
		if before then pposix.umask(mask); end
		if path then lfs.mkdir((path:gsub("/[^/]*$", ""))); end
		if path and itself then lfs.mkdir(path); end
	end
	if before then pposix.umask(before); end
end

-- The same text for the same settings, in any order.
local function fingerprint(settings)
	local parts = {};
	for name, value in pairs(settings) do
		if name == "client" then
			local list = {};
			for i, client in ipairs(value) do
				list[i] = ("%q=%q"):format(client[1], client[2]);
			end
			value = table.concat(list, ",");
		elseif type(value) == "table" then
			value = table.concat(value, ",");
		end
		parts[#parts + 1] = ("%s=%q"):format(name, tostring(value));
	end
	table.sort(parts);
	return table.concat(parts, "\n");
end

-- Whether other settings take a counter to another store, and whether only a
-- counter that was closed can take them: a secret and keys belong to a store.
local function moves(old, new)
	if not old then return false, false; end
	local begins = old.store == new.store and (old.secret_file ~= new.secret_file or old.key_dir ~= new.key_dir);
	return begins or old.store ~= new.store, begins;
end

-- The name of the storage that Prosody would keep the Lua plugin's data in, if
-- that is not its files and so not what `prosody:` goes on with.
local function elsewhere(context, settings)
	if settings.store ~= store_of("prosody:", settings.host) then return; end
	local ok, _, name = pcall(storagemanager.get_driver, context.host, "monthly-visitors");
	if ok and name ~= "internal" then return name; end
end

-- The folder of a store that is not there yet, though it can be made.
local function missing_folder(settings)
	local dir = settings.store:match("^%l+:(/.*)$");
	if not dir or lfs.attributes(dir) then return; end
	local above = dir:gsub("/+[^/]*$", "");
	return (lfs.attributes(above) or lfs.attributes((above:gsub("/+[^/]*$", "/")))) and dir;
end

-- The store as one may log it: other addresses than folders have passwords.
local function shown(settings)
	local kind, rest = settings.store:match("^([%w+]+):(.*)$");
	return (kind == "prosody" or kind == "sealed") and kind .. ":" .. rest or kind or "?";
end

return {
	read = read;
	unknown = unknown;
	store_of = store_of;
	uncounted = uncounted;
	make_folders = make_folders;
	missing_folder = missing_folder;
	moves = moves;
	elsewhere = elsewhere;
	fingerprint = fingerprint;
	shown = shown;
};
