/* Prints what each address of the standard input counts as, as
   "ADDRESS<TAB>KEY": lookup PLACES.mmdb

   Each login has a month of its own in a store in memory, so that the report
   tells the key of every single one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <monthly_visitors.h>

enum { MONTHS = 12000, TEXT = 64 };

static const int64_t month = 2629746; /* Mean length in seconds. */

static char addresses[MONTHS][TEXT];

static int look_up(const char *places, size_t count)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  const mv_report *report = NULL;
  mv_config *config = mv_config_new();
  size_t i, row, found = 0;
  if (mv_config_set(config, "store", "memory:", &error) != MV_OK
      || mv_config_set(config, "geoip", places, &error) != MV_OK || mv_open(counter, config, &error) != MV_OK) {
    fprintf(stderr, "lookup: %s\n", error.message);
    return 0;
  }
  mv_config_free(config);
  for (i = 0; i < count; i++) {
    mv_status status = mv_record(counter, "user", addresses[i], NULL, month / 2 + (int64_t)i * month);
    if (status != MV_OK) {
      fprintf(stderr, "lookup: %s\n", mv_strerror(status));
      return 0;
    }
  }
  if (mv_report_new(counter, NULL, NULL, &report, &error) != MV_OK) {
    fprintf(stderr, "lookup: %s\n", error.message);
    return 0;
  }
  for (row = 0; row < mv_report_len(report); row++)
    if (strncmp(mv_report_row(report, row)->key, "geo-", 4) == 0 && found < count)
      printf("%s\t%s\n", addresses[found++], mv_report_row(report, row)->key);
  mv_report_free(report);
  mv_free(counter);
  if (found != count)
    fprintf(stderr, "lookup: %zu addresses, %zu keys\n", count, found);
  return found == count;
}

int main(int argc, char **argv)
{
  size_t count = 0;
  if (argc != 2)
    return 2;
  while (fgets(addresses[count], TEXT, stdin) != NULL) {
    addresses[count][strcspn(addresses[count], "\n")] = '\0';
    if (++count == MONTHS) {
      if (!look_up(argv[1], count))
        return 1;
      count = 0;
    }
  }
  return count > 0 && !look_up(argv[1], count);
}
