/* How long the host waits for a first login while a flush of a million goes on. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "bench.h"

#define MILLION 1000000UL
#define RATE 20000.0
/* As many as come in 25 seconds. */
#define MOST 500000UL

static const mv_counter *counter;
static atomic_bool flushed;

static void *flush_all(void *argument)
{
  (void)argument;
  flush(counter);
  atomic_store(&flushed, true);
  return NULL;
}

static int by_size(const void *one, const void *other)
{
  double a = *(const double *)one, b = *(const double *)other;
  return (a > b) - (a < b);
}

int main(int count, char **arguments)
{
  struct input input = read_input(count, arguments);
  double *waits = malloc(MOST * sizeof *waits);
  unsigned long rounds = count > 6 ? strtoul(arguments[6], NULL, 10) : 1, users = 0, logins = 0;
  if (waits == NULL)
    stop(arguments[0], "there is no memory");
  counter = open_counter(&input);
  for (; rounds > 0; rounds--) {
    pthread_t thread;
    double due;
    log_in(counter, &input, users, MILLION);
    users += MILLION;
    atomic_store(&flushed, false);
    pthread_create(&thread, NULL, flush_all, NULL);
    for (due = now(); !atomic_load(&flushed) && logins < MOST; due += 1e9 / RATE) {
      /* In cache, as after an authentication. */
      char user[64], address[64], resource[256];
      strcpy(address, input.addresses.line[users % input.addresses.count]);
      strcpy(resource, input.resources.line[users % input.resources.count]);
      double start;
      name_user(user, users++);
      do
        start = now();
      while (start < due);
      if (mv_record(counter, user, address, resource, MV_NOW) != MV_OK)
        stop("mv_record", "refused");
      waits[logins++] = now() - start;
    }
    pthread_join(thread, NULL);
  }
  qsort(waits, logins, sizeof *waits, by_size);
  tell("logins", (double)logins);
  tell("p50", waits[logins / 2] / 1e3);
  tell("p99", waits[logins * 99 / 100] / 1e3);
  tell("p99.9", waits[logins * 999 / 1000] / 1e3);
  tell("longest", waits[logins - 1] / 1e3);
  CHECK(mv_close(counter, &error_));
  mv_free(counter);
  return 0;
}
