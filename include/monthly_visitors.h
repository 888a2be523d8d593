/* monthly-visitors: how many people use a chat server, month by month, from
   which places and with which clients, and nothing by which they could be found.

   The smallest program opens the default counter once, and records each login:

     mv_error error;
     mv_config *config = mv_config_new();
     if (mv_config_load(config, "/etc/monthly-visitors.toml", &error) != MV_OK
         || mv_open(mv_default(), config, &error) != MV_OK)
       fprintf(stderr, "%s\n", error.message);
     mv_config_free(config);

     mv_record_login("juliet@example.net", "192.0.2.1", "Conversations.x7");

     mv_close(mv_default(), NULL);

   These rules hold for every function:

   - A status is an int32_t. MV_OK is 0, failures are negative.
   - An mv_error is the caller's, the last argument, and may be NULL.
   - A function does all of what it says, or nothing.
   - Strings are NUL-terminated UTF-8 of at most 3,071 bytes, and are copied.
     Longer ones are refused with MV_ERR_ARGUMENT, except addresses.
   - NULL is refused with MV_ERR_ARGUMENT wherever it is not allowed.
   - A const handle may be shared by threads, another one may not. A handle must
     not be used once it is freed, nor freed while another thread uses it.
   - Each handle has a function of its own that frees it. Nothing of this library
     is ever given to free().
   - No panic leaves the library, nor prints: any function may answer
     MV_ERR_INTERNAL instead, and the counter then refuses until it is opened again.
   - On a counter that is open read_only, what would change the store is refused
     with MV_ERR_ARGUMENT.
   - Recording tells nobody whether the user was new.
   - No message and no log line contains a user, an address or a resource. */

#ifndef MONTHLY_VISITORS_H
#define MONTHLY_VISITORS_H

/* Made by `make header` from crates/ffi: change it there. */

#include <stddef.h>
#include <stdint.h>

/**
 * Something is not counted or not kept; somebody should look.
 */
#define MV_LOG_ERROR 0

/**
 * Something was odd and dealt with.
 */
#define MV_LOG_WARN 1

/**
 * The normal course of things: months closed, totals deleted.
 */
#define MV_LOG_INFO 2

/**
 * What helps to find a fault.
 */
#define MV_LOG_DEBUG 3

/**
 * The time of the system clock, as an argument of `mv_record`.
 */
#define MV_NOW INT64_MIN

/**
 * Settings of a counter, not yet in use: `mv_open` takes a copy. For one
 * thread at a time.
 */
typedef struct mv_config mv_config;

/**
 * Counts the users of one host. May be shared by threads: every function that
 * takes a `const mv_counter *` may be called by several at once. After a
 * `fork` the child goes on with the same settings and leaves to the parent
 * what the parent had not yet written.
 */
typedef struct mv_counter mv_counter;

/**
 * An immutable copy of the totals. May be shared by threads.
 */
typedef struct mv_report mv_report;

/**
 * How a call ended: `MV_OK`, or one of the negative `MV_ERR_` codes.
 */
typedef int32_t mv_status;

/**
 * Why a call failed. The caller's: on the stack, or wherever the caller likes.
 * 256 bytes for ever. After a successful call, `code` is `MV_OK` and `message`
 * is empty.
 */
typedef struct mv_error {
  /**
   * What the function returned.
   */
  int32_t code;
  /**
   * One line of UTF-8, NUL-terminated, fit for any log: never a user name,
   * an address or a resource.
   */
  char message[252];
} mv_error;

/**
 * Takes a log line of a counter: `userdata` as it was given, one of the
 * `MV_LOG_` levels, and one line of UTF-8 without a line end, which is gone
 * after the call. It may be called by any thread, by several at once, and
 * must not call this library.
 */
typedef void (*mv_log_fn)(void *userdata, int32_t level, const char *line);

/**
 * One count of a month. The report's: valid until that is freed. Later versions
 * may add fields at the end.
 */
typedef struct mv_row {
  /**
   * The month, "2026-11".
   */
  const char *month;
  /**
   * What is counted: "geo-DE-HE-2925533", "client-IOS", "asn-AS3320".
   */
  const char *key;
  /**
   * The number of users.
   */
  uint64_t count;
} mv_row;

/**
 * Done.
 */
#define MV_OK 0

/**
 * An argument is not what it must be.
 */
#define MV_ERR_ARGUMENT -1

/**
 * A setting is unknown or its value is wrong.
 */
#define MV_ERR_CONFIG -2

/**
 * The counter is not open.
 */
#define MV_ERR_CLOSED -3

/**
 * The month of the login is closed: its totals are final.
 */
#define MV_ERR_MONTH -4

/**
 * The store cannot be opened, read or written.
 */
#define MV_ERR_STORAGE -5

/**
 * A database of places or networks cannot be used.
 */
