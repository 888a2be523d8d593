/* Garbage in every argument of every function: a status that it may answer, a
   message of one line that quotes nobody, never a crash; and the counter counts
   on. Prints each function that it has called. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "visits.h"

enum { LIMIT = 3071, HUGE = 1000000 };

/* Calls a function, and says so on the standard output. */
#define CALL(function, arguments) (puts(#function), function arguments)

static char longest[LIMIT + 1], too_long[LIMIT + 2], huge[HUGE + 1];

/* "canary" is what no message may repeat. Not UTF-8: a byte that never is, '/'
   in two bytes, half of a surrogate pair, and a character beyond the last. */
static const char *const garbage[] = {
    NULL, "", "canary", "canary\nline", "\rcanary\t\v", "\001\002\033[2Jcanary\177", "\xc2\x85" "canary",
    "canary\xff\xfe", "\xc0\xaf" "canary", "\xed\xa0\x80" "canary", "\xf4\x90\x80\x80" "canary", "\xc3",
    "%s%n%d%scanary", "../../canary", "/canary/../..", "canary:canary", "sealed:canary\n", "memory:\n",
    "\xe2\x80\xae\xef\xbb\xbf" "canary", "\"'`;--\\canary", "{}[[client]]canary=", "2026-11\n", "2026-1\xcc\x81",
    "-1", "99999999999999999999", "0x10", " ", longest, too_long, huge,
};
enum { GARBAGE = sizeof garbage / sizeof garbage[0] };

/* Whether a status is one of the header, and its message goes with it. */
static int sound(mv_status status, const mv_error *error)
{
  size_t i, length = strlen(error->message);
  if (status > MV_OK || status <= MV_ERR_INTERNAL || status != error->code || length >= sizeof error->message
      || (status == MV_OK) != (length == 0))
    return 0;
  for (i = 0; i < length; i++)
    if ((unsigned char)error->message[i] < ' ' || error->message[i] == '\177')
      return 0;
  return 1;
}

static int quotes(const mv_error *error)
{
  return strstr(error->message, "canary") != NULL || strstr(error->message, "xxxxxxxx") != NULL;
}

/* What is about users may be quoted by no message. */
static void on_a_counter(const mv_counter *counter, int open)
{
  mv_error error;
  const mv_report *report = NULL;
  int64_t value = -1;
  size_t i, k;
  for (i = 0; i < GARBAGE; i++) {
    CHECK(sound(CALL(mv_forget, (counter, garbage[i], &error)), &error) && !quotes(&error));
    CHECK(sound(CALL(mv_purge, (counter, garbage[i], &error)), &error) && !quotes(&error));
    CHECK(error.code == MV_ERR_ARGUMENT || (!open && error.code == MV_ERR_CLOSED));
    CHECK(sound(CALL(mv_health, (counter, garbage[i], &value, &error)), &error) && !quotes(&error));
    CHECK(error.code != MV_OK && value == -1);
    for (k = 0; k < GARBAGE; k++) {
      CHECK(sound(CALL(mv_report_new, (counter, garbage[i], garbage[k], &report, &error)), &error) && !quotes(&error));
      CHECK((report != NULL) == (error.code == MV_OK));
      CHECK(error.code != MV_OK || (i == 0 && k == 0));
      CALL(mv_report_free, (report));
    }
  }
  CHECK(sound(CALL(mv_health, (counter, "pending", NULL, &error)), &error) && error.code != MV_OK);
  CHECK(sound(CALL(mv_report_new, (counter, NULL, NULL, NULL, &error)), &error) && error.code == MV_ERR_ARGUMENT);
  CHECK(sound(CALL(mv_flush, (counter, UINT32_MAX, &error)), &error) && (error.code == MV_OK) == open);
  CHECK(sound(CALL(mv_flush, (counter, 0, &error)), &error));
  CHECK(sound(CALL(mv_reload_geoip, (counter, &error)), &error) && (error.code == MV_OK) == open);
  CHECK(sound(CALL(mv_open, (counter, NULL, &error)), &error) && error.code == MV_ERR_ARGUMENT);
  CHECK(CALL(mv_forget, (counter, too_long, NULL)) == MV_ERR_ARGUMENT);
}

/* How many different users of the garbage were counted, at `time`. */
static uint64_t record(const mv_counter *counter, int64_t time)
{
  uint64_t counted = 0;
  size_t i, k;
  for (i = 0; i < GARBAGE; i++) {
    int seen = 0;
    for (k = 0; k < GARBAGE; k++) {
      /* As a user with any resource, then with any address. */
      mv_status status = CALL(mv_record, (counter, garbage[i], "192.0.2.1", garbage[k], time));
      CHECK(status == MV_OK || status == MV_ERR_ARGUMENT);
      seen |= status == MV_OK;
      CHECK((CALL(mv_record, (counter, garbage[i], garbage[k], NULL, time)) == MV_OK) == seen);
    }
    counted += (uint64_t)seen;
  }
  return counted;
}

