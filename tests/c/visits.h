/* What the tests of counting share: opening a store, and reading its sums. */
#ifndef VISITS_H
#define VISITS_H

#include <stdio.h>
#include <string.h>

#include <monthly_visitors.h>

/* Noon of 10 September, October and November 2026, in Unix seconds. */
#define SEPTEMBER INT64_C(1789041600)
#define OCTOBER INT64_C(1791633600)
#define NOVEMBER INT64_C(1794312000)
#define DAY INT64_C(86400)

/* Opens `counter` on "KIND:DIR/NAME". */
static inline mv_status open_store(const mv_counter *counter, const char *kind, const char *dir, const char *name,
                                   mv_error *error)
{
  char url[512];
  mv_status status;
  mv_config *config = mv_config_new();
  snprintf(url, sizeof url, "%s:%s/%s", kind, dir, name);
  status = mv_config_set(config, "store", url, error);
  if (status == MV_OK)
    status = mv_open(counter, config, error);
  mv_config_free(config);
  return status;
}

/* The sum of the rows of `month` (NULL: all) whose key begins with `prefix`. */
static inline uint64_t sum_of(const mv_report *report, const char *month, const char *prefix)
{
  uint64_t sum = 0;
  size_t i;
  for (i = 0; i < mv_report_len(report); i++) {
    const mv_row *row = mv_report_row(report, i);
    if ((month == NULL || strcmp(row->month, month) == 0) && strncmp(row->key, prefix, strlen(prefix)) == 0)
      sum += row->count;
  }
  return sum;
}

/* The same of a counter; UINT64_MAX when there is no report, or when places
   and clients do not have the same sum. */
static inline uint64_t users_of(const mv_counter *counter, const char *month)
{
  const mv_report *report = NULL;
  uint64_t places, clients;
  if (mv_report_new(counter, NULL, NULL, &report, NULL) != MV_OK)
    return UINT64_MAX;
  places = sum_of(report, month, "geo-");
  clients = sum_of(report, month, "client-");
  mv_report_free(report);
  return places == clients ? places : UINT64_MAX;
}

/* Records users number `from` to `to` (excluded); how many were refused. */
static inline int record_users(const mv_counter *counter, int from, int to, int64_t time)
{
  char user[32];
  int refused = 0;
  for (; from < to; from++) {
    snprintf(user, sizeof user, "user%d@example.net", from);
    refused += mv_record(counter, user, "192.0.2.1", "Zom-1", time) != MV_OK;
  }
  return refused;
}

#endif