#define MV_ERR_GEOIP -6

/**
 * Too many visits wait for the store; this one was not counted.
 */
#define MV_ERR_FULL -7

/**
 * Not finished in time.
 */
#define MV_ERR_TIMEOUT -8

/**
 * A defect of the library. The counter refuses to work until it is opened
 * again.
 */
#define MV_ERR_INTERNAL -9

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * New settings, all of them at their defaults. To be given to
 * `mv_config_free`. Never NULL.
 */
struct mv_config *mv_config_new(void);

/**
 * Frees settings. NULL is ignored. Counters that were opened with them keep
 * their copy.
 */
void mv_config_free(struct mv_config *config);

/**
 * Changes one setting, given as text: the key and the value as they would
 * stand in a settings file, without quotes. A list is separated by commas.
 * Fails with `MV_ERR_ARGUMENT` or, when the key is unknown or the value is
 * wrong, with `MV_ERR_CONFIG`; the settings are then unchanged.
 */
mv_status mv_config_set(struct mv_config *config,
                        const char *key,
                        const char *value,
                        struct mv_error *error);

/**
 * Adds a client pattern after those that are there: resources that match
 * `pattern`, and none before it, count as `category`. Whether the pattern is
 * well formed shows at `mv_open`. Fails with `MV_ERR_ARGUMENT` or
 * `MV_ERR_CONFIG`; the settings are then unchanged.
 */
mv_status mv_config_add_client(struct mv_config *config,
                               const char *pattern,
                               const char *category,
                               struct mv_error *error);

/**
 * Takes all settings of a TOML file over those that are there; its client
 * patterns come after those that are there. Fails with `MV_ERR_ARGUMENT`, or
 * with `MV_ERR_CONFIG` and a message that names the file and the line or the
 * key; the settings are then unchanged.
 */
mv_status mv_config_load(struct mv_config *config,
                         const char *path,
                         struct mv_error *error);

/**
 * Sends the log lines of counters opened with these settings to `log`, with
 * `userdata`; to nowhere if `log` is NULL, which is the default. Both must
 * stay usable until each of those counters is closed. Fails with
 * `MV_ERR_ARGUMENT`.
 */
mv_status mv_config_set_log(struct mv_config *config, mv_log_fn log, void *userdata);

/**
 * The default counter of the process, which `mv_record_login` counts in. Never
 * NULL, never freed.
 */
const struct mv_counter *mv_default(void);

/**
 * A closed counter of the caller's own. To be given to `mv_free`. Never NULL.
 */
const struct mv_counter *mv_new(void);

/**
 * Closes a counter from `mv_new` as well as it can, and frees it. What cannot
 * be written within a second is lost: call `mv_close` first to be told. NULL
 * and the default counter are ignored.
 */
void mv_free(const struct mv_counter *counter);

/**
 * Opens a counter. On an open counter, changes its settings: a login sees all
 * of the old ones or all of the new ones; while the counter moves to another
 * store, logins fail with `MV_ERR_CLOSED`. The host, the secret, the folder of
 * keys and `read_only` of an open store cannot change. A relative path is taken from the working directory when it
 * is first given. Reads databases and the store, so it may take a while. Fails with `MV_ERR_ARGUMENT`, `MV_ERR_CONFIG`,
 * `MV_ERR_GEOIP` or `MV_ERR_STORAGE`; nothing has changed then.
 */
mv_status mv_open(const struct mv_counter *counter,
                  const struct mv_config *config,
                  struct mv_error *error);

/**
 * Waits until everything that was recorded before is in the store, for at most
 * `timeout_ms` milliseconds. Fails with `MV_ERR_ARGUMENT`, `MV_ERR_CLOSED`,
 * `MV_ERR_STORAGE` or `MV_ERR_TIMEOUT`; nothing is lost then, and the library
 * goes on trying.
 */
mv_status mv_flush(const struct mv_counter *counter,
                   uint32_t timeout_ms,
                   struct mv_error *error);

/**
 * Flushes and closes a counter, which may be opened again. Waits a minute at
 * most. Fails with `MV_ERR_ARGUMENT`, `MV_ERR_CLOSED`, `MV_ERR_STORAGE` or
 * `MV_ERR_TIMEOUT`; the counter is as open as before then.
 */
mv_status mv_close(const struct mv_counter *counter, struct mv_error *error);

/**
 * Reads the databases of places and networks again. A replaced file is also
 * noticed without this, within a minute. Fails with `MV_ERR_ARGUMENT`,
 * `MV_ERR_CLOSED` or `MV_ERR_GEOIP`; the old ones stay in use then.
 */
mv_status mv_reload_geoip(const struct mv_counter *counter, struct mv_error *error);

