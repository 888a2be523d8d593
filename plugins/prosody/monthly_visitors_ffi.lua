-- The library's functions for LuaJIT: data in, data out, no policy.
--
-- The same table of functions as in lmonthly_visitors.c. Each returns what it
-- is asked for, or true; on failure nil, a message that one may log, and the
-- status as a number. None raises an error, whatever its arguments are.
local ffi = require "ffi";

-- From include/monthly_visitors.h, word for word. This file runs once in a
-- process, thanks to require: to declare a struct twice is an error.
ffi.cdef [[
typedef struct mv_config mv_config;
typedef struct mv_counter mv_counter;
typedef struct mv_report mv_report;
typedef int32_t mv_status;
typedef struct mv_error { int32_t code; char message[252]; } mv_error;
typedef void (*mv_log_fn)(void *userdata, int32_t level, const char *line);
typedef struct mv_row { const char *month; const char *key; uint64_t count; } mv_row;
struct mv_config *mv_config_new(void);
void mv_config_free(struct mv_config *config);
mv_status mv_config_set(struct mv_config *config, const char *key, const char *value, struct mv_error *error);
mv_status mv_config_add_client(struct mv_config *config, const char *pattern, const char *category, struct mv_error *error);
mv_status mv_config_load(struct mv_config *config, const char *path, struct mv_error *error);
mv_status mv_config_set_log(struct mv_config *config, mv_log_fn log, void *userdata);
const struct mv_counter *mv_new(void);
void mv_free(const struct mv_counter *counter);
mv_status mv_open(const struct mv_counter *counter, const struct mv_config *config, struct mv_error *error);
mv_status mv_flush(const struct mv_counter *counter, uint32_t timeout_ms, struct mv_error *error);
mv_status mv_close(const struct mv_counter *counter, struct mv_error *error);
mv_status mv_reload_geoip(const struct mv_counter *counter, struct mv_error *error);
mv_status mv_purge(const struct mv_counter *counter, const char *before_month, struct mv_error *error);
mv_status mv_forget(const struct mv_counter *counter, const char *user, struct mv_error *error);
mv_status mv_copy(const struct mv_config *from, const struct mv_config *to, struct mv_error *error);
mv_status mv_health(const struct mv_counter *counter, const char *name, int64_t *value, struct mv_error *error);
mv_status mv_record(const struct mv_counter *counter, const char *user, const char *ip, const char *resource, int64_t time);
mv_status mv_report_new(const struct mv_counter *counter, const char *first, const char *last, const struct mv_report **report, struct mv_error *error);
size_t mv_report_len(const struct mv_report *report);
const struct mv_row *mv_report_row(const struct mv_report *report, size_t index);
const char *mv_report_text(const struct mv_report *report, const char *format);
void mv_report_free(const struct mv_report *report);
const char *mv_strerror(mv_status status);
const char *mv_version(void);
]]

-- From lmonthly_visitors.c.
ffi.cdef [[
struct monthly_visitors_line { int32_t level; int32_t tag; char text[1000]; };
int monthly_visitors_log_start(void);
void monthly_visitors_log_put(void *tag, int32_t level, const char *text);
int monthly_visitors_log_take(struct monthly_visitors_line *line);
struct monthly_visitors_config { struct mv_config *handle; };
struct monthly_visitors_counter { const struct mv_counter *handle; };
]]

local lib = ffi.load("libmonthly_visitors.so.1");

-- The library's threads must not enter Lua, so its log lines come through the C
-- binding, if that is there. Without it everything works but the log lines.
local queue;
do
	for template in package.cpath:gmatch("[^;]+") do
		local path = template:gsub("%?", "lmonthly_visitors");
		local file = path:find("/", 1, true) and io.open(path, "rb");
		if file then
			file:close();
			local ok, found = pcall(ffi.load, path);
			if ok and pcall(function () return found.monthly_visitors_log_start; end) then
				queue = found;
				break;
			end
		end
	end
end

local MV_NOW = -0x7fffffffffffffffLL - 1;

