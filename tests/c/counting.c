/* Counting through the C interface: months, places, clients, countries, times. */
#include <string.h>
#include <time.h>

#include "check.h"
#include "visits.h"

#define LAST_SECOND INT64_C(253402300799) /* of 9999 */

static const char *folder, *places;

static mv_config *settings(const char *store)
{
  mv_error error;
  mv_config *config = mv_config_new();
  CHECK(mv_config_set(config, "store", store, &error) == MV_OK);
  CHECK(mv_config_set(config, "geoip", places, &error) == MV_OK);
  CHECK(mv_config_add_client(config, "^zom%d+.*", "IOS", &error) == MV_OK);
  CHECK(mv_config_add_client(config, "^Zom-.*", "IOS", &error) == MV_OK);
  CHECK(mv_config_add_client(config, "^Conversations%..*", "ANDROID", &error) == MV_OK);
  return config;
}

static void open_with(const mv_counter *counter, mv_config *config)
{
  mv_error error;
  if (mv_open(counter, config, &error) != MV_OK) {
    fprintf(stderr, "%s\n", error.message);
    CHECK(!"opened");
  }
  mv_config_free(config);
}

static uint64_t count(const mv_counter *counter, const char *month, const char *key)
{
  const mv_report *report = NULL;
  uint64_t sum;
  CHECK(mv_report_new(counter, month, month, &report, NULL) == MV_OK);
  sum = sum_of(report, month, key);
  mv_report_free(report);
  return sum;
}

static void a_user_counts_once_a_month_where_they_came_from_first(void)
{
  const mv_counter *counter = mv_new();
  open_with(counter, settings("memory:"));
  CHECK(mv_record(counter, "juliet", "192.0.2.1", "zom17", SEPTEMBER) == MV_OK);
  CHECK(mv_record(counter, "juliet", "198.51.100.1", "Conversations.x", SEPTEMBER + 60) == MV_OK);
  CHECK(mv_record(counter, "romeo", "[::ffff:198.51.100.1]:5222", "Conversations.x", SEPTEMBER) == MV_OK);
  CHECK(mv_record(counter, "Juliet", "fe80::1%eth0", NULL, SEPTEMBER) == MV_OK);
  CHECK(mv_record(counter, "nurse", "no address", "???", SEPTEMBER) == MV_OK);
  CHECK(mv_record(counter, "juliet", "198.51.100.1", "Conversations.x", OCTOBER) == MV_OK);
  CHECK(count(counter, "2026-09", "geo-DE-HE-2925533") == 1);
  CHECK(count(counter, "2026-09", "geo-US-TX-5525577") == 1);
  CHECK(count(counter, "2026-09", "geo-?-?-?") == 2);
  CHECK(count(counter, "2026-09", "geo-") == 4);
  CHECK(count(counter, "2026-09", "client-IOS") == 1);
  CHECK(count(counter, "2026-09", "client-ANDROID") == 1);
  CHECK(count(counter, "2026-09", "client-?") == 2);
  CHECK(count(counter, "2026-10", "geo-US-TX-5525577") == 1 && count(counter, "2026-10", "geo-") == 1);
  CHECK(count(counter, "2026-11", "geo-") == 0);
  mv_free(counter);
}

static void only_chosen_countries_are_recorded(void)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  mv_config *config = settings("memory:");
  CHECK(mv_config_set(config, "record_countries", "de, US", &error) == MV_OK);
  open_with(counter, config);
  CHECK(mv_record(counter, "juliet", "192.0.2.1", "zom17", SEPTEMBER) == MV_OK);
  CHECK(mv_record(counter, "romeo", "192.0.2.161", "zom17", SEPTEMBER) == MV_OK); /* AT */
  CHECK(mv_record(counter, "nurse", NULL, "zom17", SEPTEMBER) == MV_OK);
  CHECK(count(counter, "2026-09", "geo-") == 1 && count(counter, "2026-09", "client-") == 1);
  /* Neither counted nor marked: from a listed country, they count. */
  CHECK(mv_record(counter, "romeo", "198.51.100.1", "zom17", SEPTEMBER) == MV_OK);
  CHECK(count(counter, "2026-09", "geo-US-") == 1);
  mv_free(counter);
}

static void now_is_the_month_of_the_clock(void)
{
  char before[16], after[16];
  time_t now = time(NULL);
  const mv_counter *counter = mv_new();
  open_with(counter, settings("memory:"));
  strftime(before, sizeof before, "%Y-%m", gmtime(&now));
  CHECK(mv_record(counter, "juliet", NULL, NULL, MV_NOW) == MV_OK);
  now = time(NULL);
  strftime(after, sizeof after, "%Y-%m", gmtime(&now));
  CHECK(users_of(counter, before) == 1 || users_of(counter, after) == 1);
  mv_free(counter);
}

