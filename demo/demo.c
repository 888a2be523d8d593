/* Records a sample of logins through the C library, and prints the report.

     demo SETTINGS.toml STORE-URL PLACES.mmdb sample|random

   "sample" draws addresses from the networks of the sample database, "random"
   from the whole IPv4 Internet, for a real one. The sample is the same each
   time, but for the months: they end with the present one. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <monthly_visitors.h>

enum { USERS = 2500, LOGINS = 12000, DAYS = 110, TEXT = 64 };

static uint64_t state = 2026;

/* A number below `bound`: a linear congruential generator, so that the sample
   is the same on every machine (constants of Knuth's MMIX). */
static uint64_t below(uint64_t bound)
{
  state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (state >> 33) % bound;
}

/* What is drawn for a user stays with the user. */
static uint64_t of_user(unsigned user, uint64_t salt, uint64_t bound)
{
  uint64_t before = state, drawn;
  state = user * UINT64_C(2654435761) + salt;
  below(2);
  drawn = below(bound);
  state = before;
  return drawn;
}

static void make_address(unsigned user, int random, char ip[TEXT])
{
  static const char *const networks[] = {"192.0.2", "198.51.100", "203.0.113"};
  uint64_t kind = of_user(user, 1, 100);
  if (random)
    snprintf(ip, TEXT, "%u.%u.%u.%u", 1 + (unsigned)of_user(user, 2, 223), (unsigned)of_user(user, 3, 256),
             (unsigned)of_user(user, 4, 256), (unsigned)of_user(user, 5, 256));
  else if (kind < 15)
    snprintf(ip, TEXT, "[2001:db8:%x::%x]:5222", (unsigned)of_user(user, 2, 0xc000), 1 + user);
  else if (kind < 25)
    snprintf(ip, TEXT, "::ffff:192.0.2.%u", (unsigned)of_user(user, 3, 256));
  else if (kind < 97)
    snprintf(ip, TEXT, "%s.%u", networks[of_user(user, 4, 3)], (unsigned)of_user(user, 5, 256));
  else
    snprintf(ip, TEXT, "%s", kind == 97 ? "unknown" : "10.0.0.1");
}

static void make_resource(unsigned user, char resource[TEXT])
{
  static const char *const forms[] = {"Conversations.%04x", "Conversations.%04x", "Conversations.%04x", "zom%u",
                                      "ChatSecureZom-%x",   "gajim.%04X",         "gajim.%04X",         "dino.%04x",
                                      "converse.js-%u",     "%08x"};
  snprintf(resource, TEXT, forms[of_user(user, 6, sizeof forms / sizeof forms[0])], user * 7919u);
}

/* Logins in order of time, more users each month. */
static int record(int random)
{
  char user[TEXT], ip[TEXT], resource[TEXT];
  int64_t start = (int64_t)time(NULL) - (int64_t)DAYS * 86400;
  unsigned i;
  for (i = 0; i < LOGINS; i++) {
    int64_t when = start + (int64_t)i * DAYS * 86400 / LOGINS;
    unsigned known = USERS / 2 + i * (USERS / 2) / LOGINS, number = (unsigned)below(known);
    mv_status status;
    snprintf(user, sizeof user, "user%u@example.net", number);
    make_address(number, random, ip);
    make_resource(number, resource);
    status = mv_record(mv_default(), user, ip, resource, when);
    if (status != MV_OK) {
      fprintf(stderr, "demo: login %u: %s\n", i, mv_strerror(status));
      return 0;
    }
  }
  return 1;
}

int main(int argc, char **argv)
{
  mv_error error;
  mv_config *config = mv_config_new();
  const mv_report *report;
  int opened;

  if (argc != 5) {
    fprintf(stderr, "usage: demo SETTINGS.toml STORE-URL PLACES.mmdb sample|random\n");
    mv_config_free(config);
    return 1;
  }
  opened = mv_config_load(config, argv[1], &error) == MV_OK
           && mv_config_set(config, "store", argv[2], &error) == MV_OK
           && mv_config_set(config, "geoip", argv[3], &error) == MV_OK
           && mv_open(mv_default(), config, &error) == MV_OK;
  mv_config_free(config);
  if (!opened) {
    fprintf(stderr, "demo: %s\n", error.message);
    return 1;
  }
  if (!record(strcmp(argv[4], "random") == 0))
    return 1;
  if (mv_flush(mv_default(), 10000, &error) != MV_OK
      || mv_report_new(mv_default(), NULL, NULL, &report, &error) != MV_OK) {
    fprintf(stderr, "demo: %s\n", error.message);
    return 1;
  }
  printf("%d logins of up to %d users, recorded into %s\n\n", LOGINS, USERS, argv[2]);
  fputs(mv_report_text(report, "table"), stdout);
  mv_report_free(report);
  if (mv_close(mv_default(), &error) != MV_OK) {
    fprintf(stderr, "demo: %s\n", error.message);
    return 1;
  }
  return 0;
}
