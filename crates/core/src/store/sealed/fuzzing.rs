//! The files of the sealed store: what is read is written again as it was, and
//! no changed byte goes unnoticed.

use super::blob::{Kind, Seal};
use super::closed;
use super::content::Content;
use crate::{Month, MonthKey};

/// Reads `bytes` as the decrypted content of an open month. Returns whether
/// they are one.
///
/// # Panics
///
/// What was read is not written in the same bytes, or its markers are not
/// ascending.
pub fn content(bytes: &[u8]) -> bool {
    let Ok(content) = Content::read(bytes.to_vec()) else {
        return false;
    };
    let mut again = Vec::new();
    content.write(|part| again.extend(part));
    assert_eq!(again.len(), content.size());
    again.resize(bytes.len(), 0);
    assert!(again == bytes, "two ways to write one content");
    let markers: Vec<_> = content.body.markers.iter().collect();
    assert_eq!(markers.len(), content.body.markers.len());
    assert!(markers.is_sorted_by(|one, other| one < other));
    true
}

/// Opens `bytes` as an encrypted file under this key, and, if they are a
/// content, that content encrypted: it opens to the same, and not when the bit
/// number `bit` is changed.
///
/// # Panics
///
/// It does not.
pub fn file(bytes: &[u8], key: &[u8; 32], bit: usize) {
    let month = Month::FIRST.plus(2026 * 12 + 10);
    let seal = Seal::new(month, &MonthKey::from_bytes(key), b"secret of the targets");
    assert!(seal.open(bytes.to_vec()).is_err(), "nobody sealed this");
    let Ok(content) = Content::read(bytes.to_vec()) else {
        return;
    };
    let Ok((id, sealed)) = seal.close(Kind::Since([7; 24]), &content) else {
        return;
    };
    let mut sealed = sealed.to_vec();
    let opened = seal.open(sealed.clone());
    assert_eq!(opened, Ok((Kind::Since([7; 24]), id, content)));
    let at = bit / 8 % sealed.len();
    if let Some(byte) = sealed.get_mut(at) {
        *byte ^= 1 << (bit % 8);
    }
    assert!(seal.open(sealed).is_err(), "byte {at} may be changed");
}

/// Reads `bytes` as the file of a closed month.
///
/// # Panics
///
/// What was read is not read again as it is written.
pub fn closed_month(bytes: &[u8]) {
    let month = Month::FIRST.plus(2026 * 12 + 9);
    let Ok(totals) = closed::read(month, bytes) else {
        return;
    };
    let written = closed::write(month, &totals.counts, totals.incomplete);
    let again = written.map_err(|error| error.to_string());
    assert_eq!(
        again.and_then(|bytes| closed::read(month, &bytes)),
        Ok(totals)
    );
}
