//! Matches in time linear in the subject, whatever the pattern.
//!
//! A pattern without `%b` and back-references is a sequence of byte sets, so
//! it is simulated with one bit per item: bit `i` is set while the items
//! before `i` have matched up to here. All ways to match advance together,
//! with a few operations on words for each byte ("extended Shift-And", Navarro
//! and Raffinot, Flexible Pattern Matching in Strings, 2002, chapter 4).
//! There is nothing to go back to, hence no subject that takes longer: about
//! 2.5 ns for each byte and each 64 items of the pattern.

use super::byte_set::ByteSet;
use super::lua_pattern::{Item, LuaPattern, Repeat};
use crate::MAX_TEXT;

/// Words for the longest pattern: one bit per item, and one for the end.
const MAX_WORDS: usize = MAX_TEXT / 64 + 1;

/// A regular pattern, in the smallest of four sizes that holds it.
#[derive(Debug)]
pub(super) enum Linear {
    /// Up to 63 items, as nearly all patterns have.
    Small(Box<Automaton<1>>),
    Medium(Box<Automaton<4>>),
    Large(Box<Automaton<16>>),
    Huge(Box<Automaton<MAX_WORDS>>),
}

impl Linear {
    /// `None` for a pattern that is not regular.
    pub(super) fn new(pattern: &LuaPattern) -> Option<Self> {
        let steps = steps(pattern)?;
        let bits = steps.len() + 1;
        if bits <= 64 {
            Some(Self::Small(Automaton::new(pattern, &steps)))
        } else if bits <= 4 * 64 {
            Some(Self::Medium(Automaton::new(pattern, &steps)))
        } else if bits <= 16 * 64 {
            Some(Self::Large(Automaton::new(pattern, &steps)))
        } else if bits <= MAX_WORDS * 64 {
            Some(Self::Huge(Automaton::new(pattern, &steps)))
        } else {
            None
        }
    }

    /// Whether the pattern matches anywhere it may. Allocates nothing.
    pub(super) fn is_match(&self, subject: &[u8]) -> bool {
        self.search(subject, |_| ())
    }

    /// The same; calls `on_work` for each byte with the words it takes.
    fn search(&self, subject: &[u8], on_work: impl FnMut(usize)) -> bool {
        match self {
            Self::Small(automaton) => automaton.search(subject, on_work),
            Self::Medium(automaton) => automaton.search(subject, on_work),
            Self::Large(automaton) => automaton.search(subject, on_work),
            Self::Huge(automaton) => automaton.search(subject, on_work),
        }
    }
}

/// What one bit stands for.
#[derive(Clone, Copy)]
enum Step {
    Bytes(ByteSet, Repeat),
    Frontier(ByteSet),
}

/// The pattern's steps; captures are none, as they match everywhere.
fn steps(pattern: &LuaPattern) -> Option<Vec<Step>> {
    let mut steps = Vec::with_capacity(pattern.items.len());
    for item in &pattern.items {
        match *item {
            Item::Bytes(set, repeat) => steps.push(Step::Bytes(set, repeat)),
            Item::Frontier(set) => steps.push(Step::Frontier(set)),
            Item::Open(_) | Item::Close(_) | Item::Position(_) => {}
            Item::Balanced(..) | Item::Same(_) => return None,
        }
    }
    Some(steps)
}

/// One bit for each step; the first is the lowest of the first word.
type Bits<const WORDS: usize> = [u64; WORDS];

/// A pattern of fewer than `WORDS` × 64 steps.
#[derive(Debug)]
pub(super) struct Automaton<const WORDS: usize> {
    /// The row of each byte. Bytes that the pattern does not tell apart share
    /// one, which keeps the rows in the processor's cache.
    row_of: [u8; 256],
    /// For each row, the steps whose set has its bytes.
    rows: Vec<Bits<WORDS>>,
    kinds: [Kinds; WORDS],
    at_start: bool,
    at_end: bool,
}

/// What the steps of one word are.
#[derive(Clone, Copy, Debug, Default)]
struct Kinds {
    /// A byte of their set completes them.
    advancing: u64,
    /// A byte of their set leaves them as they are (`*`, `-`).
    repeating: u64,
    /// They may be skipped (`*`, `-`, `?`).
    optional: u64,
    /// They are skipped at a frontier of their set.
    frontier: u64,
    /// The bit after the last step.
    accepting: u64,
}

impl<const WORDS: usize> Automaton<WORDS> {
    fn new(pattern: &LuaPattern, steps: &[Step]) -> Box<Self> {
        let mut automaton = Box::new(Self {
            row_of: [0; 256],
            rows: Vec::new(),
            kinds: [Kinds::default(); WORDS],
            at_start: pattern.at_start,
            at_end: pattern.at_end,
        });
        automaton.add_kinds(steps);
        automaton.add_rows(steps);
        automaton
    }

