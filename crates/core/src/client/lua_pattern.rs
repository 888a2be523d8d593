//! Reads Lua patterns (Lua 5.4 manual, section 6.4.1) into a list of items.
//!
//! Lua reads a pattern while it matches, so it finds a mistake only when a
//! subject leads it there. Here the whole pattern is read first, and a mistake
//! is refused in Lua's words, whatever the subjects will be.

use super::byte_set::ByteSet;
use crate::MAX_TEXT;

/// The most captures that Lua allows (`LUA_MAXCAPTURES`).
pub(super) const MAX_CAPTURES: usize = 32;

/// A pattern that Lua would accept for every subject.
#[derive(Clone, Debug, Default)]
pub(super) struct LuaPattern {
    /// It begins with `^`: it matches at the start of the subject only.
    pub(super) at_start: bool,
    /// What it consists of, in order. At most as many as it has bytes.
    pub(super) items: Vec<Item>,
    /// It ends with `$`: it matches at the end of the subject only.
    pub(super) at_end: bool,
}

/// One step of a pattern. `x+` is read as `xx*`, which is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// Bytes of a set: `a`, `.`, `%d`, `[^-]`, with or without a suffix.
    Bytes(ByteSet, Repeat),
    /// `(`, with the number of the capture, from 0.
    Open(usize),
    /// `)`, with the number of the capture that it closes.
    Close(usize),
    /// `()`, with the number of the capture.
    Position(usize),
    /// `%f[set]`: the byte before is outside the set, the next one in it.
    Frontier(ByteSet),
    /// `%bxy`: from an `x` to the `y` that balances it.
    Balanced(u8, u8),
    /// `%1`: the same text as an earlier capture.
    Same(usize),
}

/// How often a byte of a set occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// No suffix.
    Once,
    /// `?`
    Optional,
    /// `*`, as often as possible first.
    Greedy,
    /// `-`, as rarely as possible first.
    Lazy,
}

/// Why Lua refuses a pattern, in its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("ends with '%'")]
    EndsWithPercent,
    #[error("missing ']'")]
    MissingBracket,
    #[error("missing '[' after '%f'")]
    MissingFrontier,
    #[error("missing arguments to '%b'")]
    MissingArguments,
    #[error("unfinished capture")]
    UnfinishedCapture,
    #[error("invalid pattern capture")]
    InvalidCapture,
    #[error("invalid capture index %{0}")]
    InvalidIndex(u8),
    #[error("too many captures")]
    TooManyCaptures,
    /// Ours, not Lua's: the limit of all settings keeps the matchers bounded.
    #[error("longer than {MAX_TEXT} bytes")]
    TooLong,
}

impl LuaPattern {
    /// Reads `text`.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        let mut parser = Parser::new(text);
        parser.run()?;
        Ok(parser.pattern)
    }
}

