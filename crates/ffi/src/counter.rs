//! Counters: from open to close.

use std::ffi::c_char;
use std::time::Duration;

use monthly_visitors::{Counter, Month, Outcome, User, copy, fork};

use crate::config::mv_config;
use crate::guard;
use crate::status::{Failure, mv_error, mv_status};

/// Counts the users of one host. May be shared by threads: every function that
/// takes a `const mv_counter *` may be called by several at once. After a
/// `fork` the child goes on with the same settings and leaves to the parent
/// what the parent had not yet written.
pub struct mv_counter(pub(crate) Counter);

pub(crate) static DEFAULT: mv_counter = mv_counter(Counter::new());

/// The default counter of the process, which `mv_record_login` counts in. Never
/// NULL, never freed.
#[unsafe(no_mangle)]
pub extern "C" fn mv_default() -> *const mv_counter {
    &raw const DEFAULT
}

/// A closed counter of the caller's own. To be given to `mv_free`. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn mv_new() -> *const mv_counter {
    Box::into_raw(Box::new(mv_counter(Counter::new())))
}

/// Closes a counter from `mv_new` as well as it can, and frees it. What cannot
/// be written within a second is lost: call `mv_close` first to be told. NULL
/// and the default counter are ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_free(counter: *const mv_counter) {
    if counter.is_null() || counter == &raw const DEFAULT {
        return;
    }
    // SAFETY: from `Box::into_raw`, and not used again by contract.
    let counter = unsafe { Box::from_raw(counter.cast_mut()) };
    // A panic is answered by leaving the rest unfreed.
    let _ = guard::protect(None, || {
        drop(counter);
        Ok(())
    });
}

/// Opens a counter. On an open counter, changes its settings: a login sees all
/// of the old ones or all of the new ones; while the counter moves to another
/// store, logins fail with `MV_ERR_CLOSED`. The host, the secret, the folder of
/// keys and `read_only` of an open store cannot change. A relative path is taken from the working directory when it
/// is first given. Reads databases and the store, so it may take a while. Fails with `MV_ERR_ARGUMENT`, `MV_ERR_CONFIG`,
/// `MV_ERR_GEOIP` or `MV_ERR_STORAGE`; nothing has changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_open(
    counter: *const mv_counter,
    config: *const mv_config,
    error: *mut mv_error,
) -> mv_status {
    // SAFETY: same contract.
    unsafe {
        with(counter, error, |counter| {
            let config = guard::handle("config", config)?;
            watch_forks();
            Ok(counter.open(&config.0)?)
        })
    }
}

/// Waits until everything that was recorded before is in the store, for at most
/// `timeout_ms` milliseconds. Fails with `MV_ERR_ARGUMENT`, `MV_ERR_CLOSED`,
/// `MV_ERR_STORAGE` or `MV_ERR_TIMEOUT`; nothing is lost then, and the library
/// goes on trying.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_flush(
    counter: *const mv_counter,
    timeout_ms: u32,
    error: *mut mv_error,
) -> mv_status {
    // SAFETY: same contract.
    unsafe {
        with(counter, error, |counter| {
            Ok(counter.flush(Duration::from_millis(timeout_ms.into()))?)
        })
    }
}

/// Flushes and closes a counter, which may be opened again. Waits a minute at
/// most. Fails with `MV_ERR_ARGUMENT`, `MV_ERR_CLOSED`, `MV_ERR_STORAGE` or
/// `MV_ERR_TIMEOUT`; the counter is as open as before then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_close(counter: *const mv_counter, error: *mut mv_error) -> mv_status {
    // SAFETY: same contract.
    unsafe { with(counter, error, |counter| Ok(counter.close()?)) }
}

/// Reads the databases of places and networks again. A replaced file is also
/// noticed without this, within a minute. Fails with `MV_ERR_ARGUMENT`,
/// `MV_ERR_CLOSED` or `MV_ERR_GEOIP`; the old ones stay in use then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_reload_geoip(
    counter: *const mv_counter,
    error: *mut mv_error,
) -> mv_status {
    // SAFETY: same contract.
    unsafe { with(counter, error, |counter| Ok(counter.reload_geoip()?)) }
}

/// Deletes the totals of the months before `before_month`, which is written
/// "2026-11". Open months stay. Waits for the store, a minute at most. Fails
/// with `MV_ERR_ARGUMENT`, `MV_ERR_CLOSED`, `MV_ERR_STORAGE` or
/// `MV_ERR_TIMEOUT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_purge(
    counter: *const mv_counter,
    before_month: *const c_char,
    error: *mut mv_error,
) -> mv_status {
    // SAFETY: same contract.
    unsafe {
        with(counter, error, |counter| {
            let before: Month = guard::text("before_month", before_month)?.parse()?;
            counter.purge(before)?;
            Ok(())
        })
    }
}

