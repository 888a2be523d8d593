/* The library as functions of Erlang. No policy: see monthly_visitors_host.erl.

   Recording and forgetting touch memory only and run on a normal scheduler. What may touch
   a disk or a network runs in a thread of its own, which answers by a message:
   there are ten dirty schedulers for all files of a node, and ten calls that
   wait for a disk that hangs would stop the node. Nothing raises an exception
   that would carry its arguments into a stack trace: what is wrong with an
   argument is answered like any other error. */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include <erl_nif.h>
#include <monthly_visitors.h>

/* The longest text that the library takes, and its NUL. */
enum { TEXT_SIZE = 3072 };

/* The most arguments that a function has. */
enum { MOST_ARGUMENTS = 4 };

/* A counter and who is told its log lines. It outlives the resource that
   points to it, as closing may take a while. */
struct counter {
  const mv_counter *mv;
  ErlNifMutex *lock; /* of what follows */
  int has_listener;
  ErlNifPid listener;
};

struct handle {
  struct counter *counter;
};

static ErlNifResourceType *handle_type;

/* The environment of the call that this thread of Erlang is in. A message from
   there needs it; all other threads have none. */
static __thread ErlNifEnv *caller;

static ERL_NIF_TERM atom(ErlNifEnv *env, const char *name)
{
  return enif_make_atom(env, name);
}

static int is_atom(ErlNifEnv *env, ERL_NIF_TERM term, const char *name)
{
  return enif_is_identical(term, atom(env, name));
}

static ERL_NIF_TERM make_text(ErlNifEnv *env, const char *text)
{
  ERL_NIF_TERM term;
  size_t size = strlen(text);
  unsigned char *bytes = enif_make_new_binary(env, size, &term);
  memcpy(bytes, text, size);
  return term;
}

static ERL_NIF_TERM status_name(ErlNifEnv *env, mv_status status)
{
  switch (status) {
  case MV_ERR_ARGUMENT: return atom(env, "argument");
  case MV_ERR_CONFIG: return atom(env, "config");
  case MV_ERR_CLOSED: return atom(env, "closed");
  case MV_ERR_MONTH: return atom(env, "month");
  case MV_ERR_STORAGE: return atom(env, "storage");
  case MV_ERR_GEOIP: return atom(env, "geoip");
  case MV_ERR_FULL: return atom(env, "full");
  case MV_ERR_TIMEOUT: return atom(env, "timeout");
  default: return atom(env, "internal");
  }
}

static ERL_NIF_TERM failure(ErlNifEnv *env, mv_status status, const char *message)
{
  return enif_make_tuple2(env, atom(env, "error"),
                          enif_make_tuple2(env, status_name(env, status), make_text(env, message)));
}

/* The message never contains what the argument was. */
static ERL_NIF_TERM bad_argument(ErlNifEnv *env, const char *message)
{
  return failure(env, MV_ERR_ARGUMENT, message);
}

static ERL_NIF_TERM result(ErlNifEnv *env, mv_status status, const mv_error *error)
{
  return status == MV_OK ? atom(env, "ok") : failure(env, status, error->message);
}

static ERL_NIF_TERM ok_value(ErlNifEnv *env, ERL_NIF_TERM value)
{
  return enif_make_tuple2(env, atom(env, "ok"), value);
}

/* True when `term` is a binary without NUL that fits; `text` then holds it. */
static int get_text(ErlNifEnv *env, ERL_NIF_TERM term, char text[TEXT_SIZE])
{
  ErlNifBinary binary;
  if (!enif_inspect_binary(env, term, &binary) || binary.size >= TEXT_SIZE
      || memchr(binary.data, 0, binary.size) != NULL)
    return 0;
  memcpy(text, binary.data, binary.size);
  text[binary.size] = '\0';
  return 1;
}

