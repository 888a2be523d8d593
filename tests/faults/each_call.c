/* Every call of a run fails once, one after the other: each_call KIND FOLDER WAYS

   A run records, flushes, forgets, closes a month and a store, opens, purges
   and reports. In the first run after the one without a fault, the first call
   about a file fails, in the next one the second, and so on, until a run has
   fewer calls. Each fails alone, and with all calls from it on until the fault
   ends. If WAYS is "all", that is done with every error for every call; if it
   is "some", with one error for each call in turn. */
#define _GNU_SOURCE
#include <ftw.h>

#include "check.h"
#include "layer.h"
#include "visits.h"

/* How often something is tried while the fault lasts. */
#define TRIES 3
/* More than 32 new ones at once, whom the Prosody store syncs together. */
#define USERS 38
/* No run has so many calls. */
#define BOUND 5000

static const struct {
  const char *name;
  int error;
  int lasts;
} faults[] = {
  {"ENOSPC", ENOSPC, 0}, {"EIO", EIO, 0},       {"EROFS", EROFS, 0}, {"EMFILE", EMFILE, 0},
  {"ENOSPC", ENOSPC, 1}, {"EIO", EIO, 1},       {"EROFS", EROFS, 1}, {"EMFILE", EMFILE, 1},
};

#define WAYS (sizeof faults / sizeof faults[0])

/* What the log said of a run: that visits wait, and that a user's file of the
   Prosody store could not be used, which may cost or give a count. */
static int waits, odd_markers;
static const char *kind, *folder;

static void take(void *userdata, int32_t level, const char *line)
{
  (void)userdata;
  CHECK(strstr(line, "user1") == NULL && strstr(line, "192.0.2") == NULL && strstr(line, "Zom") == NULL);
  waits += level == MV_LOG_ERROR && strstr(line, "visits wait in memory") != NULL;
  odd_markers += strstr(line, "marker file") != NULL;
}

enum action { OPEN, FLUSH, CLOSE, PURGE, REPORT };

static mv_status act(const mv_counter *counter, enum action what, mv_error *error)
{
  const mv_report *report = NULL;
  mv_config *config;
  mv_status status;
  char url[600];
  switch (what) {
  case OPEN:
    config = mv_config_new();
    snprintf(url, sizeof url, "%s:%s/store", kind, folder);
    CHECK(mv_config_set(config, "store", url, NULL) == MV_OK);
    /* The writer writes when it is asked to, so that runs are alike. */
    CHECK(mv_config_set(config, "flush_interval", "1h", NULL) == MV_OK);
    CHECK(mv_config_set_log(config, take, NULL) == MV_OK);
    status = mv_open(counter, config, error);
    mv_config_free(config);
    return status;
  case FLUSH:
    return mv_flush(counter, 60000, error);
  case CLOSE:
    return mv_close(counter, error);
  case PURGE:
    return mv_purge(counter, "2026-10", error);
  default:
    status = mv_report_new(counter, NULL, NULL, &report, error);
    CHECK(status != MV_OK || sum_of(report, NULL, "geo-") == sum_of(report, NULL, "client-"));
    mv_report_free(report);
    return status;
  }
}

/* Does something until it works; the fault ends after some tries. */
static void insist(const mv_counter *counter, enum action what)
{
  mv_error error;
  int tries;
  for (tries = 0; tries <= TRIES; tries++) {
    mv_status status = act(counter, what, &error);
    if (status == MV_OK)
      return;
    CHECK(layer.failures > 0);
    CHECK(status == MV_ERR_STORAGE);
    CHECK(strstr(error.message, "user1") == NULL);
    if (tries == TRIES - 1)
      layer.last = 0;
  }
  fprintf(stderr, "it does not work again: %s\n", error.message);
  failed = 1;
}

/* Whether a month has as many users as it should; of the Prosody store, users
   whose file could not be read may be missing until they come again, or count twice. */
static void check_users(const mv_counter *counter, const char *month, int expected, int again)
{
  int found, more, fewer;
  insist(counter, REPORT);
  found = (int)users_of(counter, month);
  if (found < 0) {
    /* The fault hit this report. */
    CHECK(layer.failures > 0);
    layer.last = 0;
    found = (int)users_of(counter, month);
  }
  more = odd_markers;
  fewer = again ? 0 : odd_markers;
  if (found < expected - fewer || found > expected + more) {
    fprintf(stderr, "%s has %d users, not %d; %d marker files were odd\n", month, found, expected, odd_markers);
    failed = 1;
  }
}

