/* One store, two who want to record: the second is refused, and told who has it. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "visits.h"

static void the_second_is_refused(const char *kind, const char *folder)
{
  mv_error error;
  const mv_counter *first = mv_new(), *second = mv_new();
  char holder[32], url[512];
  mv_config *config = mv_config_new();
  int to_child[2], from_child[2], status;
  char byte;
  pid_t child;
  CHECK(pipe(to_child) == 0 && pipe(from_child) == 0);
  child = fork();
  if (child == 0) {
    /* Holds the store until told to end. */
    close(to_child[1]);
    failed = open_store(first, kind, folder, "held", &error) != MV_OK || record_users(first, 0, 5, OCTOBER) != 0
             || mv_flush(first, 60000, &error) != MV_OK || write(from_child[1], "o", 1) != 1
             || read(to_child[0], &byte, 1) < 0;
    mv_free(first);
    mv_free(second);
    mv_config_free(config);
    exit(failed);
  }
  CHECK(read(from_child[0], &byte, 1) == 1);
  snprintf(holder, sizeof holder, "process %ld ", (long)child);
  CHECK(open_store(second, kind, folder, "held", &error) == MV_ERR_STORAGE && strstr(error.message, holder) != NULL);
  CHECK(mv_record(second, "juliet", NULL, NULL, OCTOBER) == MV_ERR_CLOSED);

  /* Who only reads is let in. */
  snprintf(url, sizeof url, "%s:%s/held", kind, folder);
  CHECK(mv_config_set(config, "store", url, &error) == MV_OK);
  CHECK(mv_config_set(config, "read_only", "true", &error) == MV_OK);
  CHECK(mv_open(second, config, &error) == MV_OK);
  CHECK(users_of(second, "2026-10") == 5);
  CHECK(mv_record(second, "juliet", NULL, NULL, OCTOBER) < 0);
  CHECK(users_of(second, "2026-10") == 5);
  CHECK(mv_close(second, &error) == MV_OK);

  close(to_child[1]);
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  /* Now it is free; in one process, too, there is one who records. */
  CHECK(open_store(second, kind, folder, "held", &error) == MV_OK);
  CHECK(open_store(first, kind, folder, "held", &error) == MV_ERR_STORAGE);
  CHECK(record_users(second, 0, 7, OCTOBER) == 0 && users_of(second, "2026-10") == 7);
  mv_free(second);
  CHECK(open_store(first, kind, folder, "held", &error) == MV_OK && users_of(first, "2026-10") == 7);
  mv_free(first);
  mv_config_free(config);
  close(to_child[0]);
  close(from_child[0]);
  close(from_child[1]);
}

int main(int argc, char **argv)
{
  char path[512];
  if (argc != 3)
    return 2;
  the_second_is_refused("sealed", argv[1]);
  snprintf(path, sizeof path, "%s/host", argv[1]);
  CHECK(mkdir(path, 0755) == 0);
  snprintf(path, sizeof path, "%s/host/held", argv[1]);
  CHECK(mkdir(path, 0755) == 0);
  snprintf(path, sizeof path, "%s/host", argv[1]);
  the_second_is_refused("prosody", path);
  return failed;
}
