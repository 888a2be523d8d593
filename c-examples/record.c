/* Counts one login: record SETTINGS.toml USER [IP [RESOURCE]] */
#include <stdio.h>

#include <monthly_visitors.h>

int main(int argc, char **argv)
{
  mv_error error;
  mv_config *config = mv_config_new();
  mv_status status = MV_OK;

  if (argc < 3 || mv_config_load(config, argv[1], &error) != MV_OK
      || mv_open(mv_default(), config, &error) != MV_OK) {
    fprintf(stderr, "record: %s\n", argc < 3 ? "usage: record SETTINGS.toml USER [IP [RESOURCE]]" : error.message);
    mv_config_free(config);
    return 1;
  }
  mv_config_free(config);
  status = mv_record_login(argv[2], argc > 3 ? argv[3] : NULL, argc > 4 ? argv[4] : NULL);
  if (status != MV_OK)
    fprintf(stderr, "record: not counted: %s\n", mv_strerror(status));
  if (mv_close(mv_default(), &error) != MV_OK)
    fprintf(stderr, "record: %s\n", error.message);
  return status != MV_OK || error.code != MV_OK;
}
