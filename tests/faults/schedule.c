/* A server in a hurry, to be killed: schedule SETTINGS KIND SEED TIME USER FOLDER [STEPS [LOG]]

   Does all that a host can do, in an order drawn from SEED, beginning at TIME
   and with the new user number USER, and says on the standard output, before
   and after, what it does. What was said before a kill is what the one who
   kills knows. With STEPS it does so many, and with LOG writes there what becomes
   of each file in FOLDER. Ends with 3 when something is not as it should be. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "layer.h"
#include "visits.h"

static uint64_t state;
static int keeps_names;

/* SplitMix64. */
static uint64_t draw(uint64_t below)
{
  uint64_t x = state += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
  return (x ^ x >> 31) % below;
}

/* One line in one write: whoever reads sees all of it or nothing. */
static void say(const char *what, int64_t a, int64_t b, int64_t time)
{
  char line[96];
  int size = snprintf(line, sizeof line, "%s %" PRId64 " %" PRId64 " %" PRId64 "\n", what, a, b, time);
  if (write(1, line, (size_t)size) != size)
    exit(2);
}

static void must(int so, const char *what, const mv_error *error)
{
  if (!so) {
    fprintf(stderr, "%s: %s\n", what, error->message);
    exit(3);
  }
}

static void rest(uint64_t microseconds)
{
  struct timespec pause = {0, (long)microseconds * 1000};
  nanosleep(&pause, NULL);
}

/* What a user logs in with depends on the number alone, so that the counts do
   not depend on which login came first. */
static mv_status login(const mv_counter *counter, const char *kind, int64_t number, int64_t time)
{
  static const char *resources[] = {"Conversations.x", "Zom-1", "x"};
  char user[32], ip[32];
  snprintf(user, sizeof user, "%s%" PRId64, kind, number);
  snprintf(ip, sizeof ip, "192.0.2.%d", (int)(number % 7 * 37));
  return mv_record(counter, user, ip, resources[number % 3], time);
}

static void record(const mv_counter *counter, int64_t from, int64_t to, int64_t time)
{
  mv_error error = {0, "a login of a range was refused, another was not"};
  mv_status first = MV_OK;
  int64_t number;
  say("record", from, to, time);
  for (number = from; number < to; number++) {
    mv_status status = login(counter, "user", number, time);
    if (number == from)
      first = status;
    must(status == first && (status == MV_OK || status == MV_ERR_MONTH), "record", &error);
  }
  say(first == MV_OK ? "recorded" : "refused", from, to, time);
}

static mv_config *settings(const char *path, const char *interval, mv_error *error)
{
  mv_config *config = mv_config_new();
  must(mv_config_load(config, path, error) == MV_OK, "settings", error);
  must(mv_config_set(config, "flush_interval", interval, error) == MV_OK, "settings", error);
  return config;
}

static void open_with(const mv_counter *counter, const char *path, const char *interval)
{
  mv_error error;
  mv_config *config = settings(path, interval, &error);
  must(mv_open(counter, config, &error) == MV_OK, "open", &error);
  mv_config_free(config);
}

static void flush(const mv_counter *counter)
{
  mv_error error;
  must(mv_flush(counter, 60000, &error) == MV_OK, "flush", &error);
  say("flushed", 0, 0, 0);
}

/* Durable without anybody asking for it: nothing is pending any more. */
static void wait_for_writer(const mv_counter *counter)
{
  mv_error error;
  int64_t pending = 1;
  int i;
  for (i = 0; i < 10000 && pending > 0; i++) {
    must(mv_health(counter, "pending", &pending, &error) == MV_OK, "health", &error);
    rest(200);
  }
  must(pending == 0, "the writer does not write", &error);
  say("flushed", 0, 0, 0);
}

static void purge(const mv_counter *counter, int64_t time)
{
  mv_error error;
  char month[16];
  time_t before = (time_t)(time - 40 * DAY);
  struct tm date;
  gmtime_r(&before, &date);
  strftime(month, sizeof month, "%Y-%m", &date);
  say("purge", date.tm_year + 1900, date.tm_mon + 1, time);
  must(mv_purge(counter, month, &error) == MV_OK, "purge", &error);
  say("purged", date.tm_year + 1900, date.tm_mon + 1, time);
}

