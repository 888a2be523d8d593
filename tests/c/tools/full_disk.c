/* A disk that fills up and is freed again: full_disk KIND FOLDER

   FOLDER/ballast takes all room there is. Until it is gone logins wait, and
   the store says why; afterwards nothing is missing, and nothing counts twice. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "visits.h"

static char ballast[512];

/* Writes until there is no room; how it ended. */
static int fill(void)
{
  static char block[4096];
  int file = open(ballast, O_WRONLY | O_CREAT, 0600), why;
  ssize_t size = sizeof block;
  CHECK(file >= 0);
  while (size > 0) {
    ssize_t written = write(file, block, (size_t)size);
    if (written < 0 && errno == ENOSPC && size > 1)
      size /= 2;
    else if (written < 0)
      break;
  }
  why = errno;
  close(file);
  return why;
}

int main(int argc, char **argv)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  if (argc != 3)
    return 2;
  snprintf(ballast, sizeof ballast, "%s/ballast", argv[2]);
  CHECK(open_store(counter, argv[1], argv[2], "store", &error) == MV_OK);
  CHECK(record_users(counter, 0, 100, OCTOBER) == 0);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);

  CHECK(fill() == ENOSPC);
  CHECK(record_users(counter, 50, 1000, OCTOBER) == 0);
  CHECK(mv_flush(counter, 60000, &error) == MV_ERR_STORAGE);
  CHECK(strstr(error.message, "cannot write") != NULL && strstr(error.message, "No space left") != NULL);
  CHECK(strstr(error.message, "user") == NULL);
  CHECK(mv_close(counter, &error) == MV_ERR_STORAGE);
  CHECK(record_users(counter, 1000, 1100, OCTOBER) == 0); /* As open as before. */
  puts(error.message);

  CHECK(unlink(ballast) == 0);
  CHECK(mv_flush(counter, 60000, &error) == MV_OK);
  CHECK(users_of(counter, "2026-10") == 1100);
  CHECK(mv_close(counter, &error) == MV_OK);
  CHECK(open_store(counter, argv[1], argv[2], "store", &error) == MV_OK);
  CHECK(users_of(counter, "2026-10") == 1100);
  mv_free(counter);
  return failed;
}
