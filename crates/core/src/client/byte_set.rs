//! Sets of bytes, and Lua's character classes.

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    /// The set without members.
    pub(super) const EMPTY: Self = Self([0; 4]);

    /// The set of all bytes.
    pub(super) const ALL: Self = Self([u64::MAX; 4]);

    /// The set with one member.
    pub(super) fn only(byte: u8) -> Self {
        Self::from_fn(|member| member == byte)
    }

    /// The set that `%` and `letter` stand for, as in the C locale: a class,
    /// its complement for the upper-case letter, or the byte itself where it
    /// names no class (Lua 5.4 manual, section 6.4.1).
    ///
    /// `%z`, the byte 0, left the manual with Lua 5.2, but Lua 5.4 reads it.
    pub(super) fn class(letter: u8) -> Self {
        let set = match letter.to_ascii_lowercase() {
            b'a' => Self::from_fn(|byte| byte.is_ascii_alphabetic()),
            b'c' => Self::from_fn(|byte| byte.is_ascii_control()),
            b'd' => Self::from_fn(|byte| byte.is_ascii_digit()),
            b'g' => Self::from_fn(|byte| byte.is_ascii_graphic()),
            b'l' => Self::from_fn(|byte| byte.is_ascii_lowercase()),
            b'p' => Self::from_fn(|byte| byte.is_ascii_punctuation()),
            // Rust's white space has no vertical tab.
            b's' => Self::from_fn(|byte| matches!(byte, b'\t'..=b'\r' | b' ')),
            b'u' => Self::from_fn(|byte| byte.is_ascii_uppercase()),
            b'w' => Self::from_fn(|byte| byte.is_ascii_alphanumeric()),
            b'x' => Self::from_fn(|byte| byte.is_ascii_hexdigit()),
            b'z' => Self::only(0),
            _ => return Self::only(letter),
        };
        if letter.is_ascii_uppercase() {
            set.complement()
        } else {
            set
        }
    }

    /// The bytes from `low` to `high`, none if `high` is the smaller.
    pub(super) fn range(low: u8, high: u8) -> Self {
        Self::from_fn(|byte| (low..=high).contains(&byte))
    }

    /// Whether `byte` is a member.
    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte / 64)] >> (byte % 64) & 1 == 1
    }

    /// The members of either set.
    pub(super) fn union(self, other: Self) -> Self {
        let mut words = self.0;
        for (word, other) in words.iter_mut().zip(other.0) {
            *word |= other;
        }
        Self(words)
    }

    /// All other bytes.
    pub(super) fn complement(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    fn from_fn(is_member: impl Fn(u8) -> bool) -> Self {
        let mut words = [0; 4];
        for byte in (0..=u8::MAX).filter(|byte| is_member(*byte)) {
            words[usize::from(byte / 64)] |= 1 << (byte % 64);
        }
        Self(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(set: ByteSet) -> Vec<u8> {
        (0..=u8::MAX).filter(|byte| set.contains(*byte)).collect()
    }

    #[test]
    fn classes_are_those_of_the_c_locale() {
        for (letter, count, first, last) in [
            (b'a', 52, b'A', b'z'),
            (b'c', 33, 0, 127),
            (b'd', 10, b'0', b'9'),
            (b'g', 94, b'!', b'~'),
            (b'l', 26, b'a', b'z'),
            (b'p', 32, b'!', b'~'),
            (b's', 6, b'\t', b' '),
            (b'u', 26, b'A', b'Z'),
            (b'w', 62, b'0', b'z'),
            (b'x', 22, b'0', b'f'),
            (b'z', 1, 0, 0),
            (b'-', 1, b'-', b'-'),
            (b'e', 1, b'e', b'e'),
            (b'E', 1, b'E', b'E'),
        ] {
            let found = members(ByteSet::class(letter));
            let ends = (found.len(), found.first().copied(), found.last().copied());
            assert_eq!(
                ends,
                (count, Some(first), Some(last)),
                "%{}",
                letter as char
            );
        }
    }

    #[test]
    fn an_upper_case_class_is_the_complement() {
        for letter in b"acdglpsuwxz" {
            let (lower, upper) = (
                ByteSet::class(*letter),
                ByteSet::class(letter.to_ascii_uppercase()),
            );
            assert_eq!(lower.complement(), upper, "%{}", *letter as char);
        }
    }

    #[test]
    fn ranges_include_both_ends_and_may_be_empty() {
        assert_eq!(members(ByteSet::range(b'a', b'c')), b"abc");
        assert_eq!(members(ByteSet::range(0xfe, 0xff)), [0xfe, 0xff]);
        assert_eq!(ByteSet::range(b'c', b'a'), ByteSet::EMPTY);
        assert_eq!(ByteSet::range(0, 0xff), ByteSet::ALL);
    }
}
