/* A million first logins, the flush of them all, and the store opened again. */
#include <malloc.h>

#include "bench.h"

#define MILLION 1000000UL

int main(int count, char **arguments)
{
  struct input input = read_input(count, arguments);
  const mv_counter *counter = open_counter(&input), *again = mv_new();
  mv_config *config = mv_config_new();
  double before = memory(), start = now();
  log_in(counter, &input, 0, MILLION);
  tell("first", (now() - start) / MILLION);
  start = now();
  flush(counter);
  tell("flush", (now() - start) / 1e6);
  tell("memory", (settled_memory() - before) / MILLION);
  /* Without what was freed and malloc has kept for later. */
  malloc_trim(0);
  tell("held", (settled_memory() - before) / MILLION);
  CHECK(mv_close(counter, &error_));
  mv_free(counter);

  /* The store alone: reading a database of places is not what is asked. */
  CHECK(mv_config_set(config, "store", input.store, &error_));
  CHECK(mv_config_set(config, "host", "example.net", &error_));
  start = now();
  CHECK(mv_open(again, config, &error_));
  tell("open", (now() - start) / 1e6);
  mv_config_free(config);
  CHECK(mv_close(again, &error_));
  mv_free(again);
  return 0;
}
