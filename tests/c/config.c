/* Settings: what is refused names the key, or the file and the line, and
   changes nothing; a counter that could not be opened is as it was. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include <monthly_visitors.h>

static const char *folder, *places;

static const char *in_folder(const char *name)
{
  static char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static const char *write_file(const char *name, const char *text)
{
  const char *path = in_folder(name);
  FILE *file = fopen(path, "w");
  if (file == NULL || fputs(text, file) == EOF || fclose(file) != 0)
    abort();
  return path;
}

static int mentions(const mv_error *error, const char *text)
{
  if (strstr(error->message, text) != NULL)
    return 1;
  fprintf(stderr, "no \"%s\" in: %s\n", text, error->message);
  return 0;
}

static void a_wrong_value_names_its_key(void)
{
  static const char *const cases[][2] = {
      {"store", "canary"},           {"pattern_syntax", "canary"}, {"record_countries", "DE,canary"},
      {"retention_months", "-1"},    {"retention_months", "1.5"},  {"retention_months", "99999999999"},
      {"flush_interval", "0s"},      {"flush_interval", "canary"}, {"flush_interval", "2h"},
      {"flush_interval", "1000000"}, {"pending_limit", "0"},       {"pending_limit", "canary"},
      {"read_only", "canary"},
  };
  mv_error error;
  size_t i;
  for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    mv_config *config = mv_config_new();
    CHECK(mv_config_set(config, cases[i][0], cases[i][1], &error) == MV_ERR_CONFIG);
    CHECK(error.code == MV_ERR_CONFIG && mentions(&error, cases[i][0]));
    CHECK(strstr(error.message, "canary") == NULL);
    mv_config_free(config);
  }
}

static void a_wrong_file_names_itself_and_the_place(void)
{
  static const char *const cases[][2] = {
      {"host = 'x'\nstore = \n", "line 2"},
      {"host = 'x'\n\n\n[[client\n", "line 4"},
      {"no_such = 1\n", "no_such"},
      {"retention_months = 'canary'\n", "retention_months"},
      {"store = 7.5\n", "store"},
      {"[[client]]\npattern = 'canary'\n", "client"},
      {"[[client]]\npattern = 'x'\ncategory = 'X'\nmore = 1\n", "client"},
      {"host = 'x'\nhost = 'canary'\n", "line 2"},
  };
  mv_error error;
  size_t i;
  for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    mv_config *config = mv_config_new();
    const char *path = write_file("wrong.toml", cases[i][0]);
    CHECK(mv_config_load(config, path, &error) == MV_ERR_CONFIG);
    CHECK(mentions(&error, "wrong.toml") && mentions(&error, cases[i][1]));
    CHECK(strstr(error.message, "canary") == NULL);
    mv_config_free(config);
  }
}

static void a_file_that_cannot_be_read_is_named(void)
{
  mv_error error;
  mv_config *config = mv_config_new();
  CHECK(mv_config_load(config, in_folder("missing.toml"), &error) == MV_ERR_CONFIG && mentions(&error, "missing.toml"));
  CHECK(mv_config_load(config, folder, &error) == MV_ERR_CONFIG && mentions(&error, folder));
  CHECK(mv_config_load(config, write_file("latin1.toml", "host = 'caf\xe9'\n"), &error) == MV_ERR_CONFIG);
  CHECK(mentions(&error, "latin1.toml"));
  mv_config_free(config);
}

/* The settings of a wrong file are not half taken over. */
static void a_failure_changes_no_setting(void)
{
  mv_error error;
  const mv_report *report;
  const mv_counter *counter = mv_new();
  mv_config *config = mv_config_new();
  CHECK(mv_config_set(config, "store", "memory:", &error) == MV_OK);
  CHECK(mv_config_add_client(config, "^Zom", "KEPT", &error) == MV_OK);
  CHECK(mv_config_load(config, write_file("half.toml", "record_countries = 'FR'\nretention_months = 'x'\n"), &error)
        == MV_ERR_CONFIG);
  CHECK(mv_config_set(config, "store", "nothing", &error) == MV_ERR_CONFIG);
  CHECK(mv_config_add_client(config, "^Zom", "", &error) == MV_ERR_CONFIG);
  CHECK(mv_open(counter, config, &error) == MV_OK);
  CHECK(mv_record(counter, "juliet", "192.0.2.1", "Zom-1", MV_NOW) == MV_OK);
  CHECK(mv_report_new(counter, NULL, NULL, &report, &error) == MV_OK && mv_report_len(report) == 2);
  CHECK(strcmp(mv_report_row(report, 0)->key, "client-KEPT") == 0);
  mv_report_free(report);
  mv_free(counter);
  mv_config_free(config);
}

