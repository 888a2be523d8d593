/* What a host does with its process, and the library must bear: another working
   directory, a umask of 0, SIGPIPE at its default. It changes none of it. */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "visits.h"

enum { PATIENCE = 240 };

static const char *folder;

static mv_config *relative(const char *kind, const char *places)
{
  mv_error error;
  char url[64];
  mv_config *config = mv_config_new();
  snprintf(url, sizeof url, "%s:store", kind);
  CHECK(mv_config_set(config, "store", url, &error) == MV_OK);
  CHECK(mv_config_set(config, "geoip", places, &error) == MV_OK);
  return config;
}

static void enter(const char *name)
{
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  CHECK(mkdir(path, 0755) == 0 || access(path, X_OK) == 0);
  CHECK(chdir(path) == 0);
}

/* Nothing is left in the folder: it can be removed. */
static void is_empty(const char *name)
{
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  CHECK(rmdir(path) == 0);
}

/* A daemon goes to "/" when it has opened its files: paths that were relative
   then stay where they were, also for the child of a fork, and for a database
   that is read again. */
static void a_relative_path_stays_where_it_was(const char *kind, const char *home)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  mv_config *config;
  int status = -1;
  pid_t child;
  enter(home);
  CHECK(strcmp(kind, "sealed") == 0 || mkdir("store", 0755) == 0);
  CHECK(symlink("../places.mmdb", "places.mmdb") == 0);
  config = relative(kind, "places.mmdb");
  CHECK(mv_open(counter, config, &error) == MV_OK);
  CHECK(record_users(counter, 0, 10, OCTOBER) == 0);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  enter("elsewhere");
  /* Settings that change are those of the same store. */
  CHECK(mv_config_set(config, "retention_months", "25", &error) == MV_OK);
  CHECK(mv_open(counter, config, &error) == MV_OK);
  CHECK(record_users(counter, 10, 30, OCTOBER) == 0);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(mv_reload_geoip(counter, &error) == MV_OK);
  child = fork();
  if (child == 0) {
    int i;
    alarm(PATIENCE);
    failed = 0;
    CHECK(record_users(counter, 20, 40, OCTOBER) == 0);
    for (i = 0; i < 100 && mv_flush(counter, 60000, &error) != MV_OK; i++)
      usleep(100000);
    CHECK(users_of(counter, "2026-10") == 40);
    CHECK(mv_close(counter, &error) == MV_OK);
    _exit(failed);
  }
  CHECK(mv_close(counter, &error) == MV_OK);
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  is_empty("elsewhere");
  enter(home);
  CHECK(mv_open(counter, config, &error) == MV_OK);
  CHECK(users_of(counter, "2026-10") == 40);
  CHECK(mv_close(counter, &error) == MV_OK);
  mv_free(counter);
  mv_config_free(config);
}

/* What the library makes, seen from between it and the C library: never open to
   others, not even for a moment. */
static mode_t widest_folder;

int mkdir(const char *path, mode_t mode)
{
  widest_folder |= mode;
  /* As the system does it, which asks umask. */
  return mkdirat(-100 /* AT_FDCWD */, path, mode);
}

static void a_umask_of_0_opens_nothing(void)
{
  static const char *const names[] = {".", "2026-10.sealed", "2026-10.key"};
  static const mode_t modes[] = {0700, 0600, 0600};
  mv_error error;
  struct stat found;
  mode_t before = umask(0);
  const mv_counter *counter = mv_new();
  size_t i;
  widest_folder = 0;
  CHECK(open_store(counter, "sealed", folder, "umask", &error) == MV_OK);
  CHECK((widest_folder & 077) == 0 && widest_folder != 0);
  CHECK(record_users(counter, 0, 25, OCTOBER) == 0);
  CHECK(mv_close(counter, &error) == MV_OK);
  for (i = 0; i < 3; i++) {
    char path[512];
    snprintf(path, sizeof path, "%s/umask/%s", folder, names[i]);
    CHECK(stat(path, &found) == 0 && (found.st_mode & 07777) == modes[i]);
  }
  CHECK(open_store(counter, "sealed", folder, "umask", &error) == MV_OK && users_of(counter, NULL) == 25);
  mv_free(counter);
  CHECK(umask(before) == 0);
}

/* The standard streams lead into closed pipes, and SIGPIPE ends whoever writes
   there: the library writes nothing to them, and leaves every signal as it was. */
static void no_signal_is_touched(void)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  static struct sigaction before[65], after;
  sigset_t blocked_before, blocked_after;
  int number, status = -1;
  pid_t child = fork();
  if (child != 0) {
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    mv_free(counter);
    return;
  }
  alarm(PATIENCE);
  failed = 0;
  memset(&blocked_before, 0, sizeof blocked_before);
  memset(&blocked_after, 0, sizeof blocked_after);
  signal(SIGPIPE, SIG_DFL);
  /* Two are the C library's own, which tells nothing of them. */
  for (number = 1; number < 65; number++)
    CHECK(sigaction(number, NULL, &before[number]) == 0 || number == 32 || number == 33);
  sigprocmask(SIG_BLOCK, NULL, &blocked_before);
  for (number = 0; number < 3; number++) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    close(ends[0]);
    CHECK(dup2(ends[1], number) == number);
    close(ends[1]);
  }
  CHECK(open_store(counter, "sealed", folder, "pipe", &error) == MV_OK);
  CHECK(record_users(counter, 0, 25, OCTOBER) == 0);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(open_store(counter, "sealed", "/proc/nowhere", "x", &error) == MV_ERR_STORAGE);
  CHECK(users_of(counter, "2026-10") == 25);
  CHECK(mv_close(counter, &error) == MV_OK);
  for (number = 1; number < 65; number++) {
    CHECK(sigaction(number, NULL, &after) == 0 || number == 32 || number == 33);
    CHECK(number == 32 || number == 33 || (before[number].sa_handler == after.sa_handler && before[number].sa_flags == after.sa_flags));
  }
  sigprocmask(SIG_BLOCK, NULL, &blocked_after);
  CHECK(memcmp(&blocked_before, &blocked_after, sizeof blocked_before) == 0);
  mv_free(counter);
  _exit(failed);
}

int main(int argc, char **argv)
{
  char path[512];
  if (argc != 3)
    return 2;
  folder = argv[1];
  alarm(2 * PATIENCE);
  snprintf(path, sizeof path, "%s/places.mmdb", folder);
  CHECK(symlink(argv[2], path) == 0);
  a_relative_path_stays_where_it_was("sealed", "one");
  a_relative_path_stays_where_it_was("prosody", "two");
  a_umask_of_0_opens_nothing();
  no_signal_is_touched();
  return failed;
}
