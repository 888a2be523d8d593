//! Lua patterns and subjects for tests: odd ones more often than in life, and
//! the same ones for the same seed.

use super::byte_set::ByteSet;
use super::lua_pattern::{Item, MAX_CAPTURES, Parser, Repeat};

/// Repetitions in a pattern. Lua's time is the subject's length to this power.
const MAX_REPEATS: usize = 5;

/// Random numbers of a fixed sequence (`SplitMix64`; Steele, Lea and Flood,
/// Fast Splittable Pseudorandom Number Generators, 2014).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `limit` - 1.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.number() % limit as u64).unwrap()
    }

    pub(super) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    fn byte(&mut self, from: &[u8]) -> u8 {
        from[self.below(from.len())]
    }

    fn bytes(&mut self, from: &[u8], limit: usize) -> Vec<u8> {
        let len = self.below(limit + 1);
        (0..len).map(|_| self.byte(from)).collect()
    }
}

/// Few different bytes, so that sets and subjects often meet.
const SUBJECT: &[u8] = b"aaaabbc1A-_. ()]%\n\0\xff";
const LITERAL: &[u8] = b"aaaabbc1A-_ ]}=\0\n\xe9";
const ESCAPED: &[u8] = b"aaccddgllppsuuwwxxzACDGLPSUWXZ.%-]()$^*eE\0\xff";
const SPECIAL: &[u8] = b"()()[]][%%%%^$.*+-?abfaf1209A\0";
const IN_SET: &[&[u8]] = &[
    b"a",
    b"b",
    b"1",
    b"A",
    b"a-z",
    b"a-c",
    b"0-9",
    b"c-a",
    b"-",
    b"a-",
    b"-a",
    b"--",
    b"%a",
    b"%d",
    b"%W",
    b"%S",
    b"%a-z",
    b"%-",
    b"%]",
    b"%%",
    b"%%]",
    b"]",
    b"]-a",
    b"^",
    b"^a",
    b"[",
    b"[:a:]",
    b"a-%",
    b"a-%]",
    b"a-%%",
    b"!-%a",
    b"$",
    b".",
    b"*",
    b"%",
    b"\0",
    b"\0-\xff",
    b"\x80-\xff",
    b"%z",
    b"%b",
];

/// A pattern, sometimes a malformed one.
pub(super) fn pattern(random: &mut Random) -> Vec<u8> {
    loop {
        let pattern = match random.below(100) {
            0..60 => composed(random),
            60..80 => damaged(random),
            80..97 => random.bytes(SPECIAL, 12),
            97..99 => many_captures(random),
            _ => long(random),
        };
        let mut parser = Parser::new(&pattern);
        // What comes after a mistake is never matched.
        let _ = parser.run();
        let items = parser.pattern.items.iter();
        let is_repeat =
            |item: &&Item| matches!(item, Item::Bytes(_, repeat) if *repeat != Repeat::Once);
        if items.filter(is_repeat).count() <= MAX_REPEATS {
            return pattern;
        }
    }
}

/// A regular pattern with more items than a word has bits.
pub(super) fn long(random: &mut Random) -> Vec<u8> {
    let mut pattern = Vec::new();
    for number in 0..50 + random.below(150) {
        let mut single = Vec::new();
        push_single(random, &mut single);
        // It would be the suffix of the byte before.
        if single != b"-" {
            pattern.extend(single);
        }
        if number % 60 == 59 {
            pattern.push(random.byte(b"*+-?"));
        }
    }
    pattern
}

/// Items one after the other, mostly a well-formed pattern.
fn composed(random: &mut Random) -> Vec<u8> {
    let mut pattern = Vec::new();
    let (mut opened, mut open) = (0_u8, 0);
    if random.percent(20) {
        pattern.push(b'^');
    }
    for _ in 0..=random.below(7) {
        match random.below(100) {
            0..62 => {
                push_single(random, &mut pattern);
                if random.percent(35) {
                    pattern.push(random.byte(b"*+-?"));
                }
            }
            62..72 => {
                pattern.push(b'(');
                (opened, open) = (opened + 1, open + 1);
            }
            72..80 if open > 0 => {
                pattern.push(b')');
                open -= 1;
            }
            80..84 => {
                pattern.extend(b"()");
                opened += 1;
            }
            84..88 => {
                pattern.extend(b"%b");
                pattern.extend(random.pick(&[b"()", b"ab", b"aa", b"[]", b"%b", b"\0a"]));
            }
            88..94 => {
                pattern.extend(b"%f");
                push_set(random, &mut pattern);
            }
            94..97 if opened > 0 => pattern.extend([b'%', b'1' + random.byte(&[0, opened - 1])]),
            97..98 => pattern.extend([b'%', random.byte(b"0123456789")]),
            _ => pattern.push(random.byte(b"^$)-*")),
        }
    }
    if random.percent(95) {
        pattern.extend((0..open).map(|_| b')'));
    }
    if opened > 0 && random.percent(15) {
        pattern.extend(b"%1");
    }
    if random.percent(20) {
        pattern.push(b'$');
    }
    pattern
}

