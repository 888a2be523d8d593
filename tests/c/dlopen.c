/* Loaded as a plugin: opened, closed and unloaded, twice; then the process
   ends while the writer has work. argv[3] is the library. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

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

int main(int argc, char **argv)
{
  if (argc != 4)
    return 2;
  use(argv[3], argv[1], "juliet@example.net", 1);
  use(argv[3], argv[1], "romeo@example.net", 1);
  use(argv[3], argv[1], "nurse@example.net", 0); /* Its code must stay: the writer is in it. */
  return failed;
}