local error_t = ffi.typeof("mv_error");
-- What Lua gets is a box: when its finalizer has run it is empty, and another
-- object that still reaches it does no harm.
local config_t = ffi.metatype("struct monthly_visitors_config", { __gc = function (box)
	local handle = box.handle;
	box.handle = nil;
	lib.mv_config_free(handle);
end });
local counter_t = ffi.metatype("struct monthly_visitors_counter", { __gc = function (box)
	local handle = box.handle;
	box.handle = nil;
	lib.mv_free(handle);
end });
local line_t = ffi.typeof("struct monthly_visitors_line");
local integer_t = ffi.typeof("int64_t[1]");
local report_t = ffi.typeof("const struct mv_report *[1]");
local pointer_t = ffi.typeof("void *");

local ERR_ARGUMENT, ERR_INTERNAL = -1, -9;

local function wrong(message)
	return nil, message, ERR_ARGUMENT;
end

local function failed(err)
	return nil, ffi.string(err.message), err.code;
end

local function result(status, err)
	if status ~= 0 then return failed(err); end
	return true;
end

-- Whether it is a box of that type, and full. What is in it is taken out only in
-- the call of the library: from then on nothing holds the box.
local function is(type, box)
	return ffi.istype(type, box) and box.handle ~= nil;
end

-- A text, or nil: Lua strings may contain NUL, ours may not.
local function text(value)
	if type(value) == "string" and not value:find("\0", 1, true) then
		return value;
	end
end

-- Whether take_log will ever have something.
local visitors = { has_log = queue ~= nil };

function visitors.version()
	return ffi.string(lib.mv_version());
end

-- Settings.

function visitors.config()
	return config_t(lib.mv_config_new());
end

function visitors.config_set(config, key, value)
	if not is(config_t, config) then return wrong("config is not a config"); end
	if not text(key) then return wrong("key is not a text"); end
	if not text(value) then return wrong("value is not a text"); end
	local err = error_t();
	return result(lib.mv_config_set(config.handle, key, value, err), err);
end

function visitors.config_add_client(config, pattern, category)
	if not is(config_t, config) then return wrong("config is not a config"); end
	if not text(pattern) then return wrong("pattern is not a text"); end
	if not text(category) then return wrong("category is not a text"); end
	local err = error_t();
	return result(lib.mv_config_add_client(config.handle, pattern, category, err), err);
end

function visitors.config_load(config, path)
	if not is(config_t, config) then return wrong("config is not a config"); end
	if not text(path) then return wrong("path is not a text"); end
	local err = error_t();
	return result(lib.mv_config_load(config.handle, path, err), err);
end

-- Log lines of counters opened with these settings come out of take_log with
-- this number.
function visitors.config_set_log(config, tag)
	if not is(config_t, config) then return wrong("config is not a config"); end
	if type(tag) ~= "number" or not (tag >= 0 and tag <= 0x7fffffff) then return wrong("tag is not a number"); end
	if queue then
		if queue.monthly_visitors_log_start() == 0 then return nil, "cannot make a socket for log lines", ERR_INTERNAL; end
		lib.mv_config_set_log(config.handle, queue.monthly_visitors_log_put, ffi.cast(pointer_t, tag));
	end
	return true;
end

function visitors.take_log()
	if not queue then return; end
	local line = line_t();
	local length = queue.monthly_visitors_log_take(line);
	if length >= 0 then
		return line.tag, line.level, ffi.string(line.text, length);
	end
end

-- Counters.

function visitors.counter()
	return counter_t(lib.mv_new());
end

-- Lets a counter go that would make the end of the process wait: it is not freed
-- any more, and writes what it has as long as the process lives.
function visitors.detach(counter)
	if ffi.istype(counter_t, counter) then counter.handle = nil; end
	return true;
end

function visitors.open(counter, config)
	if not is(counter_t, counter) then return wrong("counter is not a counter"); end
	if not is(config_t, config) then return wrong("config is not a config"); end
	local err = error_t();
	return result(lib.mv_open(counter.handle, config.handle, err), err);