/// What has been read of a pattern so far.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    text: &'a [u8],
    /// Where the next item starts; after a failure, where the wrong one does.
    pub(super) at: usize,
    /// The items before `at`.
    pub(super) pattern: LuaPattern,
    captures: Vec<Capture>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Capture {
    Open,
    Closed,
    Position,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            pattern: LuaPattern::default(),
            captures: Vec::new(),
        }
    }

    /// Reads to the end.
    pub(super) fn run(&mut self) -> Result<(), Fault> {
        if self.text.len() > MAX_TEXT {
            return Err(Fault::TooLong);
        }
        if self.text.starts_with(b"^") {
            self.pattern.at_start = true;
            self.at = 1;
        }
        while let Some((first, rest)) = self.text.get(self.at..).and_then(<[u8]>::split_first) {
            self.at += self.item(*first, rest)?;
        }
        if self.captures.contains(&Capture::Open) {
            return Err(Fault::UnfinishedCapture);
        }
        Ok(())
    }

    /// Adds the item that starts with `first` and returns its length.
    fn item(&mut self, first: u8, rest: &[u8]) -> Result<usize, Fault> {
        let (item, len) = match (first, rest) {
            (b'(', [b')', ..]) => (Item::Position(self.open(Capture::Position)?), 2),
            (b'(', _) => (Item::Open(self.open(Capture::Open)?), 1),
            (b')', _) => (Item::Close(self.close()?), 1),
            (b'$', []) => {
                self.pattern.at_end = true;
                return Ok(1);
            }
            (b'%', [b'b', open, close, ..]) => (Item::Balanced(*open, *close), 4),
            (b'%', [b'b', ..]) => return Err(Fault::MissingArguments),
            (b'%', [b'f', b'[', members @ ..]) => {
                let (set, len) = bracket_set(members)?;
                (Item::Frontier(set), 3 + len)
            }
            (b'%', [b'f', ..]) => return Err(Fault::MissingFrontier),
            (b'%', [digit @ b'0'..=b'9', ..]) => (self.same(*digit)?, 2),
            _ => {
                let (set, len) = single(first, rest)?;
                // `rest` lacks the first of the `len` bytes.
                let suffix = rest.get(len - 1);
                if suffix == Some(&b'+') {
                    self.pattern.items.push(Item::Bytes(set, Repeat::Once));
                }
                let (repeat, suffix_len) = match suffix {
                    Some(b'?') => (Repeat::Optional, 1),
                    Some(b'*' | b'+') => (Repeat::Greedy, 1),
                    Some(b'-') => (Repeat::Lazy, 1),
                    _ => (Repeat::Once, 0),
                };
                (Item::Bytes(set, repeat), len + suffix_len)
            }
        };
        self.pattern.items.push(item);
        Ok(len)
    }

    fn open(&mut self, capture: Capture) -> Result<usize, Fault> {
        let number = self.captures.len();
        if number >= MAX_CAPTURES {
            return Err(Fault::TooManyCaptures);
        }
        self.captures.push(capture);
        Ok(number)
    }

    /// Closes the capture that was opened last among those still open.
    fn close(&mut self) -> Result<usize, Fault> {
        let number = self
            .captures
            .iter()
            .rposition(|capture| *capture == Capture::Open)
            .ok_or(Fault::InvalidCapture)?;
        if let Some(capture) = self.captures.get_mut(number) {
            *capture = Capture::Closed;
        }
        Ok(number)
    }

    fn same(&self, digit: u8) -> Result<Item, Fault> {
        let digit = digit - b'0';
        let number = usize::from(digit).checked_sub(1);
        match number.and_then(|number| self.captures.get(number).zip(Some(number))) {
            Some((Capture::Closed, number)) => Ok(Item::Same(number)),
            // Lua takes the mark of a position capture for its length, which
            // is longer than any subject: nothing matches.
            Some((Capture::Position, _)) => Ok(Item::Bytes(ByteSet::EMPTY, Repeat::Once)),
            Some((Capture::Open, _)) | None => Err(Fault::InvalidIndex(digit)),
        }
    }
}

/// The set of a single-byte item, and the item's length.
fn single(first: u8, rest: &[u8]) -> Result<(ByteSet, usize), Fault> {
    match (first, rest) {
        (b'%', []) => Err(Fault::EndsWithPercent),
        (b'%', [letter, ..]) => Ok((ByteSet::class(*letter), 2)),
        (b'[', members) => bracket_set(members).map(|(set, len)| (set, 1 + len)),
        (b'.', _) => Ok((ByteSet::ALL, 1)),
        _ => Ok((ByteSet::only(first), 1)),
    }
}

/// The set whose text, after the `[`, starts `text`; and the length of that
/// text with its `]`.
///
/// Lua looks for the `]` first and reads the members then, and the two do not
/// agree on every `%`: in `[a-%%]` the second `%` is an escaped member for the
/// search, but takes the `]` with it when read. Hence two loops here as well.
fn bracket_set(text: &[u8]) -> Result<(ByteSet, usize), Fault> {
    let complement = text.starts_with(b"^");
    let start = usize::from(complement);
    let end = closing_bracket(text, start)?;
    let mut set = ByteSet::EMPTY;
    let mut at = start;
    while at < end {
        let (members, len) = match text.get(at..).unwrap_or_default() {
            [b'%', letter, ..] => (ByteSet::class(*letter), 2),
            [low, b'-', high, ..] if at + 2 < end => (ByteSet::range(*low, *high), 3),
            [byte, ..] => (ByteSet::only(*byte), 1),
            [] => break,
        };
        set = set.union(members);
        at += len;
    }
    if complement {
        set = set.complement();
    }
    Ok((set, end + 1))
}

