/* Opens, records one login, makes a report and closes: attempt STORE-URL

   Prints the status and the message of what failed first, or "0", and what was
   logged on standard error. */
#include <stdio.h>

#include <monthly_visitors.h>

static void print_line(void *userdata, int32_t level, const char *line)
{
  (void)userdata;
  fprintf(stderr, "%d %s\n", (int)level, line);
}

int main(int argc, char **argv)
{
  mv_error error;
  mv_status status;
  const mv_report *report = NULL;
  mv_config *config = mv_config_new();
  mv_config_set_log(config, print_line, NULL);
  if (argc != 2)
    return 2;
  status = mv_config_set(config, "store", argv[1], &error);
  if (status == MV_OK)
    status = mv_open(mv_default(), config, &error);
  mv_config_free(config);
  if (status == MV_OK) {
    mv_record_login("canary@example.net", "192.0.2.1", "canary");
    status = mv_report_new(mv_default(), NULL, NULL, &report, &error);
    mv_report_free(report);
  }
  if (status == MV_OK)
    status = mv_close(mv_default(), &error);
  printf("%d %s\n", (int)status, error.message);
  return 0;
}
