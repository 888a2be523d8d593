/* What the benchmarks share: the clock, users, logins, the counter. */
#ifndef BENCH_H
#define BENCH_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <monthly_visitors.h>

#define CHECK(call) \
  do { \
    mv_error error_ = {MV_OK, ""}; \
    if ((call) != MV_OK) \
      stop(#call, error_.message); \
  } while (0)

static inline void stop(const char *what, const char *why)
{
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

/* Nanoseconds of a clock that never steps. */
static inline double now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Bytes that this process has given to the system to write. */
static inline double written(void)
{
  unsigned long long bytes = 0;
  char line[128];
  FILE *file = fopen("/proc/self/io", "r");
  if (file == NULL)
    stop("/proc/self/io", "cannot be read");
  while (fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "wchar: %llu", &bytes) == 1)
      break;
  fclose(file);
  return (double)bytes;
}

/* The memory of this process, in bytes. */
static inline double memory(void)
{
  long all, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%ld %ld", &all, &resident) != 2)
    stop("/proc/self/statm", "cannot be read");
  fclose(file);
  return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

/* Cheap, so that naming a user costs little beside counting one. */
static inline void name_user(char user[64], unsigned long number)
{
  char digits[24];
  int length = 0;
  char *end = user + 4;
  memcpy(user, "user", 4);
  do
    digits[length++] = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  while (length > 0)
    *end++ = digits[--length];
  memcpy(end, "@example.net", 13);
}

static inline uint32_t draw(uint32_t *state)
{
  return *state = *state * 1664525u + 1013904223u;
}

/* The next of `count` numbers in no order. */
static inline unsigned long pick(uint32_t *state, unsigned long count)
{
  return (unsigned long)(((uint64_t)draw(state) * count) >> 32);
}

/* More lines than any of the files has. */
#define MOST_LINES 1000000UL

/* Lines of a file, without their ends. */
struct lines {
  char **line;
  unsigned long count;
};

static inline struct lines read_lines(const char *path)
{
  struct lines lines = {malloc(MOST_LINES * sizeof(char *)), 0};
  char text[256];
  FILE *file = fopen(path, "r");
  if (file == NULL || lines.line == NULL)
    stop(path, "cannot be read");
  while (lines.count < MOST_LINES && fgets(text, sizeof text, file) != NULL) {
    size_t length = strcspn(text, "\n");
    char *copy = malloc(length + 1);
    if (copy == NULL)
      stop(path, "there is no memory");
    memcpy(copy, text, length);
    copy[length] = '\0';
    lines.line[lines.count++] = copy;
  }
  fclose(file);
  return lines;
}

/* What a run is given: NAME STORE DATABASE PATTERNS ADDRESSES RESOURCES. */
struct input {
  const char *store;
  const char *database;
  const char *patterns;
  struct lines addresses;
  struct lines resources;
};

static inline struct input read_input(int count, char **arguments)
{
  struct input input;
  if (count < 6)
    stop(arguments[0], "needs STORE DATABASE PATTERNS ADDRESSES RESOURCES");
  input.store = arguments[1];
  input.database = arguments[2];
  input.patterns = arguments[3];
  input.addresses = read_lines(arguments[4]);
  input.resources = read_lines(arguments[5]);
  return input;
}

static inline mv_config *configure(const struct input *input)
{
  struct lines patterns = read_lines(input->patterns);
  mv_config *config = mv_config_new();
  unsigned long i;
  CHECK(mv_config_set(config, "store", input->store, &error_));
  CHECK(mv_config_set(config, "host", "example.net", &error_));
  CHECK(mv_config_set(config, "geoip", input->database, &error_));
  /* Flushes are when the benchmark asks for them. */
  CHECK(mv_config_set(config, "flush_interval", "1h", &error_));
  CHECK(mv_config_set(config, "pending_limit", "3000000", &error_));
  for (i = 0; i < patterns.count; i++) {
    char category[32];
    snprintf(category, sizeof category, "C%lu", i);
    CHECK(mv_config_add_client(config, patterns.line[i], category, &error_));
  }
  return config;
}

static inline void tell(const char *name, double value)
{
  printf("%s %.6g\n", name, value);
  fflush(stdout);
}

/* The memory of this process, once it does not change any more. */
static inline double settled_memory(void)
{
  const struct timespec moment = {0, 300000000L};
  double before;
  do {
    before = memory();
    nanosleep(&moment, NULL);
  } while (memory() != before);
  return before;
}

/* An open counter, with a table of places that is ready. */
static inline const mv_counter *open_counter(const struct input *input)
{
  const mv_counter *counter = mv_new();
  mv_config *config = configure(input);
  double start = now();
  CHECK(mv_open(counter, config, &error_));
  tell("opening", (now() - start) / 1e6);
  mv_config_free(config);
  /* The first login has the table made; then the file's bytes are given back. */
  CHECK(mv_record(counter, "juliet@example.net", "192.0.2.1", "Conversations.x7", MV_NOW));
  settled_memory();
  return counter;
}

/* Logs users from `first` on in, each with an address and a resource. */
static inline void log_in_at(const mv_counter *counter, const struct input *input, unsigned long first,
                             unsigned long count, int64_t time)
{
  char user[64];
  unsigned long i;
  for (i = first; i < first + count; i++) {
    const char *address = input->addresses.line[i % input->addresses.count];
    const char *resource = input->resources.line[i % input->resources.count];
    mv_status status;
    name_user(user, i);
    status = mv_record(counter, user, address, resource, time);
    if (status != MV_OK)
      stop("mv_record", mv_strerror(status));
  }
}

static inline void log_in(const mv_counter *counter, const struct input *input, unsigned long first,
                          unsigned long count)
{
  log_in_at(counter, input, first, count, MV_NOW);
}

static inline void flush(const mv_counter *counter)
{
  CHECK(mv_flush(counter, 120000, &error_));
}

#endif
