/* Log lines arrive where they should, and never name anybody. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <string.h>

#include "check.h"
#include "visits.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct seen {
  int lines, bad, by_level[4];
  char all[8192];
};

static void take(void *userdata, int32_t level, const char *line)
{
  struct seen *seen = userdata;
  pthread_mutex_lock(&lock);
  seen->lines++;
  if (level >= MV_LOG_ERROR && level <= MV_LOG_DEBUG)
    seen->by_level[level]++;
  else
    seen->bad++;
  seen->bad += strlen(line) == 0 || strpbrk(line, "\r\n") != NULL;
  strncat(seen->all, line, sizeof seen->all - strlen(seen->all) - 2);
  strcat(seen->all, "\n");
  pthread_mutex_unlock(&lock);
}

static void open_logged(const mv_counter *counter, const char *kind, const char *folder, struct seen *seen)
{
  mv_error error;
  char url[512];
  mv_config *config = mv_config_new();
  snprintf(url, sizeof url, "%s:%s", kind, folder);
  CHECK(mv_config_set(config, "store", url, &error) == MV_OK);
  CHECK(mv_config_set(config, "retention_months", "1", &error) == MV_OK);
  CHECK(mv_config_set(config, "flush_interval", "1ms", &error) == MV_OK);
  CHECK(mv_config_set_log(config, seen == NULL ? NULL : take, seen) == MV_OK);
  CHECK(mv_open(counter, config, &error) == MV_OK);
  mv_config_free(config);
}

static void record_canaries(const mv_counter *counter)
{
  static const char *const resources[] = {"canary-resource", "canary-\xff\xfe", NULL};
  static const int64_t times[] = {SEPTEMBER, OCTOBER, OCTOBER + DAY, NOVEMBER, NOVEMBER + DAY, SEPTEMBER, -1};
  char user[64];
  size_t i;
  for (i = 0; i < 7; i++) {
    snprintf(user, sizeof user, "canary%d@example.net", (int)i);
    mv_record(counter, user, "192.0.2.77", resources[i % 3], times[i]);
    mv_record(counter, "canary\xff", "canary-address", resources[i % 3], times[i]);
    mv_flush(counter, 60000, NULL);
  }
  mv_forget(counter, "canary1@example.net", NULL);
}

int main(int argc, char **argv)
{
  static struct seen seen;
  const mv_counter *counter = mv_new();
  char path[512];
  FILE *file;
  if (argc != 3)
    return 2;
  snprintf(path, sizeof path, "%s/sealed", argv[1]);
  open_logged(counter, "sealed", path, &seen);
  record_canaries(counter);
  CHECK(mv_close(counter, NULL) == MV_OK);
  CHECK(strstr(seen.all, "closed") != NULL && seen.by_level[MV_LOG_INFO] > 0);
  CHECK(strstr(seen.all, "deleted") != NULL);

  /* A user's file that is damaged: said, without the name of the file. */
  snprintf(path, sizeof path, "%s/monthly%%2dvisitors", argv[1]);
  open_logged(counter, "prosody", argv[1], &seen);
  record_canaries(counter);
  CHECK(mv_close(counter, NULL) == MV_OK);
  snprintf(path, sizeof path, "%s/monthly%%2dvisitors/canary3%%40example%%2enet.dat", argv[1]);
  file = fopen(path, "w");
  CHECK(file != NULL && fputs("return {", file) >= 0 && fclose(file) == 0);
  open_logged(counter, "prosody", argv[1], &seen);
  record_canaries(counter);
  CHECK(mv_close(counter, NULL) == MV_OK);
  CHECK(seen.by_level[MV_LOG_WARN] > 0);

  CHECK(seen.bad == 0);
  CHECK(strstr(seen.all, "canary") == NULL && strstr(seen.all, "192.0.2.77") == NULL);
  if (failed)
    fputs(seen.all, stderr);

  /* NULL is to nowhere. */
  seen.lines = 0;
  open_logged(counter, "memory", "", NULL);
  record_canaries(counter);
  CHECK(seen.lines == 0);
  mv_free(counter);
  return failed;
}
