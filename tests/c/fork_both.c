/* Parent and child both record, forked before and after the first login, into
   one store: the child's visits wait until the parent has closed, and then both
   are there, each user once. Where both have begun the month by themselves, the
   log says how many visits of the child are lost; these users count when they
   come again. */
#define _DEFAULT_SOURCE
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "visits.h"

enum { PATIENCE = 240, TRIES = 100 }; /* Seconds; of a tenth of a second each. */

static const char *folder;
static char said[4096];

/* In the child alone, which has one writer. */
static void take(void *unused, int32_t level, const char *line)
{
  (void)unused;
  if (level == MV_LOG_WARN)
    strncat(said, line, sizeof said - strlen(said) - 1);
}

static mv_status open_logged(const mv_counter *counter, const char *kind, const char *name, mv_error *error)
{
  mv_config *config = mv_config_new();
  char url[600];
  mv_status status;
  snprintf(url, sizeof url, "%s:%s/%s", kind, folder, name);
  CHECK(mv_config_set(config, "store", url, error) == MV_OK);
  CHECK(mv_config_set_log(config, take, NULL) == MV_OK);
  status = mv_open(counter, config, error);
  mv_config_free(config);
  return status;
}

/* The child: records beside the parent, ends when the parent has closed. */
static int child_records(const mv_counter *counter, int tell, int told, int own_key)
{
  mv_error error;
  char byte;
  int i;
  alarm(PATIENCE);
  failed = 0;
  CHECK(record_users(counter, 50, 150, OCTOBER) == 0);
  CHECK(mv_flush(counter, 60000, &error) == MV_ERR_STORAGE);
  CHECK(write(tell, "r", 1) == 1);
  CHECK(read(told, &byte, 1) == 0); /* The parent has closed. */
  for (i = 0; i < TRIES && mv_flush(counter, 60000, &error) != MV_OK; i++)
    usleep(100000);
  CHECK(i < TRIES);
  /* Under the key of the child, nobody is known to the parent's month. */
  CHECK(users_of(counter, "2026-10") == (own_key ? 100 : 150));
  CHECK((strstr(said, "100 visits since the fork cannot be written") != NULL) == own_key);
  CHECK(record_users(counter, 50, 160, OCTOBER) == 0);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(users_of(counter, "2026-10") == 160);
  CHECK(mv_close(counter, &error) == MV_OK);
  mv_free(counter);
  return failed;
}

/* `before`: users that the parent has recorded when it forks; `written`: and
   the store has them. */
static void both_count(const char *kind, const char *name, int before, int written)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  char path[600], byte;
  int tell[2], refused[2], status = -1;
  pid_t child;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  CHECK(strcmp(kind, "sealed") == 0 || (mkdir(path, 0755) == 0));
  CHECK(open_logged(counter, kind, name, &error) == MV_OK);
  CHECK(record_users(counter, 0, before, OCTOBER) == 0);
  CHECK(!written || mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(pipe(tell) == 0 && pipe(refused) == 0);
  child = fork();
  if (child == 0) {
    close(tell[1]);
    _exit(child_records(counter, refused[1], tell[0], before == 0 && strcmp(kind, "sealed") == 0));
  }
  close(tell[0]);
  close(refused[1]);
  CHECK(record_users(counter, 0, 100, OCTOBER) == 0);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(users_of(counter, "2026-10") == 100);
  CHECK(read(refused[0], &byte, 1) == 1);
  CHECK(mv_close(counter, &error) == MV_OK);
  close(tell[1]);
  close(refused[0]);
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(open_store(counter, kind, folder, name, &error) == MV_OK);
  CHECK(users_of(counter, "2026-10") == 160);
  mv_free(counter);
}

int main(int argc, char **argv)
{
  if (argc != 3)
    return 2;
  alarm(2 * PATIENCE);
  folder = argv[1];
  both_count("sealed", "sealed-before", 0, 0);
  both_count("sealed", "sealed-after", 30, 0);
  both_count("sealed", "sealed-written", 30, 1);
  both_count("prosody", "prosody-before", 0, 0);
  both_count("prosody", "prosody-after", 30, 0);
  both_count("prosody", "prosody-written", 30, 1);
  return failed;
}
