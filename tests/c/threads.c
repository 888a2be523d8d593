/* Many threads on one counter: whoever is first, each user counts once. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <string.h>

#include "check.h"
#include "visits.h"

enum { THREADS = 8, USERS = 2000 };

static const mv_counter *counter;

static void *record_all(void *refused)
{
  *(int *)refused = record_users(counter, 0, USERS, OCTOBER);
  return NULL;
}

/* How often something was wrong while the others recorded. */
static void *look_on(void *wrong)
{
  int i;
  for (i = 0; i < 20; i++) {
    uint64_t users = users_of(counter, "2026-10");
    *(int *)wrong += users > USERS;
    *(int *)wrong += mv_flush(counter, 60000, NULL) != MV_OK;
    *(int *)wrong += mv_reload_geoip(counter, NULL) != MV_OK;
    *(int *)wrong += mv_forget(counter, "nobody", NULL) != MV_OK;
  }
  return NULL;
}

/* Each opens and closes a counter of its own on a folder of its own. */
static void *open_own(void *wrong)
{
  const mv_counter *own = mv_new();
  mv_config *config = mv_config_new();
  int i;
  mv_config_set(config, "store", "memory:", NULL);
  for (i = 0; i < 20; i++) {
    *(int *)wrong += mv_open(own, config, NULL) != MV_OK;
    *(int *)wrong += record_users(own, 0, 50, OCTOBER) != 0 || users_of(own, NULL) != 50;
    *(int *)wrong += mv_close(own, NULL) != MV_OK;
  }
  mv_config_free(config);
  mv_free(own);
  return NULL;
}

int main(int argc, char **argv)
{
  static int results[THREADS + 4];
  pthread_t threads[THREADS + 4];
  mv_error error;
  int i;
  if (argc != 3)
    return 2;
  counter = mv_new();
  CHECK(open_store(counter, "sealed", argv[1], "store", &error) == MV_OK);
  for (i = 0; i < THREADS + 4; i++)
    CHECK(pthread_create(&threads[i], NULL, i < THREADS ? record_all : i < THREADS + 2 ? look_on : open_own, &results[i])
          == 0);
  for (i = 0; i < THREADS + 4; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(results[i] == 0);
  }
  CHECK(users_of(counter, "2026-10") == USERS);
  CHECK(mv_close(counter, &error) == MV_OK);
  CHECK(open_store(counter, "sealed", argv[1], "store", &error) == MV_OK);
  CHECK(users_of(counter, "2026-10") == USERS);
  mv_free(counter);
  return failed;
}
