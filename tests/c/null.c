/* NULL, empty, over-long and badly encoded arguments: an error code and a
   message that says what is wrong without quoting it, never a crash. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include <monthly_visitors.h>

enum { LIMIT = 3071 };

static char longest[LIMIT + 1]; /* As long as may be. */
static char too_long[LIMIT + 2];
static const char *const not_utf8 = "juliet\xff@example.net";

/* Whether `error` says `code`, and something that quotes nobody. */
static int says(const mv_error *error, mv_status code)
{
  size_t length = strlen(error->message);
  return error->code == code && length > 0 && length < sizeof error->message
         && strstr(error->message, "juliet") == NULL && strstr(error->message, "xxxx") == NULL;
}

static void handles_may_be_null(void)
{
  mv_error error;
  const mv_report *report = NULL;
  mv_config *config = mv_config_new();
  const mv_counter *counter = mv_new();
  CHECK(mv_config_set(NULL, "host", "x", &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_config_add_client(NULL, "x", "X", &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_config_load(NULL, "/dev/null", &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_config_set_log(NULL, NULL, NULL) == MV_ERR_ARGUMENT);
  CHECK(mv_open(NULL, config, &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_open(counter, NULL, &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_flush(NULL, 0, &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_close(NULL, &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_reload_geoip(NULL, &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_purge(NULL, "2026-11", &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_forget(NULL, "juliet", &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_record(NULL, "juliet", NULL, NULL, MV_NOW) == MV_ERR_ARGUMENT);
  CHECK(mv_report_new(NULL, NULL, NULL, &report, &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(report == NULL);
  CHECK(mv_report_len(NULL) == 0);
  CHECK(mv_report_row(NULL, 0) == NULL);
  CHECK(mv_report_text(NULL, "table") == NULL);
  mv_config_free(NULL);
  mv_report_free(NULL);
  mv_free(NULL);
  mv_free(mv_default());
  mv_free(counter);
  mv_config_free(config);
}

static void errors_may_be_null(void)
{
  const mv_report *report = NULL;
  CHECK(mv_config_set(NULL, NULL, NULL, NULL) == MV_ERR_ARGUMENT);
  CHECK(mv_config_add_client(NULL, NULL, NULL, NULL) == MV_ERR_ARGUMENT);
  CHECK(mv_config_load(NULL, NULL, NULL) == MV_ERR_ARGUMENT);
  CHECK(mv_open(NULL, NULL, NULL) == MV_ERR_ARGUMENT);
  CHECK(mv_flush(NULL, 0, NULL) == MV_ERR_ARGUMENT);
  CHECK(mv_close(NULL, NULL) == MV_ERR_ARGUMENT);
  CHECK(mv_reload_geoip(NULL, NULL) == MV_ERR_ARGUMENT);
  CHECK(mv_purge(NULL, NULL, NULL) == MV_ERR_ARGUMENT);
  CHECK(mv_forget(NULL, NULL, NULL) == MV_ERR_ARGUMENT);
  CHECK(mv_report_new(NULL, NULL, NULL, &report, NULL) == MV_ERR_ARGUMENT);
}

static void a_closed_counter_says_so(void)
{
  mv_error error;
  const mv_report *report = NULL;
  const mv_counter *counter = mv_new();
  CHECK(mv_flush(counter, 0, &error) == MV_ERR_CLOSED && says(&error, MV_ERR_CLOSED));
  CHECK(mv_close(counter, &error) == MV_ERR_CLOSED && says(&error, MV_ERR_CLOSED));
  CHECK(mv_reload_geoip(counter, &error) == MV_ERR_CLOSED && says(&error, MV_ERR_CLOSED));
  CHECK(mv_purge(counter, "2026-11", &error) == MV_ERR_CLOSED && says(&error, MV_ERR_CLOSED));
  CHECK(mv_forget(counter, "juliet", &error) == MV_ERR_CLOSED && says(&error, MV_ERR_CLOSED));
  CHECK(mv_report_new(counter, NULL, NULL, &report, &error) == MV_ERR_CLOSED && says(&error, MV_ERR_CLOSED));
  CHECK(mv_record(counter, "juliet", NULL, NULL, MV_NOW) == MV_ERR_CLOSED);
  CHECK(mv_record_login("juliet", NULL, NULL) == MV_ERR_CLOSED);
  mv_free(counter);
}

static void bad_settings_are_refused(void)
{
  mv_error error;
  mv_config *config = mv_config_new();
  const char *const bad[] = {NULL, "", too_long, not_utf8};
  size_t i;
  for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK(mv_config_set(config, bad[i], "x", &error) < 0 && says(&error, error.code));
    CHECK(mv_config_set(config, "store", bad[i], &error) < 0 && says(&error, error.code));
    CHECK(mv_config_load(config, bad[i], &error) < 0 && says(&error, error.code));
    CHECK(mv_config_add_client(config, "x", bad[i], &error) < 0 && says(&error, error.code));
    if (i != 1) /* The empty pattern is one: it matches everything. */
      CHECK(mv_config_add_client(config, bad[i], "X", &error) < 0 && says(&error, error.code));
  }
  CHECK(mv_config_set(config, NULL, "x", &error) == MV_ERR_ARGUMENT && strstr(error.message, "key") != NULL);
  CHECK(mv_config_set(config, "host", NULL, &error) == MV_ERR_ARGUMENT && strstr(error.message, "value") != NULL);
  CHECK(mv_config_load(config, NULL, &error) == MV_ERR_ARGUMENT && strstr(error.message, "path") != NULL);
  CHECK(mv_config_set(config, "juliet@example.net", "x", &error) == MV_ERR_CONFIG && says(&error, MV_ERR_CONFIG));
  CHECK(mv_config_set(config, "host", longest, &error) == MV_OK);
  mv_config_free(config);
}

static void bad_logins_are_refused(void)
{
  mv_error error;
  const mv_report *report = NULL;
  const mv_counter *counter = mv_new();
  mv_config *config = mv_config_new();
  char *huge = malloc(1000001);
  memset(huge, 'x', 1000000);
  huge[1000000] = '\0';
  CHECK(mv_config_set(config, "store", "memory:", &error) == MV_OK);
  CHECK(mv_open(counter, config, &error) == MV_OK && error.code == MV_OK && error.message[0] == '\0');
  mv_config_free(config);

  CHECK(mv_record(counter, NULL, "192.0.2.1", "Zom-1", MV_NOW) == MV_ERR_ARGUMENT);
  CHECK(mv_record(counter, "", "192.0.2.1", "Zom-1", MV_NOW) == MV_ERR_ARGUMENT);
  CHECK(mv_record(counter, too_long, "192.0.2.1", "Zom-1", MV_NOW) == MV_ERR_ARGUMENT);
  CHECK(mv_record(counter, not_utf8, "192.0.2.1", "Zom-1", MV_NOW) == MV_ERR_ARGUMENT);
  CHECK(mv_record(counter, "juliet", "192.0.2.1", too_long, MV_NOW) == MV_ERR_ARGUMENT);
  CHECK(mv_report_new(counter, NULL, NULL, &report, &error) == MV_OK && mv_report_len(report) == 0);
  mv_report_free(report);

  /* These are all counted: a visit is never lost because its address is odd. */
  CHECK(mv_record(counter, longest, longest, longest, MV_NOW) == MV_OK);
  CHECK(mv_record(counter, "a", NULL, NULL, MV_NOW) == MV_OK);
  CHECK(mv_record(counter, "b", "", "", MV_NOW) == MV_OK);
  CHECK(mv_record(counter, "c", too_long, not_utf8, MV_NOW) == MV_OK);
  CHECK(mv_record(counter, "d", huge, "\xc3", MV_NOW) == MV_OK);
  CHECK(mv_record(counter, "e", not_utf8, NULL, MV_NOW) == MV_OK);
  CHECK(mv_report_new(counter, NULL, NULL, &report, &error) == MV_OK);
  CHECK(mv_report_len(report) == 2);
  CHECK(strcmp(mv_report_row(report, 0)->key, "client-?") == 0 && mv_report_row(report, 0)->count == 6);
  CHECK(strcmp(mv_report_row(report, 1)->key, "geo-?-?-?") == 0 && mv_report_row(report, 1)->count == 6);
  CHECK(mv_report_row(report, 2) == NULL && mv_report_row(report, (size_t)-1) == NULL);
  CHECK(mv_report_text(report, NULL) == NULL);
  CHECK(mv_report_text(report, "") == NULL);
  CHECK(mv_report_text(report, too_long) == NULL);
  CHECK(mv_report_text(report, not_utf8) == NULL);
  mv_report_free(report);

  CHECK(mv_forget(counter, NULL, &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_forget(counter, "", &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_forget(counter, too_long, &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_forget(counter, not_utf8, &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_close(counter, &error) == MV_OK);
  mv_free(counter);
  free(huge);
}

static void bad_months_are_refused(void)
{
  static const char *const bad[] = {"", "2026", "2026-00", "2026-13", "juliet", "2026-8", " 2026-08", "2026-08-01"};
  mv_error error;
  const mv_report *report = NULL;
  const mv_counter *counter = mv_new();
  mv_config *config = mv_config_new();
  size_t i;
  CHECK(mv_config_set(config, "store", "memory:", &error) == MV_OK && mv_open(counter, config, &error) == MV_OK);
  mv_config_free(config);
  for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK(mv_purge(counter, bad[i], &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
    CHECK(mv_report_new(counter, bad[i], NULL, &report, &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
    CHECK(strstr(error.message, "first") != NULL);
    CHECK(mv_report_new(counter, NULL, bad[i], &report, &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
    CHECK(strstr(error.message, "last") != NULL);
  }
  CHECK(mv_purge(counter, NULL, &error) == MV_ERR_ARGUMENT && strstr(error.message, "before_month") != NULL);
  CHECK(mv_purge(counter, too_long, &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_purge(counter, not_utf8, &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_report_new(counter, too_long, NULL, &report, &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(mv_report_new(counter, NULL, NULL, NULL, &error) == MV_ERR_ARGUMENT && says(&error, MV_ERR_ARGUMENT));
  CHECK(report == NULL);
  mv_free(counter);
}

static void every_status_has_a_text(void)
{
  mv_status status;
  for (status = -20; status <= 20; status++)
    CHECK(mv_strerror(status) != NULL && strlen(mv_strerror(status)) > 0);
  CHECK(strcmp(mv_strerror(INT32_MIN), mv_strerror(INT32_MAX)) == 0);
  CHECK(strlen(mv_version()) >= strlen("0.1.0"));
}

int main(void)
{
  memset(longest, 'x', LIMIT);
  memset(too_long, 'x', LIMIT + 1);
  handles_may_be_null();
  errors_may_be_null();
  a_closed_counter_says_so();
  bad_settings_are_refused();
  bad_logins_are_refused();
  bad_months_are_refused();
  every_status_has_a_text();
  return failed;
}
