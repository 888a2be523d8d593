/* A framework of ten lines: CHECK says what is not so; main returns `failed`. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>

static int failed;

#define CHECK(condition) \
  ((condition) ? (void)0 : (void)(failed = 1, fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition)))

#endif
