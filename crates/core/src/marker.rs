//! What is kept per user so that they count once a month.

use std::fmt;

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
///
/// The bytes are in a box, so that they stay where they are when the key is
/// moved: a move would leave a copy behind on the stack.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct MonthKey(Box<[u8; 32]>);

impl MonthKey {
    /// A new key from the operating system's generator.
    ///
    /// # Errors
    ///
    /// The operating system has no randomness to give.
    pub fn random() -> Result<Self, crate::Error> {
        let mut key = Self(Box::default());
        getrandom::fill(key.0.as_mut_slice())
            .map_err(|error| crate::Error::storage("cannot make a key", error))?;
        Ok(key)
    }

    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Box::new(*bytes))
    }

    /// The bytes themselves. Called `expose` so that one search finds each use.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key for one purpose, from this key, an administrator's secret and a
    /// host. Nobody who has only one of the first two can make it.
    #[must_use]
    pub(crate) fn derive(&self, purpose: &str, secret: &[u8], host: &str) -> Self {
        let key = self.derive_only(purpose, secret, host);
        erase_stack();
        key
    }

    #[inline(never)]
    fn derive_only(&self, purpose: &str, secret: &[u8], host: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        hasher.update(self.0.as_slice());
        // Keeps ("a", "bc") and ("ab", "c") apart.
        hasher.update(&(secret.len() as u64).to_le_bytes());
        hasher.update(secret);
        hasher.update(host.as_bytes());
        let key = Self::from_bytes(hasher.finalize().as_bytes());
        hasher.zeroize();
        key
    }
}

/// Overwrites what the functions called before have left on the stack: those
/// of other libraries keep copies of keys in their variables, and not all of
/// them are erased.
#[inline(never)]
pub(crate) fn erase_stack() {
    let mut area = [0_u8; 16 * 1024];
    area.zeroize();
    std::hint::black_box(&area);
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
/// function made for short inputs. The host is in its key.
#[derive(Clone)]
pub struct Marking {
    key: Box<Zeroizing<[u8; 16]>>,
    host_check: u64,
}

impl Marking {
    fn new(key: &MonthKey, secret: &[u8], host: &str) -> Self {
        let derived = key.derive("monthly-visitors 2026 marker", secret, host);
        let (for_key, rest) = derived.expose().split_at(16);
        let mut key = Box::new(Zeroizing::new([0; 16]));
        key.copy_from_slice(for_key);
        let mut check = [0; 8];
        check.copy_from_slice(rest.split_at(8).0);
        Self {
            key,
            host_check: u64::from_le_bytes(check),
        }
    }

    /// Tells this host from others under the same key.
    #[must_use]
    pub fn host_check(&self) -> u64 {
        self.host_check
    }

    /// The marker of `user`.
    #[must_use]
    pub fn of(&self, user: User<'_>) -> Marker {
        Marker(SipHasher24::new_with_key(&self.key).hash(user.expose()))
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
        Marking::new(&MonthKey::from_bytes(&[key; 32]), secret.as_bytes(), host)
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
            marker(1, "ab", "c", "juliet"),
            marker(1, "a", "bc", "juliet"),
        ];
        for (i, a) in all.iter().enumerate() {
            for b in all.iter().skip(i + 1) {
                assert_ne!(a, b);
            }
        }
        assert_eq!(marker(1, "s", "h", "juliet"), marker(1, "s", "h", "juliet"));
    }

    /// The values are part of the sealed file's format: they must never change.
    #[test]
    fn is_the_same_in_every_version() {
        let marking = Marking::new(&MonthKey::from_bytes(&[7; 32]), b"secret", "example.net");
        let juliet = User::new(b"juliet").unwrap();
        assert_eq!(marking.of(juliet).0, 0x3c13_f2b3_f702_efa6);
        assert_eq!(marking.host_check(), 0x0b9e_8270_d57e_17f2);
    }
}
