/* A fork while many writers sleep: whoever waits or is woken in the child must
   not meet the parent's threads, which are gone there. With locks that park
   all threads of a process in one table, most of these children hang. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "visits.h"

enum { FORKS = 20, COUNTERS = 8, PATIENCE = 60 };

static const mv_counter *counters[COUNTERS];

/* What the child of all forks does: counts on, in each counter. */
static int count_on(void)
{
  mv_error error;
  int i;
  failed = 0;
  alarm(PATIENCE);
  for (i = 0; i < COUNTERS; i++) {
    CHECK(record_users(counters[i], 0, 6, OCTOBER) == 0);
    CHECK(mv_flush(counters[i], 1000 * PATIENCE, &error) == MV_OK);
  }
  for (i = 0; i < COUNTERS; i++) {
    CHECK(mv_close(counters[i], &error) == MV_OK);
    mv_free(counters[i]);
  }
  return failed;
}

/* Opens counters whose writers have written, and now wait for more. */
static void open_all(void)
{
  mv_error error;
  mv_config *config = mv_config_new();
  int i;
  CHECK(mv_config_set(config, "store", "memory:", &error) == MV_OK);
  CHECK(mv_config_set(config, "flush_interval", "1ms", &error) == MV_OK);
  for (i = 0; i < COUNTERS; i++) {
    counters[i] = mv_new();
    CHECK(mv_open(counters[i], config, &error) == MV_OK);
    CHECK(record_users(counters[i], 0, 3, OCTOBER) == 0);
    CHECK(mv_flush(counters[i], 1000 * PATIENCE, &error) == MV_OK);
  }
  mv_config_free(config);
  usleep(10000); /* Asleep now, most likely: that is the harder case. */
}

int main(void)
{
  int i, j;
  for (i = 0; i < FORKS; i++) {
    int status = -1;
    pid_t child;
    open_all();
    child = fork();
    if (child == 0)
      _exit(count_on());
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    for (j = 0; j < COUNTERS; j++)
      mv_free(counters[j]);
  }
  return failed;
}
