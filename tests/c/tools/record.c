/* Records the logins of the standard input, "USER<TAB>IP<TAB>RESOURCE<TAB>TIME"
   per line, and prints the rows of the report: record SETTINGS.toml */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <monthly_visitors.h>

static int fail(const char *what)
{
  fprintf(stderr, "record: %s\n", what);
  return 1;
}

int main(int argc, char **argv)
{
  static char line[4096];
  mv_error error;
  const mv_report *report = NULL;
  mv_config *config = mv_config_new();
  size_t i;
  if (argc != 2)
    return 2;
  if (mv_config_load(config, argv[1], &error) != MV_OK || mv_open(mv_default(), config, &error) != MV_OK)
    return fail(error.message);
  mv_config_free(config);
  while (fgets(line, sizeof line, stdin) != NULL) {
    char *ip = strchr(line, '\t'), *resource = ip == NULL ? NULL : strchr(ip + 1, '\t');
    char *time = resource == NULL ? NULL : strchr(resource + 1, '\t');
    mv_status status;
    if (time == NULL)
      return fail("not four fields");
    *ip++ = *resource++ = *time++ = '\0';
    status = mv_record(mv_default(), line, ip, resource, strtoll(time, NULL, 10));
    if (status == MV_ERR_FULL && mv_flush(mv_default(), 600000, &error) == MV_OK)
      status = mv_record(mv_default(), line, ip, resource, strtoll(time, NULL, 10));
    if (status != MV_OK)
      return fail(mv_strerror(status));
  }
  while (mv_close(mv_default(), &error) != MV_OK)
    if (error.code != MV_ERR_TIMEOUT)
      return fail(error.message);
  /* What is printed is what another process finds. */
  config = mv_config_new();
  if (mv_config_load(config, argv[1], &error) != MV_OK || mv_open(mv_default(), config, &error) != MV_OK
      || mv_report_new(mv_default(), NULL, NULL, &report, &error) != MV_OK)
    return fail(error.message);
  mv_config_free(config);
  for (i = 0; i < mv_report_len(report); i++) {
    const mv_row *row = mv_report_row(report, i);
    printf("%s\t%s\t%" PRIu64 "\n", row->month, row->key, row->count);
  }
  mv_report_free(report);
  return mv_close(mv_default(), &error) != MV_OK;
}
