-- The Lua module, function by function: binding.lua FOLDER MMDB HEADER BINDING
--
-- Runs on every Lua. It prints all results, so that those of two bindings can
-- be compared, and ends with status 1 when one is not as it must be.
local folder, mmdb, header, plugin = ...;
local visitors = require "monthly_visitors";

local failures, checks = 0, 0;

local function show(value)
	if type(value) == "table" then
		local parts = {};
		for i, item in ipairs(value) do
			parts[i] = show(item);
		end
		return "{" .. table.concat(parts, " ") .. "}";
	elseif type(value) == "userdata" or type(value) == "cdata" then
		return "handle";
	elseif type(value) == "number" then
		return ("%.14g"):format(value);
	end
	return (tostring(value):gsub(folder:gsub("%p", "%%%0"), "FOLDER"));
end

-- Prints a sentence and the results, of which the first must show as expected.
local function check(sentence, expected, ...)
	checks = checks + 1;
	local results = {};
	for i = 1, select("#", ...) do
		results[i] = show((select(i, ...)));
	end
	local all = table.concat(results, ", ");
	print(sentence .. ": " .. all);
	if all ~= expected then
		failures = failures + 1;
		print("   expected: " .. expected);
	end
end

local function counter_of(settings)
	local counter = visitors.counter();
	local config = assert(visitors.configure(settings));
	assert(visitors.open(counter, config));
	return counter;
end

-- 2025-11-15, in seconds.
local NOVEMBER = 1763164800;

check("a version has three numbers", "true", visitors.version():match("^%d+%.%d+%.%d+") ~= nil);

-- Settings

local config = visitors.config();
check("a setting is set", "true", visitors.config_set(config, "store", "memory:"));
check("a wrong value is refused", "nil, retention_months: must be a number of months, 0 to keep all, -2",
	visitors.config_set(config, "retention_months", "x"));
check("a key that is no text is refused", "nil, key is not a text, -1", visitors.config_set(config, 7, "x"));
check("a value that is no text is refused", "nil, value is not a text, -1", visitors.config_set(config, "host", 7));
check("a text with NUL is refused", "nil, value is not a text, -1", visitors.config_set(config, "host", "a\0b"));
check("no config is refused", "nil, config is not a config, -1", visitors.config_set(nil, "host", "x"));
check("a counter is no config", "nil, config is not a config, -1",
	visitors.config_set(visitors.counter(), "host", "x"));
check("a pattern is added", "true", visitors.config_add_client(config, "^Zom", "IOS"));
check("a pattern without category is refused", "nil, category is not a text, -1",
	visitors.config_add_client(config, "^Zom"));
check("an empty category is refused", "nil, client: the category is empty, -2",
	visitors.config_add_client(config, "^Zom", ""));
check("a settings file that is not there is refused",
	"nil, FOLDER/none.toml: cannot read it: No such file or directory (os error 2), -2",
	visitors.config_load(config, folder .. "/none.toml"));
check("a path that is no text is refused", "nil, path is not a text, -1", visitors.config_load(config, {}));
check("a table of settings makes a config", "handle",
	visitors.configure { store = "memory:", retention_months = 25.0, record_countries = { "DE", "AT" } });
check("a wrong table is refused, naming the setting", "nil, flush_interval: must be a time from 1ms to 1h, such as 20ms, 10s or 5m, -2",
	visitors.configure { store = "memory:", flush_interval = true });
check("of several wrong settings the first by name is told", "nil, pattern_syntax: must be lua or regex, -2",
	visitors.configure { retention_months = "x", pattern_syntax = "perl" });

check("settings are a table", "nil, settings are not a table, -1", visitors.configure());
check("with names", "nil, the name of a setting is not a text, -1", visitors.configure { "x" });
check("clients are a list", "nil, client is not a list, -1", visitors.configure { client = "x" });
check("of pairs", "nil, client 2 is not a pattern and a category, -1", visitors.configure { client = { { "a", "b" }, 1 } });
check("a number that is too large is refused",
	"nil, pending_limit: must be a number from 1 on, -2", visitors.configure { pending_limit = 1e20 });
check("and one without end", "nil, retention_months: must be a number of months, 0 to keep all, -2",
	visitors.configure { retention_months = math.huge });

-- Counting

local closed = visitors.counter();
check("a closed counter counts nothing", "nil, the counter is not open, -3", visitors.record(closed, "juliet"));
check("nor is it closed twice", "nil, the counter is not open, -3", visitors.close(closed));
check("nor flushed", "nil, the counter is not open, -3", visitors.flush(closed, 1000));
check("nor asked", "nil, the counter is not open, -3", visitors.rows(closed));
check("nor is it well", "nil, the counter is not open, -3", visitors.health(closed, "pending"));
check("a counter needs a store", "nil, store: is not set, -2", visitors.open(closed, visitors.config()));
check("a bad pattern is an error at open, by name", "nil, client: pattern 1 (\"[\"): missing ']', -2",
	visitors.open(closed, (visitors.configure { store = "memory:", client = { { "[", "X" } } })));