/* The same, or `undefined`, for which `*given` is NULL. */
static int get_optional(ErlNifEnv *env, ERL_NIF_TERM term, char text[TEXT_SIZE], const char **given)
{
  *given = is_atom(env, term, "undefined") ? NULL : text;
  return *given == NULL || get_text(env, term, text);
}

static struct counter *get_counter(ErlNifEnv *env, ERL_NIF_TERM term)
{
  struct handle *handle; /* without a counter if there was no memory for its lock */
  return enif_get_resource(env, term, handle_type, (void **)&handle) ? handle->counter : NULL;
}

static const char no_counter[] = "not a counter";

/* Sends a line to who listens: {monthly_visitors, Level, Line}. Called by any
   thread. A listener that is gone is no fault. */
static void send_line(void *userdata, int32_t level, const char *line)
{
  static const char *const levels[] = {"error", "warning", "info", "debug"};
  struct counter *counter = userdata;
  ErlNifPid listener;
  int has_listener;
  ErlNifEnv *env;

  enif_mutex_lock(counter->lock);
  has_listener = counter->has_listener;
  listener = counter->listener;
  enif_mutex_unlock(counter->lock);
  if (!has_listener || (env = enif_alloc_env()) == NULL)
    return;
  enif_send(caller, &listener, env,
            enif_make_tuple3(env, atom(env, "monthly_visitors"),
                             atom(env, level >= 0 && level < 4 ? levels[level] : "error"), make_text(env, line)));
  enif_free_env(env);
}

static ERL_NIF_TERM new_counter(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
  ERL_NIF_TERM term;
  struct handle *handle = enif_alloc_resource(handle_type, sizeof *handle);
  struct counter *counter = enif_alloc(sizeof *counter);
  (void)argc;
  (void)argv;
  handle->counter = NULL;
  if (counter != NULL) {
    memset(counter, 0, sizeof *counter);
    counter->lock = enif_mutex_create("monthly_visitors_listener");
    if (counter->lock == NULL) {
      enif_free(counter);
    } else {
      counter->mv = mv_new();
      handle->counter = counter;
    }
  }
  term = enif_make_resource(env, handle);
  enif_release_resource(handle);
  return term;
}

/* Starts a thread that nobody waits for, without signals, which are for the
   threads of the host; 0 if there is none. Threads of enif_thread_create must
   be joined, and who joins one that a hung disk holds, hangs with it. Nothing
   is unmapped under such a thread: neither library ever is (-z nodelete). */
static int start_thread(void *(*body)(void *), void *argument)
{
  pthread_t thread;
  sigset_t all, before;
  int failed;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  failed = pthread_create(&thread, NULL, body, argument);
  if (!failed)
    pthread_detach(thread);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return !failed;
}

static void *free_counter(void *argument)
{
  struct counter *counter = argument;
  mv_free(counter->mv);
  enif_mutex_destroy(counter->lock);
  enif_free(counter);
  return NULL;
}

/* Runs when the last reference is collected, on whatever scheduler did that.
   Closing may wait for a disk; without a thread for it the store stays open,
   rather than block the scheduler. */
static void collect(ErlNifEnv *env, void *object)
{
  struct handle *handle = object;
  if (handle->counter == NULL || start_thread(free_counter, handle->counter))
    return;
  caller = enif_thread_type() == ERL_NIF_THR_UNDEFINED ? NULL : env;
  send_line(handle->counter, MV_LOG_ERROR, "there is no thread to close the store, which stays open until the node ends");
  caller = NULL;
}

/* One setting: {Key, Value}, {client, Pattern, Category} or {file, Path}. */
static mv_status add_setting(ErlNifEnv *env, ERL_NIF_TERM term, mv_config *config, mv_error *error)
{
  char first[TEXT_SIZE], second[TEXT_SIZE];
  const ERL_NIF_TERM *part;
  int arity;
  if (enif_get_tuple(env, term, &arity, &part)) {
    if (arity == 3 && is_atom(env, part[0], "client") && get_text(env, part[1], first)
        && get_text(env, part[2], second))
      return mv_config_add_client(config, first, second, error);
    if (arity == 2 && is_atom(env, part[0], "file") && get_text(env, part[1], first))
      return mv_config_load(config, first, error);
    if (arity == 2 && get_text(env, part[0], first) && get_text(env, part[1], second))
      return mv_config_set(config, first, second, error);
  }
  error->code = MV_ERR_ARGUMENT;
  strcpy(error->message, "a setting is no text, is too long or contains NUL");
  return MV_ERR_ARGUMENT;
}

