/* Reports: sorted rows, a text in each format, and pointers that stay. */
#include <string.h>

#include "check.h"
#include "visits.h"

static const char *const formats[] = {"table", "json", "csv", "prosody"};

static void rows_are_sorted_and_bounded(const mv_counter *counter)
{
  const mv_report *report = NULL;
  size_t i;
  CHECK(mv_report_new(counter, NULL, NULL, &report, NULL) == MV_OK);
  CHECK(mv_report_len(report) == 6);
  for (i = 1; i < mv_report_len(report); i++) {
    const mv_row *a = mv_report_row(report, i - 1), *b = mv_report_row(report, i);
    int months = strcmp(a->month, b->month);
    CHECK(months < 0 || (months == 0 && strcmp(a->key, b->key) < 0));
  }
  CHECK(mv_report_row(report, 6) == NULL);
  mv_report_free(report);

  CHECK(mv_report_new(counter, "2026-10", NULL, &report, NULL) == MV_OK);
  CHECK(sum_of(report, NULL, "geo-") == 2 + 1);
  mv_report_free(report);
  CHECK(mv_report_new(counter, NULL, "2026-10", &report, NULL) == MV_OK);
  CHECK(sum_of(report, NULL, "geo-") == 3 + 2);
  mv_report_free(report);
  CHECK(mv_report_new(counter, "2026-10", "2026-10", &report, NULL) == MV_OK);
  CHECK(sum_of(report, NULL, "geo-") == 2);
  mv_report_free(report);
  CHECK(mv_report_new(counter, "2026-11", "2026-10", &report, NULL) == MV_ERR_ARGUMENT && report == NULL);
  CHECK(mv_report_new(counter, "2020-11", "2020-12", &report, NULL) == MV_OK && mv_report_len(report) == 0);
  for (i = 0; i < sizeof formats / sizeof formats[0]; i++)
    CHECK(mv_report_text(report, formats[i]) != NULL);
  mv_report_free(report);
}

static void texts_stay_as_they_are(const mv_counter *counter)
{
  const mv_report *report = NULL;
  const char *texts[4];
  const mv_row *row;
  char copies[4][4096];
  size_t i;
  CHECK(mv_report_new(counter, NULL, NULL, &report, NULL) == MV_OK);
  row = mv_report_row(report, 0);
  for (i = 0; i < 4; i++) {
    texts[i] = mv_report_text(report, formats[i]);
    CHECK(texts[i] != NULL && strlen(texts[i]) < sizeof copies[i]);
    strcpy(copies[i], texts[i]);
  }
  CHECK(strstr(texts[0], "2026-09") != NULL);
  CHECK(strstr(texts[1], "\"2026-09\"") != NULL);
  CHECK(strchr(texts[2], ',') != NULL);
  CHECK(strstr(texts[3], "[\"geo-?-?-?\"] = 3;") != NULL);
  CHECK(mv_report_text(report, "xml") == NULL && mv_report_text(report, "TABLE") == NULL);
  /* A report is a copy: later logins are not in it. */
  CHECK(record_users(counter, 100, 110, NOVEMBER) == 0);
  CHECK(mv_report_row(report, 0) == row && mv_report_len(report) == 6);
  for (i = 0; i < 4; i++)
    CHECK(mv_report_text(report, formats[i]) == texts[i] && strcmp(texts[i], copies[i]) == 0);
  mv_report_free(report);
}

/* A report outlives its counter. */
static void a_report_outlives_its_counter(const mv_counter *counter)
{
  const mv_report *report = NULL;
  CHECK(mv_report_new(counter, NULL, "2026-10", &report, NULL) == MV_OK);
  CHECK(mv_close(counter, NULL) == MV_OK);
  mv_free(counter);
  CHECK(sum_of(report, NULL, "client-") == 5);
  CHECK(mv_report_text(report, "csv") != NULL);
  mv_report_free(report);
}

int main(void)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  mv_config *config = mv_config_new();
  CHECK(mv_config_set(config, "store", "memory:", &error) == MV_OK && mv_open(counter, config, &error) == MV_OK);
  mv_config_free(config);
  CHECK(record_users(counter, 0, 3, SEPTEMBER) == 0);
  CHECK(record_users(counter, 0, 2, OCTOBER) == 0);
  CHECK(record_users(counter, 0, 1, NOVEMBER) == 0);
  rows_are_sorted_and_bounded(counter);
  texts_stay_as_they_are(counter);
  a_report_outlives_its_counter(counter);
  return failed;
}
