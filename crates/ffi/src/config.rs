//! Settings.

use std::ffi::{CString, c_char, c_void};
use std::path::Path;

use monthly_visitors::{Config, Level, Log};

use crate::guard;
use crate::status::{mv_error, mv_status};

/// Settings of a counter, not yet in use: `mv_open` takes a copy. For one
/// thread at a time.
pub struct mv_config(pub(crate) Config);

/// Something is not counted or not kept; somebody should look.
pub const MV_LOG_ERROR: i32 = 0;
/// Something was odd and dealt with.
pub const MV_LOG_WARN: i32 = 1;
/// The normal course of things: months closed, totals deleted.
pub const MV_LOG_INFO: i32 = 2;
/// What helps to find a fault.
pub const MV_LOG_DEBUG: i32 = 3;

/// Takes a log line of a counter: `userdata` as it was given, one of the
/// `MV_LOG_` levels, and one line of UTF-8 without a line end, which is gone
/// after the call. It may be called by any thread, by several at once, and
/// must not call this library.
pub type mv_log_fn =
    Option<unsafe extern "C" fn(userdata: *mut c_void, level: i32, line: *const c_char)>;

/// New settings, all of them at their defaults. To be given to
/// `mv_config_free`. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn mv_config_new() -> *mut mv_config {
    Box::into_raw(Box::new(mv_config(Config::default())))
}

/// Frees settings. NULL is ignored. Counters that were opened with them keep
/// their copy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_config_free(config: *mut mv_config) {
    if !config.is_null() {
        // SAFETY: from `Box::into_raw`, and not used again by contract.
        drop(unsafe { Box::from_raw(config) });
    }
}

/// Changes one setting, given as text: the key and the value as they would
/// stand in a settings file, without quotes. A list is separated by commas.
/// Fails with `MV_ERR_ARGUMENT` or, when the key is unknown or the value is
/// wrong, with `MV_ERR_CONFIG`; the settings are then unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_config_set(
    config: *mut mv_config,
    key: *const c_char,
    value: *const c_char,
    error: *mut mv_error,
) -> mv_status {
    let body = || {
        // SAFETY: NULL or NUL-terminated by contract.
        let key = unsafe { guard::text("key", key) }?;
        // SAFETY: the same.
        let value = unsafe { guard::text("value", value) }?;
        // SAFETY: NULL or valid, and nobody else uses it, by contract.
        let config = unsafe { guard::handle_mut("config", config) }?;
        Ok(config.0.set(key, value)?)
    };
    // SAFETY: NULL or writable by contract.
    unsafe { guard::run(None, error, body) }
}

/// Adds a client pattern after those that are there: resources that match
/// `pattern`, and none before it, count as `category`. Whether the pattern is
/// well formed shows at `mv_open`. Fails with `MV_ERR_ARGUMENT` or
/// `MV_ERR_CONFIG`; the settings are then unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_config_add_client(
    config: *mut mv_config,
    pattern: *const c_char,
    category: *const c_char,
    error: *mut mv_error,
) -> mv_status {
    let body = || {
        // SAFETY: NULL or NUL-terminated by contract.
        let pattern = unsafe { guard::text("pattern", pattern) }?;
        // SAFETY: the same.
        let category = unsafe { guard::text("category", category) }?;
        // SAFETY: NULL or valid, and nobody else uses it, by contract.
        let config = unsafe { guard::handle_mut("config", config) }?;
        Ok(config.0.add_client(pattern, category)?)
    };
    // SAFETY: NULL or writable by contract.
    unsafe { guard::run(None, error, body) }
}

/// Takes all settings of a TOML file over those that are there; its client
/// patterns come after those that are there. Fails with `MV_ERR_ARGUMENT`, or
/// with `MV_ERR_CONFIG` and a message that names the file and the line or the
/// key; the settings are then unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_config_load(
    config: *mut mv_config,
    path: *const c_char,
    error: *mut mv_error,
) -> mv_status {
    let body = || {
        // SAFETY: NULL or NUL-terminated by contract.
        let path = unsafe { guard::text("path", path) }?;
        // SAFETY: NULL or valid, and nobody else uses it, by contract.
        let config = unsafe { guard::handle_mut("config", config) }?;
        Ok(config.0.load(Path::new(path))?)
    };
    // SAFETY: NULL or writable by contract.
    unsafe { guard::run(None, error, body) }
}

/// Sends the log lines of counters opened with these settings to `log`, with
/// `userdata`; to nowhere if `log` is NULL, which is the default. Both must
/// stay usable until each of those counters is closed. Fails with
/// `MV_ERR_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_config_set_log(
    config: *mut mv_config,
    log: mv_log_fn,
    userdata: *mut c_void,
) -> mv_status {
    let body = || {
        // SAFETY: NULL or valid, and nobody else uses it, by contract.
        let config = unsafe { guard::handle_mut("config", config) }?;
        config.0.log = log.map_or_else(Log::default, |log| {
            let receiver = Receiver { log, userdata };
            Log::new(move |level, line| receiver.take(level, line))
        });
        Ok(())
    };
    // SAFETY: NULL is allowed.
    unsafe { guard::run(None, std::ptr::null_mut(), body) }
}

/// A function of the host, with what it wants to get back.
struct Receiver {
    log: unsafe extern "C" fn(*mut c_void, i32, *const c_char),
    userdata: *mut c_void,
}

// SAFETY: the host promises that its function may be called by any thread.
unsafe impl Send for Receiver {}
// SAFETY: and by several at once.
unsafe impl Sync for Receiver {}

impl Receiver {
    fn take(&self, level: Level, line: &str) {
        let level = match level {
            Level::Error => MV_LOG_ERROR,
            Level::Warn => MV_LOG_WARN,
            Level::Info => MV_LOG_INFO,
            Level::Debug => MV_LOG_DEBUG,
        };
        let line: String = line
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        // Without control characters there is no NUL.
        if let Ok(line) = CString::new(line) {
            // SAFETY: usable until the counter is closed, by contract.
            unsafe { (self.log)(self.userdata, level, line.as_ptr()) };
        }
    }
}
