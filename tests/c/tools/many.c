/* Records so many new users, each with a resource of its own, waiting for the
   store where it must; closes, opens again, counts, and forgets one. Prints the most
   memory that it took, in KiB, and how often it waited: many STORE_URL USERS LOGINS_OF_EACH */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <monthly_visitors.h>

#include "../visits.h"

static mv_error error;

static void check(mv_status status)
{
  if (status == MV_OK)
    return;
  fprintf(stderr, "many: %s\n", error.message);
  exit(1);
}

static const mv_counter *open_counter(const char *url)
{
  const mv_counter *counter = mv_new();
  mv_config *config = mv_config_new();
  check(mv_config_set(config, "store", url, &error));
  check(mv_config_add_client(config, "^Zom%-%d+$", "IOS", &error));
  check(mv_open(counter, config, &error));
  mv_config_free(config);
  return counter;
}

/* In KiB. What getrusage tells begins with the memory of the parent. */
static long peak(void)
{
  char line[128];
  long kib = 0;
  FILE *file = fopen("/proc/self/status", "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "VmHWM: %ld", &kib) == 1)
      break;
  if (file != NULL)
    fclose(file);
  if (kib == 0)
    exit(1);
  return kib;
}

int main(int count, char **arguments)
{
  const mv_counter *counter;
  uint64_t before, users, found, login, logins, full = 0;
  if (count != 4)
    return 2;
  users = strtoull(arguments[2], NULL, 10);
  logins = users * strtoull(arguments[3], NULL, 10);
  counter = open_counter(arguments[1]);
  before = users_of(counter, NULL);
  for (login = 0; login < logins; login++) {
    char user[48], resource[48];
    mv_status status;
    snprintf(user, sizeof user, "new%" PRIu64 "@example.net", login % users);
    snprintf(resource, sizeof resource, "Zom-%" PRIu64, login);
    while ((status = mv_record(counter, user, "192.0.2.1", resource, NOVEMBER)) == MV_ERR_FULL) {
      full++;
      check(mv_flush(counter, 600000, &error));
    }
    if (status != MV_OK) {
      fprintf(stderr, "many: %s\n", mv_strerror(status));
      return 1;
    }
  }
  check(mv_close(counter, &error));
  mv_free(counter);
  counter = open_counter(arguments[1]);
  found = users_of(counter, NULL);
  if (found != before + users) {
    fprintf(stderr, "many: %" PRIu64 " users instead of %" PRIu64 "\n", found, before + users);
    return 1;
  }
  check(mv_forget(counter, "new0@example.net", &error));
  check(mv_close(counter, &error));
  mv_free(counter);
  printf("%ld %" PRIu64 "\n", peak(), full);
  return 0;
}
