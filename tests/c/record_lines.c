/* Records logins from standard input, "USER<TAB>IP<TAB>RESOURCE<TAB>TIME" on each
   line, and prints the rows of the report: record_lines SETTINGS.toml */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <monthly_visitors.h>

static int fail(const char *what, const mv_error *error)
{
  fprintf(stderr, "record_lines: %s: %s\n", what, error->message);
  return 1;
}

int main(int argc, char **argv)
{
  char line[8192];
  mv_error error;
  mv_config *config = mv_config_new();
  const mv_counter *counter = mv_new();
  const mv_report *report = NULL;
  size_t i;

  if (argc != 2 || mv_config_load(config, argv[1], &error) != MV_OK || mv_open(counter, config, &error) != MV_OK)
    return fail("open", &error);
  mv_config_free(config);
  while (fgets(line, sizeof line, stdin) != NULL) {
    char *ip = strchr(line, '\t'), *resource = ip ? strchr(ip + 1, '\t') : NULL;
    char *time = resource ? strchr(resource + 1, '\t') : NULL;
    mv_status status;
    if (time == NULL)
      return fprintf(stderr, "record_lines: not four fields\n"), 1;
    *ip++ = *resource++ = *time++ = '\0';
    while ((status = mv_record(counter, line, ip, resource, strtoll(time, NULL, 10))) == MV_ERR_FULL)
      if (mv_flush(counter, 600000, &error) != MV_OK)
        return fail("flush", &error);
    if (status != MV_OK)
      return fprintf(stderr, "record_lines: %s\n", mv_strerror(status)), 1;
  }
  if (mv_flush(counter, 600000, &error) != MV_OK || mv_report_new(counter, NULL, NULL, &report, &error) != MV_OK)
    return fail("report", &error);
  for (i = 0; i < mv_report_len(report); i++) {
    const mv_row *row = mv_report_row(report, i);
    printf("%s\t%s\t%" PRIu64 "\n", row->month, row->key, row->count);
  }
  mv_report_free(report);
  if (mv_close(counter, &error) != MV_OK)
    return fail("close", &error);
  mv_free(counter);
  return 0;
}