/* `key` = `value` cannot be opened with `status`, naming `what`. */
static void refused(const char *key, const char *value, mv_status status, const char *what)
{
  mv_error error;
  const mv_counter *counter = mv_new();
  mv_config *config = mv_config_new();
  CHECK(mv_config_set(config, "store", "memory:", &error) == MV_OK);
  CHECK(mv_config_set(config, key, value, &error) == MV_OK);
  CHECK(mv_open(counter, config, &error) == status);
  CHECK(error.code == status && mentions(&error, what));
  CHECK(mv_record(counter, "juliet", NULL, NULL, MV_NOW) == MV_ERR_CLOSED);
  /* What was wrong once is not wrong for ever. */
  CHECK(mv_config_set(config, "store", "memory:", &error) == MV_OK);
  if (strcmp(key, "store") != 0)
    CHECK(mv_config_set(config, key, "", &error) == MV_OK);
  CHECK(mv_open(counter, config, &error) == MV_OK);
  CHECK(mv_record(counter, "juliet", NULL, NULL, MV_NOW) == MV_OK);
  mv_free(counter);
  mv_config_free(config);
}

static void what_cannot_be_opened_is_named(void)
{
  char path[600], whole[4096];
  size_t size;
  FILE *file;
  refused("store", "nothing:/x", MV_ERR_CONFIG, "store");
  refused("store", "sealed:", MV_ERR_CONFIG, "store");
  refused("store", "prosody:/nowhere/at/all", MV_ERR_STORAGE, "/nowhere/at/all");
  refused("geoip", in_folder("missing.mmdb"), MV_ERR_GEOIP, "missing.mmdb");
  refused("asn", in_folder("missing.mmdb"), MV_ERR_GEOIP, "missing.mmdb");
  refused("geoip", write_file("empty.mmdb", ""), MV_ERR_GEOIP, "empty.mmdb");
  refused("geoip", write_file("text.mmdb", "not a database\n"), MV_ERR_GEOIP, "text.mmdb");
  refused("geoip", folder, MV_ERR_GEOIP, folder);
  /* A database of places is none of networks. */
  refused("asn", places, MV_ERR_GEOIP, "sample.mmdb");
  refused("secret_file", in_folder("missing.secret"), MV_ERR_CONFIG, "secret_file");
  refused("secret_file", write_file("short.secret", "canary\n"), MV_ERR_CONFIG, "secret_file");
  /* The first half of a database. */
  file = fopen(places, "rb");
  size = file == NULL ? 0 : fread(whole, 1, sizeof whole, file);
  CHECK(size > 1000 && fclose(file) == 0);
  snprintf(path, sizeof path, "%s/half.mmdb", folder);
  file = fopen(path, "wb");
  CHECK(file != NULL && fwrite(whole, 1, size / 2, file) == size / 2 && fclose(file) == 0);
  refused("geoip", path, MV_ERR_GEOIP, "half.mmdb");
}

static void a_store_is_required(void)
{
  mv_error error;
  mv_config *config = mv_config_new();
  CHECK(mv_open(mv_default(), config, &error) == MV_ERR_CONFIG && mentions(&error, "store"));
  CHECK(mv_record_login("juliet", NULL, NULL) == MV_ERR_CLOSED);
  mv_config_free(config);
}

static void a_bad_pattern_is_named_when_opened(void)
{
  static const char *const bad[][2] = {{"lua", "[a"}, {"lua", "abc%"}, {"regex", "(abc"}, {"regex", "[z-a]"}};
  size_t i;
  for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    mv_error error;
    mv_config *config = mv_config_new();
    CHECK(mv_config_set(config, "store", "memory:", &error) == MV_OK);
    CHECK(mv_config_set(config, "pattern_syntax", bad[i][0], &error) == MV_OK);
    CHECK(mv_config_add_client(config, "good", "GOOD", &error) == MV_OK);
    CHECK(mv_config_add_client(config, bad[i][1], "BAD", &error) == MV_OK);
    CHECK(mv_open(mv_default(), config, &error) == MV_ERR_CONFIG);
    CHECK(mentions(&error, bad[i][1]));
    mv_config_free(config);
  }
}

int main(int argc, char **argv)
{
  if (argc != 3)
    return 2;
  folder = argv[1];
  places = argv[2];
  a_wrong_value_names_its_key();
  a_wrong_file_names_itself_and_the_place();
  a_file_that_cannot_be_read_is_named();
  a_failure_changes_no_setting();
  what_cannot_be_opened_is_named();
  a_store_is_required();
  a_bad_pattern_is_named_when_opened();
  return failed;
}
