//! Bits in bytes, each byte filled from its lowest bit up, and numbers in them
//! of which the high bits are in unary.

/// Reads bits, and nothing else whatever the bytes are.
pub(super) struct BitReader<'a> {
    pub(super) bytes: &'a [u8],
    /// The next bit.
    pub(super) at: usize,
}

impl BitReader<'_> {
    /// As many bits of a [`BitReader::word`] are always those of the bytes.
    const SURE: u32 = 57;

    /// The bits that follow, then zeros.
    fn word(&self) -> u64 {
        let rest = self.bytes.get(self.at / 8..).unwrap_or_default();
        let mut bytes = [0; 8];
        if let Some(next) = rest.first_chunk() {
            bytes = *next;
        } else {
            for (to, from) in bytes.iter_mut().zip(rest) {
                *to = *from;
            }
        }
        u64::from_le_bytes(bytes) >> (self.at % 8)
    }

    /// A number of which all but the lowest `width` bits are in unary; `None` if
    /// the bytes end before it does, or it is too large.
    pub(super) fn number(&mut self, width: u32) -> Option<u64> {
        let mut high = 0_u64;
        let mut word = self.word();
        while word == 0 {
            if self.at >= self.bytes.len() * 8 {
                return None;
            }
            high += u64::from(Self::SURE);
            self.at += Self::SURE as usize;
            word = self.word();
        }
        let zeros = word.trailing_zeros();
        high += u64::from(zeros);
        self.at += zeros as usize + 1;
        if high > u64::MAX.checked_shr(width).unwrap_or_default() {
            return None;
        }
        let number = (high << width) | self.low_bits(width);
        (self.at <= self.bytes.len() * 8).then_some(number)
    }

    fn low_bits(&mut self, width: u32) -> u64 {
        let first = width.min(Self::SURE);
        let mut bits = self.word() & low(first);
        self.at += first as usize;
        if width > first {
            bits |= (self.word() & low(width - first)) << first;
            self.at += (width - first) as usize;
        }
        bits
    }
}

/// Writes bits.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// The bits that fill no 8 bytes yet, and how many they are.
    word: u128,
    used: u32,
}

impl BitWriter {
    /// For about so many bits.
    pub(super) fn with_capacity(bits: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bits / 8 + 16),
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() * 8 + self.used as usize
    }

    /// Writes the lowest `count` bits of `value`; the others must be zero.
    fn bits(&mut self, value: u64, count: u32) {
        self.word |= u128::from(value) << self.used;
        self.used += count;
        if self.used >= 64 {
            self.bytes
                .extend_from_slice(self.word.to_le_bytes().split_at(8).0);
            self.word >>= 64;
            self.used -= 64;
        }
    }

    /// Writes a number as [`BitReader::number`] reads it.
    pub(super) fn number(&mut self, number: u64, width: u32) {
        self.unary(number >> width);
        self.bits(number & low(width), width);
    }

    /// Writes so many zeros, and a one.
    fn unary(&mut self, zeros: u64) {
        for _ in 0..zeros / 32 {
            self.bits(0, 32);
        }
        let rest = u32::try_from(zeros % 32).unwrap_or_default();
        self.bits(1 << rest, rest + 1);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let rest = self.word.to_le_bytes();
        let used = self.used.div_ceil(8) as usize;
        self.bytes.extend(rest.iter().take(used));
        self.bytes
    }
}

/// So many of the lowest bits, set.
fn low(count: u32) -> u64 {
    u64::MAX.checked_shr(64 - count).unwrap_or_default()
}
