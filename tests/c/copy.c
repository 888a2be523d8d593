/* Copying between stores, and asking a counter how it is. */
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "visits.h"

static mv_config *settings(const char *kind, const char *folder, const char *name)
{
  mv_error error;
  char url[512];
  mv_config *config = mv_config_new();
  snprintf(url, sizeof url, "%s:%s/%s", kind, folder, name);
  CHECK(mv_config_set(config, "store", url, &error) == MV_OK);
  return config;
}

/* Everything of a Prosody store arrives in a sealed one, who counts included. */
static void a_store_is_copied(const char *folder)
{
  mv_error error;
  char path[512];
  const mv_counter *counter = mv_new();
  mv_config *from = settings("prosody", folder, "from"), *to = settings("sealed", folder, "to");
  snprintf(path, sizeof path, "%s/from", folder);
  CHECK(mkdir(path, 0755) == 0);
  CHECK(mv_open(counter, from, &error) == MV_OK);
  CHECK(record_users(counter, 0, 30, SEPTEMBER) == 0 && record_users(counter, 10, 50, OCTOBER) == 0);
  CHECK(mv_close(counter, &error) == MV_OK);
  CHECK(mv_copy(from, to, &error) == MV_OK && error.code == MV_OK && error.message[0] == '\0');
  CHECK(mv_copy(from, to, &error) == MV_OK); /* May be repeated. */
  CHECK(mv_open(counter, to, &error) == MV_OK);
  CHECK(users_of(counter, "2026-09") == 30 && users_of(counter, "2026-10") == 40);
  CHECK(record_users(counter, 0, 55, OCTOBER) == 0);
  CHECK(users_of(counter, "2026-10") == 55);
  CHECK(mv_copy(from, to, &error) == MV_ERR_STORAGE && strlen(error.message) > 0); /* The target is open. */
  CHECK(mv_close(counter, &error) == MV_OK);
  mv_free(counter);
  mv_config_free(from);
  mv_config_free(to);
}

static void wrong_copies_are_refused(const char *folder)
{
  mv_error error;
  mv_config *from = settings("prosody", folder, "missing"), *to = settings("sealed", folder, "other");
  mv_config *none = mv_config_new();
  CHECK(mv_copy(NULL, to, &error) == MV_ERR_ARGUMENT && strstr(error.message, "from") != NULL);
  CHECK(mv_copy(from, NULL, &error) == MV_ERR_ARGUMENT && strstr(error.message, "to") != NULL);
  CHECK(mv_copy(from, to, NULL) == MV_ERR_STORAGE);
  CHECK(mv_copy(from, to, &error) == MV_ERR_STORAGE && strstr(error.message, "missing") != NULL);
  CHECK(mv_copy(none, to, &error) == MV_ERR_CONFIG && strstr(error.message, "store") != NULL);
  mv_config_free(from);
  mv_config_free(to);
  mv_config_free(none);
}

static int64_t health(const mv_counter *counter, const char *name)
{
  int64_t value = -1;
  mv_error error;
  CHECK(mv_health(counter, name, &value, &error) == MV_OK);
  return value;
}

static void a_counter_tells_how_it_is(const char *folder, const char *places)
{
  mv_error error;
  int64_t value = -7;
  const mv_counter *counter = mv_new();
  mv_config *config = settings("sealed", folder, "health");
  CHECK(mv_health(counter, "pending", &value, &error) == MV_ERR_CLOSED && value == -7);
  CHECK(mv_config_set(config, "flush_interval", "1h", &error) == MV_OK);
  CHECK(mv_config_set(config, "geoip", places, &error) == MV_OK);
  CHECK(mv_open(counter, config, &error) == MV_OK);
  CHECK(health(counter, "pending") == 0 && health(counter, "last_flush") == 0 && health(counter, "failing") == 0);
  CHECK(health(counter, "geoip_built") == 1767225600 && health(counter, "asn_built") == 0);
  CHECK(record_users(counter, 0, 9, OCTOBER) == 0);
  CHECK(health(counter, "pending") == 9);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(health(counter, "pending") == 0 && health(counter, "last_flush") > 1700000000);
  CHECK(mv_health(counter, "juliet", &value, &error) == MV_ERR_ARGUMENT && strstr(error.message, "juliet") == NULL);
  CHECK(mv_health(counter, NULL, &value, &error) == MV_ERR_ARGUMENT);
  CHECK(mv_health(counter, "pending", NULL, &error) == MV_ERR_ARGUMENT);
  CHECK(mv_health(NULL, "pending", &value, NULL) == MV_ERR_ARGUMENT && value == -7);
  mv_free(counter);
  mv_config_free(config);
}

int main(int argc, char **argv)
{
  if (argc != 3)
    return 2;
  a_store_is_copied(argv[1]);
  wrong_copies_are_refused(argv[1]);
  a_counter_tells_how_it_is(argv[1], argv[2]);
  return failed;
}
