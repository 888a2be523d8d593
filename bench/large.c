/* Ten million users: who comes again, and flushes of a thousand new ones. */
#include <sys/stat.h>

#include "repeat.h"

#define MILLION 1000000UL
#define BATCH 1000UL

/* How long a look into memory takes that no cache has: one into 256 MB, which
   says where the next one is. */
static double cold_look(void)
{
  const uint32_t count = 64u << 20, looks = 2000000;
  uint32_t *next = malloc(count * sizeof *next), at = 0, i;
  double start;
  if (next == NULL)
    stop("cold look", "there is no memory");
  /* Full period, as of Hull and Dobell; the highest bits leap furthest. */
  for (i = 0; i < count; i++)
    next[i] = (i * 1664525u + 1013904223u) & (count - 1);
  start = now();
  for (i = 0; i < looks; i++)
    at = next[at];
  start = (now() - start) / looks;
  if (at == count)
    stop("cold look", "impossible");
  free(next);
  return start;
}

/* The most memory that this process has had, in bytes. */
static double most_memory(void)
{
  double kibibytes = 0;
  char line[128];
  FILE *file = fopen("/proc/self/status", "r");
  if (file == NULL)
    stop("/proc/self/status", "cannot be read");
  while (fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "VmHWM: %lf", &kibibytes) == 1)
      break;
  fclose(file);
  return kibibytes * 1024;
}

/* Which large file there is: `path` is that of the open month. */
static ino_t large_file(const char *path)
{
  struct stat status;
  if (stat(path, &status) != 0)
    stop(path, "is not there");
  return status.st_ino;
}

int main(int count, char **arguments)
{
  struct input input = read_input(count, arguments);
  const mv_counter *counter = open_counter(&input);
  const mv_report *report;
  unsigned long users = 0, flushes = 0, tries = 0;
  int folds = 0;
  double spent = 0, longest = 0, bytes = 0;
  char month[16], path[1024];
  time_t today = time(NULL);
  ino_t file;

  for (users = 0; users < 10 * MILLION; users += MILLION) {
    log_in(counter, &input, users, MILLION);
    flush(counter);
  }
  measure_repeat(counter, users);

  CHECK(mv_report_new(counter, NULL, NULL, &report, &error_));
  tell("keys", (double)mv_report_len(report));
  mv_report_free(report);

  /* From one rewriting of the large file to the next, that one included. */
  strftime(month, sizeof month, "%Y-%m", gmtime(&today));
  snprintf(path, sizeof path, "%s/%s.sealed", strchr(input.store, ':') + 1, month);
  file = large_file(path);
  while (folds < 2 && tries++ < 3000) {
    double start, took, before = written();
    log_in(counter, &input, users, BATCH);
    users += BATCH;
    start = now();
    flush(counter);
    took = (now() - start) / 1e6;
    if (folds == 1) {
      spent += took;
      bytes += written() - before;
      longest = took > longest ? took : longest;
      flushes++;
    }
    if (large_file(path) != file) {
      file = large_file(path);
      folds++;
    }
  }
  if (folds < 2)
    stop("large", "the large file was not rewritten twice");
  tell("flushes", (double)flushes);
  tell("batch_time", spent / (double)flushes);
  tell("batch_longest", longest);
  tell("batch_bytes", bytes / (double)flushes);
  tell("most_memory", most_memory());
  tell("cold", cold_look());
  CHECK(mv_close(counter, &error_));
  mv_free(counter);
  return 0;
}
