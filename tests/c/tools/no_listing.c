/* Preloaded: ends the program where it lists a folder whose name ends in
   "visitors", which would take as long as there are users. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

DIR *opendir(const char *name)
{
  DIR *(*next)(const char *);
  const char *end = "visitors";
  size_t length = strlen(name);
  if (length >= strlen(end) && strcmp(name + length - strlen(end), end) == 0) {
    fprintf(stderr, "no_listing: the folder of the users was listed\n");
    _Exit(97);
  }
  *(void **)&next = dlsym(RTLD_NEXT, "opendir");
  return next(name);
}
