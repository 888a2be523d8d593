/* Hosts and their descriptors: one that has no more of them, and one that closes
   all that it does not know. */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "visits.h"

enum { PATIENCE = 240, FEW = 32 };

static const char *folder;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int errors, recoveries;

static void take(void *unused, int32_t level, const char *line)
{
  (void)unused;
  pthread_mutex_lock(&lock);
  errors += level == MV_LOG_ERROR;
  recoveries += strstr(line, "can be written again") != NULL;
  pthread_mutex_unlock(&lock);
}

static mv_status open_logged(const mv_counter *counter, const char *kind, const char *name, mv_error *error)
{
  mv_config *config = mv_config_new();
  char url[512];
  mv_status status;
  snprintf(url, sizeof url, "%s:%s/%s", kind, folder, name);
  mkdir(url + strlen(kind) + 1, 0755);
  CHECK(mv_config_set(config, "store", url, error) == MV_OK);
  CHECK(mv_config_set(config, "flush_interval", "1ms", error) == MV_OK);
  CHECK(mv_config_set_log(config, take, NULL) == MV_OK);
  status = mv_open(counter, config, error);
  mv_config_free(config);
  return status;
}

/* All descriptors are in use: logins count on, the log says so once, and when
   some are free again everything is written. */
static void none_left(const char *kind)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  struct rlimit old, few;
  int used[FEW], count = 0, i;
  int64_t pending = -1;
  CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
  few = old;
  few.rlim_cur = FEW;
  errors = recoveries = 0;
  CHECK(open_logged(counter, kind, kind, &error) == MV_OK);
  CHECK(record_users(counter, 0, 10, OCTOBER) == 0);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
  while (count < FEW && (used[count] = open("/dev/null", O_RDONLY)) >= 0)
    count++;
  CHECK(count > 0 && count < FEW);
  for (i = 1; i <= 3; i++) {
    CHECK(record_users(counter, i * 10, i * 10 + 10, OCTOBER) == 0);
    CHECK(mv_flush(counter, 60000, &error) == MV_ERR_STORAGE && strstr(error.message, "Too many open files") != NULL);
    CHECK(mv_health(counter, "pending", &pending, &error) == MV_OK && pending == i * 10);
  }
  CHECK(mv_close(counter, &error) == MV_ERR_STORAGE);
  CHECK(errors == 1 && recoveries == 0);
  while (count > 0)
    close(used[--count]);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(mv_close(counter, &error) == MV_OK);
  CHECK(errors == 1 && recoveries == 1);
  CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
  CHECK(open_store(counter, kind, folder, kind, &error) == MV_OK);
  CHECK(users_of(counter, "2026-10") == 40);
  mv_free(counter);
}

/* Whether another process can open the store; it then counts ten users. */
static int another_records(const char *kind, const char *name)
{
  int status = -1;
  pid_t child = fork();
  if (child == 0) {
    mv_error error;
    const mv_counter *own = mv_new();
    mv_status opened;
    alarm(PATIENCE);
    opened = open_store(own, kind, folder, name, &error);
    if (opened == MV_ERR_STORAGE && strstr(error.message, "in use by process") != NULL)
      _exit(1);
    _exit(opened == MV_OK && record_users(own, 100, 110, OCTOBER) == 0 && mv_close(own, &error) == MV_OK ? 0 : 2);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) < 2);
  return WEXITSTATUS(status) == 0;
}

/* Between the loss of the lock and the next write somebody else has recorded:
   what they have counted is not overwritten. */
static void another_came_between(const char *kind, const char *name)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  int file;
  CHECK(open_logged(counter, kind, name, &error) == MV_OK);
  CHECK(record_users(counter, 0, 10, OCTOBER) == 0);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  for (file = 3; file < 1024; file++)
    close(file);
  CHECK(another_records(kind, name));
  CHECK(record_users(counter, 10, 20, OCTOBER) == 0);
  CHECK(mv_flush(counter, 60000, &error) == MV_ERR_STORAGE && strstr(error.message, "another has recorded") != NULL);
  mv_free(counter);
  counter = mv_new();
  CHECK(open_store(counter, kind, folder, name, &error) == MV_OK);
  CHECK(users_of(counter, "2026-10") == 20);
  CHECK(record_users(counter, 0, 20, OCTOBER) == 0 && users_of(counter, "2026-10") == 30);
  mv_free(counter);
}

/* A daemon closes every descriptor that it does not know, those of the library
   too. Its next files get their numbers: they are not the library's to write. */
static void all_closed(const char *kind, const char *name)
{
  static const char text[] = "of the host";
  mv_error error;
  const mv_counter *counter = mv_new();
  char path[512], read_back[sizeof text] = "";
  struct stat found;
  int file, i, files[FEW];
  CHECK(open_logged(counter, kind, name, &error) == MV_OK);
  CHECK(record_users(counter, 0, 10, OCTOBER) == 0);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  for (file = 3; file < 1024; file++)
    close(file);
  for (i = 0; i < FEW; i++) {
    snprintf(path, sizeof path, "%s/host%d", folder, i);
    files[i] = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(files[i] >= 0 && write(files[i], text, sizeof text) == (ssize_t)sizeof text);
  }
  CHECK(record_users(counter, 5, 30, OCTOBER) == 0);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(users_of(counter, "2026-10") == 30);
  CHECK(!another_records(kind, name)); /* The lock is held again. */
  CHECK(mv_close(counter, &error) == MV_OK);
  mv_free(counter);
  for (i = 0; i < FEW; i++) {
    CHECK(fstat(files[i], &found) == 0 && found.st_size == (off_t)sizeof text);
    CHECK(pread(files[i], read_back, sizeof text, 0) == (ssize_t)sizeof text && strcmp(read_back, text) == 0);
    close(files[i]);
  }
  counter = mv_new();
  CHECK(open_store(counter, kind, folder, name, &error) == MV_OK);
  CHECK(users_of(counter, "2026-10") == 30);
  mv_free(counter);
}

int main(int argc, char **argv)
{
  int status = -1;
  pid_t child;
  if (argc != 3)
    return 2;
  folder = argv[1];
  alarm(2 * PATIENCE);
  none_left("sealed");
  none_left("prosody");
  /* In a child: tools that watch this program keep files of their own open. */
  child = fork();
  if (child == 0) {
    alarm(PATIENCE);
    failed = 0;
    all_closed("sealed", "closed-sealed");
    all_closed("prosody", "closed-prosody");
    another_came_between("sealed", "between-sealed");
    another_came_between("prosody", "between-prosody");
    _exit(failed);
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  return failed;
}
