/* Loaded as a plugin: opened, closed and unloaded, again and again, each user
   counted once; then the process ends while the writer has work. argv[3] is the
   library. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include <monthly_visitors.h>

/* C99 has no conversion from a data pointer to a function pointer; POSIX says
   that they have one representation. */
static void find(void *library, const char *name, void *function)
{
  void *address = dlsym(library, name);
  if (address == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(2);
  }
  memcpy(function, &address, sizeof address);
}

enum { CYCLES = 40 };

static int month_now(void)
{
  time_t now = time(NULL);
  return gmtime(&now)->tm_mon;
}

static void use(const char *path, const char *folder, const char *user, int and_close)
{
  mv_config *(*config_new)(void);
  void (*config_free)(mv_config *);
  mv_status (*config_set)(mv_config *, const char *, const char *, mv_error *);
  const mv_counter *(*get_default)(void);
  mv_status (*open_counter)(const mv_counter *, const mv_config *, mv_error *);
  mv_status (*record)(const char *, const char *, const char *);
  mv_status (*close_counter)(const mv_counter *, mv_error *);
  mv_error error;
  char url[512];
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  mv_config *config;
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(2);
  }
  find(library, "mv_config_new", &config_new);
  find(library, "mv_config_free", &config_free);
  find(library, "mv_config_set", &config_set);
  find(library, "mv_default", &get_default);
  find(library, "mv_open", &open_counter);
  find(library, "mv_record_login", &record);
  find(library, "mv_close", &close_counter);
  snprintf(url, sizeof url, "sealed:%s/store", folder);
  config = config_new();
  CHECK(config_set(config, "store", url, &error) == MV_OK);
  CHECK(config_set(config, "flush_interval", "1ms", &error) == MV_OK);
  CHECK(open_counter(get_default(), config, &error) == MV_OK);
  config_free(config);
  CHECK(record(user, NULL, NULL) == MV_OK);
  if (and_close)
    CHECK(close_counter(get_default(), &error) == MV_OK);
  CHECK(dlclose(library) == 0);
}

/* How many users the store has, as somebody counts who loads the library anew. */
static uint64_t users(const char *path, const char *folder)
{
  const mv_counter *(*get_default)(void);
  mv_config *(*config_new)(void);
  void (*config_free)(mv_config *), (*report_free)(const mv_report *);
  mv_status (*config_set)(mv_config *, const char *, const char *, mv_error *);
  mv_status (*open_counter)(const mv_counter *, const mv_config *, mv_error *);
  mv_status (*report_new)(const mv_counter *, const char *, const char *, const mv_report **, mv_error *);
  size_t (*report_len)(const mv_report *);
  const mv_row *(*report_row)(const mv_report *, size_t);
  mv_status (*close_counter)(const mv_counter *, mv_error *);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  const mv_report *report = NULL;
  mv_config *config;
  uint64_t sum = 0;
  char url[512];
  size_t i;
  if (library == NULL)
    exit(2);
  find(library, "mv_default", &get_default);
  find(library, "mv_config_new", &config_new);
  find(library, "mv_config_free", &config_free);
  find(library, "mv_config_set", &config_set);
  find(library, "mv_open", &open_counter);
  find(library, "mv_report_new", &report_new);
  find(library, "mv_report_len", &report_len);
  find(library, "mv_report_row", &report_row);
  find(library, "mv_report_free", &report_free);
  find(library, "mv_close", &close_counter);
  snprintf(url, sizeof url, "sealed:%s/store", folder);
  config = config_new();
  CHECK(config_set(config, "store", url, NULL) == MV_OK);
  CHECK(config_set(config, "read_only", "true", NULL) == MV_OK);
  CHECK(open_counter(get_default(), config, NULL) == MV_OK);
  CHECK(report_new(get_default(), NULL, NULL, &report, NULL) == MV_OK);
  for (i = 0; i < report_len(report); i++)
    if (strncmp(report_row(report, i)->key, "geo-", 4) == 0)
      sum += report_row(report, i)->count;
  report_free(report);
  config_free(config);
  CHECK(close_counter(get_default(), NULL) == MV_OK);
  CHECK(dlclose(library) == 0);
  return sum;
}

int main(int argc, char **argv)
{
  char user[32];
  int i, begin = month_now();
  if (argc != 4)
    return 2;
  use(argv[3], argv[1], "juliet@example.net", 1);
  use(argv[3], argv[1], "romeo@example.net", 1);
  for (i = 0; i < CYCLES; i++) {
    snprintf(user, sizeof user, "user%d@example.net", i / 2);
    use(argv[3], argv[1], user, 1);
  }
  {
    uint64_t found = users(argv[3], argv[1]);
    int end = month_now();
    /* Each once, or once in each of two months. */
    CHECK(found == CYCLES / 2 + 2 || (begin != end && found > CYCLES / 2 + 2 && found <= CYCLES + 4));
  }
  use(argv[3], argv[1], "nurse@example.net", 0); /* Its code must stay: the writer is in it. */
  return failed;
}
