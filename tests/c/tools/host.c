/* A host that does what the lines of its standard input say, fields between
   tabs, and answers each with a line "STATUS MESSAGE"; log lines of every level
   go to the standard error. It lives until it is told otherwise, so that
   others can look at its memory and its files meanwhile. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <monthly_visitors.h>

static void take(void *userdata, int32_t level, const char *line)
{
  (void)userdata;
  fprintf(stderr, "%" PRId32 " %s\n", level, line);
}

static mv_status open_with(const mv_counter *counter, const char *path, mv_error *error)
{
  mv_config *config = mv_config_new();
  mv_status status = mv_config_load(config, path, error);
  if (status == MV_OK)
    status = mv_config_set_log(config, take, NULL);
  if (status == MV_OK)
    status = mv_open(counter, config, error);
  mv_config_free(config);
  return status;
}

static mv_status copy(const char *from_path, const char *to_path, mv_error *error)
{
  mv_config *from = mv_config_new(), *to = mv_config_new();
  mv_status status = mv_config_load(from, from_path, error);
  if (status == MV_OK)
    status = mv_config_load(to, to_path, error);
  if (status == MV_OK)
    status = mv_copy(from, to, error);
  mv_config_free(from);
  mv_config_free(to);
  return status;
}

/* The report as JSON, on one line. */
static mv_status report_of(const mv_counter *counter, mv_error *error)
{
  const mv_report *report = NULL;
  mv_status status = mv_report_new(counter, NULL, NULL, &report, error);
  const char *text = mv_report_text(report, "json");
  for (; text != NULL && *text != '\0'; text++)
    putchar(*text == '\n' ? ' ' : *text);
  mv_report_free(report);
  if (status == MV_OK)
    putchar('\t');
  return status;
}

/* NULL for an empty field: what is not known. */
static const char *optional(const char *text)
{
  return *text == '\0' ? NULL : text;
}

int main(void)
{
  static char line[16384];
  const mv_counter *counter = mv_new();
  setvbuf(stdin, NULL, _IONBF, 0);
  while (fgets(line, sizeof line, stdin) != NULL) {
    const char *field[5] = {"", "", "", "", ""};
    char *rest = line;
    mv_error error = {0, ""};
    mv_status status = MV_ERR_ARGUMENT;
    size_t i;
    line[strcspn(line, "\n")] = '\0';
    for (i = 0; i < 5 && rest != NULL; i++) {
      char *tab = strchr(rest, '\t');
      field[i] = rest;
      if (tab != NULL)
        *tab = '\0';
      rest = tab == NULL ? NULL : tab + 1;
    }
    if (strcmp(field[0], "open") == 0)
      status = open_with(counter, field[1], &error);
    else if (strcmp(field[0], "login") == 0)
      status = mv_record(counter, field[1], optional(field[2]), optional(field[3]), strtoll(field[4], NULL, 10));
    else if (strcmp(field[0], "forget") == 0)
      status = mv_forget(counter, field[1], &error);
    else if (strcmp(field[0], "flush") == 0)
      status = mv_flush(counter, 60000, &error);
    else if (strcmp(field[0], "report") == 0)
      status = report_of(counter, &error);
    else if (strcmp(field[0], "copy") == 0)
      status = copy(field[1], field[2], &error);
    else if (strcmp(field[0], "close") == 0)
      status = mv_close(counter, &error);
    printf("%" PRId32 " %s\n", status, error.message);
    fflush(stdout);
    memset(line, 0, sizeof line);
  }
  mv_free(counter);
  return 0;
}