    fn add_kinds(&mut self, steps: &[Step]) {
        for (kinds, steps) in self.kinds.iter_mut().zip(steps.chunks(64)) {
            for (bit, step) in steps.iter().enumerate() {
                let bit = 1 << bit;
                match step {
                    Step::Bytes(_, Repeat::Once) => kinds.advancing |= bit,
                    Step::Bytes(_, Repeat::Optional) => {
                        kinds.advancing |= bit;
                        kinds.optional |= bit;
                    }
                    Step::Bytes(_, Repeat::Greedy | Repeat::Lazy) => {
                        kinds.repeating |= bit;
                        kinds.optional |= bit;
                    }
                    Step::Frontier(_) => kinds.frontier |= bit,
                }
            }
        }
        if let Some(kinds) = self.kinds.get_mut(steps.len() / 64) {
            kinds.accepting = 1 << (steps.len() % 64);
        }
    }

    fn add_rows(&mut self, steps: &[Step]) {
        for byte in 0..=u8::MAX {
            let mut row = [0; WORDS];
            for (word, steps) in row.iter_mut().zip(steps.chunks(64)) {
                for (bit, step) in steps.iter().enumerate() {
                    let (Step::Bytes(set, _) | Step::Frontier(set)) = step;
                    *word |= u64::from(set.contains(byte)) << bit;
                }
            }
            let known = self.rows.iter().position(|known| *known == row);
            let number = known.unwrap_or(self.rows.len());
            if known.is_none() {
                self.rows.push(row);
            }
            // There are at most as many rows as bytes.
            self.row_of[usize::from(byte)] = u8::try_from(number).unwrap_or(u8::MAX);
        }
    }

    fn row(&self, byte: u8) -> &Bits<WORDS> {
        let number = self.row_of[usize::from(byte)];
        // Every byte has a row.
        self.rows.get(usize::from(number)).unwrap_or(&[0; WORDS])
    }

    fn search(&self, subject: &[u8], mut on_work: impl FnMut(usize)) -> bool {
        let mut bits = [0; WORDS];
        let mut starts = true;
        // The frontier sees a NUL on both sides of the subject.
        let mut before = self.row(0);
        for byte in subject {
            on_work(WORDS);
            let after = self.row(*byte);
            self.skip(&mut bits, starts, before, after);
            if !self.at_end && self.accepts(&bits) {
                return true;
            }
            self.consume(&mut bits, after);
            before = after;
            starts = !self.at_start;
            if !starts && bits == [0; WORDS] {
                return false;
            }
        }
        self.skip(&mut bits, starts, before, self.row(0));
        self.accepts(&bits)
    }

    /// Adds to `bits` what they reach without a byte, between a byte of row
    /// `before` and one of row `after`. With `starts`, a match may begin here.
    ///
    /// Adding a bit to a run of skippable steps carries from that bit up to
    /// the first step behind the run: the bits that change are those reached.
    fn skip(
        &self,
        bits: &mut Bits<WORDS>,
        starts: bool,
        before: &Bits<WORDS>,
        after: &Bits<WORDS>,
    ) {
        if let Some(word) = bits.first_mut() {
            *word |= u64::from(starts);
        }
        let mut carry = false;
        let rows = before.iter().zip(after);
        for ((word, kinds), (before, after)) in bits.iter_mut().zip(&self.kinds).zip(rows) {
            let skippable = kinds.optional | kinds.frontier & !before & after;
            let (sum, carried) = skippable.overflowing_add(*word & skippable);
            let (sum, carried_again) = sum.overflowing_add(u64::from(carry));
            carry = carried | carried_again;
            *word |= sum ^ skippable;
        }
    }

    /// Moves `bits` over a byte of row `row`.
    fn consume(&self, bits: &mut Bits<WORDS>, row: &Bits<WORDS>) {
        let mut carry = 0;
        for ((word, kinds), row) in bits.iter_mut().zip(&self.kinds).zip(row) {
            let matching = *word & row;
            let advanced = matching & kinds.advancing;
            *word = matching & kinds.repeating | advanced << 1 | carry;
            carry = advanced >> 63;
        }
    }

