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

-- Which one it is: "ffi" or "c".
local visitors = { binding = kind };
for name, fn in pairs(binding) do
	visitors[name] = fn;
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
	elseif type(value) == "number" and value % 1 == 0 then
		return ("%d"):format(value); -- 25.0 of Lua 5.3 is 25
	end
	return tostring(value);
end

-- A config with these settings: a table of them by name, lists as arrays, and
-- `client` an array of { pattern, category }. `log` is a number that take_log
-- gives back with each line.
function visitors.configure(settings)
	local config = binding.config();
	local names = {};
	for name in pairs(settings) do
		names[#names + 1] = tostring(name);
	end
	table.sort(names); -- so that of several faults always the same is told
	for _, name in ipairs(names) do
		local value = settings[name];
		if name == "log" then
			local ok, err = binding.config_set_log(config, value);
			if not ok then return nil, err; end
		elseif name == "client" then
			for _, client in ipairs(value) do
				local ok, err = binding.config_add_client(config, client[1], client[2]);
				if not ok then return nil, err; end
			end
		else
			local ok, err = binding.config_set(config, name, as_text(value));
			if not ok then return nil, err; end
		end
	end
	return config;
end

return visitors;
