/* A layer between the library and the system: it lets calls about the files
   below a folder fail, or writes down what they do. A program that includes it
   has the functions that the library calls, so nothing is to be preloaded. All
   others of the library's calls change no file. */
#ifndef LAYER_H
#define LAYER_H

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
  /* The folder whose files it is about; NULL is none. */
  const char *folder;
  /* The number of calls so far, and which of them fail. */
  long calls, first, last;
  int error;
  /* The name of the first that failed, and how many did. */
  const char *failed;
  long failures;
  /* Each write takes at most so many bytes, unless it is 0. */
  size_t at_most;
  /* Nothing is really synced: no test here cuts the power. */
  int lazy;
  /* Where is written what the calls do, or -1. */
  int log;
  unsigned char ours[4096];
  pthread_mutex_t lock;
} layer = {NULL, 0, LONG_MAX, LONG_MAX, 0, NULL, 0, 0, 0, -1, {0}, PTHREAD_MUTEX_INITIALIZER};

/* The system's function of a name: ISO C has no other way to cast it. */
#define NEXT(type, name, arguments)                \
  static type(*next) arguments;                    \
  if (next == NULL) {                              \
    void *address = dlsym(RTLD_NEXT, name);        \
    memcpy(&next, &address, sizeof next);          \
  }

static int is_below(const char *path)
{
  return layer.folder != NULL && strncmp(path, layer.folder, strlen(layer.folder)) == 0;
}

static int is_ours(int file)
{
  return file >= 0 && file < (int)sizeof layer.ours && layer.ours[file];
}

/* Counts a call; whether it is to fail. */
static int fails(const char *name)
{
  int so;
  pthread_mutex_lock(&layer.lock);
  layer.calls++;
  so = layer.calls >= layer.first && layer.calls <= layer.last;
  if (so && layer.failures++ == 0)
    layer.failed = name;
  pthread_mutex_unlock(&layer.lock);
  if (so)
    errno = layer.error;
  return so;
}

/* Each line of the log is one write, so that lines of threads do not mix. */
static void note(const char *format, ...)
{
  char line[1200];
  va_list rest;
  int size;
  if (layer.log < 0)
    return;
  va_start(rest, format);
  size = vsnprintf(line, sizeof line, format, rest);
  va_end(rest);
  if (size < 0 || size >= (int)sizeof line)
    abort();
  {
    NEXT(ssize_t, "write", (int, const void *, size_t))
    if (next(layer.log, line, (size_t)size) != size)
      abort();
  }
}

static int open_next(const char *path, int flags, mode_t mode)
{
  struct stat found;
  int file, is_there;
  NEXT(int, "open64", (const char *, int, ...))
  if (!is_below(path))
    return next(path, flags, mode);
  if (fails("open"))
    return -1;
  pthread_mutex_lock(&layer.lock);
  is_there = stat(path, &found) == 0;
  file = next(path, flags, mode);
  if (file >= 0 && file < (int)sizeof layer.ours) {
    layer.ours[file] = 1;
    note("open %d %d %d %s\n", file, !is_there, (flags & O_TRUNC) != 0, path);
  }
  pthread_mutex_unlock(&layer.lock);
  return file;
}

static mode_t mode_of(int flags, va_list rest)
{
  return (flags & O_CREAT) != 0 ? (mode_t)va_arg(rest, int) : 0;
}

#define OPEN(name)                                \
  int name(const char *path, int flags, ...)      \
  {                                               \
    va_list rest;                                 \
    mode_t mode;                                  \
    va_start(rest, flags);                        \
    mode = mode_of(flags, rest);                  \
    va_end(rest);                                 \
    return open_next(path, flags, mode);          \
  }

OPEN(open)
OPEN(open64)

int close(int file)
{
  NEXT(int, "close", (int))
  if (is_ours(file))
    layer.ours[file] = 0;
  return next(file);
}

ssize_t read(int file, void *data, size_t size)
{
  NEXT(ssize_t, "read", (int, void *, size_t))
  return is_ours(file) && fails("read") ? -1 : next(file, data, size);
}

