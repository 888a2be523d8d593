/* Logins for callgrind to count: first|repeat NUMBER PATTERNS. The store is
   memory alone, so that only the host's side of a login is there to count. */
#include "bench.h"

int main(int count, char **arguments)
{
  const mv_counter *counter = mv_new();
  mv_config *config = mv_config_new();
  unsigned long number, i;
  struct lines patterns;
  if (count != 4)
    stop(arguments[0], "needs first|repeat NUMBER PATTERNS");
  number = strtoul(arguments[2], NULL, 10);
  patterns = read_lines(arguments[3]);
  CHECK(mv_config_set(config, "store", "memory:", &error_));
  CHECK(mv_config_set(config, "host", "example.net", &error_));
  CHECK(mv_config_set(config, "flush_interval", "1h", &error_));
  for (i = 0; i < patterns.count; i++)
    CHECK(mv_config_add_client(config, patterns.line[i], "ANDROID", &error_));
  CHECK(mv_open(counter, config, &error_));
  mv_config_free(config);
  for (i = 0; i < number; i++) {
    char user[64];
    name_user(user, strcmp(arguments[1], "first") == 0 ? i : 0);
    CHECK(mv_record(counter, user, "192.0.2.1", "Conversations.x7", MV_NOW));
  }
  CHECK(mv_close(counter, &error_));
  mv_free(counter);
  return 0;
}
