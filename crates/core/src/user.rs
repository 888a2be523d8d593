//! The user of a login, in a type that cannot reach a log.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Error;

/// The longest user name, resource or setting, in bytes: a full XMPP address
/// (RFC 7622: three parts of at most 1,023 bytes and two separators).
pub const MAX_TEXT: usize = 3071;

/// A user name as the host gave it, borrowed for the length of a call.
///
/// Compared byte by byte. It has no `Display`, and `Debug` hides it, so it
/// cannot reach a log by accident.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct User<'a>(&'a str);

impl<'a> User<'a> {
    /// Takes a user name of 1 to 3,071 bytes of UTF-8 without NUL.
    ///
    /// # Errors
    ///
    /// The bytes are none of that; the message does not quote them.
    pub fn new(name: &'a [u8]) -> Result<Self, Error> {
        let wrong = |reason: &str| Error::Argument(format!("user {reason}"));
        if name.is_empty() {
            return Err(wrong("is empty"));
        }
        if name.len() > MAX_TEXT {
            return Err(wrong("is too long"));
        }
        if name.contains(&0) {
            return Err(wrong("contains NUL"));
        }
        std::str::from_utf8(name)
            .map(Self)
            .map_err(|_| wrong("is not UTF-8"))
    }

    /// The name itself. Called `expose` so that one search finds each use.
    #[must_use]
    pub fn expose(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for User<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("User(..)")
    }
}

/// A user name that waits for a store which keeps names, erased when dropped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Zeroize, ZeroizeOnDrop)]
pub struct KeptUser(Box<str>);

impl KeptUser {
    /// The name as a borrowed [`User`].
    #[must_use]
    pub fn as_user(&self) -> User<'_> {
        User(&self.0)
    }
}

impl From<User<'_>> for KeptUser {
    fn from(user: User<'_>) -> Self {
        Self(user.0.into())
    }
}

impl fmt::Debug for KeptUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptUser(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_utf8_up_to_the_limit() {
        for name in ["j", "juliet@example.net", "日本", &"x".repeat(MAX_TEXT)] {
            assert_eq!(User::new(name.as_bytes()).unwrap().expose(), name);
        }
    }

    #[test]
    fn refuses_the_rest_without_quoting_it() {
        let long = vec![b'q'; MAX_TEXT + 1];
        for name in [&b""[..], b"juliet\0x", b"juliet\xff", &long] {
            let message = User::new(name).unwrap_err().to_string();
            assert!(message.starts_with("user "), "{message}");
            assert!(
                !message.contains("juliet") && !message.contains("qq"),
                "{message}"
            );
        }
    }

    #[test]
    fn debug_hides_the_name() {
        let user = User::new(b"juliet").unwrap();
        assert_eq!(
            format!("{user:?} {:?}", KeptUser::from(user)),
            "User(..) KeptUser(..)"
        );
    }
}