/// Deletes what is kept of a user whose account was deleted. The counts stay; a
/// user of that name who comes again counts again. The answer is the same
/// whether there was something to delete or not. Like recording, this touches
/// memory only, and a writer thread makes it durable: `mv_flush` waits for that.
/// Fails with `MV_ERR_ARGUMENT`, `MV_ERR_CLOSED` or `MV_ERR_FULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_forget(
    counter: *const mv_counter,
    user: *const c_char,
    error: *mut mv_error,
) -> mv_status {
    // SAFETY: same contract.
    unsafe {
        with(counter, error, |counter| {
            let user = guard::optional(user).ok_or_else(|| Failure::argument("user is NULL"))?;
            Ok(counter.forget(User::new(user)?)?)
        })
    }
}

/// Copies all totals of one store into another: `from` and `to` are the settings
/// of the two. May be repeated: what is there already stays, and what has grown
/// since is replaced. The source may be recorded into meanwhile; the target must
/// not be open. Fails with `MV_ERR_ARGUMENT`, `MV_ERR_CONFIG` or
/// `MV_ERR_STORAGE`. A month that the target has counted in by itself, or whose
/// users it cannot keep, is such a failure, and the other months are copied all
/// the same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_copy(
    from: *const mv_config,
    to: *const mv_config,
    error: *mut mv_error,
) -> mv_status {
    let body = || {
        // SAFETY: NULL or valid by contract.
        let from = unsafe { guard::handle("from", from) }?;
        // SAFETY: the same.
        let to = unsafe { guard::handle("to", to) }?;
        let mut refused = None;
        copy(&from.0, &to.0, |_, outcome, _, _| {
            if let Outcome::Refused(error) = outcome {
                refused.get_or_insert_with(|| error.clone());
            }
        })?;
        refused.map_or(Ok(()), |error| Err(error.into()))
    };
    // SAFETY: NULL or writable by contract.
    unsafe { guard::run(None, error, body) }
}

/// Tells how a counter is, for whoever watches over it. `name` is one of
///
/// - `"pending"`: the number of visits that wait for the store,
/// - `"last_flush"`: when the store was last written, in Unix seconds,
/// - `"failing"`: 1 while the store cannot be written, else 0,
/// - `"geoip_built"`, `"asn_built"`: when the database was built, in Unix seconds;
///
/// a time that there is not is 0. Fails with `MV_ERR_ARGUMENT`, also for
/// another name, or with `MV_ERR_CLOSED`; `*value` is unchanged then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_health(
    counter: *const mv_counter,
    name: *const c_char,
    value: *mut i64,
    error: *mut mv_error,
) -> mv_status {
    // SAFETY: same contract.
    unsafe {
        with(counter, error, |counter| {
            let name = guard::text("name", name)?;
            let value = guard::handle_mut("value", value)?;
            let health = counter.health()?;
            let built = |time: Option<u64>| i64::try_from(time.unwrap_or(0)).unwrap_or(i64::MAX);
            *value = match name {
                "pending" => i64::try_from(health.pending).unwrap_or(i64::MAX),
                "last_flush" => health.last_flush.unwrap_or(0),
                "failing" => health.failing.into(),
                "geoip_built" => built(health.geoip_built),
                "asn_built" => built(health.asn_built),
                _ => return Err(Failure::argument("there is nothing of that name")),
            };
            Ok(())
        })
    }
}

/// Runs the body of a function on a counter.
///
/// # Safety
///
/// As said at the top of the header.
pub(crate) unsafe fn with(
    counter: *const mv_counter,
    error: *mut mv_error,
    body: impl FnOnce(&Counter) -> Result<(), Failure>,
) -> mv_status {
    // SAFETY: NULL or valid by contract.
    let counter = unsafe { guard::handle("counter", counter) };
    let inner = counter.as_ref().ok().map(|counter| &counter.0);
    // SAFETY: NULL or writable by contract.
    unsafe { guard::run(inner, error, || body(&counter?.0)) }
}

/// Has the child of each fork told that it is one.
fn watch_forks() {
    static WATCHED: std::sync::Once = std::sync::Once::new();
    WATCHED.call_once(|| {
        extern "C" fn in_child() {
            fork::note_child();
        }
        // SAFETY: the function only counts, which is safe at any moment, and
        // is never unloaded (see build.rs). It fails for want of memory alone.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}