    fn accepts(&self, bits: &Bits<WORDS>) -> bool {
        let words = bits.iter().zip(&self.kinds);
        words.fold(0, |found, (word, kinds)| found | word & kinds.accepting) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::backtrack::Search;
    use super::super::samples::{self, Random};
    use super::*;

    fn parse(pattern: &str) -> LuaPattern {
        LuaPattern::parse(pattern.as_bytes()).unwrap()
    }

    fn linear(pattern: &str) -> Linear {
        Linear::new(&parse(pattern)).unwrap()
    }

    /// The words that a search reads: its time.
    fn work(pattern: &str, subject: &[u8]) -> usize {
        let mut words = 0;
        linear(pattern).search(subject, |more| words += more);
        words
    }

    #[test]
    fn agrees_with_backtracking() {
        let mut random = Random::new(2);
        let (mut pairs, mut matches) = (0, 0);
        while pairs < 10_000 {
            let text = if random.percent(10) {
                samples::long(&mut random)
            } else {
                samples::pattern(&mut random)
            };
            let Ok(pattern) = LuaPattern::parse(&text) else {
                continue;
            };
            let Some(linear) = Linear::new(&pattern) else {
                continue;
            };
            let subject = samples::subject(&mut random, &text);
            let expected = Search::new(&pattern, &subject, usize::MAX).run().is_some();
            assert_eq!(
                linear.is_match(&subject),
                expected,
                "{} on {}",
                text.escape_ascii(),
                subject.escape_ascii()
            );
            pairs += 1;
            matches += usize::from(expected);
        }
        assert!(matches > pairs / 4 && matches < pairs * 3 / 4, "{matches}");
    }

    #[test]
    fn steps_are_skipped_and_completed_across_words() {
        for optional in [1, 62, 63, 64, 65, 127, 128, 255, 256, 1022, 1024, 1500] {
            let automaton = linear(&format!("^{}b$", "a?".repeat(optional)));
            for (letters, expected) in [(0, true), (optional, true), (optional + 1, false)] {
                let subject = "a".repeat(letters) + "b";
                let found = automaton.is_match(subject.as_bytes());
                assert_eq!(found, expected, "{optional} times a?, {letters} times a");
            }
        }
    }

    #[test]
    fn every_length_up_to_the_limit_works() {
        for len in [1, 63, 64, 65, 255, 256, 257, 1023, 1024, 3070, MAX_TEXT] {
            let automaton = linear(&"a".repeat(len));
            for (letters, expected) in [(len - 1, false), (len, true), (len + 1, true)] {
                let found = automaton.is_match("a".repeat(letters).as_bytes());
                assert_eq!(found, expected, "{len} items, {letters} letters");
            }
        }
    }

    #[test]
    fn frontiers_see_nul_at_both_ends() {
        for (pattern, subject, expected) in [
            ("^%f[%a]ios", &b"ios"[..], true),
            ("%f[%a]ios%f[%A]", b"my ios app", true),
            ("%f[%a]ios%f[%A]", b"curiosity", false),
            ("%f[%z]", b"a", true),
            ("%f[%z]", b"", false),
            ("^%f[%z]", b"\0a", false),
            ("a%f[\0]$", b"a", true),
            ("%f[a]%f[^b]a", b"ba", true),
            ("%f[a]%f[b]", b"ab", false),
            ("x*%f[a]x*a", b"xxa", true),
        ] {
            let found = linear(pattern).is_match(subject);
            assert_eq!(found, expected, "{pattern} on {subject:?}");
        }
    }

    #[test]
    fn a_hard_subject_takes_no_longer_than_another() {
        let subject = [b'a'; 1023];
        assert_eq!(work("a*a*b", &subject), 1023);
        assert_eq!(work("a*a*b", &[b'x'; 1023]), 1023);
        for number in 1..=100 {
            let many = |text: &str| text.repeat(number);
            // A hundred repeated captures are too many.
            for pattern in [
                many("a*") + "b",
                many(".-") + "b$",
                many("%w+") + "%-",
                many("a?") + &many("a") + "b",
                many("[^b]*a-") + "b",
                many("%f[%W]a*") + "b",
                format!("^{}b", many("a*.-")),
            ] {
                let words = parse(&pattern).items.len() / 64 + 1;
                // Sizes are at most four times what is needed.
                let bound = subject.len() * words * 4;
                assert!(work(&pattern, &subject) <= bound, "{pattern}");
            }
        }
    }

    #[test]
    fn an_anchored_pattern_stops_where_it_fails() {
        assert_eq!(work("^gajim", b"Conversations.1234"), 1);
        assert_eq!(work("^gajim", b"gajim.1234"), 6);
    }

    #[test]
    fn only_balance_and_references_are_not_regular() {
        for (pattern, regular) in [
            ("^(a*)()%f[b].-[^c]$", true),
            ("()%1", true),
            ("%b()", false),
            ("(a)%1", false),
        ] {
            let found = Linear::new(&parse(pattern)).is_some();
            assert_eq!(found, regular, "{pattern}");
        }
    }
}
