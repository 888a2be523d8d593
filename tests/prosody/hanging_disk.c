/* A disk that hangs while the file named by HANG_WHILE exists, as a network
   file system does whose server is gone: to be preloaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void hang(void)
{
  const char *path = getenv("HANG_WHILE");
  while (path != NULL && access(path, F_OK) == 0)
    usleep(10000);
}

#define HANG(name) \
  int name(int file) \
  { \
    int (*next)(int); \
    void *address = dlsym(RTLD_NEXT, #name); \
    memcpy(&next, &address, sizeof next); \
    hang(); \
    return next(file); \
  }

HANG(fsync)
HANG(fdatasync)
HANG(syncfs)