local counter = counter_of {
	store = "memory:", geoip = mmdb, client = { { "^Zom", "IOS" }, { "^Conversations%.", "ANDROID" } };
};
check("a visit counts", "true", visitors.record(counter, "juliet", "192.0.2.1", "Zom-1", NOVEMBER));
check("and once a month", "true", visitors.record(counter, "juliet", "203.0.113.9", "x", NOVEMBER));
check("without address and resource", "true", visitors.record(counter, "romeo", nil, nil, NOVEMBER));
check("an address that is no text is unknown", "true", visitors.record(counter, "nurse", 7, {}, NOVEMBER));
check("as is one with NUL", "true", visitors.record(counter, "paris", "192.0.2.1\0", "Zom\0", NOVEMBER));
check("a mapped address counts", "true",
	visitors.record(counter, "tybalt", "::ffff:203.0.113.1", "Conversations.x", NOVEMBER));
check("IPv6 counts", "true", visitors.record(counter, "benvolio", "2001:db8::1", "Zom", NOVEMBER));
check("a user is a text", "nil, user is not a text, -1", visitors.record(counter, nil, "192.0.2.1"));
check("a number is no user", "nil, user is not a text, -1", visitors.record(counter, 7, "192.0.2.1"));
check("nor is a text with NUL", "nil, user is not a text, -1", visitors.record(counter, "a\0b", "192.0.2.1"));
check("a user who is too long is refused", "nil, an argument is not what it must be, -1",
	visitors.record(counter, ("x"):rep(4000)));
check("a month is a text", "nil, first is not a text, -1", visitors.rows(counter, 2025));
check("also the last", "nil, last is not a text, -1", visitors.rows(counter, "2025-11", {}));
check("also of a report as text", "nil, first is not a text, -1", visitors.text(counter, "csv", 2025));
check("a time is a number", "nil, time is not in Unix seconds, -1", visitors.record(counter, "a", nil, nil, "now"));
check("and no other", "nil, time is not in Unix seconds, -1", visitors.record(counter, "a", nil, nil, -1));
check("nor none at all", "nil, time is not in Unix seconds, -1", visitors.record(counter, "a", nil, nil, 0 / 0));
check("no counter is refused", "nil, counter is not a counter, -1", visitors.record({}, "juliet"));
check("the rows are sorted",
	"{{2025-11 client-? 3} {2025-11 client-ANDROID 1} {2025-11 client-IOS 2}"
	.. " {2025-11 geo-?-?-? 3} {2025-11 geo-DE-HE-2925533 2} {2025-11 geo-GB-ENG-2643743 1}}",
	visitors.rows(counter));