/* The bytes of a closed month, or "" while there are none. */
static const char *closed_month(const char *month)
{
  static char bytes[2][4096];
  static int turn;
  char path[600];
  size_t size = 0;
  FILE *file;
  turn = !turn;
  snprintf(path, sizeof path, "%s/store/%s.json", folder, month);
  file = fopen(path, "rb");
  if (file != NULL) {
    size = fread(bytes[turn], 1, sizeof bytes[turn] - 1, file);
    fclose(file);
  }
  bytes[turn][size] = '\0';
  return bytes[turn];
}

static void run(void)
{
  const mv_counter *counter = mv_new();
  int sealed = strcmp(kind, "sealed") == 0;
  char october[4096];
  waits = odd_markers = 0;
  insist(counter, OPEN);
  CHECK(record_users(counter, 0, 2, SEPTEMBER) == 0);
  insist(counter, FLUSH);
  CHECK(record_users(counter, 0, 4, OCTOBER) == 0);
  insist(counter, FLUSH);
  CHECK(record_users(counter, 4, USERS, OCTOBER + DAY) == 0); /* Closes September. */
  insist(counter, FLUSH);
  CHECK(mv_forget(counter, "user3@example.net", NULL) == MV_OK);
  insist(counter, FLUSH);
  insist(counter, REPORT);
  check_users(counter, "2026-10", USERS, 0);
  insist(counter, CLOSE);

  /* Everybody comes again, and nobody counts again. */
  insist(counter, OPEN);
  CHECK(record_users(counter, 0, 3, OCTOBER + DAY) == 0 && record_users(counter, 4, USERS, OCTOBER + DAY) == 0);
  insist(counter, FLUSH);
  check_users(counter, "2026-10", USERS, 1);
  CHECK(record_users(counter, 0, 3, NOVEMBER) == 0);
  insist(counter, FLUSH);
  CHECK(record_users(counter, 0, 1, NOVEMBER + DAY) == 0); /* Closes October. */
  insist(counter, FLUSH);
  strcpy(october, closed_month("2026-10"));
  CHECK(!sealed || october[0] != '\0');
  insist(counter, PURGE);
  insist(counter, REPORT);
  insist(counter, CLOSE);

  insist(counter, OPEN);
  CHECK(record_users(counter, 0, 3, NOVEMBER + DAY) == 0);
  insist(counter, FLUSH);
  CHECK(!sealed || record_users(counter, 0, 1, OCTOBER) == 1);
  layer.last = 0;
  check_users(counter, "2026-09", 0, 1);
  check_users(counter, "2026-10", USERS, 1);
  check_users(counter, "2026-11", 3, 1);
  insist(counter, CLOSE);
  CHECK(strcmp(october, closed_month("2026-10")) == 0);
  CHECK(waits <= 1);
  mv_free(counter);
}

static int delete_one(const char *path, const struct stat *about, int what, struct FTW *where)
{
  (void)about;
  (void)what;
  (void)where;
  return remove(path);
}

/* A run in a folder of its own; how many calls it had. */
static long run_with(long first, int fault)
{
  char below[600];
  snprintf(below, sizeof below, "%s/store", folder);
  if (strcmp(kind, "prosody") == 0)
    CHECK(mkdir(below, 0750) == 0);
  layer.calls = layer.failures = 0;
  layer.failed = "none";
  layer.first = first;
  layer.last = faults[fault].lasts ? LONG_MAX : first;
  layer.error = faults[fault].error;
  layer.folder = below;
  run();
  layer.folder = NULL;
  if (failed)
    fprintf(stderr, "%s, call %ld, %s, %s, %s\n", kind, first, layer.failed, faults[fault].name,
            faults[fault].lasts ? "until it ends" : "once");
  nftw(below, delete_one, 16, FTW_DEPTH | FTW_PHYS);
  return layer.calls;
}

int main(int argc, char **argv)
{
  long calls, number;
  size_t fault, step;
  if (argc != 4)
    return 2;
  kind = argv[1];
  folder = argv[2];
  layer.lazy = 1;
  calls = run_with(LONG_MAX, 0);
  CHECK(layer.failures == 0 && waits == 0 && odd_markers == 0);
  CHECK(calls > 100);

  /* Writes that take a part of what they are given. */
  for (layer.at_most = 1; layer.at_most < 5000 && !failed; layer.at_most *= 70)
    CHECK(run_with(LONG_MAX, 0) >= calls && waits == 0);
  layer.at_most = 0;

  step = strcmp(argv[3], "all") == 0 ? 1 : 4;
  for (number = 1; number < BOUND && !failed; number++) {
    int reached = 0;
    for (fault = (size_t)number % step; fault < WAYS && !failed; fault += step) {
      run_with(number, (int)fault);
      reached |= layer.failures > 0;
    }
    if (!reached)
      break;
  }
  CHECK(number < BOUND);
  printf("%ld calls, each of which failed in %d ways\n", number - 1, (int)(WAYS / step));
  return failed;
}
