/* Three fields of places with libmaxminddb: DATABASE ADDRESSES (four bytes each). */
#include <arpa/inet.h>
#include <netinet/in.h>

#include <maxminddb.h>

#include "bench.h"

static unsigned long find(const MMDB_s *database, uint32_t address)
{
  struct sockaddr_in from;
  MMDB_lookup_result_s found;
  MMDB_entry_data_s country, subdivision, city;
  int error;
  memset(&from, 0, sizeof from);
  from.sin_family = AF_INET;
  from.sin_addr.s_addr = htonl(address);
  found = MMDB_lookup_sockaddr(database, (struct sockaddr *)&from, &error);
  if (!found.found_entry)
    return 0;
  return (MMDB_get_value(&found.entry, &country, "country", "iso_code", NULL) == MMDB_SUCCESS)
         + (MMDB_get_value(&found.entry, &subdivision, "subdivisions", "0", "iso_code", NULL) == MMDB_SUCCESS)
         + (MMDB_get_value(&found.entry, &city, "city", "geoname_id", NULL) == MMDB_SUCCESS);
}

int main(int count, char **arguments)
{
  MMDB_s database;
  uint32_t *addresses;
  unsigned long number, found = 0, i;
  double start;
  FILE *file = count == 3 ? fopen(arguments[2], "rb") : NULL;
  if (file == NULL || MMDB_open(arguments[1], MMDB_MODE_MMAP, &database) != MMDB_SUCCESS)
    stop(arguments[0], "needs DATABASE ADDRESSES");
  fseek(file, 0, SEEK_END);
  number = (unsigned long)ftell(file) / sizeof *addresses;
  rewind(file);
  addresses = malloc(number * sizeof *addresses);
  if (addresses == NULL || fread(addresses, sizeof *addresses, number, file) != number)
    stop(arguments[2], "cannot be read");
  fclose(file);
  for (i = 0; i < number; i++) /* warms up */
    found += find(&database, addresses[i]);
  start = now();
  for (i = 0; i < number; i++)
    found += find(&database, addresses[i]);
  tell("lookup", (now() - start) / (double)number);
  tell("found", (double)found);
  MMDB_close(&database);
  return 0;
}
