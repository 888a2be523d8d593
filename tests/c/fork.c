/* A host that forks: the parent's counting is not disturbed, a child goes on
   when the parent is gone, and nobody waits for ever. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "visits.h"

enum { PATIENCE = 240 }; /* Seconds; whoever hangs longer is ended by alarm. */

static const char *folder, *kind;

/* Waits for a child, and whether all was well in it. */
static int ended_well(pid_t child)
{
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Parent and child both record. The store is the parent's: the child is told
   so when it asks, and loses nothing by it. */
static void the_store_stays_with_the_parent(void)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  char parent[32];
  pid_t child;
  CHECK(open_store(counter, kind, folder, "parent", &error) == MV_OK);
  CHECK(record_users(counter, 0, 50, OCTOBER) == 0);
  snprintf(parent, sizeof parent, "process %ld", (long)getpid());
  child = fork();
  if (child == 0) {
    alarm(PATIENCE);
    failed = 0;
    CHECK(record_users(counter, 50, 60, OCTOBER) == 0);
    CHECK(mv_flush(counter, 60000, &error) == MV_ERR_STORAGE && strstr(error.message, parent) != NULL);
    CHECK(mv_close(counter, &error) == MV_ERR_STORAGE);
    mv_free(counter);
    _exit(failed);
  }
  CHECK(record_users(counter, 60, 100, OCTOBER) == 0);
  CHECK(ended_well(child));
  CHECK(record_users(counter, 100, 110, OCTOBER) == 0);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(users_of(counter, "2026-10") == 100);
  CHECK(mv_close(counter, &error) == MV_OK);
  CHECK(open_store(counter, kind, folder, "parent", &error) == MV_OK);
  CHECK(users_of(counter, "2026-10") == 100);
  CHECK(mv_close(counter, &error) == MV_OK);
  mv_free(counter);
}

/* A host that becomes a daemon: it opens, forks, and the parent ends at once.
   With `warm`, the parent's writer has already written something. */
static void a_daemon_counts_on(const char *name, int warm)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  int gone[2];
  char byte;
  pid_t starter = -1;
  CHECK(pipe(gone) == 0);
  starter = fork();
  if (starter == 0) {
    pid_t daemon;
    alarm(PATIENCE);
    failed = 0;
    CHECK(open_store(counter, kind, folder, name, &error) == MV_OK);
    if (warm) {
      CHECK(record_users(counter, 0, 20, OCTOBER) == 0);
      CHECK(mv_flush(counter, 60000, &error) == MV_OK);
    }
    daemon = fork();
    if (daemon == 0) {
      int i;
      alarm(PATIENCE);
      failed = 0;
      /* The parent may still live for a moment: what it holds back waits. */
      CHECK(record_users(counter, 10, 40, OCTOBER) == 0);
      for (i = 0; i < 100 && mv_flush(counter, 1000, &error) != MV_OK; i++) {
        CHECK(error.code == MV_ERR_STORAGE || error.code == MV_ERR_TIMEOUT);
        usleep(100000);
      }
      CHECK(users_of(counter, "2026-10") == (uint64_t)(warm ? 40 : 30));
      CHECK(record_users(counter, 0, 50, OCTOBER) == 0);
      CHECK(mv_close(counter, &error) == MV_OK);
      mv_free(counter);
      if (!failed && write(gone[1], "y", 1) != 1)
        failed = 1;
      _exit(failed);
    }
    _exit(failed);
  }
  close(gone[1]);
  CHECK(ended_well(starter));
  CHECK(read(gone[0], &byte, 1) == 1); /* Ends, with or without the byte. */
  close(gone[0]);
  CHECK(open_store(counter, kind, folder, name, &error) == MV_OK);
  CHECK(users_of(counter, "2026-10") == 50);
  mv_free(counter);
}

/* Forks while the writer works, again and again: neither hangs, and the
   parent's totals are right. */
static void forking_while_the_writer_works(void)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  mv_config *config = mv_config_new();
  char url[512];
  int i;
  snprintf(url, sizeof url, "%s:%s/busy", kind, folder);
  CHECK(mv_config_set(config, "store", url, &error) == MV_OK);
  CHECK(mv_config_set(config, "flush_interval", "1ms", &error) == MV_OK);
  CHECK(mv_open(counter, config, &error) == MV_OK);
  mv_config_free(config);
  for (i = 0; i < 20; i++) {
    pid_t child;
    CHECK(record_users(counter, i * 20, i * 20 + 20, OCTOBER) == 0);
    child = fork();
    if (child == 0) {
      alarm(PATIENCE);
      failed = 0;
      CHECK(record_users(counter, 5000, 5003, OCTOBER) == 0);
      mv_free(counter); /* Does not write: the store is the parent's. */
      _exit(failed);
    }
    CHECK(record_users(counter, i * 20, i * 20 + 20, OCTOBER) == 0);
    CHECK(ended_well(child));
  }
  CHECK(mv_close(counter, &error) == MV_OK);
  CHECK(open_store(counter, kind, folder, "busy", &error) == MV_OK);
  CHECK(users_of(counter, "2026-10") == 400);
  mv_free(counter);
}

/* Forks while another counter of the child's own is in use. */
static void a_child_may_open_its_own(void)
{
  mv_error error;
  const mv_counter *counter = mv_new(), *own = mv_new();
  pid_t child;
  CHECK(open_store(counter, kind, folder, "mine", &error) == MV_OK);
  CHECK(record_users(counter, 0, 5, OCTOBER) == 0);
  child = fork();
  if (child == 0) {
    alarm(PATIENCE);
    failed = 0;
    CHECK(open_store(own, kind, folder, "mine", &error) == MV_ERR_STORAGE);
    CHECK(open_store(own, kind, folder, "yours", &error) == MV_OK);
    CHECK(record_users(own, 0, 7, OCTOBER) == 0);
    CHECK(mv_close(own, &error) == MV_OK);
    mv_free(own);
    mv_free(counter);
    _exit(failed);
  }
  CHECK(ended_well(child));
  CHECK(open_store(own, kind, folder, "yours", &error) == MV_OK && users_of(own, NULL) == 7);
  CHECK(users_of(counter, NULL) == 5);
  mv_free(own);
  mv_free(counter);
}

int main(int argc, char **argv)
{
  static const char *const names[] = {"parent", "cold", "warm", "busy", "mine", "yours"};
  static const char *const kinds[] = {"sealed", "prosody"};
  char path[512], inner[600], command[700];
  size_t i, k;
  if (argc != 3)
    return 2;
  alarm(2 * PATIENCE);
  for (k = 0; k < 2; k++) {
    kind = kinds[k];
    snprintf(path, sizeof path, "%s/%s", argv[1], kind);
    folder = path;
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
      snprintf(inner, sizeof inner, "%s/%s", path, names[i]);
      snprintf(command, sizeof command, "mkdir -p '%s'", inner);
      CHECK(system(command) == 0);
    }
    the_store_stays_with_the_parent();
    a_daemon_counts_on("cold", 0);
    a_daemon_counts_on("warm", 1);
    forking_while_the_writer_works();
    a_child_may_open_its_own();
  }
  return failed;
}
