//! The encrypted file of an open month.
//!
//! Layout, numbers in little-endian order:
//!
//! ```text
//! offset  size  header, authenticated, readable by anybody
//!      0     8  "MVSEALED"
//!      8     1  version, 1
//!      9     1  1: the whole month so far, 2: what came since
//!     10     7  the month, "2026-11"
//!     17     8  which key: a hash of it and the secret
//!     25    24  identity of the file that this one adds to; zero if none
//!     49    24  nonce, random, and identity of this file
//!     73        ciphertext (XChaCha20-Poly1305) of
//!               what `content` explains, and zeros up to the next step of size
//!   last 16     authentication tag
//! ```
//!
//! The steps of size are 1/16 of the size or finer, and at least 4 KiB, so that
//! whoever sees two versions learns little of how many came between.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};

use super::content::{Content, Reader};
use crate::marker::erase_stack;
use crate::pages::Pages;
use crate::{Error, Month, MonthKey};

const MAGIC: &[u8; 8] = b"MVSEALED";
const VERSION: u8 = 1;
/// How many bytes of a file nobody needs a key for.
pub(super) const HEADER: usize = 73;
const TAG: usize = 16;
const SMALLEST_STEP: usize = 4096;

/// Distinguishes one written file from every other: its nonce.
pub(super) type Id = [u8; 24];

/// Which of the two files of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The whole month so far.
    Whole,
    /// What came since the file of this identity; zero if there is none.
    Since(Id),
}

/// Why a file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// It was written under another key or secret.
    ForeignKey,
    /// Its bytes are not what was written.
    Broken,
}

/// Makes the files of one month.
pub(super) struct Seal {
    month: Month,
    key: MonthKey,
    key_check: [u8; 8],
}

impl Seal {
    pub(super) fn new(month: Month, key: &MonthKey, secret: &[u8]) -> Self {
        let encryption = key.derive("monthly-visitors 2026 file", secret, "");
        let check = key.derive("monthly-visitors 2026 which key", secret, "");
        let mut key_check = [0; 8];
        key_check.copy_from_slice(check.expose().split_at(8).0);
        Self {
            month,
            key: encryption,
            key_check,
        }
    }

    /// The bytes of a file, and its identity.
    pub(super) fn close(&self, kind: Kind, content: &Content) -> Result<(Id, Pages<u8>), Error> {
        let cannot = |reason: &str| Error::storage("cannot encrypt a month", reason);
        let mut id = [0; 24];
        getrandom::fill(&mut id).map_err(|error| cannot(&error.to_string()))?;
        let header = self.header(kind, &id);
        let size = size(content);
        let mut bytes = Pages::with_capacity(size)?;
        bytes.extend_from_slice(&header);
        content.write(|part| bytes.extend_from_slice(part));
        bytes.extend_zeros(size - TAG - bytes.len());
        let body = bytes.get_mut(HEADER..).unwrap_or_default();
        let tag = self
            .with_cipher(|cipher| {
                cipher.encrypt_inout_detached(&XNonce::from(id), &header, body.into())
            })
            .map_err(|_| cannot("too long"))?;
        bytes.extend_from_slice(&tag);
        Ok((id, bytes))
    }

    /// Reads the bytes of a file; returns its kind, identity and content.
    pub(super) fn open(&self, mut bytes: Vec<u8>) -> Result<(Kind, Id, Content), Damage> {
        let tag = bytes.len().checked_sub(TAG).ok_or(Damage::Broken)?;
        let tag = Tag::try_from(bytes.split_off(tag).as_slice()).map_err(|_| Damage::Broken)?;
        let (header, body) = bytes.split_at_mut_checked(HEADER).ok_or(Damage::Broken)?;
        let mut reader = Reader(header);
        let start = (reader.array()?, reader.array()?);
        let kind: [u8; 1] = reader.array()?;
        let month: [u8; 7] = reader.array()?;
        let key_check: [u8; 8] = reader.array()?;
        let base = reader.array()?;
        let id = reader.array()?;
        let kind = match kind {
            [1] => Kind::Whole,
            [2] => Kind::Since(base),
            _ => return Err(Damage::Broken),
        };
        if start != (*MAGIC, [VERSION]) || month != *self.month.to_string().as_bytes() {
            return Err(Damage::Broken);
        }
        if key_check != self.key_check {
            return Err(Damage::ForeignKey);
        }
        self.with_cipher(|cipher| {
            cipher.decrypt_inout_detached(&XNonce::from(id), header, body.into(), &tag)
        })
        .map_err(|_| Damage::Broken)?;
        bytes.drain(..HEADER);
        Ok((kind, id, Content::read(bytes)?))
    }

    /// Uses the cipher, which is there no longer than that: it has the key in
    /// itself, and leaves copies wherever it is moved.
    fn with_cipher<T>(&self, body: impl FnOnce(&XChaCha20Poly1305) -> T) -> T {
        #[inline(never)]
        fn with<T>(key: &MonthKey, body: impl FnOnce(&XChaCha20Poly1305) -> T) -> T {
            body(&XChaCha20Poly1305::new(key.expose().into()))
        }
        let result = with(&self.key, body);
        erase_stack();
        result
    }

