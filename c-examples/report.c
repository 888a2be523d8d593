/* Prints totals: report SETTINGS.toml [FORMAT]

   Opened read-only, so that it may run while a server records into the same
   store. Without a format it walks through the rows. */
#include <inttypes.h>
#include <stdio.h>

#include <monthly_visitors.h>

static void print_rows(const mv_report *report)
{
  size_t i;
  for (i = 0; i < mv_report_len(report); i++) {
    const mv_row *row = mv_report_row(report, i);
    printf("%s %s %" PRIu64 "\n", row->month, row->key, row->count);
  }
}

int main(int argc, char **argv)
{
  mv_error error;
  mv_config *config = mv_config_new();
  const mv_counter *counter = mv_new();
  const mv_report *report = NULL;
  const char *text = NULL;
  int failed = 1;

  if (argc < 2) {
    fprintf(stderr, "usage: report SETTINGS.toml [FORMAT]\n");
  } else if (mv_config_load(config, argv[1], &error) != MV_OK
             || mv_config_set(config, "read_only", "true", &error) != MV_OK
             || mv_open(counter, config, &error) != MV_OK
             || mv_report_new(counter, NULL, NULL, &report, &error) != MV_OK) {
    fprintf(stderr, "report: %s\n", error.message);
  } else if (argc == 2) {
    print_rows(report);
    failed = 0;
  } else if ((text = mv_report_text(report, argv[2])) == NULL) {
    fprintf(stderr, "report: there is no format of that name\n");
  } else {
    fputs(text, stdout);
    failed = 0;
  }
  mv_report_free(report);
  mv_free(counter);
  mv_config_free(config);
  return failed;
}