ssize_t write(int file, const void *data, size_t size)
{
  ssize_t written;
  NEXT(ssize_t, "write", (int, const void *, size_t))
  if (!is_ours(file)) {
    if (file == 1)
      note("say %.*s", (int)size, (const char *)data);
    return next(file, data, size);
  }
  if (fails("write"))
    return -1;
  if (layer.at_most > 0 && size > layer.at_most)
    size = layer.at_most;
  pthread_mutex_lock(&layer.lock);
  written = next(file, data, size);
  if (layer.log >= 0) {
    /* In pieces, as hexadecimal digits. */
    const unsigned char *bytes = data;
    ssize_t done = 0;
    while (done < written) {
      char digits[1025];
      int count = 0;
      for (; count < 512 && done < written; count++, done++)
        snprintf(digits + 2 * count, 3, "%02x", bytes[done]);
      note("write %d %s\n", file, digits);
    }
  }
  pthread_mutex_unlock(&layer.lock);
  return written;
}

/* One that is about an open file, and is written down after it has worked. */
#define ABOUT_FILE(name, parameters, types, arguments, written)    \
  int name parameters                                              \
  {                                                                \
    int done;                                                      \
    NEXT(int, #name, types)                                        \
    if (is_ours(file) && fails(#name))                             \
      return -1;                                                   \
    done = next arguments;                                         \
    if (done == 0 && is_ours(file))                                \
      written;                                                     \
    return done;                                                   \
  }

ABOUT_FILE(fchmod, (int file, mode_t mode), (int, mode_t), (file, mode), (void)0)
ABOUT_FILE(futimens, (int file, const struct timespec times[2]), (int, const struct timespec *), (file, times), (void)0)
ABOUT_FILE(ftruncate64, (int file, off64_t size), (int, off64_t), (file, size), note("truncate %d %ld\n", file, (long)size))

off64_t lseek64(int file, off64_t offset, int whence)
{
  off64_t place;
  NEXT(off64_t, "lseek64", (int, off64_t, int))
  place = next(file, offset, whence);
  if (is_ours(file))
    note("seek %d %ld\n", file, (long)place);
  return place;
}

static int sync_next(const char *name, int (*next)(int), int file)
{
  int done;
  if (is_ours(file) && fails(name))
    return -1;
  done = layer.lazy ? 0 : next(file);
  if (done == 0 && is_ours(file))
    note("%s %d\n", name, file);
  return done;
}

int fsync(int file)
{
  NEXT(int, "fsync", (int))
  return sync_next("fsync", next, file);
}

int syncfs(int file)
{
  NEXT(int, "syncfs", (int))
  return sync_next("syncfs", next, file);
}

/* One that is about names. */
#define ABOUT_NAMES(type, failure, name, parameters, types, arguments, written) \
  type name parameters                                                          \
  {                                                                             \
    type done;                                                                  \
    NEXT(type, #name, types)                                                    \
    if (!is_below(path))                                                        \
      return next arguments;                                                    \
    if (fails(#name))                                                           \
      return failure;                                                           \
    pthread_mutex_lock(&layer.lock);                                            \
    done = next arguments;                                                      \
    if (done != failure)                                                        \
      written;                                                                  \
    pthread_mutex_unlock(&layer.lock);                                          \
    return done;                                                                \
  }

ABOUT_NAMES(int, -1, rename, (const char *path, const char *to), (const char *, const char *), (path, to),
            note("rename %s %s\n", path, to))
ABOUT_NAMES(int, -1, unlink, (const char *path), (const char *), (path), note("unlink %s\n", path))
ABOUT_NAMES(int, -1, mkdir, (const char *path, mode_t mode), (const char *, mode_t), (path, mode), note("mkdir %s\n", path))
ABOUT_NAMES(int, -1, chmod, (const char *path, mode_t mode), (const char *, mode_t), (path, mode), (void)0)
ABOUT_NAMES(DIR *, NULL, opendir, (const char *path), (const char *), (path), (void)0)

#endif
