/* The Prosody store: flushes of a thousand new users, when it is new and when it
   has the history of a large server. */
#include "bench.h"

#define BATCH 1000UL
#define HISTORY 100000UL
#define FLUSHES 10UL
#define MONTH (31 * 24 * 60 * 60L)

/* Tells time and bytes of a flush, on average, and how many keys there are. */
static unsigned long measure(const mv_counter *counter, const struct input *input, unsigned long users,
                             const char *when)
{
  const mv_report *report;
  unsigned long flushes;
  double spent = 0, bytes = written();
  char name[32];
  for (flushes = 0; flushes < FLUSHES; flushes++, users += BATCH) {
    double start;
    log_in(counter, input, users, BATCH);
    start = now();
    flush(counter);
    spent += now() - start;
  }
  snprintf(name, sizeof name, "%s_time", when);
  tell(name, spent / 1e6 / FLUSHES);
  snprintf(name, sizeof name, "%s_bytes", when);
  tell(name, (written() - bytes) / FLUSHES);
  CHECK(mv_report_new(counter, NULL, NULL, &report, &error_));
  snprintf(name, sizeof name, "%s_keys", when);
  tell(name, (double)mv_report_len(report));
  mv_report_free(report);
  return users;
}

int main(int count, char **arguments)
{
  struct input input = read_input(count, arguments);
  const mv_counter *counter = open_counter(&input);
  unsigned long users = measure(counter, &input, 0, "new");
  /* In three months, each with thousands of keys. */
  for (; users < HISTORY; users += BATCH) {
    log_in_at(counter, &input, users, BATCH, time(NULL) - (long)(users * 3 / HISTORY) * MONTH);
    flush(counter);
  }
  measure(counter, &input, users, "old");
  CHECK(mv_close(counter, &error_));
  mv_free(counter);
  return 0;
}
