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
        self.step(progress, row, |kinds| kinds.accepting)
    }

    /// The first pattern that matches when the subject ends here. There is no
    /// going on.
    pub(super) fn finish(&self, progress: &mut [Progress]) -> Option<usize> {
        self.step(progress, self.outer_row(), |kinds| kinds.accepting_at_end)
    }

    /// Goes over a byte, and returns the first pattern of those whose `ends` were
    /// reached before it.
    fn step(
        &self,
        progress: &mut [Progress],
        row: Row,
        ends: impl Fn(&Kinds) -> u64,
    ) -> Option<usize> {
        let mut first = None;
        let mut number = 0;
        step::<true, true>(progress, &self.kinds, self.row(row), |kinds, reached| {
            let found = reached & ends(kinds);
            if found != 0 && first.is_none() {
                first = Some(number * 64 + found.trailing_zeros() as usize);
            }
            number += 1;
        });
        self.pattern(first)
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

    /// The same; calls `tell_work` for each byte with the words it takes.
    fn search(&self, subject: &[u8], tell_work: impl FnMut(usize)) -> bool {
        match self.kinds.len() {
            1 => self.search_in::<1>(subject, tell_work),
            2 => self.search_in::<2>(subject, tell_work),
            3 => self.search_in::<3>(subject, tell_work),
            4 => self.search_in::<4>(subject, tell_work),
            _ => self.search_with::<MAX_WORDS, true, true>(subject, tell_work),
        }
    }

    /// Of few words, which is nearly always, all stay in registers, and the
    /// processor need not guess how many there are. What no step is, costs nothing.
    fn search_in<const WORDS: usize>(&self, subject: &[u8], tell_work: impl FnMut(usize)) -> bool {
        if self.kinds.iter().any(|kinds| kinds.frontier != 0) {
            self.search_with::<WORDS, true, true>(subject, tell_work)
        } else if self.kinds.iter().any(|kinds| kinds.optional != 0) {
            self.search_with::<WORDS, true, false>(subject, tell_work)
        } else {
            self.search_with::<WORDS, false, false>(subject, tell_work)
        }
    }

    /// For at most `WORDS` words, and exactly these if they are few.
    fn search_with<const WORDS: usize, const SKIPS: bool, const FRONTIERS: bool>(
        &self,
        subject: &[u8],
        mut tell_work: impl FnMut(usize),
    ) -> bool {
        let words = self.kinds.len();
        let mut progress = [Progress::default(); WORDS];
        self.restart(&mut progress);
        for byte in subject {
            tell_work(words);
            let row = self.row(self.row_of[usize::from(*byte)]);
            let mut ends = 0;
            let on_word = |kinds: &Kinds, reached| ends |= reached & kinds.accepting;
            let is_over = match (self.kinds.first_chunk(), row.first_chunk()) {
                (Some(kinds), Some(row)) => {
                    let (kinds, row): (&[_; WORDS], &[_; WORDS]) = (kinds, row);
                    step::<SKIPS, FRONTIERS>(&mut progress, kinds, row, on_word)
                }
                _ => step::<SKIPS, FRONTIERS>(&mut progress, &self.kinds, row, on_word),
            };
            if ends != 0 || is_over {
                return ends != 0;
            }
        }
        self.finish(&mut progress).is_some()
    }
}

/// Skips what may be skipped before a byte of `row`, then goes over the byte,
/// behind which a match may begin as well. Tells `on_word` of each word what was
/// reached before the byte. Returns whether the byte left nothing that can match
/// any more.
///
/// Adding a bit to a run of skippable steps carries from that bit up to the first
/// step behind the run: the bits that change are those reached. No run goes beyond
/// a pattern, as its end is not skippable.
#[allow(
    clippy::inline_always,
    reason = "how many words there are is known where it is called"
)]
#[inline(always)]
fn step<const SKIPS: bool, const FRONTIERS: bool>(
    progress: &mut [Progress],
    kinds: &[Kinds],
    row: &[u64],
    mut on_word: impl FnMut(&Kinds, u64),
) -> bool {
    let (mut skipped, mut completed_before) = (0, 0);
    let mut left = 0;
    for ((word, kinds), row) in progress.iter_mut().zip(kinds).zip(row) {
        let mut bits = word.bits;
        if SKIPS {
            let mut skippable = kinds.optional;
            if FRONTIERS {
                skippable |= word.outside & row;
                word.outside = kinds.frontier & !row;
            }
            let sum = u128::from(skippable) + u128::from(bits & skippable) + skipped;
            skipped = sum >> 64;
            bits |= lowest_64(sum) ^ skippable;
        }
        on_word(kinds, bits);

        let matching = bits & row;
        let completed = matching & kinds.advancing;
        word.bits = completed << 1 | completed_before >> 63 | kinds.restarting;
        if SKIPS {
            word.bits |= matching & kinds.repeating;
        }
        completed_before = completed;
        left |= word.bits;
    }
    left == 0
}

#[allow(clippy::cast_possible_truncation, reason = "that is what it is for")]
fn lowest_64(bits: u128) -> u64 {
    bits as u64
}

/// Whether nothing can match any more.
pub(super) fn is_over(progress: &[Progress]) -> bool {
    progress.iter().fold(0, |bits, word| bits | word.bits) == 0
}

#[cfg(test)]
mod tests;