static void times_out_of_range_are_refused(void)
{
  static const int64_t bad[] = {-1, INT64_MIN + 1, LAST_SECOND + 1, INT64_MAX, SEPTEMBER * 1000};
  const mv_counter *counter = mv_new();
  size_t i;
  open_with(counter, settings("memory:"));
  for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
    CHECK(mv_record(counter, "juliet", NULL, NULL, bad[i]) == MV_ERR_ARGUMENT);
  CHECK(users_of(counter, NULL) == 0);
  CHECK(mv_record(counter, "juliet", NULL, NULL, 0) == MV_OK);
  CHECK(mv_record(counter, "juliet", NULL, NULL, LAST_SECOND) == MV_OK);
  CHECK(count(counter, "1970-01", "geo-") == 1 && count(counter, "9999-12", "geo-") == 1);
  mv_free(counter);
}

static void a_month_closes_a_day_after_the_first_login_of_the_next(void)
{
  mv_error error;
  char url[512];
  const mv_counter *counter = mv_new();
  snprintf(url, sizeof url, "sealed:%s/closing", folder);
  open_with(counter, settings(url));
  CHECK(mv_record(counter, "juliet", NULL, NULL, SEPTEMBER) == MV_OK);
  CHECK(mv_record(counter, "juliet", NULL, NULL, OCTOBER) == MV_OK);
  CHECK(mv_record(counter, "romeo", NULL, NULL, SEPTEMBER) == MV_OK);
  CHECK(mv_record(counter, "romeo", NULL, NULL, OCTOBER + DAY - 1) == MV_OK);
  CHECK(mv_record(counter, "nurse", NULL, NULL, SEPTEMBER) == MV_OK);
  CHECK(mv_record(counter, "nurse", NULL, NULL, OCTOBER + DAY) == MV_OK);
  CHECK(mv_record(counter, "tybalt", NULL, NULL, SEPTEMBER) == MV_ERR_MONTH);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(mv_close(counter, &error) == MV_OK);
  /* The rule is the same for the next process. */
  open_with(counter, settings(url));
  CHECK(mv_record(counter, "tybalt", NULL, NULL, SEPTEMBER) == MV_ERR_MONTH);
  CHECK(mv_record(counter, "tybalt", NULL, NULL, 0) == MV_ERR_MONTH);
  CHECK(users_of(counter, "2026-09") == 3 && users_of(counter, "2026-10") == 3);
  CHECK(mv_purge(counter, "2026-10", &error) == MV_OK);
  CHECK(users_of(counter, "2026-09") == 0 && users_of(counter, "2026-10") == 3);
  CHECK(mv_purge(counter, "2030-01", &error) == MV_OK); /* Open months stay. */
  CHECK(users_of(counter, "2026-10") == 3);
  CHECK(mv_close(counter, &error) == MV_OK);
  mv_free(counter);
}

static void whoever_is_forgotten_counts_again(void)
{
  mv_error error;
  char url[512];
  const mv_counter *counter = mv_new();
  snprintf(url, sizeof url, "sealed:%s/forget", folder);
  open_with(counter, settings(url));
  CHECK(record_users(counter, 0, 10, SEPTEMBER) == 0);
  CHECK(mv_forget(counter, "user3@example.net", &error) == MV_OK);
  CHECK(mv_forget(counter, "nobody@example.net", &error) == MV_OK);
  CHECK(users_of(counter, "2026-09") == 10);
  CHECK(record_users(counter, 0, 10, SEPTEMBER) == 0);
  CHECK(users_of(counter, "2026-09") == 11);
  mv_free(counter);
}

/* Whoever is refused because too many wait is not marked: they count later. */
static void nothing_is_dropped_when_too_many_wait(void)
{
  mv_error error;
  char url[512];
  const mv_counter *counter = mv_new();
  mv_config *config;
  mv_status status = MV_OK;
  int i, refused = 0;
  snprintf(url, sizeof url, "sealed:%s/full", folder);
  config = settings(url);
  CHECK(mv_config_set(config, "pending_limit", "5", &error) == MV_OK);
  CHECK(mv_config_set(config, "flush_interval", "1h", &error) == MV_OK);
  open_with(counter, config);
  for (i = 0; i < 8; i++) {
    char user[32];
    snprintf(user, sizeof user, "user%d@example.net", i);
    status = mv_record(counter, user, NULL, NULL, SEPTEMBER);
    CHECK(status == (i < 5 ? MV_OK : MV_ERR_FULL));
    refused += status == MV_ERR_FULL;
  }
  CHECK(refused == 3 && users_of(counter, "2026-09") == 5);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(record_users(counter, 0, 8, SEPTEMBER) == 0);
  CHECK(users_of(counter, "2026-09") == 8);
  mv_free(counter);
}

int main(int argc, char **argv)
{
  if (argc != 3)
    return 2;
  folder = argv[1];
  places = argv[2];
  a_user_counts_once_a_month_where_they_came_from_first();
  only_chosen_countries_are_recorded();
  now_is_the_month_of_the_clock();
  times_out_of_range_are_refused();
  a_month_closes_a_day_after_the_first_login_of_the_next();
  whoever_is_forgotten_counts_again();
  nothing_is_dropped_when_too_many_wait();
  return failed;
}
