//! The one error type of the library.

use std::fmt;
use std::io;

/// Why an operation failed.
///
/// `Display` is one line and fit for any log: it never contains a user name,
/// an address or a resource. Variants carry what the caller can act on.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument of the call is not what it must be; the text names the
    /// argument and the reason, never the value.
    #[error("{}", line(.0))]
    Argument(String),

    /// A setting is unknown or its value is wrong.
    #[error("{}: {}", line(key), line(reason))]
    Config {
        /// The setting, such as `flush_interval`, or the settings file.
        key: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The counter is not open.
    #[error("the counter is not open")]
    Closed,

    /// The month of the login is closed: its totals are final.
    #[error("{0} is closed: its totals are final")]
    MonthClosed(crate::Month),

    /// The store could not be opened, read or written.
    #[error("{}: {}", line(action), line(reason))]
    Storage {
        /// What was attempted, and on what: "cannot write DIR/2026-11.fresh".
        action: String,
        /// Why it failed.
        reason: String,
    },

    /// A database of places or networks could not be read.
    #[error("{}: {}", line(path), line(reason))]
    Geoip {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },

    /// As many visits are pending as may be; this one was not counted.
    #[error("too many visits are waiting for the store")]
    Full,

    /// The time given for the operation has passed.
    #[error("not finished in time")]
    Timeout,

    /// A defect of this library. The counter refuses to work until it is
    /// opened again.
    #[error("internal error")]
    Internal,
}

impl Error {
    /// A failed file operation. `action` names the file only where its name
    /// says nothing about a user.
    pub(crate) fn io(action: impl fmt::Display, cause: &io::Error) -> Self {
        Self::storage(action, cause)
    }

    /// A failure of a store.
    pub(crate) fn storage(action: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self::Storage {
            action: action.to_string(),
            reason: reason.to_string(),
        }
    }

    /// A change of a store that is open for reports.
    pub(crate) fn read_only() -> Self {
        Self::storage("cannot change the store", "it is open for reading only")
    }

    /// A copy of a month that would drop users whom the target has counted.
    pub(crate) fn own_users(month: crate::Month) -> Self {
        Self::storage(
            format_args!("cannot copy {month}"),
            "the target has counted users in it who are not in the source; copy into an empty store",
        )
    }

    /// A wrong setting.
    pub(crate) fn config(key: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self::Config {
            key: key.to_string(),
            reason: reason.to_string(),
        }
    }
}

/// Shows a text without what would end the line or move the cursor: paths and
/// settings may hold anything.
struct Line<'a>(&'a str);

fn line(text: &str) -> Line<'_> {
    Line(text)
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(is_control) {
            let text = part.trim_end_matches(is_control);
            f.write_str(text)?;
            for control in part.chars().skip(text.chars().count()) {
                write!(f, "{}", control.escape_default())?;
            }
        }
        Ok(())
    }
}

/// Also those by which a line ends in Unicode, or changes its direction.
fn is_control(char: char) -> bool {
    char.is_control() || matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_is_in_it() {
        let odd = "a\nb\r\n\u{1b}[2Jü\u{2028}\u{202e}";
        let shown = "a\\nb\\r\\n\\u{1b}[2Jü\\u{2028}\\u{202e}";
        for error in [
            Error::Argument(odd.into()),
            Error::config(odd, odd),
            Error::storage(odd, odd),
            Error::Geoip {
                path: odd.into(),
                reason: odd.into(),
            },
        ] {
            let text = error.to_string();
            assert!(!text.contains(is_control), "{text:?}");
            assert!(text.starts_with(shown) && text.ends_with(shown), "{text}");
        }
        let plain = Error::storage("cannot read /ü \"x\"", "it is 'odd'");
        assert_eq!(plain.to_string(), "cannot read /ü \"x\": it is 'odd'");
    }
}
