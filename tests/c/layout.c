/* The layout of what callers hold: part of the ABI, never to change. */
#include <stddef.h>

#include "check.h"
#include <monthly_visitors.h>

int main(void)
{
  CHECK(sizeof(mv_error) == 256);
  CHECK(offsetof(mv_error, code) == 0);
  CHECK(offsetof(mv_error, message) == 4);
  CHECK(sizeof(((mv_error *)0)->message) == 252);
  CHECK(sizeof(mv_status) == 4);
  CHECK(offsetof(mv_row, month) == 0);
  CHECK(offsetof(mv_row, key) == sizeof(void *));
  CHECK(offsetof(mv_row, count) == 2 * sizeof(void *));
  CHECK(sizeof(mv_row) == 2 * sizeof(void *) + 8);
  CHECK(MV_OK == 0 && MV_ERR_ARGUMENT == -1 && MV_ERR_CONFIG == -2 && MV_ERR_CLOSED == -3 && MV_ERR_MONTH == -4);
  CHECK(MV_ERR_STORAGE == -5 && MV_ERR_GEOIP == -6 && MV_ERR_FULL == -7 && MV_ERR_TIMEOUT == -8);
  CHECK(MV_ERR_INTERNAL == -9);
  CHECK(MV_NOW == INT64_MIN);
  return failed;
}
