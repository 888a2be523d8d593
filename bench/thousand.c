/* A thousand users who come again and again. */
#include "repeat.h"

int main(int count, char **arguments)
{
  struct input input = read_input(count, arguments);
  const mv_counter *counter = open_counter(&input);
  log_in(counter, &input, 0, 1000);
  flush(counter);
  measure_repeat(counter, 1000);
  CHECK(mv_close(counter, &error_));
  mv_free(counter);
  return 0;
}
