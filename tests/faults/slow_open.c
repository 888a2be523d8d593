/* A disk on which it takes a while to open every eleventh file, so that much
   happens between two files that are read: to be preloaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

int open64(const char *path, int flags, ...)
{
  static int (*next)(const char *, int, ...);
  static unsigned calls;
  struct timespec pause = {0, 3000000};
  va_list rest;
  mode_t mode;
  va_start(rest, flags);
  mode = (flags & O_CREAT) != 0 ? (mode_t)va_arg(rest, int) : 0;
  va_end(rest);
  if (next == NULL) {
    void *address = dlsym(RTLD_NEXT, "open64");
    memcpy(&next, &address, sizeof next);
  }
  if (++calls % 11 == 0)
    nanosleep(&pause, NULL);
  return next(path, flags, mode);
}