    fn header(&self, kind: Kind, id: &Id) -> [u8; HEADER] {
        let (kind, base) = match kind {
            Kind::Whole => (1, [0; 24]),
            Kind::Since(base) => (2, base),
        };
        let month = self.month.to_string();
        let parts: [&[u8]; 7] = [
            MAGIC,
            &[VERSION],
            &[kind],
            month.as_bytes(),
            &self.key_check,
            &base,
            id,
        ];
        let mut header = [0; HEADER];
        for (to, from) in header.iter_mut().zip(parts.concat()) {
            *to = from;
        }
        header
    }
}

/// The identity of the file with these bytes, whatever else they are.
pub(super) fn id_of(bytes: &[u8]) -> Option<Id> {
    bytes.get(HEADER - 24..HEADER)?.try_into().ok()
}

/// The size of the file with this content, in bytes.
pub(super) fn size(content: &Content) -> usize {
    HEADER + padded(content.size()) + TAG
}

fn padded(plain: usize) -> usize {
    let step = (plain / 16 + 1).next_power_of_two() / 2;
    plain.next_multiple_of(step.max(SMALLEST_STEP))
}

#[cfg(test)]
mod tests {
    use super::super::coded::CodedMarkers;
    use super::super::content::Body;
    use super::*;
    use crate::{Key, Marker};

    fn seal(key: u8, secret: &[u8]) -> Seal {
        let month = "2026-11".parse().unwrap();
        Seal::new(month, &MonthKey::from_bytes(&[key; 32]), secret)
    }

    fn content(users: u64) -> Content {
        let markers = (0..users).map(|number| Marker(number << 32));
        Content {
            incomplete: true,
            host: 99,
            first: Some(1_793_491_200),
            body: Body {
                since: vec![0, 1, users],
                counts: vec![
                    (Key::new("client-\"ü\n"), 7),
                    (Key::new("geo-?-?-?"), users),
                ],
                markers: CodedMarkers::encode(usize::try_from(users).unwrap(), markers).unwrap(),
            },
        }
    }

    #[test]
    fn opens_to_what_was_closed() {
        for content in [Content::default(), content(3), content(10_000)] {
            for kind in [Kind::Whole, Kind::Since([9; 24])] {
                let (id, bytes) = seal(1, b"").close(kind, &content).unwrap();
                assert_eq!(bytes.len(), size(&content));
                let opened = seal(1, b"").open(bytes.to_vec()).unwrap();
                assert_eq!(opened, (kind, id, content.clone()));
            }
        }
    }

    #[test]
    fn tells_a_foreign_key_from_broken_bytes() {
        let (_, bytes) = seal(1, b"secret").close(Kind::Whole, &content(3)).unwrap();
        for other in [seal(2, b"secret"), seal(1, b"other"), seal(1, b"")] {
            assert_eq!(other.open(bytes.to_vec()), Err(Damage::ForeignKey));
        }
        let december = Seal::new(
            "2026-12".parse().unwrap(),
            &MonthKey::from_bytes(&[1; 32]),
            b"secret",
        );
        assert_eq!(december.open(bytes.to_vec()), Err(Damage::Broken));
        for at in [0, 8, 9, 10, 26, 50, HEADER, HEADER + 300, bytes.len() - 1] {
            let mut wrong = bytes.to_vec();
            wrong[at] ^= 1;
            assert_eq!(
                seal(1, b"secret").open(wrong),
                Err(Damage::Broken),
                "byte {at}"
            );
        }
        for len in [0, 15, 16, HEADER, HEADER + TAG, bytes.len() - 1] {
            let short = bytes.get(..len).unwrap().to_vec();
            assert_eq!(
                seal(1, b"secret").open(short),
                Err(Damage::Broken),
                "{len} bytes"
            );
        }
    }

    #[test]
    fn nothing_of_the_content_can_be_read_and_no_two_files_are_alike() {
        let (one, bytes) = seal(1, b"").close(Kind::Whole, &content(3)).unwrap();
        let (other, again) = seal(1, b"").close(Kind::Whole, &content(3)).unwrap();
        assert_ne!(one, other);
        assert_ne!(bytes[HEADER..], again[HEADER..]);
        assert!(!bytes.windows(4).any(|window| window == b"geo-"));
    }

    #[test]
    fn grows_in_steps_of_at_most_a_sixteenth() {
        let mut sizes = std::collections::BTreeSet::new();
        for users in (0..200_000).step_by(97) {
            let plain = 8 * users;
            let size = padded(plain);
            assert!(
                size >= plain && size - plain <= (plain / 16).max(SMALLEST_STEP),
                "{users}"
            );
            sizes.insert(size);
        }
        assert!(sizes.len() < 150, "{} sizes", sizes.len());
    }
}
