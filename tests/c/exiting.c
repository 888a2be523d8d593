/* A process that ends while the writer works, by return, exit, _exit or a signal:
   it ends at once, and what the store has is whole: sums that agree, each user
   once, nobody who never came; those who are missing count when they come again. */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "visits.h"

enum { PATIENCE = 240, ROUNDS = 12, BATCH = 400 };

static const char *folder;

static void open_busy(const mv_counter *counter, const char *kind)
{
  mv_error error;
  char url[512];
  mv_config *config = mv_config_new();
  snprintf(url, sizeof url, "%s:%s/%s", kind, folder, kind);
  CHECK(mv_config_set(config, "store", url, &error) == MV_OK);
  CHECK(mv_config_set(config, "flush_interval", "1ms", &error) == MV_OK);
  CHECK(mv_open(counter, config, &error) == MV_OK);
  mv_config_free(config);
}

static const mv_counter *counter;

/* Runs in exit(), when the main thread has nothing more to do, but the writer has. */
static void at_exit(void)
{
  record_users(counter, BATCH / 2, BATCH, OCTOBER);
}

/* One who ends in way number `round`; the users before `round` * 10 are flushed. */
static void live(const char *kind, int round)
{
  alarm(PATIENCE);
  failed = 0;
  counter = mv_new();
  open_busy(counter, kind);
  CHECK(atexit(at_exit) == 0);
  CHECK(record_users(counter, 0, round * 10, OCTOBER) == 0);
  CHECK(mv_flush(counter, 60000, NULL) == MV_OK);
  CHECK(record_users(counter, 0, BATCH / 2, OCTOBER) == 0);
  if (failed)
    _exit(1);
  usleep((useconds_t)(round * 300)); /* Somewhere in the writer's work. */
  if (round % 4 == 0)
    exit(0);
  if (round % 4 == 1)
    _exit(0);
  if (round % 4 == 2)
    kill(getpid(), SIGKILL);
  raise(SIGTERM);
}

static void whole_whenever_it_ends(const char *kind)
{
  char path[512];
  uint64_t users = 0;
  int round;
  snprintf(path, sizeof path, "%s/%s", folder, kind);
  CHECK(mkdir(path, 0700) == 0);
  for (round = 0; round < ROUNDS; round++) {
    int status = 0, ways[] = {0, 0, SIGKILL, SIGTERM};
    const mv_counter *reader;
    uint64_t before = users;
    pid_t child = fork();
    if (child == 0) {
      live(kind, round);
      _exit(1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(ways[round % 4] == 0 ? WIFEXITED(status) && WEXITSTATUS(status) == 0
                               : WIFSIGNALED(status) && WTERMSIG(status) == ways[round % 4]);
    /* users_of says when sums do not agree. */
    reader = mv_new();
    open_busy(reader, kind);
    users = users_of(reader, NULL);
    CHECK(users >= before && users >= (uint64_t)round * 10 && users <= BATCH);
    mv_free(reader);
  }
  counter = mv_new();
  open_busy(counter, kind);
  CHECK(record_users(counter, 0, BATCH, OCTOBER) == 0);
  CHECK(mv_close(counter, NULL) == MV_OK);
  open_busy(counter, kind);
  CHECK(users_of(counter, NULL) == BATCH);
  mv_free(counter);
}

int main(int argc, char **argv)
{
  if (argc != 3)
    return 2;
  folder = argv[1];
  alarm(2 * PATIENCE);
  whole_whenever_it_ends("sealed");
  whole_whenever_it_ends("prosody");
  return failed;
}
