/* As many visits wait as may: the next is refused, marks nobody, and counts
   when it comes again. */
#include <monthly_visitors.h>

#include "check.h"
#include "visits.h"

enum { LIMIT = 100, USERS = 150 };

static void what_is_refused_counts_later(const char *store)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  mv_config *config = mv_config_new();
  int round;
  int64_t pending = 0;
  CHECK(mv_config_set(config, "store", store, &error) == MV_OK);
  CHECK(mv_config_set(config, "pending_limit", "100", &error) == MV_OK);
  CHECK(mv_config_set(config, "flush_interval", "1h", &error) == MV_OK);
  CHECK(mv_open(counter, config, &error) == MV_OK);
  mv_config_free(config);

  /* Twice, as nobody who was refused may be marked. No report is made
     meanwhile: it would have the store written. */
  for (round = 0; round < 2; round++) {
    CHECK(record_users(counter, 0, USERS, NOVEMBER) == USERS - LIMIT);
    CHECK(mv_health(counter, "pending", &pending, &error) == MV_OK && pending == LIMIT);
  }
  CHECK(mv_record(counter, "user120@example.net", NULL, NULL, NOVEMBER) == MV_ERR_FULL);
  /* Who was counted is no new visit. */
  CHECK(mv_record(counter, "user7@example.net", NULL, NULL, NOVEMBER) == MV_OK);
  /* A user to be forgotten waits for the store as well. */
  CHECK(mv_forget(counter, "user7@example.net", &error) == MV_ERR_FULL);

  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(mv_health(counter, "pending", &pending, &error) == MV_OK && pending == 0);
  CHECK(record_users(counter, 0, USERS, NOVEMBER) == 0);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(users_of(counter, "2026-11") == USERS);
  CHECK(mv_close(counter, &error) == MV_OK);
  mv_free(counter);
}

int main(int count, char **arguments)
{
  char url[512];
  if (count < 2)
    return 2;
  what_is_refused_counts_later("memory:");
  snprintf(url, sizeof url, "sealed:%s/sealed", arguments[1]);
  what_is_refused_counts_later(url);
  snprintf(url, sizeof url, "prosody:%s", arguments[1]);
  what_is_refused_counts_later(url);
  return failed;
}
