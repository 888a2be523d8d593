/* All functions at once, from many threads, on one counter that others open,
   close and move meanwhile: nothing but the refusals that the header allows, and
   in the end each user has counted once. Prints each function that it has called. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <time.h>

#include "check.h"
#include "visits.h"

enum { ROUNDS = 200, MOST_ROUNDS = 5000, USERS = 300, RECORDERS = 4, WORKERS = 7 };

#define CALL(function, arguments) (puts(#function), function arguments)

static const char *folder, *places;
static const mv_counter *counter;

/* What a call may answer while somebody else closes the counter. */
static int fair(mv_status status)
{
  return status == MV_OK || status == MV_ERR_CLOSED;
}

static void take(void *lines, int32_t level, const char *line)
{
  (void)lines;
  (void)level;
  CHECK(*line != '\0');
}

/* Settings of the common store, of a second one, or of one in memory. */
static mv_config *settings(const char *name)
{
  mv_error error;
  char url[512];
  mv_config *config = CALL(mv_config_new, ());
  snprintf(url, sizeof url, name == NULL ? "memory:" : "sealed:%s/%s", folder, name);
  CHECK(CALL(mv_config_set, (config, "store", url, &error)) == MV_OK);
  CHECK(CALL(mv_config_set, (config, "flush_interval", "1ms", &error)) == MV_OK);
  CHECK(CALL(mv_config_set, (config, "geoip", places, &error)) == MV_OK);
  CHECK(CALL(mv_config_add_client, (config, "^Zom", "IOS", &error)) == MV_OK);
  CHECK(CALL(mv_config_load, (config, "/dev/null", &error)) == MV_OK);
  CHECK(CALL(mv_config_set_log, (config, take, NULL)) == MV_OK);
  return config;
}

/* Whether some thread that does not record is still at work; with -1, that one
   is not any more. */
static int at_work(int change)
{
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static int working = WORKERS;
  int now;
  pthread_mutex_lock(&lock);
  working += change;
  now = working;
  pthread_mutex_unlock(&lock);
  return now > 0;
}

/* As long as the others work. */
static void *record(void *unused)
{
  char user[32];
  int round, i;
  (void)unused;
  for (round = 0; round < MOST_ROUNDS && at_work(0); round++) {
    CHECK(fair(CALL(mv_record, (counter, "user0@example.net", "192.0.2.1", "Zom-1", MV_NOW))));
    CHECK(fair(CALL(mv_record_login, ("user1@example.net", "2001:db8::1", "Zom-2"))));
    for (i = 0; i < USERS; i++) {
      snprintf(user, sizeof user, "user%d@example.net", i);
      CHECK(fair(mv_record(counter, user, "192.0.2.1", "Zom-1", MV_NOW)));
    }
  }
  return NULL;
}

/* Opens with other settings, moves to another store, closes. */
static void *open_and_close(void *unused)
{
  mv_config *common = settings("common"), *other = settings(NULL);
  mv_error error;
  int round;
  (void)unused;
  for (round = 0; round < ROUNDS; round++) {
    /* Another such thread may have the common store open for the moment. */
    mv_status status = CALL(mv_open, (counter, round % 5 == 4 ? other : common, &error));
    CHECK(status == MV_OK);
    status = CALL(mv_flush, (counter, 60000, &error));
    if (!fair(status))
      fprintf(stderr, "%d %s\n", (int)status, error.message);
    CHECK(fair(status));
    if (round % 3 == 2)
      CHECK(fair(CALL(mv_close, (counter, &error))));
  }
  CALL(mv_config_free, (common));
  CALL(mv_config_free, (other));
  at_work(-1);
  return NULL;
}

static void *look(void *unused)
{
  static const char *const formats[] = {"table", "json", "csv", "prosody", "none"};
  mv_error error;
  int round;
  (void)unused;
  for (round = 0; round < ROUNDS; round++) {
    const mv_report *report = NULL;
    int64_t value;
    size_t i;
    mv_status status = CALL(mv_report_new, (counter, NULL, NULL, &report, &error));
    CHECK(fair(status) && (report != NULL) == (status == MV_OK));
    CHECK(sum_of(report, NULL, "geo-") == sum_of(report, NULL, "client-"));
    for (i = 0; i < CALL(mv_report_len, (report)); i++)
      CHECK(CALL(mv_report_row, (report, i))->count > 0);
    if (report != NULL)
      for (i = 0; i < 5; i++)
        CHECK((CALL(mv_report_text, (report, formats[i])) != NULL) == (i < 4));
    CALL(mv_report_free, (report));
    CHECK(fair(CALL(mv_health, (counter, "pending", &value, &error))));
  }
  at_work(-1);
  return NULL;
}

