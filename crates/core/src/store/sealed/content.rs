//! What the two files of an open month say, before it is encrypted.
//!
//! Numbers are little-endian, or of variable length where it says "number": 7
//! bits in a byte, the lowest first, with 128 added to all but the last.
//!
//! ```text
//!   1  1 when visits of this month were lost, else 0
//!   8  which host, as `Marking::host_check` tells it
//!   8  time of the earliest login in Unix seconds, −2⁶³ for none
//!      number of counts of the large file, in a small one; each:
//!        number of users since, in the order of the large file
//!      number of other counts; each, sorted by key:
//!        length of the key
//!        the key, UTF-8
//!        number of users
//!      number of markers, and they themselves as `coded` explains them
//!      zeros
//! ```
//!
//! Equal content gives equal bytes, whatever the order of the logins.

use super::blob::Damage;
use super::coded::CodedMarkers;
use crate::Key;

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) incomplete: bool,
    /// Tells the host whose users the markers are of, as
    /// [`Marking::host_check`](crate::Marking::host_check) does.
    pub(super) host: u64,
    pub(super) first: Option<i64>,
    pub(super) body: Body,
}

/// The users of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Body {
    /// In a small file, what came since to each count of the large one: with
    /// thousands of keys, their names would be most of the file.
    pub(super) since: Vec<u64>,
    /// All other counts, sorted by key.
    pub(super) counts: Vec<(Key, u64)>,
    pub(super) markers: CodedMarkers,
}

impl Content {
    /// How many bytes it takes.
    pub(super) fn size(&self) -> usize {
        let Body {
            since,
            counts,
            markers,
        } = &self.body;
        let since: usize = number_size(since.len())
            + since
                .iter()
                .map(|&number| varint(number).count())
                .sum::<usize>();
        let counts: usize = number_size(counts.len())
            + counts
                .iter()
                .map(|(key, number)| {
                    let len = key.as_str().len();
                    number_size(len) + len + varint(*number).count()
                })
                .sum::<usize>();
        17 + since + counts + number_size(markers.len()) + markers.bytes().len()
    }

    /// Gives all bytes to `put`, some after the other.
    pub(super) fn write(&self, mut put: impl FnMut(&[u8])) {
        let Body {
            since,
            counts,
            markers,
        } = &self.body;
        put(&[self.incomplete.into()]);
        put(&self.host.to_le_bytes());
        put(&self.first.unwrap_or(i64::MIN).to_le_bytes());
        put_number(&mut put, since.len() as u64);
        for &number in since {
            put_number(&mut put, number);
        }
        put_number(&mut put, counts.len() as u64);
        for (key, number) in counts {
            let key = key.as_str().as_bytes();
            put_number(&mut put, key.len() as u64);
            put(key);
            put_number(&mut put, *number);
        }
        put_number(&mut put, markers.len() as u64);
        put(markers.bytes());
    }

    /// Reads what [`Content::write`] gives; refuses everything else.
    pub(super) fn read(mut bytes: Vec<u8>) -> Result<Self, Damage> {
        let mut reader = Reader(&bytes);
        let [incomplete] = reader.array()?;
        let host = u64::from_le_bytes(reader.array()?);
        let first = i64::from_le_bytes(reader.array()?);
        let mut since = Vec::new();
        for _ in 0..reader.number()? {
            since.push(reader.number()?);
        }
        let mut counts: Vec<(Key, u64)> = Vec::new();
        for _ in 0..reader.number()? {
            let len = reader.len()?;
            let key = std::str::from_utf8(reader.bytes(len)?).map_err(|_| Damage::Broken)?;
            if counts.last().is_some_and(|(last, _)| last.as_str() >= key) {
                return Err(Damage::Broken);
            }
            counts.push((Key::new(key), reader.number()?));
        }
        let len = reader.len()?;
        let rest = reader.0.len();
        // In place: this is nearly all of the file.
        bytes.drain(..bytes.len() - rest);
        let markers = CodedMarkers::decode(len, bytes).ok_or(Damage::Broken)?;
        if incomplete > 1 {
            return Err(Damage::Broken);
        }
        Ok(Self {
            incomplete: incomplete == 1,
            host,
            first: (first != i64::MIN).then_some(first),
            body: Body {
                since,
                counts,
                markers,
            },
        })
    }
}

