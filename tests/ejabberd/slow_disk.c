/* A slow disk, for LD_PRELOAD: each sync of a file or folder below SLOW_PATH
   takes SLOW_MS milliseconds longer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void delay(int file)
{
  const char *path = getenv("SLOW_PATH"), *ms = getenv("SLOW_MS");
  char link[64], target[4096];
  ssize_t size;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  size = readlink(link, target, sizeof target - 1);
  if (path == NULL || ms == NULL || size < 0)
    return;
  target[size] = '\0';
  if (strstr(target, path) != NULL) {
    struct timespec time = {atol(ms) / 1000, atol(ms) % 1000 * 1000000L};
    nanosleep(&time, NULL);
  }
}

#define SLOW(name) \
  int name(int file) \
  { \
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, #name); \
    delay(file); \
    return real(file); \
  }

SLOW(fsync)
SLOW(fdatasync)
SLOW(syncfs)
