/* A panic inside each exported function that may fail: panics DIR. Needs the
   library with the feature "panic-test". Prints the functions it has tried. */
#include "check.h"
#include "visits.h"

/* Not in the header, nor in the library that is shipped: the next call in this
   thread panics. */
extern void mv_panic_next(void);

static const mv_counter *counter, *other;
static mv_config *config;
static mv_error error;
static int64_t value;
static const mv_report *report;

/* One call of each function; those of the default counter use that. */
static mv_status call(size_t number, const char **name)
{
#define CASE(number, function, expression) \
  case number:                             \
    *name = #function;                     \
    mv_panic_next();                       \
    return expression
  switch (number) {
    CASE(0, mv_open, mv_open(counter, config, &error));
    CASE(1, mv_flush, mv_flush(counter, 1000, &error));
    CASE(2, mv_close, mv_close(counter, &error));
    CASE(3, mv_reload_geoip, mv_reload_geoip(counter, &error));
    CASE(4, mv_purge, mv_purge(counter, "2026-01", &error));
    CASE(5, mv_forget, mv_forget(counter, "juliet@example.net", &error));
    CASE(6, mv_health, mv_health(counter, "pending", &value, &error));
    CASE(7, mv_report_new, mv_report_new(counter, NULL, NULL, &report, &error));
    CASE(8, mv_record, mv_record(counter, "juliet@example.net", "192.0.2.1", NULL, NOVEMBER));
    CASE(9, mv_record_login, mv_record_login("juliet@example.net", "192.0.2.1", NULL));
    CASE(10, mv_copy, mv_copy(config, config, &error));
    CASE(11, mv_config_set, mv_config_set(config, "host", "example.net", &error));
    CASE(12, mv_config_add_client, mv_config_add_client(config, "^x", "X", &error));
    CASE(13, mv_config_load, mv_config_load(config, "/nowhere", &error));
    CASE(14, mv_config_set_log, mv_config_set_log(config, NULL, NULL));
    default: *name = NULL; return MV_OK;
  }
}

/* Everything on the counter is refused. */
static void refuses(const mv_counter *broken)
{
  mv_error why;
  CHECK(mv_record(broken, "romeo@example.net", NULL, NULL, NOVEMBER) == MV_ERR_INTERNAL);
  CHECK(mv_forget(broken, "romeo@example.net", &why) == MV_ERR_INTERNAL);
  CHECK(mv_flush(broken, 1000, &why) == MV_ERR_INTERNAL);
  CHECK(mv_purge(broken, "2026-01", &why) == MV_ERR_INTERNAL);
  CHECK(mv_report_new(broken, NULL, NULL, &report, &why) == MV_ERR_INTERNAL && report == NULL);
}

static void works(const mv_counter *sound, int users)
{
  CHECK(record_users(sound, 0, users, NOVEMBER) == 0);
  CHECK(mv_flush(sound, 60000, NULL) == MV_OK);
  CHECK(users_of(sound, "2026-11") == (uint64_t)users);
}

int main(int argc, char **argv)
{
  const char *name;
  char folder[32], url[512];
  size_t number;
  if (argc != 2)
    return 2;
  for (number = 0;; number++) {
    int breaks = number < 10;
    counter = number == 9 ? mv_default() : mv_new();
    other = mv_new();
    snprintf(folder, sizeof folder, "counter%d", (int)number);
    CHECK(open_store(counter, "sealed", argv[1], folder, NULL) == MV_OK);
    CHECK(open_store(other, "memory", "", "", NULL) == MV_OK);
    works(counter, 3);
    works(other, 2);
    config = mv_config_new();
    snprintf(url, sizeof url, "sealed:%s/%s", argv[1], folder);
    CHECK(mv_config_set(config, "store", url, &error) == MV_OK);

    memset(&error, 0, sizeof error);
    error.code = MV_ERR_INTERNAL;
    if (call(number, &name) == MV_OK && name == NULL)
      break;
    CHECK(error.code == MV_ERR_INTERNAL && strstr(error.message, "canary") == NULL);
    if (breaks)
      refuses(counter);
    else
      works(counter, 4);
    works(other, 5);
    CHECK(mv_open(counter, config, &error) == MV_OK);
    works(counter, 4);
    CHECK(mv_close(counter, &error) == MV_OK);
    mv_config_free(config);
    if (number != 9)
      mv_free(counter);
    mv_free(other);
    puts(name);
  }

  /* Those that return no status: a text is NULL, and a counter is freed. */
  CHECK(mv_report_new(counter, NULL, NULL, &report, &error) == MV_OK);
  mv_panic_next();
  CHECK(mv_report_text(report, "json") == NULL);
  CHECK(mv_report_text(report, "json") != NULL);
  puts("mv_report_text");
  mv_report_free(report);
  mv_panic_next();
  mv_free(counter);
  puts("mv_free");
  CHECK(open_store(other, "sealed", argv[1], folder, NULL) == MV_OK);
  CHECK(users_of(other, "2026-11") == 3);
  mv_free(other);
  mv_config_free(config);
  return failed;
}