/// Where the `]` is that ends the set with members from `start`.
fn closing_bracket(text: &[u8], start: usize) -> Result<usize, Fault> {
    let mut at = start;
    loop {
        // The first member is one whatever it is, even `]`.
        let member = text.get(at).ok_or(Fault::MissingBracket)?;
        at += 1;
        if *member == b'%' && at < text.len() {
            at += 1;
        }
        if text.get(at) == Some(&b']') {
            return Ok(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(pattern: &str) -> Vec<Item> {
        LuaPattern::parse(pattern.as_bytes()).unwrap().items
    }

    fn once(bytes: &[u8]) -> Item {
        Item::Bytes(set_of(bytes), Repeat::Once)
    }

    fn set_of(bytes: &[u8]) -> ByteSet {
        let one = |set: ByteSet, byte: &u8| set.union(ByteSet::only(*byte));
        bytes.iter().fold(ByteSet::EMPTY, one)
    }

    #[test]
    fn sets_are_read_with_luas_oddities() {
        for (pattern, members) in [
            ("[a-c]", &b"abc"[..]),
            ("[a-]", b"a-"),
            ("[-a]", b"-a"),
            (
                "[--a]",
                b"-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`a",
            ),
            ("[]]", b"]"),
            ("[]-_]", b"]^_"),
            ("[a^]", b"a^"),
            ("[%]]", b"]"),
            ("[%%%-]", b"%-"),
            ("[%d-f]", b"0123456789-f"),
            ("[a-%]]", b"]"),
            ("[a-%%]", b"]"),
            ("[!-%%]", b"!\"#$%]"),
            ("[+--]", b"+,-"),
            ("[[:x]", b"[:x"),
            ("[c-a]", b""),
            ("[.]", b"."),
        ] {
            assert_eq!(items(pattern), [once(members)], "{pattern}");
        }
    }

    #[test]
    fn a_suffix_belongs_to_single_bytes_only() {
        let star = Item::Bytes(ByteSet::only(b'a'), Repeat::Greedy);
        for (pattern, expected) in [
            ("a*", vec![star]),
            ("a+", vec![once(b"a"), star]),
            (
                "a**",
                vec![star, Item::Bytes(ByteSet::only(b'*'), Repeat::Once)],
            ),
            ("^*", vec![once(b"*")]),
            ("*a", vec![once(b"*"), once(b"a")]),
            ("()*", vec![Item::Position(0), once(b"*")]),
            ("%b()*", vec![Item::Balanced(b'(', b')'), once(b"*")]),
            ("%f[a]*", vec![Item::Frontier(set_of(b"a")), once(b"*")]),
            ("$$", vec![once(b"$")]),
            ("a^", vec![once(b"a"), once(b"^")]),
        ] {
            assert_eq!(items(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn captures_have_the_number_of_their_opening() {
        use Item::{Close, Open, Position, Same};
        assert_eq!(
            items("(()(a)%3)%1%2"),
            [
                Open(0),
                Position(1),
                Open(2),
                once(b"a"),
                Close(2),
                Same(2),
                Close(0),
                Same(0),
                once(b""),
            ]
        );
    }

    #[test]
    fn refuses_in_luas_words() {
        let many = "()".repeat(33);
        let long = "a".repeat(MAX_TEXT + 1);
        for (pattern, reason) in [
            ("%", "ends with '%'"),
            ("a%%%", "ends with '%'"),
            ("[a", "missing ']'"),
            ("[]", "missing ']'"),
            ("[^]", "missing ']'"),
            ("[%]", "missing ']'"),
            ("[a-%]", "missing ']'"),
            ("[%", "missing ']'"),
            ("%f", "missing '[' after '%f'"),
            ("%fa", "missing '[' after '%f'"),
            ("%f[a", "missing ']'"),
            ("%b", "missing arguments to '%b'"),
            ("%bx", "missing arguments to '%b'"),
            ("(a", "unfinished capture"),
            ("((a)", "unfinished capture"),
            ("a)", "invalid pattern capture"),
            ("())", "invalid pattern capture"),
            ("%0", "invalid capture index %0"),
            ("(a)%2", "invalid capture index %2"),
            ("(%1)", "invalid capture index %1"),
            (&many, "too many captures"),
            (&long, "longer than 3071 bytes"),
        ] {
            let fault = LuaPattern::parse(pattern.as_bytes()).unwrap_err();
            assert_eq!(fault.to_string(), reason, "{pattern}");
        }
    }
}
