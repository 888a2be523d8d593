/* Many threads, one counter: threads SETTINGS.toml [THREADS]

   Each thread records the same users; whoever is first, each user counts once. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <monthly_visitors.h>

enum { USERS = 10000, MAX_THREADS = 64 };

struct work {
  pthread_t thread;
  int refused;
};

static void *record_all(void *argument)
{
  struct work *work = argument;
  char user[32];
  int i;
  for (i = 0; i < USERS; i++) {
    snprintf(user, sizeof user, "user%d@example.net", i);
    if (mv_record_login(user, "192.0.2.1", "threads") != MV_OK)
      work->refused++;
  }
  return NULL;
}

/* The number of users in the store, by client. */
static uint64_t users(const mv_report *report)
{
  uint64_t sum = 0;
  size_t i;
  for (i = 0; i < mv_report_len(report); i++)
    if (mv_report_row(report, i)->key[0] == 'c')
      sum += mv_report_row(report, i)->count;
  return sum;
}

int main(int argc, char **argv)
{
  static struct work works[MAX_THREADS];
  int threads = argc > 2 ? atoi(argv[2]) : 8, started, i, refused = 0;
  mv_error error;
  mv_config *config = mv_config_new();
  const mv_report *report = NULL;
  uint64_t before;

  if (argc < 2 || threads < 1 || threads > MAX_THREADS) {
    fprintf(stderr, "usage: threads SETTINGS.toml [1..64]\n");
    mv_config_free(config);
    return 1;
  }
  if (mv_config_load(config, argv[1], &error) != MV_OK || mv_open(mv_default(), config, &error) != MV_OK
      || mv_report_new(mv_default(), NULL, NULL, &report, &error) != MV_OK) {
    fprintf(stderr, "threads: %s\n", error.message);
    mv_config_free(config);
    return 1;
  }
  mv_config_free(config);
  before = users(report);
  mv_report_free(report);
  for (started = 0; started < threads; started++)
    if (pthread_create(&works[started].thread, NULL, record_all, &works[started]) != 0)
      break;
  for (i = 0; i < started; i++) {
    pthread_join(works[i].thread, NULL);
    refused += works[i].refused;
  }
  if (mv_report_new(mv_default(), NULL, NULL, &report, &error) != MV_OK) {
    fprintf(stderr, "threads: %s\n", error.message);
    return 1;
  }
  printf("%d threads, %d refused, %" PRIu64 " new users\n", started, refused, users(report) - before);
  mv_report_free(report);
  if (mv_close(mv_default(), &error) != MV_OK) {
    fprintf(stderr, "threads: %s\n", error.message);
    return 1;
  }
  return refused > 0;
}