/* Settings from a list, or NULL and `error`. */
static mv_config *make_config(ErlNifEnv *env, ERL_NIF_TERM list, mv_error *error)
{
  mv_config *config = mv_config_new();
  ERL_NIF_TERM head;
  mv_status status = MV_OK;
  error->code = MV_OK;
  while (status == MV_OK && enif_get_list_cell(env, list, &head, &list))
    status = add_setting(env, head, config, error);
  if (status == MV_OK && !enif_is_empty_list(env, list)) {
    error->code = status = MV_ERR_ARGUMENT;
    strcpy(error->message, "the settings are no list");
  }
  if (status == MV_OK)
    return config;
  mv_config_free(config);
  return NULL;
}

static ERL_NIF_TERM open_counter(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
  struct counter *counter = get_counter(env, argv[0]);
  ErlNifPid listener;
  mv_config *config;
  mv_error error;
  mv_status status;
  (void)argc;
  if (counter == NULL)
    return bad_argument(env, no_counter);
  if (!enif_get_local_pid(env, argv[2], &listener))
    return bad_argument(env, "not a process");
  config = make_config(env, argv[1], &error);
  if (config == NULL)
    return failure(env, error.code, error.message);
  enif_mutex_lock(counter->lock);
  counter->listener = listener;
  counter->has_listener = 1;
  enif_mutex_unlock(counter->lock);
  mv_config_set_log(config, send_line, counter);
  status = mv_open(counter->mv, config, &error);
  mv_config_free(config);
  return result(env, status, &error);
}

static ERL_NIF_TERM record(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
  char user[TEXT_SIZE], ip_text[TEXT_SIZE], resource_text[TEXT_SIZE];
  const char *ip, *resource;
  struct counter *counter = get_counter(env, argv[0]);
  ErlNifSInt64 time;
  mv_status status = MV_ERR_ARGUMENT;
  (void)argc;
  if (is_atom(env, argv[4], "now"))
    time = MV_NOW;
  else if (!enif_get_int64(env, argv[4], &time))
    counter = NULL;
  if (counter != NULL && get_text(env, argv[1], user) && get_optional(env, argv[2], ip_text, &ip)
      && get_optional(env, argv[3], resource_text, &resource)) {
    caller = env;
    status = mv_record(counter->mv, user, ip, resource, time);
    caller = NULL;
  }
  return status == MV_OK ? atom(env, "ok") : enif_make_tuple2(env, atom(env, "error"), status_name(env, status));
}

static ERL_NIF_TERM flush(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
  struct counter *counter = get_counter(env, argv[0]);
  unsigned timeout_ms;
  mv_error error;
  mv_status status;
  (void)argc;
  if (counter == NULL)
    return bad_argument(env, no_counter);
  if (!enif_get_uint(env, argv[1], &timeout_ms))
    return bad_argument(env, "not a time in milliseconds");
  status = mv_flush(counter->mv, timeout_ms, &error);
  return result(env, status, &error);
}

static ERL_NIF_TERM close_counter(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
  struct counter *counter = get_counter(env, argv[0]);
  mv_error error;
  mv_status status;
  (void)argc;
  if (counter == NULL)
    return bad_argument(env, no_counter);
  status = mv_close(counter->mv, &error);
  return result(env, status, &error);
}

