//! A set of markers in few bytes: sorted, and Golomb-Rice coded.
//!
//! Markers are evenly spread over 64 bits, so the distances of a sorted set
//! are about 2⁶⁴/n, and all else in them is noise. Each distance, less one, is
//! written as its high bits in unary (that many zeros, and a one), then its
//! low bits as they are. Bits fill each byte from the lowest up. How many low
//! bits there are follows from the number of markers alone, so equal sets have
//! equal bytes. A million markers need 5.7 bytes each, ten millions 5.3.

use super::bits::{BitReader, BitWriter};
use crate::{Error, Marker};

/// So many markers are decoded to find one, half of them on average.
const BLOCK: usize = 128;

/// A set of markers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CodedMarkers {
    len: usize,
    bytes: Vec<u8>,
    /// Where each block begins, except the first.
    blocks: Vec<Block>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    /// The marker before it.
    last: u64,
    /// Its first bit.
    at: usize,
}

impl CodedMarkers {
    /// The set of these `len` markers, which must be ascending.
    pub(super) fn encode(
        len: usize,
        markers: impl IntoIterator<Item = Marker>,
    ) -> Result<Self, Error> {
        let width = width(len);
        // The unary parts add up to twice the number of markers at most.
        let bits = len.saturating_mul(64.min(width as usize + 3));
        let mut to = BitWriter::with_capacity(bits);
        let mut blocks = Vec::with_capacity(len / BLOCK);
        let mut last = None;
        let mut written = 0;
        for Marker(marker) in markers {
            let distance = match last {
                None => Some(marker),
                Some(last) => marker
                    .checked_sub(last)
                    .and_then(|less| less.checked_sub(1)),
            };
            let distance = distance.ok_or(Error::Internal)?;
            if let (Some(last), 0) = (last, written % BLOCK) {
                let at = to.len();
                blocks.push(Block { last, at });
            }
            to.number(distance, width);
            last = Some(marker);
            written += 1;
        }
        if written != len {
            return Err(Error::Internal);
        }
        Ok(Self {
            len,
            bytes: to.finish(),
            blocks,
        })
    }

    /// The set of `len` markers that `bytes` are, zeros at their end aside;
    /// `None` if they are none.
    pub(super) fn decode(len: usize, mut bytes: Vec<u8>) -> Option<Self> {
        // Each needs two bits at least: nothing is allocated for more.
        if len > bytes.len().saturating_mul(4) {
            return None;
        }
        let mut reader = BitReader {
            bytes: &bytes,
            at: 0,
        };
        let mut blocks = Vec::with_capacity(len / BLOCK);
        let (width, mut last) = (width(len), None);
        for number in 0..len {
            if let (Some(last), 0) = (last, number % BLOCK) {
                let at = reader.at;
                blocks.push(Block { last, at });
            }
            last = Some(next(&mut reader, width, last)?);
        }
        let used = reader.at.div_ceil(8);
        // Of the last byte, what is left.
        let part =
            (reader.at % 8 > 0).then(|| bytes.get(used - 1).map(|last| last >> (reader.at % 8)));
        let rest = bytes.get(used..)?.iter().copied().chain(part.flatten());
        if rest.into_iter().any(|byte| byte != 0) {
            return None;
        }
        bytes.truncate(used);
        bytes.shrink_to_fit();
        Some(Self { len, bytes, blocks })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The markers, ascending.
    pub(super) fn iter(&self) -> Cursor<'_> {
        Cursor {
            set: self,
            reader: BitReader {
                bytes: &self.bytes,
                at: 0,
            },
            width: width(self.len),
            number: 0,
            last: None,
        }
    }
}

/// The two ascending sequences as one.
pub(super) fn merge(
    one: impl IntoIterator<Item = Marker>,
    other: impl IntoIterator<Item = Marker>,
) -> impl Iterator<Item = Marker> {
    let mut one = one.into_iter().peekable();
    let mut other = other.into_iter().peekable();
    std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some(first), Some(second)) if first > second => other.next(),
        (None, _) => other.next(),
        _ => one.next(),
    })
}

