//! The border: no panic passes it, and pointers become references only here.

use std::ffi::{CStr, c_char};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use monthly_visitors::{Counter, MAX_TEXT};

use crate::status::{Failure, MESSAGE, MV_ERR_INTERNAL, MV_OK, mv_error, mv_status};

/// Runs the body of an exported function that has an `mv_error`.
///
/// `AssertUnwindSafe` is sound because `counter`, where there is one, refuses
/// to work after a panic until it is opened again.
///
/// # Safety
///
/// `error` is NULL or points to a writable `mv_error`.
pub(crate) unsafe fn run(
    counter: Option<&Counter>,
    error: *mut mv_error,
    body: impl FnOnce() -> Result<(), Failure>,
) -> mv_status {
    let failure = protect(counter, body).err();
    let (code, text) = failure.map_or((MV_OK, String::new()), |failure| {
        (failure.code, failure.text)
    });
    // SAFETY: NULL or writable by contract.
    if let Some(error) = unsafe { error.as_mut() } {
        error.code = code;
        error.message = message(&text);
    }
    code
}

/// Runs a body, and makes a failure of a panic.
pub(crate) fn protect<T>(
    counter: Option<&Counter>,
    body: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    silence_panics();
    #[cfg(feature = "panic-test")]
    let body = || {
        crate::panic_test::panic_if_told();
        body()
    };
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        // The payload may quote user data, so it is dropped unread.
        if let Some(counter) = counter {
            counter.break_down();
        }
        Err(Failure {
            code: MV_ERR_INTERNAL,
            text: "internal error".into(),
        })
    })
}

/// Keeps panics off the standard error of the host: a message could quote user
/// data. The hook belongs to the library's own copy of the Rust runtime, so it
/// changes nothing for a host that is written in Rust itself.
fn silence_panics() {
    static SILENCED: Once = Once::new();
    SILENCED.call_once(|| panic::set_hook(Box::new(|_| ())));
}

/// At most 251 bytes of `text`, cut between characters.
fn message(text: &str) -> [c_char; MESSAGE] {
    let mut end = text.len().min(MESSAGE - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut message = [0; MESSAGE];
    for (to, from) in message.iter_mut().zip(text.bytes().take(end)) {
        *to = c_char::from_ne_bytes([from]);
    }
    message
}

/// Borrows a required handle for the length of the call.
///
/// # Safety
///
/// `pointer` is NULL or a handle of this library that is not freed meanwhile.
pub(crate) unsafe fn handle<'a, T>(name: &str, pointer: *const T) -> Result<&'a T, Failure> {
    // SAFETY: NULL or valid by contract.
    unsafe { pointer.as_ref() }.ok_or_else(|| Failure::argument(format!("{name} is NULL")))
}

/// Borrows a required handle for the length of the call, to change it.
///
/// # Safety
///
/// `pointer` is NULL or a handle of this library that nobody else uses
/// meanwhile.
pub(crate) unsafe fn handle_mut<'a, T>(name: &str, pointer: *mut T) -> Result<&'a mut T, Failure> {
    // SAFETY: NULL or valid and ours alone, by contract.
    unsafe { pointer.as_mut() }.ok_or_else(|| Failure::argument(format!("{name} is NULL")))
}

/// Borrows a required string for the length of the call.
///
/// # Safety
///
/// `text` is NULL or points to a NUL-terminated string.
pub(crate) unsafe fn text<'a>(name: &str, text: *const c_char) -> Result<&'a str, Failure> {
    // SAFETY: same contract.
    let bytes =
        unsafe { optional(text) }.ok_or_else(|| Failure::argument(format!("{name} is NULL")))?;
    if bytes.len() > MAX_TEXT {
        return Err(Failure::argument(format!("{name} is too long")));
    }
    std::str::from_utf8(bytes).map_err(|_| Failure::argument(format!("{name} is not UTF-8")))
}

/// Borrows the bytes of a string, if there is one, for the length of the call.
///
/// # Safety
///
/// `text` is NULL or points to a NUL-terminated string.
pub(crate) unsafe fn optional<'a>(text: *const c_char) -> Option<&'a [u8]> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not NULL, and NUL-terminated by contract.
    Some(unsafe { CStr::from_ptr(text) }.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_with(body: impl FnOnce() -> Result<(), Failure>) -> (mv_status, mv_error) {
        let mut error = mv_error {
            code: 7,
            message: message("old"),
        };
        // SAFETY: `error` is writable.
        let status = unsafe { run(None, &raw mut error, body) };
        (status, error)
    }

    fn shown(error: &mv_error) -> &str {
        // SAFETY: `message` is NUL-terminated.
        unsafe { CStr::from_ptr(error.message.as_ptr()) }
            .to_str()
            .unwrap()
    }

    #[test]
    fn an_error_is_written_on_failure_and_cleared_on_success() {
        let (status, error) = run_with(|| Ok(()));
        assert_eq!((status, error.code, shown(&error)), (MV_OK, MV_OK, ""));
        let (status, error) = run_with(|| Err(Failure::argument("user is NULL")));
        assert_eq!(
            (status, error.code, shown(&error)),
            (-1, -1, "user is NULL")
        );
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let (_, error) = run_with(|| Err(Failure::argument("ü".repeat(500))));
        assert_eq!(shown(&error), "ü".repeat(125));
    }

    #[test]
    fn a_panic_becomes_a_status_and_quotes_nothing() {
        let (status, error) = run_with(|| panic!("juliet"));
        assert_eq!((status, shown(&error)), (MV_ERR_INTERNAL, "internal error"));
    }

    #[test]
    fn after_a_panic_the_counter_refuses_until_it_is_opened_again() {
        let counter = Counter::new();
        let mut config = monthly_visitors::Config::default();
        config.set("store", "memory:").unwrap();
        counter.open(&config).unwrap();
        // SAFETY: NULL is allowed.
        unsafe { run(Some(&counter), std::ptr::null_mut(), || panic!("juliet")) };
        assert!(matches!(
            counter.totals(),
            Err(monthly_visitors::Error::Internal)
        ));
        counter.open(&config).unwrap();
        assert!(counter.totals().is_ok());
    }
}