static ERL_NIF_TERM reload_geoip(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
  struct counter *counter = get_counter(env, argv[0]);
  mv_error error;
  mv_status status;
  (void)argc;
  if (counter == NULL)
    return bad_argument(env, no_counter);
  status = mv_reload_geoip(counter->mv, &error);
  return result(env, status, &error);
}

static ERL_NIF_TERM purge(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
  struct counter *counter = get_counter(env, argv[0]);
  char month[TEXT_SIZE];
  mv_error error;
  mv_status status;
  (void)argc;
  if (counter == NULL)
    return bad_argument(env, no_counter);
  if (!get_text(env, argv[1], month))
    return bad_argument(env, "not a month");
  status = mv_purge(counter->mv, month, &error);
  return result(env, status, &error);
}

static ERL_NIF_TERM forget(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
  struct counter *counter = get_counter(env, argv[0]);
  char user[TEXT_SIZE];
  mv_error error;
  mv_status status;
  (void)argc;
  if (counter == NULL)
    return bad_argument(env, no_counter);
  if (!get_text(env, argv[1], user))
    return bad_argument(env, "the user is no text, is too long or contains NUL");
  caller = env;
  status = mv_forget(counter->mv, user, &error);
  caller = NULL;
  return result(env, status, &error);
}

/* A report of a counter, or NULL and `error`. */
static const mv_report *make_report(ErlNifEnv *env, const ERL_NIF_TERM argv[], mv_error *error)
{
  struct counter *counter = get_counter(env, argv[0]);
  char first_text[TEXT_SIZE], last_text[TEXT_SIZE];
  const char *first, *last;
  const mv_report *report = NULL;
  mv_status status;
  if (counter == NULL || !get_optional(env, argv[1], first_text, &first)
      || !get_optional(env, argv[2], last_text, &last)) {
    error->code = MV_ERR_ARGUMENT;
    strcpy(error->message, counter == NULL ? no_counter : "not a month");
    return NULL;
  }
  status = mv_report_new(counter->mv, first, last, &report, error);
  return status == MV_OK ? report : NULL;
}

static ERL_NIF_TERM report(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
  mv_error error;
  const mv_report *report = make_report(env, argv, &error);
  ERL_NIF_TERM list = enif_make_list(env, 0);
  size_t left;
  (void)argc;
  if (report == NULL)
    return failure(env, error.code, error.message);
  for (left = mv_report_len(report); left > 0; left--) {
    const mv_row *row = mv_report_row(report, left - 1);
    list = enif_make_list_cell(env,
                               enif_make_tuple3(env, make_text(env, row->month), make_text(env, row->key),
                                                enif_make_uint64(env, row->count)),
                               list);
  }
  mv_report_free(report);
  return ok_value(env, list);
}

static ERL_NIF_TERM report_text(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
  char format[TEXT_SIZE];
  mv_error error;
  const mv_report *report;
  const char *text;
  ERL_NIF_TERM term;
  (void)argc;
  if (!get_text(env, argv[3], format))
    return bad_argument(env, "not a format");
  report = make_report(env, argv, &error);
  if (report == NULL)
    return failure(env, error.code, error.message);
  text = mv_report_text(report, format);
  term = text == NULL ? bad_argument(env, "there is no format of that name") : ok_value(env, make_text(env, text));
  mv_report_free(report);
  return term;
}

static ERL_NIF_TERM health(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
  struct counter *counter = get_counter(env, argv[0]);
  char name[TEXT_SIZE];
  int64_t value;
  mv_error error;
  mv_status status;
  (void)argc;
  if (counter == NULL)
    return bad_argument(env, no_counter);
  if (!get_text(env, argv[1], name))
    return bad_argument(env, "not a name");
  status = mv_health(counter->mv, name, &value, &error);
  return status == MV_OK ? ok_value(env, enif_make_int64(env, value)) : result(env, status, &error);
}