/// The number of low bits of a set of so many markers: as many as make all of
/// it shortest, when the markers are evenly spread.
fn width(len: usize) -> u32 {
    63_u32.saturating_sub(len.checked_ilog2().unwrap_or_default())
}

/// The marker after `last`.
fn next(reader: &mut BitReader<'_>, width: u32, last: Option<u64>) -> Option<u64> {
    let distance = reader.number(width)?;
    match last {
        None => Some(distance),
        Some(last) => last.checked_add(1)?.checked_add(distance),
    }
}

/// Goes through a set, one by one or by leaps.
pub(super) struct Cursor<'a> {
    set: &'a CodedMarkers,
    reader: BitReader<'a>,
    width: u32,
    number: usize,
    last: Option<u64>,
}

impl Cursor<'_> {
    /// Whether a marker is in the set. To be asked for ascending markers, and
    /// of a cursor that was not used for anything else.
    pub(super) fn finds(&mut self, marker: Marker) -> bool {
        let Marker(wanted) = marker;
        let blocks = &self.set.blocks;
        // The blocks that begin later.
        let passed = (self.number / BLOCK).min(blocks.len());
        let ahead = blocks.get(passed..).unwrap_or_default();
        if ahead.first().is_some_and(|block| block.last < wanted) {
            let leap = ahead.partition_point(|block| block.last < wanted);
            if let Some(block) = ahead.get(leap - 1) {
                self.reader.at = block.at;
                self.last = Some(block.last);
                self.number = (passed + leap) * BLOCK;
            }
        }
        while self.last.is_none_or(|last| last < wanted) {
            if self.next().is_none() {
                return false;
            }
        }
        self.last == Some(wanted)
    }
}

