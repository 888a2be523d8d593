/* A host that forks while the table of places is built: the thread that builds
   it is not in the child, which finds places and ends all the same. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "visits.h"

enum { FORKS = 40, PATIENCE = 240 }; /* Seconds; whoever hangs longer is ended by alarm. */

/* Users who are counted at the only place of the logins. */
static uint64_t placed(const mv_counter *counter)
{
  const mv_report *report = NULL;
  uint64_t sum;
  CHECK(mv_report_new(counter, NULL, NULL, &report, NULL) == MV_OK);
  sum = sum_of(report, NULL, "geo-DE-HE-2925533");
  mv_report_free(report);
  return sum;
}

static void a_child_finds_places(const char *places)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  mv_config *config = mv_config_new();
  int status = 0;
  pid_t child;
  CHECK(mv_config_set(config, "store", "memory:", &error) == MV_OK);
  CHECK(mv_config_set(config, "geoip", places, &error) == MV_OK);
  CHECK(mv_open(counter, config, &error) == MV_OK);
  mv_config_free(config);
  /* The first login starts the thread. */
  CHECK(record_users(counter, 0, 1, OCTOBER) == 0);
  child = fork();
  if (child == 0) {
    alarm(PATIENCE);
    failed = 0;
    CHECK(record_users(counter, 1, 6, OCTOBER) == 0);
    CHECK(placed(counter) == 5);
    CHECK(mv_reload_geoip(counter, &error) == MV_OK);
    CHECK(record_users(counter, 6, 8, OCTOBER) == 0);
    CHECK(placed(counter) == 7);
    CHECK(mv_close(counter, &error) == MV_OK);
    mv_free(counter);
    _exit(failed);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(record_users(counter, 1, 3, OCTOBER) == 0);
  CHECK(placed(counter) == 3);
  mv_free(counter);
}

int main(int argc, char **argv)
{
  int i;
  if (argc != 3)
    return 2;
  alarm(2 * PATIENCE);
  for (i = 0; i < FORKS; i++)
    a_child_finds_places(argv[2]);
  return failed;
}
