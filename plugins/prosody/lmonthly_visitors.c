/* The library's functions for Lua 5.1 to 5.4: data in, data out, no policy.

   The same table of functions as in monthly_visitors_ffi.lua. Each returns what
   it is asked for, or true; on failure nil, a message that one may log, and the
   status as a number. None raises a Lua error, whatever its arguments are: at
   most memory runs out, and that before or after a call of the library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include <monthly_visitors.h>

#define EXPORT __attribute__((visibility("default")))

/* The types of userdata: each function has their metatables as upvalues, which
   costs less than to look a name up at each login. */
enum type { CONFIG = 1, COUNTER, REPORT, TYPES = REPORT };

/* Log lines. The library's threads must not enter Lua, so they put their lines
   into a socket and Lua takes them out. It needs no lock, which a fork might
   leave locked for ever. What does not fit is dropped. */

struct log_line {
  int32_t level;
  int32_t tag;
  char text[1000];
};

static int log_ends[2] = {-1, -1};

/* Makes the socket, once; 0 on failure. For monthly_visitors_ffi.lua, too. */
EXPORT int monthly_visitors_log_start(void)
{
  return log_ends[0] >= 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, log_ends) == 0;
}

/* An mv_log_fn; `tag` is a number in place of a pointer. */
EXPORT void monthly_visitors_log_put(void *tag, int32_t level, const char *text)
{
  struct log_line line;
  size_t length = strlen(text);
  int before = errno;
  if (length > sizeof line.text)
    length = sizeof line.text;
  line.level = level;
  line.tag = (int32_t)(intptr_t)tag;
  memcpy(line.text, text, length);
  if (send(log_ends[1], &line, offsetof(struct log_line, text) + length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
    errno = before;
}

/* Takes out the oldest line; the length of its text, or -1 when there is none. */
EXPORT int monthly_visitors_log_take(struct log_line *line)
{
  ssize_t got = recv(log_ends[0], line, sizeof *line, MSG_DONTWAIT);
  return got < (ssize_t)offsetof(struct log_line, text) ? -1 : (int)got - (int)offsetof(struct log_line, text);
}

/* Results. */

static int failed(lua_State *L, mv_status status, const char *message)
{
  lua_pushnil(L);
  lua_pushstring(L, message);
  lua_pushinteger(L, status);
  return 3;
}

static int wrong(lua_State *L, const char *message)
{
  return failed(L, MV_ERR_ARGUMENT, message);
}

static int result(lua_State *L, mv_status status, const mv_error *error)
{
  if (status != MV_OK)
    return failed(L, status, error->message);
  lua_pushboolean(L, 1);
  return 1;
}

/* Lua 5.1 and 5.2 have floating point numbers only. */
static void push_integer(lua_State *L, int64_t value)
{
#if LUA_VERSION_NUM >= 503
  lua_pushinteger(L, (lua_Integer)value);
#else
  lua_pushnumber(L, (lua_Number)value);
#endif
}

/* Arguments. */

/* The userdata of type `type`, or NULL. */
static void **get_box(lua_State *L, int index, enum type type)
{
  void **box = lua_touserdata(L, index);
  int right;
  if (box == NULL || !lua_getmetatable(L, index))
    return NULL;
  right = lua_rawequal(L, -1, lua_upvalueindex(type));
  lua_pop(L, 1);
  return right ? box : NULL;
}

/* The pointer in it, or NULL, also when it is freed. */
static void *get_handle(lua_State *L, int index, enum type type)
{
  void **box = get_box(L, index, type);
  return box == NULL ? NULL : *box;
}

/* The same, for the last time: a finalizer may run while another object still
   reaches this one. */
static void *take_handle(lua_State *L, int index, enum type type)
{
  void **box = get_box(L, index, type), *handle = box == NULL ? NULL : *box;
  if (box != NULL)
    *box = NULL;
  return handle;
}

/* A text, or NULL: Lua strings may contain NUL, ours may not. */
static const char *get_text(lua_State *L, int index)
{
  size_t size;
  const char *text;
  if (lua_type(L, index) != LUA_TSTRING)
    return NULL;
  text = lua_tolstring(L, index, &size);
  return strlen(text) == size ? text : NULL;
}

static int not_text(lua_State *L, const char *name)
{
  lua_pushnil(L);
  lua_pushfstring(L, "%s is not a text", name);
  lua_pushinteger(L, MV_ERR_ARGUMENT);
  return 3;
}

/* Makes userdata of type `type`; the caller puts a pointer into it. */
static void **new_handle(lua_State *L, enum type type)
{
  void **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  lua_pushvalue(L, lua_upvalueindex(type));
  lua_setmetatable(L, -2);
  return box;
}

/* Settings. */

static int config(lua_State *L)
{
  void **box = new_handle(L, CONFIG);
  *box = mv_config_new();
  return 1;
}

static int config_free(lua_State *L)
{
  mv_config_free(take_handle(L, 1, CONFIG));
  return 0;
}

static int config_set(lua_State *L)
{
  mv_error error;
  mv_config *settings = get_handle(L, 1, CONFIG);
  const char *key = get_text(L, 2), *value = get_text(L, 3);
  if (settings == NULL)
    return wrong(L, "config is not a config");
  if (key == NULL || value == NULL)
    return not_text(L, key == NULL ? "key" : "value");
  return result(L, mv_config_set(settings, key, value, &error), &error);
}

static int config_add_client(lua_State *L)
{
  mv_error error;
  mv_config *settings = get_handle(L, 1, CONFIG);
  const char *pattern = get_text(L, 2), *category = get_text(L, 3);
  if (settings == NULL)
    return wrong(L, "config is not a config");
  if (pattern == NULL || category == NULL)
    return not_text(L, pattern == NULL ? "pattern" : "category");
  return result(L, mv_config_add_client(settings, pattern, category, &error), &error);
}

static int config_load(lua_State *L)
{
  mv_error error;
  mv_config *settings = get_handle(L, 1, CONFIG);
  const char *path = get_text(L, 2);
  if (settings == NULL)
    return wrong(L, "config is not a config");
  if (path == NULL)
    return not_text(L, "path");
  return result(L, mv_config_load(settings, path, &error), &error);
}

/* Log lines of counters opened with these settings come out of take_log with
   this number. */
static int config_set_log(lua_State *L)
{
  mv_config *settings = get_handle(L, 1, CONFIG);
  lua_Number tag = lua_tonumber(L, 2);
  if (settings == NULL)
    return wrong(L, "config is not a config");
  if (lua_type(L, 2) != LUA_TNUMBER || !(tag >= 0 && tag <= INT32_MAX))
    return wrong(L, "tag is not a number");
  if (!monthly_visitors_log_start())
    return failed(L, MV_ERR_INTERNAL, "cannot make a socket for log lines");
  mv_config_set_log(settings, monthly_visitors_log_put, (void *)(intptr_t)tag);
  lua_pushboolean(L, 1);
  return 1;
}

static int take_log(lua_State *L)
{
  struct log_line line;
  int length = monthly_visitors_log_take(&line);
  if (length < 0)
    return 0;
  push_integer(L, line.tag);
  push_integer(L, line.level);
  lua_pushlstring(L, line.text, (size_t)length);
  return 3;
}

/* Counters. */

static int counter(lua_State *L)
{
  void **box = new_handle(L, COUNTER);
  /* The handle is const for C; userdata is not. */
  *box = (void *)(uintptr_t)mv_new();
  return 1;
}

static int counter_free(lua_State *L)
{
  mv_free(take_handle(L, 1, COUNTER));
  return 0;
}

/* Lets a counter go that would make the end of the process wait: it is not
   freed any more, and writes what it has as long as the process lives. */
static int detach(lua_State *L)
{
  take_handle(L, 1, COUNTER);
  lua_pushboolean(L, 1);
  return 1;
}

static int no_counter(lua_State *L)
{
  return wrong(L, "counter is not a counter");
}

static int counter_open(lua_State *L)
{
  mv_error error;
  const mv_counter *visitors = get_handle(L, 1, COUNTER);
  const mv_config *settings = get_handle(L, 2, CONFIG);
  if (visitors == NULL)
    return no_counter(L);
  if (settings == NULL)
    return wrong(L, "config is not a config");
  return result(L, mv_open(visitors, settings, &error), &error);
}

static int counter_close(lua_State *L)
{
  mv_error error;
  const mv_counter *visitors = get_handle(L, 1, COUNTER);
  return visitors == NULL ? no_counter(L) : result(L, mv_close(visitors, &error), &error);
}

static int counter_flush(lua_State *L)
{
  mv_error error;
  const mv_counter *visitors = get_handle(L, 1, COUNTER);
  lua_Number timeout = lua_tonumber(L, 2);
  if (visitors == NULL)
    return no_counter(L);
  if (lua_type(L, 2) != LUA_TNUMBER || !(timeout >= 0 && timeout <= UINT32_MAX))
    return wrong(L, "timeout is not a number of milliseconds");
  return result(L, mv_flush(visitors, (uint32_t)timeout, &error), &error);
}

static int counter_reload_geoip(lua_State *L)
{
  mv_error error;
  const mv_counter *visitors = get_handle(L, 1, COUNTER);
  return visitors == NULL ? no_counter(L) : result(L, mv_reload_geoip(visitors, &error), &error);
}

static int counter_purge(lua_State *L)
{
  mv_error error;
  const mv_counter *visitors = get_handle(L, 1, COUNTER);
  const char *before = get_text(L, 2);
  if (visitors == NULL)
    return no_counter(L);
  if (before == NULL)
    return not_text(L, "month");
  return result(L, mv_purge(visitors, before, &error), &error);
}

static int counter_forget(lua_State *L)
{
  mv_error error;
  const mv_counter *visitors = get_handle(L, 1, COUNTER);
  const char *user = get_text(L, 2);
  if (visitors == NULL)
    return no_counter(L);
  if (user == NULL)
    return not_text(L, "user");
  return result(L, mv_forget(visitors, user, &error), &error);
}

/* record(counter, user[, ip[, resource[, time]]]): an address or a resource
   that is no text is an unknown one, so that no visit is lost by it. */
static int record(lua_State *L)
{
  const mv_counter *visitors = get_handle(L, 1, COUNTER);
  const char *user = get_text(L, 2), *ip = get_text(L, 3), *resource = get_text(L, 4);
  int64_t time = MV_NOW;
  mv_status status;
  if (visitors == NULL)
    return no_counter(L);
  if (user == NULL)
    return not_text(L, "user");
  if (!lua_isnoneornil(L, 5)) {
    lua_Number seconds = lua_tonumber(L, 5);
    if (lua_type(L, 5) != LUA_TNUMBER || !(seconds >= 0 && seconds < 1e15))
      return wrong(L, "time is not in Unix seconds");
    time = (int64_t)seconds;
  }
  status = mv_record(visitors, user, ip, resource, time);
  if (status != MV_OK)
    return failed(L, status, mv_strerror(status));
  lua_pushboolean(L, 1);
  return 1;
}

static int health(lua_State *L)
{
  mv_error error;
  int64_t value;
  const mv_counter *visitors = get_handle(L, 1, COUNTER);
  const char *name = get_text(L, 2);
  if (visitors == NULL)
    return no_counter(L);
  if (name == NULL)
    return not_text(L, "name");
  if (mv_health(visitors, name, &value, &error) != MV_OK)
    return failed(L, error.code, error.message);
  push_integer(L, value);
  return 1;
}

/* Puts a report of the months from argument `first` on into the userdata on top
   of the stack, which frees it even if memory runs out; 0 and a failure on the
   stack when there is none. */
static int get_report(lua_State *L, int first, void **box)
{
  mv_error error;
  const mv_report *report = NULL;
  const mv_counter *visitors = get_handle(L, 1, COUNTER);
  const char *months[2];
  int i;
  if (visitors == NULL) {
    no_counter(L);
    return 0;
  }
  for (i = 0; i < 2; i++) {
    months[i] = get_text(L, first + i);
    if (months[i] == NULL && !lua_isnil(L, first + i)) {
      not_text(L, i == 0 ? "first" : "last");
      return 0;
    }
  }
  if (mv_report_new(visitors, months[0], months[1], &report, &error) != MV_OK) {
    failed(L, error.code, error.message);
    return 0;
  }
  *box = (void *)(uintptr_t)report;
  return 1;
}

static int report_free(lua_State *L)
{
  mv_report_free(take_handle(L, 1, REPORT));
  return 0;
}

static void done_with(void **box)
{
  const mv_report *report = *box;
  *box = NULL;
  mv_report_free(report);
}

/* rows(counter[, first[, last]]): { { month, key, count }, ... } */
static int rows(lua_State *L)
{
  void **box;
  size_t i;
  lua_settop(L, 3);
  box = new_handle(L, REPORT);
  if (!get_report(L, 2, box))
    return 3;
  lua_newtable(L);
  for (i = 0; i < mv_report_len(*box); i++) {
    const mv_row *row = mv_report_row(*box, i);
    lua_createtable(L, 3, 0);
    lua_pushstring(L, row->month);
    lua_rawseti(L, -2, 1);
    lua_pushstring(L, row->key);
    lua_rawseti(L, -2, 2);
    push_integer(L, (int64_t)row->count);
    lua_rawseti(L, -2, 3);
    lua_rawseti(L, -2, (int)i + 1);
  }
  done_with(box);
  return 1;
}

/* text(counter, format[, first[, last]]) */
static int text(lua_State *L)
{
  void **box;
  const char *format = get_text(L, 2), *found;
  if (format == NULL)
    return not_text(L, "format");
  lua_settop(L, 4);
  box = new_handle(L, REPORT);
  if (!get_report(L, 3, box))
    return 3;
  found = mv_report_text(*box, format);
  if (found != NULL)
    lua_pushstring(L, found);
  done_with(box);
  return found == NULL ? wrong(L, "there is no format of that name") : 1;
}

/* The process. */

static int copy(lua_State *L)
{
  mv_error error;
  const mv_config *from = get_handle(L, 1, CONFIG), *to = get_handle(L, 2, CONFIG);
  if (from == NULL || to == NULL)
    return wrong(L, "config is not a config");
  return result(L, mv_copy(from, to, &error), &error);
}

static int version(lua_State *L)
{
  lua_pushstring(L, mv_version());
  return 1;
}

/* Pushes a function, with the metatables from stack index 1 on as upvalues. */
static void push_function(lua_State *L, lua_CFunction function)
{
  int type;
  for (type = 1; type <= TYPES; type++)
    lua_pushvalue(L, type);
  lua_pushcclosure(L, function, TYPES);
}

/* Completes the metatable at a stack index. */
static void make_type(lua_State *L, enum type type, lua_CFunction free)
{
  push_function(L, free);
  lua_setfield(L, type, "__gc");
  /* Lua code gets no hold of the metatable, and so of the function that frees. */
  lua_pushboolean(L, 0);
  lua_setfield(L, type, "__metatable");
}

static const luaL_Reg functions[] = {
  {"version", version},
  {"config", config},
  {"config_set", config_set},
  {"config_add_client", config_add_client},
  {"config_load", config_load},
  {"config_set_log", config_set_log},
  {"take_log", take_log},
  {"counter", counter},
  {"detach", detach},
  {"open", counter_open},
  {"close", counter_close},
  {"flush", counter_flush},
  {"reload_geoip", counter_reload_geoip},
  {"purge", counter_purge},
  {"forget", counter_forget},
  {"record", record},
  {"health", health},
  {"rows", rows},
  {"text", text},
  {"copy", copy},
  {NULL, NULL},
};

/* Lua unloads its C modules when the server ends, and a thread of the library
   may just be putting a log line: this code must not go away. */
static void stay_loaded(void)
{
  Dl_info self;
  if (dladdr((const void *)functions, &self) != 0)
    dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

EXPORT int luaopen_lmonthly_visitors(lua_State *L)
{
  const luaL_Reg *function;
  int type;
  stay_loaded();
  lua_settop(L, 0);
  for (type = 1; type <= TYPES; type++)
    lua_newtable(L);
  make_type(L, CONFIG, config_free);
  make_type(L, COUNTER, counter_free);
  make_type(L, REPORT, report_free);
  lua_newtable(L);
  for (function = functions; function->name != NULL; function++) {
    push_function(L, function->func);
    lua_setfield(L, -2, function->name);
  }
  return 1;
}