impl Iterator for Cursor<'_> {
    type Item = Marker;

    fn next(&mut self) -> Option<Marker> {
        if self.number == self.set.len {
            return None;
        }
        self.last = Some(next(&mut self.reader, self.width, self.last)?);
        self.number += 1;
        self.last.map(Marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Markers like those of users, ascending.
    fn spread(count: u64) -> Vec<Marker> {
        let mut state = count;
        let mut markers: Vec<Marker> = (0..count)
            .map(|_| {
                state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                Marker(mixed ^ (mixed >> 31))
            })
            .collect();
        markers.sort_unstable();
        markers.dedup();
        markers
    }

    fn coded(markers: &[Marker]) -> CodedMarkers {
        CodedMarkers::encode(markers.len(), markers.iter().copied()).unwrap()
    }

    /// Sets of every kind, evenly spread or not.
    fn samples() -> Vec<Vec<Marker>> {
        let mut samples: Vec<Vec<Marker>> =
            [0, 1, 2, 3, 63, 64, 65, 127, 128, 129, 256, 1000, 5000]
                .map(spread)
                .to_vec();
        for odd in [
            vec![0],
            vec![u64::MAX],
            vec![0, 1, 2, u64::MAX - 1, u64::MAX],
            (0..1000).collect(),
            (0..1000).map(|i| u64::MAX - 999 + i).collect(),
            (0..500).chain((1 << 60)..(1 << 60) + 500).collect(),
        ] {
            samples.push(odd.into_iter().map(Marker).collect());
        }
        samples
    }

    #[test]
    fn gives_back_what_went_in() {
        for markers in samples() {
            let set = coded(&markers);
            assert_eq!(set.len(), markers.len());
            assert!(set.iter().eq(markers.iter().copied()), "{}", set.len());
            for zeros in [0, 1, 9, 100] {
                let mut bytes = set.bytes().to_vec();
                bytes.resize(bytes.len() + zeros, 0);
                let decoded = CodedMarkers::decode(markers.len(), bytes.clone());
                assert_eq!(decoded.as_ref(), Some(&set));
                bytes.push(1);
                let followed = CodedMarkers::decode(markers.len(), bytes);
                assert_eq!(followed, None);
            }
        }
    }

    /// The bytes are part of the sealed file's format: they must never change.
    #[test]
    fn is_the_same_in_every_version() {
        let set = coded(&[Marker(3), Marker(4), Marker(u64::MAX)]);
        assert_eq!(width(3), 62);
        // 1, 3 in 62 bits; 1, 0 in 62 bits; 0001, the rest in 62 bits.
        let mut bits: Vec<u8> = Vec::new();
        for (zeros, low) in [(0, 3), (0, 0), (3, (1_u64 << 62) - 1 - 5)] {
            bits.extend(std::iter::repeat_n(0, zeros));
            bits.push(1);
            bits.extend((0..62).map(|bit| u8::from(low >> bit & 1 == 1)));
        }
        let bytes: Vec<u8> = bits
            .chunks(8)
            .map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit))
            .collect();
        assert_eq!(set.bytes(), bytes);
    }

    #[test]
    fn a_marker_takes_little() {
        for (count, bits) in [(1000, 56), (100_000, 49), (1_000_000, 46)] {
            let set = coded(&spread(count));
            assert!(set.bytes().len() * 8 < bits * set.len(), "{count}");
        }
    }

    #[test]
    fn finds_what_is_there_and_nothing_else() {
        for markers in samples() {
            let set = coded(&markers);
            let mut cursor = set.iter();
            assert!(markers.iter().all(|&marker| cursor.finds(marker)));
            for step in [1, 7, 300] {
                let mut cursor = set.iter();
                for &Marker(marker) in markers.iter().step_by(step) {
                    let before = marker.wrapping_sub(1);
                    if before < marker {
                        let there = markers.binary_search(&Marker(before)).is_ok();
                        assert_eq!(cursor.finds(Marker(before)), there);
                    }
                    assert!(cursor.finds(Marker(marker)));
                    assert!(cursor.finds(Marker(marker)), "asked again");
                }
                let beyond = Marker(u64::MAX);
                assert_eq!(cursor.finds(beyond), markers.contains(&beyond));
            }
        }
    }

    #[test]
    fn what_is_not_ascending_is_refused() {
        for wrong in [[5, 5], [5, 4]] {
            assert!(CodedMarkers::encode(2, wrong.map(Marker)).is_err());
        }
        assert!(CodedMarkers::encode(3, [4, 5].map(Marker)).is_err());
        assert!(CodedMarkers::encode(1, [4, 5].map(Marker)).is_err());
    }

    #[test]
    fn two_sequences_become_one() {
        let all = spread(1000);
        let one = all.iter().copied().step_by(3);
        let other = all.iter().copied().filter(|marker| {
            let at = all.binary_search(marker).unwrap();
            at % 3 != 0
        });
        assert!(merge(one, other).eq(all.iter().copied()));
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        let noise: Vec<u8> = spread(4000)
            .iter()
            .map(|marker| marker.0.to_le_bytes()[0])
            .collect();
        let zeros = vec![0; 4000];
        let ones = vec![0xff; 4000];
        for bytes in [&noise, &zeros, &ones, &Vec::new()] {
            for len in [0, 1, 2, 100, 700, 4000, 16_000, 16_001, 1 << 40, usize::MAX] {
                for cut in [0, 1, 7, 8, 9, 500, 4000] {
                    let bytes = bytes.get(..cut).unwrap_or(bytes);
                    if let Some(set) = CodedMarkers::decode(len, bytes.to_vec()) {
                        assert_eq!(coded(&set.iter().collect::<Vec<_>>()), set);
                    }
                }
            }
        }
        let whole = coded(&spread(300));
        for len in 0..whole.bytes().len() {
            let cut = whole.bytes()[..len].to_vec();
            assert_eq!(CodedMarkers::decode(300, cut), None);
        }
    }
}