static ERL_NIF_TERM copy(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
  mv_error error;
  mv_config *from, *to = NULL;
  mv_status status;
  (void)argc;
  from = make_config(env, argv[0], &error);
  if (from != NULL)
    to = make_config(env, argv[1], &error);
  status = error.code;
  if (to != NULL) {
    status = mv_copy(from, to, &error);
  }
  mv_config_free(from);
  mv_config_free(to);
  return result(env, status, &error);
}

static ERL_NIF_TERM version(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
  (void)argc;
  (void)argv;
  return make_text(env, mv_version());
}

/* What start/3 runs in a thread. Their environment is one of no process. */
static const struct function {
  const char *name;
  unsigned arity;
  ERL_NIF_TERM (*run)(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);
} slow_functions[] = {
  {"open", 3, open_counter},
  {"flush", 2, flush},
  {"close", 1, close_counter},
  {"reload_geoip", 1, reload_geoip},
  {"purge", 2, purge},
  {"report", 3, report},
  {"report_text", 4, report_text},
  {"copy", 2, copy},
};

/* A call under way. The arguments are copies, and keep the counter. */
struct call {
  const struct function *function;
  ErlNifPid from;
  ErlNifEnv *env;
  ERL_NIF_TERM reference;
  ERL_NIF_TERM arguments[MOST_ARGUMENTS];
};

static void *run_call(void *argument)
{
  struct call *call = argument;
  ERL_NIF_TERM answer = call->function->run(call->env, (int)call->function->arity, call->arguments);
  enif_send(NULL, &call->from, call->env, enif_make_tuple2(call->env, call->reference, answer));
  enif_free_env(call->env);
  enif_free(call);
  return NULL;
}

static const struct function *find_function(ErlNifEnv *env, ERL_NIF_TERM name)
{
  size_t i;
  for (i = 0; i < sizeof slow_functions / sizeof *slow_functions; i++)
    if (is_atom(env, name, slow_functions[i].name))
      return &slow_functions[i];
  return NULL;
}

/* start(Reference, Function, Arguments): ok, and {Reference, Answer} when the
   function has come to its end. */
static ERL_NIF_TERM start(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
  const struct function *function = find_function(env, argv[1]);
  ERL_NIF_TERM head, list = argv[2];
  unsigned length, i;
  struct call *call;
  (void)argc;
  if (function == NULL || !enif_get_list_length(env, list, &length) || length != function->arity)
    return bad_argument(env, "there is no such function");
  call = enif_alloc(sizeof *call);
  if (call == NULL)
    return failure(env, MV_ERR_INTERNAL, "no memory");
  call->function = function;
  call->env = enif_alloc_env();
  call->reference = enif_make_copy(call->env, argv[0]);
  for (i = 0; enif_get_list_cell(env, list, &head, &list); i++)
    call->arguments[i] = enif_make_copy(call->env, head);
  if (enif_self(env, &call->from) != NULL && start_thread(run_call, call))
    return atom(env, "ok");
  enif_free_env(call->env);
  enif_free(call);
  return failure(env, MV_ERR_INTERNAL, "the system has no thread to spare");
}

/* All of these touch memory only. */
static ErlNifFunc functions[] = {
  {"new", 0, new_counter, 0},
  {"record", 5, record, 0},
  {"forget", 2, forget, 0},
  {"health", 2, health, 0},
  {"version", 0, version, 0},
  {"start", 3, start, 0},
};

static int load(ErlNifEnv *env, void **private, ERL_NIF_TERM info)
{
  ErlNifResourceFlags flags = ERL_NIF_RT_CREATE | ERL_NIF_RT_TAKEOVER;
  (void)private;
  (void)info;
  handle_type = enif_open_resource_type(env, NULL, "monthly_visitors_counter", collect, flags, NULL);
  return handle_type == NULL;
}

/* New code of the module: it takes the handles over that the old one made. */
static int upgrade(ErlNifEnv *env, void **private, void **old, ERL_NIF_TERM info)
{
  (void)old;
  return load(env, private, info);
}

ERL_NIF_INIT(monthly_visitors_nif, functions, load, NULL, upgrade, NULL)