/**
 * Deletes the totals of the months before `before_month`, which is written
 * "2026-11". Open months stay. Waits for the store, a minute at most. Fails
 * with `MV_ERR_ARGUMENT`, `MV_ERR_CLOSED`, `MV_ERR_STORAGE` or
 * `MV_ERR_TIMEOUT`.
 */
mv_status mv_purge(const struct mv_counter *counter,
                   const char *before_month,
                   struct mv_error *error);

/**
 * Deletes what is kept of a user whose account was deleted. The counts stay; a
 * user of that name who comes again counts again. The answer is the same
 * whether there was something to delete or not. Like recording, this touches
 * memory only, and a writer thread makes it durable: `mv_flush` waits for that.
 * Fails with `MV_ERR_ARGUMENT`, `MV_ERR_CLOSED` or `MV_ERR_FULL`.
 */
mv_status mv_forget(const struct mv_counter *counter,
                    const char *user,
                    struct mv_error *error);

/**
 * Copies all totals of one store into another: `from` and `to` are the settings
 * of the two. May be repeated: what is there already stays, and what has grown
 * since is replaced. The source may be recorded into meanwhile; the target must
 * not be open. Fails with `MV_ERR_ARGUMENT`, `MV_ERR_CONFIG` or
 * `MV_ERR_STORAGE`. A month that the target has counted in by itself, or whose
 * users it cannot keep, is such a failure, and the other months are copied all
 * the same.
 */
mv_status mv_copy(const struct mv_config *from,
                  const struct mv_config *to,
                  struct mv_error *error);

/**
 * Tells how a counter is, for whoever watches over it. `name` is one of
 *
 * - `"pending"`: the number of visits that wait for the store,
 * - `"last_flush"`: when the store was last written, in Unix seconds,
 * - `"failing"`: 1 while the store cannot be written, else 0,
 * - `"geoip_built"`, `"asn_built"`: when the database was built, in Unix seconds;
 *
 * a time that there is not is 0. Fails with `MV_ERR_ARGUMENT`, also for
 * another name, or with `MV_ERR_CLOSED`; `*value` is unchanged then.
 */
mv_status mv_health(const struct mv_counter *counter,
                    const char *name,
                    int64_t *value,
                    struct mv_error *error);

/**
 * Counts a login of `user` from address `ip` now, in the default counter.
 *
 * Only memory is touched; a writer thread makes it durable. `user` is compared
 * byte by byte, so pass it normalised, without the resource. `ip` and
 * `resource` may be NULL (unknown). `ip` may be any text: what is no address
 * counts as an unknown place. The strings are copied. Fails with
 * `MV_ERR_ARGUMENT`, `MV_ERR_CLOSED`, `MV_ERR_MONTH` or `MV_ERR_FULL`, or with
 * `MV_ERR_STORAGE` when the system has no randomness for the key of a new
 * month; the caller may ignore the result.
 */
mv_status mv_record_login(const char *user, const char *ip, const char *resource);

/**
 * Counts a login like `mv_record_login`, in any counter, at any time: `time`
 * is `MV_NOW` or in Unix seconds, between 1970 and 9999.
 */
mv_status mv_record(const struct mv_counter *counter,
                    const char *user,
                    const char *ip,
                    const char *resource,
                    int64_t time);

/**
 * Makes a report of the months from `first` to `last`, both included and
 * written "2026-11"; NULL means no bound. Visits that are not yet in the store
 * are counted too: the report waits up to ten seconds for the store to take
 * them. On success `*report` is to be given to `mv_report_free`; on failure it
 * is NULL. Fails with
 * `MV_ERR_ARGUMENT`, also when `first` is later than `last`, with
 * `MV_ERR_CLOSED` or with `MV_ERR_STORAGE`.
 */
mv_status mv_report_new(const struct mv_counter *counter,
                        const char *first,
                        const char *last,
                        const struct mv_report **report,
                        struct mv_error *error);

/**
 * The number of rows of a report, one for each month and key. 0 for NULL.
 */
size_t mv_report_len(const struct mv_report *report);

/**
 * A row of a report, sorted by month and then by key; NULL when there is none
 * of that number.
 */
const struct mv_row *mv_report_row(const struct mv_report *report, size_t index);

/**
 * The report as text: "table" for people, "json", "csv", or "prosody", which is
 * the data file of the Prosody plugin. UTF-8, the report's: valid until that is
 * freed. NULL when there is no format of that name.
 */
const char *mv_report_text(const struct mv_report *report, const char *format);

/**
 * Frees a report, and all that was asked of it. NULL is ignored.
 */
void mv_report_free(const struct mv_report *report);

/**
 * What a status means, as one line of text. Static; never NULL.
 */
const char *mv_strerror(mv_status status);

/**
 * The version of the library, such as "0.1.0". Static; never NULL.
 */
const char *mv_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* MONTHLY_VISITORS_H */