static void logins(const char *folder)
{
  static const int64_t times[] = {MV_NOW + 1, INT64_MAX, -1, INT64_MIN / 2, INT64_C(253402300800)};
  mv_error error;
  const mv_report *report = NULL;
  const mv_counter *counter = CALL(mv_new, ());
  uint64_t counted;
  size_t i;
  on_a_counter(counter, 0);
  CHECK(open_store(counter, "prosody", folder, ".", &error) == MV_OK);
  on_a_counter(counter, 1);
  for (i = 0; i < sizeof times / sizeof times[0]; i++)
    CHECK(CALL(mv_record, (counter, "juliet", NULL, NULL, times[i])) == MV_ERR_ARGUMENT);
  counted = record(counter, OCTOBER);
  CHECK(counted > 10 && counted < GARBAGE);
  CHECK(users_of(counter, "2026-10") == counted);
  /* In spite of it, those who are sound. */
  CHECK(record_users(counter, 0, 20, OCTOBER) == 0);
  CHECK(CALL(mv_close, (counter, &error)) == MV_OK);
  CHECK(open_store(counter, "prosody", folder, ".", &error) == MV_OK);
  CHECK(users_of(counter, NULL) == counted + 20);
  CHECK(CALL(mv_report_new, (counter, "2026-10", "2026-10", &report, &error)) == MV_OK);
  for (i = 0; i < GARBAGE; i++)
    CHECK(CALL(mv_report_text, (report, garbage[i])) == NULL);
  CHECK(CALL(mv_report_len, (report)) > 0);
  CHECK(CALL(mv_report_row, (report, SIZE_MAX)) == NULL && mv_report_row(report, mv_report_len(report)) == NULL);
  CALL(mv_report_free, (report));
  CALL(mv_free, (counter));
}

/* A setting may be quoted, as it is the administrator's, but on one line. */
static void settings(void)
{
  static const char *const keys[] = {"host", "geoip", "asn", "pattern_syntax", "record_countries", "retention_months",
                                     "flush_interval", "pending_limit", "secret_file", "key_dir", "read_only", "store"};
  const mv_counter *counter = mv_new();
  mv_error error;
  size_t i, k;
  for (i = 0; i < GARBAGE; i++) {
    mv_config *config = CALL(mv_config_new, ());
    CHECK(sound(CALL(mv_config_set, (config, garbage[i], "x", &error)), &error) && error.code != MV_OK);
    CHECK(sound(CALL(mv_config_load, (config, garbage[i], &error)), &error) && error.code != MV_OK);
    for (k = 0; k < sizeof keys / sizeof keys[0]; k++) {
      mv_config *one = mv_config_new();
      CHECK(mv_config_set(one, "store", "memory:", NULL) == MV_OK);
      CHECK(sound(mv_config_set(one, keys[k], garbage[i], &error), &error));
      CHECK(sound(CALL(mv_open, (counter, one, &error)), &error));
      if (error.code == MV_OK) {
        CHECK(mv_record(counter, "juliet", garbage[i], garbage[i], MV_NOW) != MV_ERR_INTERNAL);
        CHECK(sound(mv_close(counter, &error), &error) && error.code == MV_OK);
      }
      CHECK(sound(CALL(mv_copy, (one, config, &error)), &error) && error.code != MV_OK);
      mv_config_free(one);
    }
    for (k = 0; k < GARBAGE; k++)
      CHECK(sound(CALL(mv_config_add_client, (config, garbage[i], garbage[k], &error)), &error));
    CHECK(mv_config_set(config, "store", "memory:", NULL) == MV_OK);
    CHECK(sound(mv_open(counter, config, &error), &error));
    if (error.code == MV_OK)
      CHECK(mv_close(counter, &error) == MV_OK);
    CALL(mv_config_free, (config));
  }
  mv_free(counter);
}

static void the_rest(void)
{
  mv_status status;
  CHECK(CALL(mv_config_set_log, (NULL, NULL, NULL)) == MV_ERR_ARGUMENT);
  CHECK(CALL(mv_copy, (NULL, NULL, NULL)) == MV_ERR_ARGUMENT);
  CHECK(CALL(mv_health, (NULL, NULL, NULL, NULL)) == MV_ERR_ARGUMENT);
  CHECK(CALL(mv_record_login, ("juliet", NULL, NULL)) == MV_ERR_CLOSED);
  CHECK(CALL(mv_record_login, (NULL, huge, huge)) == MV_ERR_ARGUMENT);
  CHECK(CALL(mv_close, (CALL(mv_default, ()), NULL)) == MV_ERR_CLOSED);
  for (status = -1000; status < 1000; status += 7)
    CHECK(*CALL(mv_strerror, (status)) != '\0');
  CHECK(*CALL(mv_version, ()) != '\0');
}

int main(int argc, char **argv)
{
  if (argc != 3 || chdir(argv[1]) != 0)
    return 2;
  memset(longest, 'x', LIMIT);
  memset(too_long, 'x', LIMIT + 1);
  memset(huge, 'x', HUGE);
  logins(argv[1]);
  settings();
  the_rest();
  return failed;
}
