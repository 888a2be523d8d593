//! Steps through regular patterns, all at once, with one bit for each item.
//!
//! A pattern without `%b` and back-references is a sequence of byte sets. Bit
//! `i` is set while the items before `i` have matched up to here, so all ways
//! to match advance together, with a few operations on words for each byte
//! ("extended Shift-And", Navarro and Raffinot, Flexible Pattern Matching in
//! Strings, 2002, chapter 4). Several patterns lie one behind the other in the
//! same words. There is nothing to go back to, hence no subject that takes
//! longer: about 3 ns for each byte and each 64 items.

use super::byte_set::ByteSet;
use super::lua_pattern::{Item, LuaPattern, Repeat};
use crate::MAX_TEXT;

/// The most words: enough for the longest pattern.
const MAX_WORDS: usize = MAX_TEXT / 64 + 1;

/// The number of a set of bytes that no pattern tells apart.
pub(super) type Row = u8;

/// Regular patterns, in order.
#[derive(Debug)]
pub(super) struct Automaton {
    /// The row of each byte. That bytes share rows keeps these few, and so in
    /// the processor's cache.
    pub(super) row_of: [Row; 256],
    /// For each row one word after the other: the steps whose set has its
    /// bytes.
    rows: Vec<u64>,
    kinds: Vec<Kinds>,
    /// The bit behind the last step of each pattern.
    ends: Vec<usize>,
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
    /// The first of each pattern.
    first: u64,
    /// The first of each pattern that may match anywhere.
    restarting: u64,
    /// The ends of patterns that may match anything behind.
    accepting: u64,
    /// The ends of all patterns.
    accepting_at_end: u64,
}

/// How far the patterns have come, for each 64 steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Progress {
    /// The steps before these bits have matched.
    bits: u64,
    /// The frontiers whose set lacks the byte before.
    outside: u64,
}

impl Automaton {
    /// `None` when a pattern is not regular, or all are too long together; one
    /// that is regular is never too long.
    pub(super) fn new(patterns: &[LuaPattern]) -> Option<Self> {
        let mut automaton = Self {
            row_of: [0; 256],
            rows: Vec::new(),
            kinds: Vec::new(),
            ends: Vec::new(),
        };
        let mut sets = Vec::new();
        for pattern in patterns {
            automaton.add(pattern, &mut sets)?;
        }
        if automaton.kinds.len() > MAX_WORDS {
            return None;
        }
        automaton.add_rows(&sets);
        Some(automaton)
    }

    /// Adds the steps of `pattern`; and to `sets` those of the steps, with an
    /// empty one for the end.
    fn add(&mut self, pattern: &LuaPattern, sets: &mut Vec<ByteSet>) -> Option<()> {
        let first = sets.len();
        for item in &pattern.items {
            let (set, repeat) = match *item {
                Item::Bytes(set, repeat) => (set, Some(repeat)),
                Item::Frontier(set) => (set, None),
                // They match everywhere.
                Item::Open(_) | Item::Close(_) | Item::Position(_) => continue,
                Item::Balanced(..) | Item::Same(_) => return None,
            };
            self.mark(sets.len(), |kinds, bit| match repeat {
                Some(Repeat::Once) => kinds.advancing |= bit,
                Some(Repeat::Optional) => {
                    kinds.advancing |= bit;
                    kinds.optional |= bit;
                }
                Some(Repeat::Greedy | Repeat::Lazy) => {
                    kinds.repeating |= bit;
                    kinds.optional |= bit;
                }
                None => kinds.frontier |= bit,
            });
            sets.push(set);
        }
        self.mark(sets.len(), |kinds, bit| {
            kinds.accepting |= if pattern.at_end { 0 } else { bit };
            kinds.accepting_at_end |= bit;
        });
        self.ends.push(sets.len());
        sets.push(ByteSet::EMPTY);
        self.mark(first, |kinds, bit| {
            kinds.first |= bit;
            kinds.restarting |= if pattern.at_start { 0 } else { bit };
        });
        Some(())
    }

    /// Calls `mark` with the word of a step and its bit there.
    fn mark(&mut self, step: usize, mark: impl FnOnce(&mut Kinds, u64)) {
        let word = step / 64;
        if self.kinds.len() <= word {
            self.kinds.resize(word + 1, Kinds::default());
        }
        if let Some(kinds) = self.kinds.get_mut(word) {
            mark(kinds, 1 << (step % 64));
        }
    }

    fn add_rows(&mut self, sets: &[ByteSet]) {
        let mut known: Vec<Vec<u64>> = Vec::new();
        for byte in 0..=u8::MAX {
            let word = |sets: &[ByteSet]| {
                let bits = sets.iter().enumerate();
                bits.fold(0, |word, (bit, set)| {
                    word | u64::from(set.contains(byte)) << bit
                })
            };
            let row: Vec<u64> = sets.chunks(64).map(word).collect();
            let number = known.iter().position(|known| *known == row);
            let number = number.unwrap_or_else(|| {
                known.push(row);
                known.len() - 1
            });
            // There are at most as many rows as bytes.
            self.row_of[usize::from(byte)] = Row::try_from(number).unwrap_or(Row::MAX);
        }
        self.rows = known.concat();
    }

    /// How many patterns there are.
    pub(super) fn patterns(&self) -> usize {
        self.ends.len()
    }