fn push_single(random: &mut Random, pattern: &mut Vec<u8>) {
    match random.below(100) {
        0..50 => pattern.push(random.byte(LITERAL)),
        50..60 => pattern.push(b'.'),
        60..80 => pattern.extend([b'%', random.byte(ESCAPED)]),
        _ => push_set(random, pattern),
    }
}

fn push_set(random: &mut Random, pattern: &mut Vec<u8>) {
    pattern.push(b'[');
    if random.percent(25) {
        pattern.push(b'^');
    }
    for _ in 0..=random.below(3) {
        pattern.extend(random.pick(IN_SET));
    }
    pattern.push(b']');
}

/// A pattern cut off, or with a byte too few, too many or another.
fn damaged(random: &mut Random) -> Vec<u8> {
    let mut pattern = composed(random);
    let at = random.below(pattern.len() + 1);
    match random.below(4) {
        0 => pattern.truncate(at),
        1 => pattern.insert(at, random.byte(SPECIAL)),
        _ if at == pattern.len() => pattern.push(random.byte(SPECIAL)),
        2 => pattern[at] = random.byte(SPECIAL),
        _ => drop(pattern.remove(at)),
    }
    pattern
}

/// A pattern about at the limit of captures.
fn many_captures(random: &mut Random) -> Vec<u8> {
    let capture: &[u8] = random.pick(&[b"()", b"(a)", b"(", b"(.)"]);
    let mut pattern = capture.repeat(MAX_CAPTURES - 2 + random.below(4));
    pattern.extend(random.bytes(b"a)%1", 3));
    pattern
}

/// A subject for `pattern`: most are near to one that matches.
pub(super) fn subject(random: &mut Random, pattern: &[u8]) -> Vec<u8> {
    if random.percent(25) {
        return random.bytes(SUBJECT, 20);
    }
    let mut subject = Vec::new();
    if random.percent(40) {
        subject = random.bytes(SUBJECT, 4);
    }
    let mut parser = Parser::new(pattern);
    let _ = parser.run();
    push_match(random, &parser.pattern.items, &mut subject);
    if random.percent(30) {
        subject.extend(random.bytes(SUBJECT, 4));
    }
    if random.percent(15) && !subject.is_empty() {
        let at = random.below(subject.len());
        subject[at] = random.byte(SUBJECT);
    }
    subject
}

/// Adds what `items` may match.
pub(super) fn push_match(random: &mut Random, items: &[Item], subject: &mut Vec<u8>) {
    let mut captures = [const { 0..0 }; MAX_CAPTURES];
    for item in items {
        match *item {
            Item::Bytes(set, repeat) => {
                let count = match repeat {
                    Repeat::Once => 1,
                    Repeat::Optional => random.below(2),
                    Repeat::Greedy | Repeat::Lazy => random.below(4),
                };
                for _ in 0..count {
                    subject.extend(member(random, set));
                }
            }
            Item::Open(number) => captures[number].start = subject.len(),
            Item::Close(number) => captures[number].end = subject.len(),
            Item::Position(_) | Item::Frontier(_) => {}
            Item::Balanced(open, close) => {
                let inner = [vec![], vec![open, close], vec![b'a'], vec![close]];
                subject.push(open);
                subject.extend(&inner[random.below(4)]);
                subject.push(close);
            }
            Item::Same(number) => subject.extend_from_within(captures[number].clone()),
        }
    }
}

fn member(random: &mut Random, set: ByteSet) -> Option<u8> {
    let common = |byte: &u8| set.contains(*byte) && SUBJECT.contains(byte);
    let mut members: Vec<u8> = (0..=u8::MAX).filter(common).collect();
    if members.is_empty() || random.percent(10) {
        members = (0..=u8::MAX).filter(|byte| set.contains(*byte)).collect();
    }
    (!members.is_empty()).then(|| random.byte(&members))
}
