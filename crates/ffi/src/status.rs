//! What functions answer: status codes and the error of the caller.

use std::ffi::{CStr, c_char};

use monthly_visitors::Error;

/// How a call ended: `MV_OK`, or one of the negative `MV_ERR_` codes.
pub type mv_status = i32;

/// Done.
pub const MV_OK: mv_status = 0;
/// An argument is not what it must be.
pub const MV_ERR_ARGUMENT: mv_status = -1;
/// A setting is unknown or its value is wrong.
pub const MV_ERR_CONFIG: mv_status = -2;
/// The counter is not open.
pub const MV_ERR_CLOSED: mv_status = -3;
/// The month of the login is closed: its totals are final.
pub const MV_ERR_MONTH: mv_status = -4;
/// The store cannot be opened, read or written.
pub const MV_ERR_STORAGE: mv_status = -5;
/// A database of places or networks cannot be used.
pub const MV_ERR_GEOIP: mv_status = -6;
/// Too many visits wait for the store; this one was not counted.
pub const MV_ERR_FULL: mv_status = -7;
/// Not finished in time.
pub const MV_ERR_TIMEOUT: mv_status = -8;
/// A defect of the library. The counter refuses to work until it is opened
/// again.
pub const MV_ERR_INTERNAL: mv_status = -9;

/// Space for a message, in bytes, the final NUL included.
pub(crate) const MESSAGE: usize = 252;

/// Why a call failed. The caller's: on the stack, or wherever the caller likes.
/// 256 bytes for ever. After a successful call, `code` is `MV_OK` and `message`
/// is empty.
#[repr(C)]
pub struct mv_error {
    /// What the function returned.
    pub code: i32,
    /// One line of UTF-8, NUL-terminated, fit for any log: never a user name,
    /// an address or a resource.
    pub message: [c_char; 252],
}

/// Why a body failed: the code and the message.
pub(crate) struct Failure {
    pub(crate) code: mv_status,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn argument(text: impl Into<String>) -> Self {
        Self {
            code: MV_ERR_ARGUMENT,
            text: text.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::Argument(_) => MV_ERR_ARGUMENT,
            Error::Config { .. } => MV_ERR_CONFIG,
            Error::Closed => MV_ERR_CLOSED,
            Error::MonthClosed(_) => MV_ERR_MONTH,
            Error::Storage { .. } => MV_ERR_STORAGE,
            Error::Geoip { .. } => MV_ERR_GEOIP,
            Error::Full => MV_ERR_FULL,
            Error::Timeout => MV_ERR_TIMEOUT,
            _ => MV_ERR_INTERNAL,
        };
        Self {
            code,
            text: error.to_string(),
        }
    }
}

/// What a status means, as one line of text. Static; never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn mv_strerror(status: mv_status) -> *const c_char {
    let text: &'static CStr = match status {
        MV_OK => c"done",
        MV_ERR_ARGUMENT => c"an argument is not what it must be",
        MV_ERR_CONFIG => c"a setting is unknown or its value is wrong",
        MV_ERR_CLOSED => c"the counter is not open",
        MV_ERR_MONTH => c"the month of the login is closed",
        MV_ERR_STORAGE => c"the store cannot be opened, read or written",
        MV_ERR_GEOIP => c"a database of places or networks cannot be used",
        MV_ERR_FULL => c"too many visits wait for the store",
        MV_ERR_TIMEOUT => c"not finished in time",
        MV_ERR_INTERNAL => c"internal error",
        _ => c"unknown status",
    };
    text.as_ptr()
}

/// The version of the library, such as "0.1.0". Static; never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn mv_version() -> *const c_char {
    const VERSION: &[u8] = concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes();
    CStr::from_bytes_with_nul(VERSION)
        .unwrap_or_default()
        .as_ptr()
}