check("a report of other months is empty", "{}", visitors.rows(counter, "2024-01", "2024-12"));
check("a report begins and ends with months", "6", #visitors.rows(counter, "2025-11", "2025-11"));
check("a month is written as a month", "nil, first is not written as YYYY-MM, -1", visitors.rows(counter, "november"));
check("a report as text", "return {\n\t[\"2025-11\"] = {\n\t\t[\"client-?\"] = 3;\n\t\t[\"client-ANDROID\"] = 1;\n"
	.. "\t\t[\"client-IOS\"] = 2;\n\t\t[\"geo-?-?-?\"] = 3;\n\t\t[\"geo-DE-HE-2925533\"] = 2;\n"
	.. "\t\t[\"geo-GB-ENG-2643743\"] = 1;\n\t};\n};\n", visitors.text(counter, "prosody"));
check("a format has a name", "nil, there is no format of that name, -1", visitors.text(counter, "picture"));
check("which is a text", "nil, format is not a text, -1", visitors.text(counter));
check("a flush", "true", visitors.flush(counter, 5000));
check("needs a time", "nil, timeout is not a number of milliseconds, -1", visitors.flush(counter, "soon"));
check("nothing waits", "0", visitors.health(counter, "pending"));
check("nothing fails", "0", visitors.health(counter, "failing"));
check("something was written", "true", visitors.health(counter, "last_flush") > 0);
check("the database was built", "1767225600", visitors.health(counter, "geoip_built"));
check("the other is not there", "0", visitors.health(counter, "asn_built"));
check("health has names", "nil, there is nothing of that name, -1",
	visitors.health(counter, "juliet"));
check("which are texts", "nil, name is not a text, -1", visitors.health(counter, 7));
check("a database is read again", "true", visitors.reload_geoip(counter));
check("a counter is let go", "true", visitors.detach(counter_of { store = "memory:" }));
check("and what is none, too", "true", visitors.detach(7));
check("a closed counter", "true", visitors.close(counter));
check("may be opened again", "true", visitors.open(counter, (visitors.configure { store = "memory:" })));
check("and knows nothing", "{}", visitors.rows(counter));

-- Stores

os.execute("mkdir -p '" .. folder .. "/files'");
local files = { store = "prosody:" .. folder .. "/files", log = 7 };
local kept = counter_of(files);
check("a visit of October", "true", visitors.record(kept, "juliet", nil, "x", NOVEMBER - 40 * 86400));
check("a visit of November", "true", visitors.record(kept, "romeo", nil, "x", NOVEMBER));
check("are written", "true", visitors.flush(kept, 5000));
local other = visitors.counter();
local ok, reason = visitors.open(other, (visitors.configure(files)));
check("a second counter is refused", "true", not ok and reason:find("cannot record: the store is in use", 1, true) == 1);
check("a marker is forgotten", "true", visitors.forget(kept, "romeo"));
check("of a text", "nil, user is not a text, -1", visitors.forget(kept, 7));
check("old totals are purged", "true", visitors.purge(kept, "2025-10"));
check("before a month", "nil, month is not a text, -1", visitors.purge(kept, 11));
check("which is one", "nil, month is not written as YYYY-MM, -1", visitors.purge(kept, "11"));
check("what is too old is deleted at open, and the log says so", "true",
	visitors.open(kept, (visitors.configure { store = files.store, log = 7, retention_months = 1 })));
check("what is left", "{{2025-11 client-? 1} {2025-11 geo-?-?-? 1}}", visitors.rows(kept));
check("closed", "true", visitors.close(kept));
local sealed = { store = "sealed:" .. folder .. "/sealed" };
check("a store is copied", "true", visitors.copy(visitors.configure(files), visitors.configure(sealed)));
check("and again", "true", visitors.copy(visitors.configure(files), visitors.configure(sealed)));
check("not onto itself", "nil, store: a store cannot be copied to itself, -2",
	visitors.copy(visitors.configure(files), visitors.configure(files)));
check("nor from nothing", "nil, config is not a config, -1", visitors.copy(nil, visitors.config()));
check("the copy has it", "{{2025-11 client-? 1} {2025-11 geo-?-?-? 1}}", visitors.rows(counter_of(sealed)));

-- Handles that are finalized while something still reaches them

local function finalized(fn)
	if rawget(_G, "newproxy") then
		local proxy = newproxy(true); -- luacheck: ignore 113
		getmetatable(proxy).__gc = fn;
		return proxy;
	end
	return setmetatable({}, { __gc = fn });
end

local answers = 0;
local function leave(finalizer_first)
	local reached, witness = {}, nil;
	local function ask()
		visitors.record(reached.counter, "juliet", nil, nil, NOVEMBER);
		visitors.flush(reached.counter, 1000);
		visitors.open(reached.counter, reached.config);
		visitors.config_set(reached.config, "host", "localhost");
		answers = answers + 1;
	end
	if finalizer_first then witness = finalized(ask); end
	reached.counter, reached.config = counter_of { store = "memory:" }, visitors.config();
	if not finalizer_first then witness = finalized(ask); end
	return witness ~= nil;
end
leave(true);
leave(false);
collectgarbage();
collectgarbage();
check("a handle that is reached after its end does no harm", "2", answers);

-- Log lines

local tag, level, line = visitors.take_log();
check("the log has a number, a level and a line", "7, info, retention_months is 1", tag, level,
	line and line:match("retention_months is 1"));
while visitors.take_log() do end -- luacheck: ignore 542
check("and then nothing", "", visitors.take_log());
check("a log has a number", "nil, tag is not a number, -1", visitors.config_set_log(visitors.config(), "x"));

-- Handles

counter, config, kept, other, closed = nil, nil, nil, nil, nil; -- luacheck: ignore 311
collectgarbage();
collectgarbage();
check("a freed store can be opened", "handle", counter_of(files));

if plugin then
	-- What the FFI declares is what the header declares, but for white space.
	local function declarations(path, pattern)
		local file = assert(io.open(path));
		local content = file:read("*a"):gsub("\n#[^\n]*", ""):gsub("/%*.-%*/", ""):gsub("%s+", " ");
		file:close();
		local found = {};
		for declaration in content:gmatch(pattern) do
			found[#found + 1] = (declaration:gsub("^ ", ""):gsub(" ?([{}();,]) ?", "%1"));
		end
		return found;
	end
	local known = {};
	for _, declaration in ipairs(declarations(header, "[^;{}#]+mv_[%w_]+%b();")) do
		known[declaration:match("(mv_[%w_]+)%(") or declaration] = declaration;
	end
	local missing = {};
	for _, declaration in ipairs(declarations(plugin, "[%w_ %*]+mv_[%w_]+%([%w_ ,%*]*%);")) do
		local name = declaration:match("(mv_[%w_]+)%(");
		if known[name] ~= declaration then
			missing[#missing + 1] = declaration;
		end
	end
	check("the declarations are those of the header", "{}", missing);
end

print(("%d checks, %d failures"):format(checks, failures));
os.exit(failures == 0 and 0 or 1);
