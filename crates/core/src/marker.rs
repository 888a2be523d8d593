//! What is kept per user so that they count once a month.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip::SipHasher24;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::User;

/// A user's marker in one month: 64 bits of a keyed hash of (host, user).
///
/// Without the month's key it says nothing; with it, it can only be compared
/// with that of a guessed user. Two of a million users share a marker with
/// probability 3·10⁻⁸.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Marker(pub(crate) u64);

impl fmt::Debug for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Marker(..)")
    }
}

/// The secret of one month, 32 random bytes. Erased when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct MonthKey([u8; 32]);

impl MonthKey {
    /// A new key from the operating system's generator.
    ///
    /// # Errors
    ///
    /// The operating system has no randomness to give.
    pub fn random() -> Result<Self, crate::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)
            .map_err(|error| crate::Error::storage("cannot make a key", error))?;
        Ok(Self(bytes))
    }

    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes themselves. Called `expose` so that one search finds each use.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key for one purpose, from this key and an administrator's secret.
    /// Nobody who has only one of the two can make it.
    #[must_use]
    pub(crate) fn derive(&self, purpose: &str, secret: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        hasher.update(&self.0);
        hasher.update(secret);
        let key = Self(*hasher.finalize().as_bytes());
        hasher.zeroize();
        key
    }
}

impl fmt::Debug for MonthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MonthKey(..)")
    }
}

/// Whose users are counted: those of a host and, with a secret file, of the
/// administrator who has it. Another realm gives a user another marker.
#[derive(Clone, Default)]
pub struct Realm {
    host: Box<str>,
    secret: Zeroizing<Vec<u8>>,
}

impl Realm {
    /// The users of `host`, under `secret`; both may be empty.
    #[must_use]
    pub fn new(host: &str, secret: &[u8]) -> Self {
        Self {
            host: host.into(),
            secret: Zeroizing::new(secret.to_vec()),
        }
    }

    /// The secret itself. Called `expose` so that one search finds each use.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8] {
        &self.secret
    }

    /// What makes the markers of a month with this key.
    #[must_use]
    pub fn marking(&self, key: &MonthKey) -> Marking {
        Marking::new(key, &self.secret, &self.host)
    }
}

impl PartialEq for Realm {
    fn eq(&self, other: &Self) -> bool {
        self.host == other.host && self.secret == other.secret
    }
}

impl fmt::Debug for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Realm(..)")
    }
}

/// Makes the markers of one month. Its key is erased when dropped.
///
/// The hash is SipHash-2-4 (Aumasson and Bernstein, 2012), a pseudo-random
/// function made for short inputs.
#[derive(Clone)]
pub struct Marking {
    key: Zeroizing<[u8; 16]>,
    /// The host and a byte that is in no UTF-8, so that ("a", "bc") and
    /// ("ab", "c") differ.
    prefix: Box<[u8]>,
}

impl Marking {
    fn new(key: &MonthKey, secret: &[u8], host: &str) -> Self {
        let derived = key.derive("monthly-visitors 2026 marker", secret);
        let mut key = Zeroizing::new([0; 16]);
        key.copy_from_slice(derived.expose().split_at(16).0);
        let mut prefix = host.as_bytes().to_vec();
        prefix.push(0xff);
        Self {
            key,
            prefix: prefix.into(),
        }
    }

    /// Tells this host from others under the same key: what the marker of a
    /// user without a name would be, whom there is not.
    #[must_use]
    pub fn host_check(&self) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&self.prefix);
        hasher.finish()
    }

    /// The marker of `user`.
    #[must_use]
    pub fn of(&self, user: User<'_>) -> Marker {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&self.prefix);
        hasher.write(user.expose().as_bytes());
        Marker(hasher.finish())
    }
}

impl fmt::Debug for Marking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Marking(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(key: u8, secret: &str, host: &str, user: &str) -> Marker {
        Marking::new(&MonthKey::from_bytes([key; 32]), secret.as_bytes(), host)
            .of(User::new(user.as_bytes()).unwrap())
    }

    #[test]
    fn depends_on_key_secret_host_and_user_alone() {
        let all = [
            marker(1, "", "", "juliet"),
            marker(2, "", "", "juliet"),
            marker(1, "s", "", "juliet"),
            marker(1, "", "example.net", "juliet"),
            marker(1, "", "", "romeo"),
            marker(1, "", "", "Juliet"),
            marker(1, "", "j", "uliet"),
        ];
        for (i, a) in all.iter().enumerate() {
            for b in all.iter().skip(i + 1) {
                assert_ne!(a, b);
            }
        }
        assert_eq!(marker(1, "s", "h", "juliet"), marker(1, "s", "h", "juliet"));
    }

    /// The value is part of the sealed file's format: it must never change.
    #[test]
    fn is_the_same_in_every_version() {
        assert_eq!(
            marker(7, "secret", "example.net", "juliet").0,
            0xbf09_36fa_0e23_75f9
        );
    }
}