static void *change(void *unused)
{
  mv_error error;
  int round;
  (void)unused;
  for (round = 0; round < ROUNDS; round++) {
    CHECK(fair(CALL(mv_forget, (counter, "nobody@example.net", &error))));
    CHECK(fair(CALL(mv_purge, (counter, "2020-01", &error))));
    CHECK(fair(CALL(mv_reload_geoip, (counter, &error))));
    CHECK(*CALL(mv_strerror, (error.code)) != '\0' && *CALL(mv_version, ()) != '\0');
  }
  at_work(-1);
  return NULL;
}

/* Counters of its own, beside the common one: on the same store for reading,
   and as the target of copies. */
static void *beside(void *unused)
{
  mv_config *from = settings("common"), *to = settings("copy");
  mv_error error;
  int round;
  (void)unused;
  CHECK(mv_config_set(from, "read_only", "true", &error) == MV_OK);
  for (round = 0; round < ROUNDS / 20; round++) {
    const mv_counter *own = CALL(mv_new, ());
    /* Not there before the first flush. Read while it is written: a store
       that changes all the time may refuse to be copied. */
    mv_status status = CALL(mv_copy, (from, to, &error));
    CHECK(status == MV_OK || status == MV_ERR_STORAGE);
    status = mv_open(own, from, &error);
    CHECK(status == MV_OK || status == MV_ERR_STORAGE);
    if (status == MV_OK)
      CHECK(users_of(own, NULL) <= 2 * USERS);
    CALL(mv_free, (own));
  }
  mv_config_free(from);
  mv_config_free(to);
  at_work(-1);
  return NULL;
}

/* The month, as "2026-11". */
static void this_month(char month[16])
{
  time_t now = time(NULL);
  struct tm parts;
  CHECK(gmtime_r(&now, &parts) != NULL && strftime(month, 16, "%Y-%m", &parts) == 7);
}

int main(int argc, char **argv)
{
  static void *(*const works[WORKERS])(void *) = {open_and_close, open_and_close, look, look, change, change, beside};
  pthread_t threads[RECORDERS + WORKERS];
  char before[16], after[16];
  const mv_report *report = NULL;
  mv_config *common;
  mv_error error;
  int i;
  if (argc != 3)
    return 2;
  folder = argv[1];
  places = argv[2];
  counter = CALL(mv_default, ());
  this_month(before);
  common = settings("common");
  CHECK(mv_open(counter, common, &error) == MV_OK);
  CHECK(record_users(counter, 0, USERS / 2, MV_NOW) == 0);
  for (i = 0; i < RECORDERS + WORKERS; i++)
    CHECK(pthread_create(&threads[i], NULL, i < RECORDERS ? record : works[i - RECORDERS], NULL) == 0);
  for (i = 0; i < RECORDERS + WORKERS; i++)
    CHECK(pthread_join(threads[i], NULL) == 0);

  CHECK(mv_open(counter, common, &error) == MV_OK);
  CHECK(record_users(counter, 0, USERS, MV_NOW) == 0);
  CHECK(CALL(mv_close, (counter, &error)) == MV_OK);
  CHECK(mv_open(counter, common, &error) == MV_OK);
  CHECK(CALL(mv_report_new, (counter, NULL, NULL, &report, &error)) == MV_OK);
  CHECK(CALL(mv_report_row, (report, 0)) != NULL);
  CALL(mv_report_free, (report));
  this_month(after);
  /* Over the end of a month everybody counts in both. */
  CHECK(users_of(counter, after) == USERS);
  if (strcmp(before, after) == 0)
    CHECK(users_of(counter, NULL) == USERS);
  CHECK(mv_close(counter, &error) == MV_OK);
  mv_config_free(common);
  return failed;
}