fn put_number(put: &mut impl FnMut(&[u8]), number: u64) {
    varint(number).for_each(|byte| put(&[byte]));
}

/// The bytes of a number of variable length.
fn varint(number: u64) -> impl Iterator<Item = u8> {
    let mut rest = Some(number);
    std::iter::from_fn(move || {
        let number = rest?;
        let [low, ..] = number.to_le_bytes();
        rest = (number > 127).then_some(number >> 7);
        Some(if rest.is_some() { low | 128 } else { low })
    })
}

fn number_size(number: usize) -> usize {
    varint(number as u64).count()
}

/// Takes bytes from the front.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Damage> {
        let (front, rest) = self.0.split_at_checked(len).ok_or(Damage::Broken)?;
        self.0 = rest;
        Ok(front)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        self.bytes(N)?.try_into().map_err(|_| Damage::Broken)
    }

    fn number(&mut self) -> Result<u64, Damage> {
        let mut number = 0;
        for place in (0..).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 127);
            // A number that is too large, or longer than it must be.
            if place > 63 || (bits << place) >> place != bits || (byte == 0 && place > 0) {
                return Err(Damage::Broken);
            }
            number |= bits << place;
            if byte < 128 {
                break;
            }
        }
        Ok(number)
    }

    fn len(&mut self) -> Result<usize, Damage> {
        usize::try_from(self.number()?).map_err(|_| Damage::Broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Marker;

    fn content() -> Content {
        Content {
            incomplete: true,
            host: u64::MAX,
            first: Some(-1),
            body: Body {
                since: vec![0, 127, 128, u64::MAX],
                counts: vec![(Key::new(""), 0), (Key::new(&"k".repeat(70_000)), 300)],
                markers: CodedMarkers::encode(3, [1, 5 << 40, 1 << 63].map(Marker)).unwrap(),
            },
        }
    }

    fn bytes_of(content: &Content) -> Vec<u8> {
        let mut bytes = Vec::new();
        content.write(|part| bytes.extend(part));
        assert_eq!(bytes.len(), content.size());
        bytes
    }

    #[test]
    fn is_read_as_it_was_written() {
        for content in [content(), Content::default()] {
            let mut bytes = bytes_of(&content);
            assert_eq!(Content::read(bytes.clone()), Ok(content.clone()));
            bytes.extend([0; 100]);
            assert_eq!(Content::read(bytes.clone()), Ok(content));
        }
    }

    #[test]
    fn has_one_way_to_be_written() {
        let mut bytes = bytes_of(&content());
        bytes.extend([0; 4]);
        let mut rng = 1_u64;
        for _ in 0..20_000 {
            rng = rng.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            let mut changed = bytes.clone();
            // All of it but the long key.
            let at = (rng >> 40) as usize % 90;
            let at = if at < 40 { at } else { bytes.len() - (at - 39) };
            changed[at] ^= rng.to_le_bytes()[4] | 1;
            if let Ok(read) = Content::read(changed.clone()) {
                let mut again = bytes_of(&read);
                again.resize(changed.len(), 0);
                assert!(again == changed, "byte {at}");
            }
        }
        for len in 0..bytes.len() - 4 {
            assert!(Content::read(bytes[..len].to_vec()).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_length_that_is_a_lie_is_refused() {
        let head = [0; 17];
        for lie in [1 << 20, u64::MAX] {
            for before in [&[][..], &[0], &[0, 0], &[0, 1]] {
                let bytes: Vec<u8> = head
                    .into_iter()
                    .chain(before.iter().copied())
                    .chain(varint(lie))
                    .collect();
                assert_eq!(Content::read(bytes.clone()), Err(Damage::Broken));
            }
        }
        // Eleven bytes, and ten of which the last is too large.
        for number in [[0x80; 11].as_slice(), &[0xff; 10], &[0x80, 0]] {
            assert_eq!(Reader(number).number(), Err(Damage::Broken));
        }
    }
}