/* Somebody whose account is deleted, and who never comes back. */
static void forget(const mv_counter *counter, int64_t number, int64_t time)
{
  mv_error error = {0, "a login was refused"};
  char user[32];
  say("come", number, 0, time);
  must(login(counter, "gone", number, time) == MV_OK, "come", &error);
  flush(counter);
  snprintf(user, sizeof user, "gone%" PRId64, number);
  say("forget", number, 0, time);
  must(mv_forget(counter, user, &error) == MV_OK, "forget", &error);
  if (draw(2) == 0) {
    flush(counter);
    say("forgotten", number, 0, time);
  }
}

static void copy(const char *path, const char *folder)
{
  mv_error error;
  char url[512];
  mv_config *from = settings(path, "1ms", &error), *to = settings(path, "1ms", &error);
  snprintf(url, sizeof url, "%s:%s/copy", keeps_names ? "prosody" : "sealed", folder);
  must(mv_config_set(to, "store", url, &error) == MV_OK, "copy", &error);
  say("copy", 0, 0, 0);
  /* Users who come faster than they can be read are a documented refusal. */
  must(mv_copy(from, to, &error) == MV_OK || strstr(error.message, "faster than") != NULL, "copy", &error);
  say("copied", 0, 0, 0);
  mv_config_free(from);
  mv_config_free(to);
}

int main(int argc, char **argv)
{
  const mv_counter *counter = mv_new();
  mv_error error = {0, ""};
  int64_t time, next;
  int step, steps = 4000, copied = 0;
  if (argc < 7 || argc > 9)
    return 2;
  keeps_names = strcmp(argv[2], "prosody") == 0;
  state = strtoull(argv[3], NULL, 10);
  time = strtoll(argv[4], NULL, 10);
  next = strtoll(argv[5], NULL, 10);
  if (argc > 7)
    steps = atoi(argv[7]);
  if (argc == 9) {
    layer.log = open(argv[8], O_WRONLY | O_CREAT | O_EXCL, 0600);
    layer.folder = argv[6];
    layer.lazy = 1;
  }
  open_with(counter, argv[1], "1ms");
  say("opened", 0, 0, 0);
  for (step = 0; step < steps; step++) {
    uint64_t what = draw(100);
    if (what < 35) {
      int64_t count = 1 + (int64_t)draw(8);
      record(counter, next, next + count, time);
      next += count;
    } else if (what < 50 && next > 0) {
      /* Whoever was here before; in the sealed store also a late event. */
      int64_t from = (int64_t)draw((uint64_t)next), to = from + 1 + (int64_t)draw(8);
      int64_t late = keeps_names || draw(3) > 0 ? 0 : (int64_t)draw(3 * DAY);
      record(counter, from, to < next ? to : next, time - late);
    } else if (what < 62) {
      time += (int64_t)draw(6 * DAY);
    } else if (what < 72) {
      flush(counter);
    } else if (what < 76) {
      wait_for_writer(counter);
    } else if (what < 82 && !copied) {
      /* Not once there is a copy: it would still know the user. */
      forget(counter, next++, time);
    } else if (what < 86) {
      if (draw(2) == 0)
        flush(counter);
      purge(counter, time);
    } else if (what < 89 && !copied) {
      /* Whoever is about to be forgotten is, or the copy would know them. */
      flush(counter);
      copy(argv[1], argv[6]);
      copied = 1;
    } else if (what < 92) {
      must(mv_reload_geoip(counter, &error) == MV_OK, "reload", &error);
    } else if (what < 95) {
      open_with(counter, argv[1], draw(2) == 0 ? "1ms" : "5ms");
    } else {
      must(users_of(counter, NULL) != UINT64_MAX, "a report: places and clients differ", &error);
    }
    rest(draw(300));
  }
  must(mv_close(counter, &error) == MV_OK, "close", &error);
  say("closed", 0, 0, 0);
  mv_free(counter);
  return 0;
}
