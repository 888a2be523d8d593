/* Changing the settings of an open counter, and its databases: all or nothing. */
#include <string.h>

#include "check.h"
#include "visits.h"

static const char *folder, *places;

static mv_config *settings(const char *name)
{
  mv_error error;
  char url[512];
  mv_config *config = mv_config_new();
  snprintf(url, sizeof url, "sealed:%s/%s", folder, name);
  CHECK(mv_config_set(config, "store", url, &error) == MV_OK);
  return config;
}

static int copy(const char *from, const char *to, size_t limit)
{
  char buffer[8192];
  FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
  size_t size = in == NULL ? 0 : fread(buffer, 1, sizeof buffer, in);
  size = size < limit ? size : limit;
  return in != NULL && out != NULL && size < sizeof buffer && fwrite(buffer, 1, size, out) == size && fclose(in) == 0
         && fclose(out) == 0;
}

static uint64_t count(const mv_counter *counter, const char *key)
{
  const mv_report *report = NULL;
  uint64_t sum;
  CHECK(mv_report_new(counter, NULL, NULL, &report, NULL) == MV_OK);
  sum = sum_of(report, NULL, key);
  mv_report_free(report);
  return sum;
}

static void settings_change_while_open(void)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  mv_config *config = settings("first");
  CHECK(mv_open(counter, config, &error) == MV_OK);
  CHECK(record_users(counter, 0, 3, OCTOBER) == 0);
  CHECK(count(counter, "geo-?-?-?") == 3 && count(counter, "client-?") == 3);

  CHECK(mv_config_set(config, "geoip", places, &error) == MV_OK);
  CHECK(mv_config_add_client(config, "^Zom", "IOS", &error) == MV_OK);
  CHECK(mv_open(counter, config, &error) == MV_OK);
  CHECK(record_users(counter, 0, 5, OCTOBER) == 0);
  CHECK(count(counter, "geo-DE-HE-2925533") == 2 && count(counter, "client-IOS") == 2);
  CHECK(count(counter, "geo-") == 5);

  /* Settings that cannot be used leave the old ones in force. */
  CHECK(mv_config_set(config, "record_countries", "FR", &error) == MV_OK);
  CHECK(mv_config_add_client(config, "[", "BAD", &error) == MV_OK);
  CHECK(mv_open(counter, config, &error) == MV_ERR_CONFIG);
  CHECK(record_users(counter, 5, 6, OCTOBER) == 0);
  CHECK(count(counter, "geo-DE-HE-2925533") == 3 && count(counter, "client-IOS") == 3);
  mv_config_free(config);

  /* Markers depend on the host: it cannot change while the store is open. */
  config = settings("first");
  CHECK(mv_config_set(config, "host", "example.net", &error) == MV_OK);
  CHECK(mv_open(counter, config, &error) == MV_ERR_CONFIG && strstr(error.message, "host") != NULL);
  CHECK(count(counter, "geo-") == 6);
  mv_config_free(config);

  /* Another store: the first one is finished, and free for others. */
  config = settings("second");
  CHECK(mv_open(counter, config, &error) == MV_OK);
  CHECK(count(counter, "geo-") == 0);
  CHECK(record_users(counter, 0, 2, OCTOBER) == 0);
  CHECK(count(counter, "geo-") == 2);
  mv_config_free(config);
  {
    const mv_counter *other = mv_new();
    CHECK(open_store(other, "sealed", folder, "first", &error) == MV_OK);
    CHECK(count(other, "geo-") == 6);
    mv_free(other);
  }
  mv_free(counter);
}

static void a_damaged_database_leaves_the_old_one(void)
{
  mv_error error;
  char path[512];
  const mv_counter *counter = mv_new();
  mv_config *config = settings("third");
  snprintf(path, sizeof path, "%s/copy.mmdb", folder);
  CHECK(copy(places, path, (size_t)-1));
  CHECK(mv_config_set(config, "geoip", path, &error) == MV_OK);
  CHECK(mv_open(counter, config, &error) == MV_OK);
  mv_config_free(config);
  /* Overwritten in place, which would kill who has it mapped. */
  CHECK(copy(places, path, 100));
  CHECK(mv_reload_geoip(counter, &error) == MV_ERR_GEOIP && strstr(error.message, "copy.mmdb") != NULL);
  CHECK(record_users(counter, 0, 3, OCTOBER) == 0);
  CHECK(remove(path) == 0);
  CHECK(mv_reload_geoip(counter, &error) == MV_ERR_GEOIP);
  CHECK(record_users(counter, 3, 6, OCTOBER) == 0);
  CHECK(copy(places, path, (size_t)-1));
  CHECK(mv_reload_geoip(counter, &error) == MV_OK);
  CHECK(record_users(counter, 6, 9, OCTOBER) == 0);
  CHECK(count(counter, "geo-DE-HE-2925533") == 9);
  mv_free(counter);
}

static void a_counter_may_be_opened_again_and_again(void)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  int i;
  for (i = 0; i < 10; i++) {
    CHECK(open_store(counter, "sealed", folder, "again", &error) == MV_OK);
    CHECK(record_users(counter, 0, i + 1, OCTOBER) == 0);
    CHECK(mv_close(counter, &error) == MV_OK);
    CHECK(mv_close(counter, &error) == MV_ERR_CLOSED);
    CHECK(mv_record(counter, "juliet", NULL, NULL, OCTOBER) == MV_ERR_CLOSED);
  }
  CHECK(open_store(counter, "sealed", folder, "again", &error) == MV_OK);
  CHECK(count(counter, "geo-") == 10);
  mv_free(counter);
}

int main(int argc, char **argv)
{
  if (argc != 3)
    return 2;
  folder = argv[1];
  places = argv[2];
  settings_change_while_open();
  a_damaged_database_leaves_the_old_one();
  a_counter_may_be_opened_again_and_again();
  return failed;
}