    /// All rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row> {
        let last = self.row_of.iter().copied().max().unwrap_or(0);
        0..=last
    }

    fn row(&self, row: Row) -> &[u64] {
        let words = self.kinds.len();
        let start = usize::from(row) * words;
        self.rows.get(start..start + words).unwrap_or_default()
    }

    /// The row of the NUL that a frontier sees on both sides of the subject.
    fn outer_row(&self) -> Row {
        self.row_of[0]
    }

    /// Before the first byte.
    pub(super) fn start(&self) -> Vec<Progress> {
        let mut progress = vec![Progress::default(); self.kinds.len()];
        self.restart(&mut progress);
        progress
    }

    fn restart(&self, progress: &mut [Progress]) {
        let row = self.row(self.outer_row());
        for ((word, kinds), row) in progress.iter_mut().zip(&self.kinds).zip(row) {
            word.bits = kinds.first;
            word.outside = kinds.frontier & !row;
        }
    }

    /// Goes over a byte of row `row`, and returns the first pattern that has
    /// matched before it.
    pub(super) fn advance(&self, progress: &mut [Progress], row: Row) -> Option<usize> {
        self.pattern(self.step(progress, row, |kinds| kinds.accepting).0)
    }

    /// The first pattern that matches when the subject ends here. There is no
    /// going on.
    pub(super) fn finish(&self, progress: &mut [Progress]) -> Option<usize> {
        let end = self.step(progress, self.outer_row(), |kinds| kinds.accepting_at_end);
        self.pattern(end.0)
    }

    /// Skips what may be skipped before a byte of row `row`, then goes over the
    /// byte, behind which a match may begin as well. Returns the first bit of
    /// `ends` that was reached before the byte, and whether the byte left
    /// nothing that can match any more.
    ///
    /// Adding a bit to a run of skippable steps carries from that bit up to
    /// the first step behind the run: the bits that change are those reached.
    /// No run goes beyond a pattern, as its end is not skippable.
    #[inline]
    fn step(
        &self,
        progress: &mut [Progress],
        row: Row,
        ends: impl Fn(&Kinds) -> u64,
    ) -> (Option<usize>, bool) {
        let (mut skipped, mut completed_before) = (false, 0);
        let mut reached = None;
        let mut left = 0;
        let words = progress.iter_mut().zip(&self.kinds).zip(self.row(row));
        for (number, ((word, kinds), row)) in words.enumerate() {
            let skippable = kinds.optional | word.outside & row;
            let (sum, overflow) = skippable.overflowing_add(word.bits & skippable);
            let (sum, overflow_again) = sum.overflowing_add(u64::from(skipped));
            skipped = overflow | overflow_again;
            let bits = word.bits | sum ^ skippable;

            let found = bits & ends(kinds);
            if found != 0 && reached.is_none() {
                reached = Some(number * 64 + found.trailing_zeros() as usize);
            }

            let matching = bits & row;
            let completed = matching & kinds.advancing;
            word.bits = matching & kinds.repeating
                | completed << 1
                | completed_before >> 63
                | kinds.restarting;
            word.outside = kinds.frontier & !row;
            completed_before = completed;
            left |= word.bits;
        }
        (reached, left == 0)
    }

    /// The pattern whose end has this bit.
    fn pattern(&self, end: Option<usize>) -> Option<usize> {
        self.ends.binary_search(&end?).ok()
    }

    /// Forgets the patterns from number `pattern` on.
    pub(super) fn forget_from(&self, progress: &mut [Progress], pattern: usize) {
        let last_end = pattern.checked_sub(1).and_then(|last| self.ends.get(last));
        let mut kept = last_end.map_or(0, |end| end + 1);
        for word in progress {
            if kept < 64 {
                word.bits &= (1 << kept) - 1;
            }
            kept = kept.saturating_sub(64);
        }
    }

    /// Whether any pattern matches. Allocates nothing.
    pub(super) fn is_match(&self, subject: &[u8]) -> bool {
        self.search(subject, |_| ())
    }

    /// The same; calls `on_work` for each byte with the words it takes.
    fn search(&self, subject: &[u8], on_work: impl FnMut(usize)) -> bool {
        // Nearly all patterns take one word, which then stays in a register.
        if self.kinds.len() == 1 {
            self.search_in(&mut [Progress::default(); 1], subject, on_work)
        } else {
            self.search_in(&mut [Progress::default(); MAX_WORDS], subject, on_work)
        }
    }

    #[inline]
    fn search_in<const WORDS: usize>(
        &self,
        progress: &mut [Progress; WORDS],
        subject: &[u8],
        mut on_work: impl FnMut(usize),
    ) -> bool {
        self.restart(progress);
        for byte in subject {
            on_work(self.kinds.len());
            let row = self.row_of[usize::from(*byte)];
            let (end, is_over) = self.step(progress, row, |kinds| kinds.accepting);
            if end.is_some() {
                return true;
            }
            if is_over {
                return false;
            }
        }
        self.finish(progress).is_some()
    }
}

/// Whether nothing can match any more.
pub(super) fn is_over(progress: &[Progress]) -> bool {
    progress.iter().fold(0, |bits, word| bits | word.bits) == 0
}

#[cfg(test)]
mod tests;
