//! The user of a login, in a type that cannot reach a log.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Error;

/// The longest user name, resource or setting, in bytes: a full XMPP address
/// (RFC 7622: three parts of at most 1,023 bytes and two separators).
pub const MAX_TEXT: usize = 3071;

/// A user name as the host gave it, borrowed for the length of a call: UTF-8
/// without NUL.
///
/// Compared byte by byte. It has no `Display`, and `Debug` hides it, so it
/// cannot reach a log by accident.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct User<'a>(&'a [u8]);

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
        // Each login comes here, and nearly all names are ASCII.
        if is_plain(name) {
            return Ok(Self(name));
        }
        if name.contains(&0) {
            return Err(wrong("contains NUL"));
        }
        if std::str::from_utf8(name).is_err() {
            return Err(wrong("is not UTF-8"));
        }
        Ok(Self(name))
    }

    /// The name itself. Called `expose` so that one search finds each use.
    #[must_use]
    pub fn expose(self) -> &'a [u8] {
        self.0
    }
}

/// Whether all bytes are ASCII and none is NUL, found for eight at a time.
fn is_plain(name: &[u8]) -> bool {
    const LOWEST: u64 = 0x0101_0101_0101_0101;
    // With its highest bit set: a byte that has it set, or has it after one
    // was taken away. That is 0, or 1 behind a 0.
    let odd = |word: u64| word | word.wrapping_sub(LOWEST);
    let (words, rest) = name.split_at(name.len() / 8 * 8);
    let words = words.chunks_exact(8).map(|word| {
        let word: [u8; 8] = word.try_into().unwrap_or_default();
        odd(u64::from_le_bytes(word))
    });
    let odd_words = words.fold(0, |all, word| all | word);
    let odd_rest = rest.iter().any(|byte| !(1..=127).contains(byte));
    odd_words & (LOWEST << 7) == 0 && !odd_rest
}

impl fmt::Debug for User<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("User(..)")
    }
}

/// A user name that waits for a store which keeps names, erased when dropped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Zeroize, ZeroizeOnDrop)]
pub struct KeptUser(Box<[u8]>);

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
            assert_eq!(
                User::new(name.as_bytes()).unwrap().expose(),
                name.as_bytes()
            );
        }
    }

    #[test]
    fn refuses_the_rest_without_quoting_it() {
        let long = vec![b'q'; MAX_TEXT + 1];
        let juliet = b"juliet.the.daughter.of.capulet@example.net";
        let ends = |end: &[u8]| [juliet, end].concat();
        for name in [
            &b""[..],
            b"juliet\0x",
            b"juliet\xff",
            &ends(b"\0"),
            &ends(b"\xc3"),
            &long,
        ] {
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
