-- The library as one Lua table of functions, whichever binding is behind it:
-- on LuaJIT monthly_visitors_ffi, elsewhere (or where that fails) the C module
-- lmonthly_visitors. The functions are listed in docs/prosody.md.
--
-- Cannot it be loaded, then the error is one line that says why.

local function one_line(reason)
	reason = tostring(reason);
	if reason:find("not found:\n", 1, true) then
		return ("the C module lmonthly_visitors is not installed for %s"):format(_VERSION);
	end
	return (reason:gsub("%s*\n%s*", "; "));
end

local function load_binding()
	local first_reason;
	if rawget(_G, "jit") then
		local ok, found = pcall(require, "monthly_visitors_ffi");
		if ok then return found, "ffi"; end
		first_reason = found;
	end
	local ok, found = pcall(require, "lmonthly_visitors");
	if ok then return found, "c"; end
	return nil, one_line(first_reason or found);
end

local binding, kind = load_binding();
if not binding then
	error(kind, 0);
end

local visitors = {
	binding = kind; -- "ffi" or "c"
	has_log = true; -- whether take_log works, which needs the C module
	-- What a failure has as its third result, as in monthly_visitors.h.
	ERR_ARGUMENT = -1;
	ERR_CONFIG = -2;
	ERR_CLOSED = -3;
	ERR_MONTH = -4;
	ERR_STORAGE = -5;
	ERR_GEOIP = -6;
	ERR_FULL = -7;
	ERR_TIMEOUT = -8;
	ERR_INTERNAL = -9;
	-- For the plugin, which may be loaded anew while this stays: the names of
	-- hosts by their numbers in the log, and open counters by host.
	kept = { hosts = {}, counters = {} };
};
for name, value in pairs(binding) do
	visitors[name] = value;
end

local levels = { [0] = "error", "warn", "info", "debug" };

-- The next log line of the counters: its number, its level as a word, its text;
-- nothing when there is none.
function visitors.take_log()
	local tag, level, line = binding.take_log();
	if tag then
		return tag, levels[level] or "debug", line;
	end
end

local function as_text(value)
	if type(value) == "table" then
		local words = {};
		for i, word in ipairs(value) do
			words[i] = tostring(word);
		end
		return table.concat(words, ",");
	elseif type(value) == "number" and value % 1 == 0 and math.abs(value) < 2^53 then
		return ("%d"):format(value); -- 25.0 of Lua 5.3 is 25
	end
	return tostring(value);
end

local function add_clients(config, clients)
	if type(clients) ~= "table" then return nil, "client is not a list", visitors.ERR_ARGUMENT; end
	for i, client in ipairs(clients) do
		if type(client) ~= "table" then
			return nil, ("client %d is not a pattern and a category"):format(i), visitors.ERR_ARGUMENT;
		end
		local ok, reason, code = binding.config_add_client(config, client[1], client[2]);
		if not ok then return nil, reason, code; end
	end
	return true;
end

-- A config with these settings: a table of them by name, lists as arrays, and
-- `client` an array of { pattern, category }. `log` is a number that take_log
-- gives back with each line.
function visitors.configure(settings)
	if type(settings) ~= "table" then return nil, "settings are not a table", visitors.ERR_ARGUMENT; end
	local config = binding.config();
	local names = {};
	for name in pairs(settings) do
		if type(name) ~= "string" then return nil, "the name of a setting is not a text", visitors.ERR_ARGUMENT; end
		names[#names + 1] = name;
	end
	table.sort(names); -- so that of several faults always the same is told
	for _, name in ipairs(names) do
		local value, ok, reason, code = settings[name], nil, nil, nil;
		if name == "log" then
			ok, reason, code = binding.config_set_log(config, value);
		elseif name == "client" then
			ok, reason, code = add_clients(config, value);
		else
			ok, reason, code = binding.config_set(config, name, as_text(value));
		end
		if not ok then return nil, reason, code; end
	end
	return config;
end

return visitors;
