/* Repeat logins, by one thread and by two at once. */
#ifndef REPEAT_H
#define REPEAT_H

#include <pthread.h>

#include "bench.h"

#define REPEATS 2000000UL

struct repeat {
  const mv_counter *counter; /* NULL: only names the users */
  unsigned long users;
  uint32_t state;
  double nanoseconds;
};

static inline void *repeat(void *argument)
{
  struct repeat *run = argument;
  uint32_t state = run->state;
  volatile char sink = 0;
  char user[64];
  double start = now();
  unsigned long i;
  for (i = 0; i < REPEATS; i++) {
    name_user(user, pick(&state, run->users));
    if (run->counter != NULL)
      mv_record(run->counter, user, "198.51.100.7", "Conversations.AbCd", MV_NOW);
    else
      sink = user[5];
  }
  (void)sink;
  run->nanoseconds = (now() - start) / REPEATS;
  return NULL;
}

/* Tells the time of a repeat login, without that of naming the user, and how
   much more two threads do than one, with it. */
static inline void measure_repeat(const mv_counter *counter, unsigned long users)
{
  struct repeat names = {NULL, users, 1, 0}, one = {counter, users, 2, 0};
  struct repeat pair[2] = {{counter, users, 3, 0}, {counter, users, 4, 0}};
  pthread_t thread[2];
  repeat(&one); /* warms up */
  repeat(&names);
  repeat(&one);
  tell("repeat", one.nanoseconds - names.nanoseconds);
  pthread_create(&thread[0], NULL, repeat, &pair[0]);
  pthread_create(&thread[1], NULL, repeat, &pair[1]);
  pthread_join(thread[0], NULL);
  pthread_join(thread[1], NULL);
  tell("threads", one.nanoseconds / pair[0].nanoseconds + one.nanoseconds / pair[1].nanoseconds);
}

#endif