end

function visitors.close(counter)
	if not is(counter_t, counter) then return wrong("counter is not a counter"); end
	local err = error_t();
	return result(lib.mv_close(counter.handle, err), err);
end

function visitors.flush(counter, timeout)
	if not is(counter_t, counter) then return wrong("counter is not a counter"); end
	if type(timeout) ~= "number" or not (timeout >= 0 and timeout <= 0xffffffff) then
		return wrong("timeout is not a number of milliseconds");
	end
	local err = error_t();
	return result(lib.mv_flush(counter.handle, timeout, err), err);
end

function visitors.reload_geoip(counter)
	if not is(counter_t, counter) then return wrong("counter is not a counter"); end
	local err = error_t();
	return result(lib.mv_reload_geoip(counter.handle, err), err);
end

function visitors.purge(counter, before)
	if not is(counter_t, counter) then return wrong("counter is not a counter"); end
	if not text(before) then return wrong("month is not a text"); end
	local err = error_t();
	return result(lib.mv_purge(counter.handle, before, err), err);
end

function visitors.forget(counter, user)
	if not is(counter_t, counter) then return wrong("counter is not a counter"); end
	if not text(user) then return wrong("user is not a text"); end
	local err = error_t();
	return result(lib.mv_forget(counter.handle, user, err), err);
end

-- An address or a resource that is no text is an unknown one, so that no visit
-- is lost by it.
function visitors.record(counter, user, ip, resource, time)
	if not is(counter_t, counter) then return wrong("counter is not a counter"); end
	if not text(user) then return wrong("user is not a text"); end
	if time == nil then
		time = MV_NOW;
	elseif type(time) ~= "number" or not (time >= 0 and time < 1e15) then
		return wrong("time is not in Unix seconds");
	end
	local status = lib.mv_record(counter.handle, user, text(ip), text(resource), time);
	if status ~= 0 then
		return nil, ffi.string(lib.mv_strerror(status)), status;
	end
	return true;
end

function visitors.health(counter, name)
	if not is(counter_t, counter) then return wrong("counter is not a counter"); end
	if not text(name) then return wrong("name is not a text"); end
	local err, value = error_t(), integer_t();
	if lib.mv_health(counter.handle, name, value, err) ~= 0 then return failed(err); end
	return tonumber(value[0]);
end

-- A report of some months.
local function new_report(counter, first, last)
	if not is(counter_t, counter) then return wrong("counter is not a counter"); end
	if first ~= nil and not text(first) then return wrong("first is not a text"); end
	if last ~= nil and not text(last) then return wrong("last is not a text"); end
	local err, report = error_t(), report_t();
	if lib.mv_report_new(counter.handle, first, last, report, err) ~= 0 then return failed(err); end
	return ffi.gc(report[0], lib.mv_report_free);
end

local function free_report(report)
	lib.mv_report_free(ffi.gc(report, nil));
end

-- { { month, key, count }, ... }
function visitors.rows(counter, first, last)
	local report, err, code = new_report(counter, first, last);
	if not report then return nil, err, code; end
	local rows = {};
	for i = 1, tonumber(lib.mv_report_len(report)) do
		local row = lib.mv_report_row(report, i - 1);
		rows[i] = { ffi.string(row.month), ffi.string(row.key), tonumber(row.count) };
	end
	free_report(report);
	return rows;
end

function visitors.text(counter, format, first, last)
	if not text(format) then return wrong("format is not a text"); end
	local report, err, code = new_report(counter, first, last);
	if not report then return nil, err, code; end
	local found = lib.mv_report_text(report, format);
	found = found ~= nil and ffi.string(found) or nil;
	free_report(report);
	if not found then return wrong("there is no format of that name"); end
	return found;
end

-- The process.

function visitors.copy(from, to)
	if not (is(config_t, from) and is(config_t, to)) then return wrong("config is not a config"); end
	local err = error_t();
	return result(lib.mv_copy(from.handle, to.handle, err), err);
end

return visitors;
