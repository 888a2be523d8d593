/* The child of a fork forgets a user of whom it knows nothing: neither what the
   parent recorded before the fork, nor the month that the parent began after it.
   The user is forgotten all the same, and counts again when they come again. */
#define _DEFAULT_SOURCE
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "visits.h"

enum { PATIENCE = 240, TRIES = 100 }; /* Seconds; of a tenth of a second each. */

/* Whether what waits is written, once the parent has closed the store. */
static int is_written(const mv_counter *counter)
{
  mv_error error;
  int i;
  for (i = 0; i < TRIES; i++) {
    if (mv_flush(counter, 60000, &error) == MV_OK)
      return 1;
    usleep(100000);
  }
  return 0;
}

static void forget_in_a_child(const char *folder, const char *name, int begun_before, int comes_again)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  int go[2], status;
  char byte;
  pid_t child;
  CHECK(pipe(go) == 0);
  CHECK(open_store(counter, "sealed", folder, name, &error) == MV_OK);
  if (begun_before)
    CHECK(record_users(counter, 0, 5, OCTOBER) == 0 && mv_flush(counter, 60000, &error) == MV_OK);
  child = fork();
  if (child == 0) {
    failed = 0;
    close(go[1]);
    alarm(PATIENCE);
    CHECK(mv_forget(counter, "user3@example.net", &error) == MV_OK);
    if (comes_again)
      CHECK(record_users(counter, 3, 4, OCTOBER) == 0);
    CHECK(read(go[0], &byte, 1) == 0); /* The parent has closed. */
    CHECK(is_written(counter));
    if (!comes_again)
      CHECK(users_of(counter, "2026-10") == 5); /* The counts stay. */
    CHECK(record_users(counter, 3, 4, OCTOBER) == 0 && mv_flush(counter, 60000, &error) == MV_OK);
    CHECK(users_of(counter, "2026-10") == 6);
    CHECK(mv_close(counter, &error) == MV_OK);
    _exit(failed);
  }
  close(go[0]);
  if (!begun_before)
    CHECK(record_users(counter, 0, 5, OCTOBER) == 0 && mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(mv_close(counter, &error) == MV_OK);
  close(go[1]);
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  /* Who was forgotten and came again is known now. */
  CHECK(open_store(counter, "sealed", folder, name, &error) == MV_OK);
  CHECK(record_users(counter, 0, 5, OCTOBER) == 0 && mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(users_of(counter, "2026-10") == 6);
  CHECK(mv_close(counter, &error) == MV_OK);
  mv_free(counter);
}

int main(int argc, char **argv)
{
  if (argc < 2)
    return 2;
  forget_in_a_child(argv[1], "before", 1, 0);
  forget_in_a_child(argv[1], "again", 1, 1);
  forget_in_a_child(argv[1], "after", 0, 0);
  return failed;
}
