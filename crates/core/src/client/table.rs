//! Tries several regular patterns with one look into a table for each byte.
//!
//! The table is a deterministic automaton (the subset construction; Hopcroft,
//! Motwani and Ullman, Introduction to Automata Theory, Languages, and
//! Computation, section 2.3.5). It is made before the first resource comes, so
//! that no resource can make it grow. Where it would become too large, there
//! is none.

use std::collections::HashMap;

use super::automaton::{Automaton, Progress, Row, is_over};

/// The most entries for each pattern. A hundred patterns that have a table
/// each, the worst case, stay in the processor's second cache with it.
const ENTRIES_FOR_EACH: usize = 2048;

/// Set in an entry that is an answer: 0 for none, or the number of a pattern
/// plus 1. Any other entry is where the entries of the next state start.
const ANSWER: u16 = 1 << 15;

/// Patterns in order, ready to match.
#[derive(Debug)]
pub(super) struct Table {
    column_of: [Row; 256],
    /// For each state one entry per column, and one for the end of the subject.
    entries: Box<[u16]>,
    columns: usize,
}

/// What is known between two bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    progress: Vec<Progress>,
    /// The first pattern that has matched. Only those before it go on.
    found: Option<usize>,
}

impl Table {
    /// The table of `patterns` patterns; `None` when it would be too large.
    pub(super) fn new(automaton: &Automaton, patterns: usize) -> Option<Self> {
        let columns = automaton.rows().count();
        let limit = (patterns * ENTRIES_FOR_EACH).min(usize::from(ANSWER));
        let mut states = vec![State::first(automaton)];
        let mut numbers = HashMap::from([(State::first(automaton), 0)]);
        let mut entries = Vec::new();
        let mut number = 0;
        while let Some(state) = states.get(number).cloned() {
            for row in automaton.rows() {
                let next = state.after(automaton, row);
                if is_over(&next.progress) {
                    entries.push(answer(next.found)?);
                    continue;
                }
                let next = *numbers.entry(next).or_insert_with_key(|next| {
                    states.push(next.clone());
                    states.len() - 1
                });
                entries.push(u16::try_from(next * (columns + 1)).ok()?);
            }
            entries.push(answer(state.at_end(automaton))?);
            number += 1;
            if states.len() * (columns + 1) > limit {
                return None;
            }
        }
        Some(Self {
            column_of: automaton.row_of,
            entries: entries.into(),
            columns,
        })
    }

    /// The number of the first pattern that matches. Allocates nothing.
    pub(super) fn first_match(&self, subject: &[u8]) -> Option<usize> {
        let mut state = 0;
        for byte in subject {
            let column = self.column_of[usize::from(*byte)];
            let entry = *self.entries.get(state + usize::from(column))?;
            if entry & ANSWER != 0 {
                return pattern(entry);
            }
            state = usize::from(entry);
        }
        pattern(*self.entries.get(state + self.columns)?)
    }
}

impl State {
    fn first(automaton: &Automaton) -> Self {
        Self {
            progress: automaton.start(),
            found: None,
        }
    }

    /// The state behind a byte of row `row`.
    fn after(&self, automaton: &Automaton, row: Row) -> Self {
        let mut next = self.clone();
        next.found = automaton.advance(&mut next.progress, row).or(next.found);
        if let Some(found) = next.found {
            automaton.forget_from(&mut next.progress, found);
        }
        next
    }

    /// The first pattern that matches when the subject ends here.
    fn at_end(&self, automaton: &Automaton) -> Option<usize> {
        automaton.finish(&mut self.progress.clone()).or(self.found)
    }
}

/// The entry that says that `pattern` is the first that matches.
fn answer(pattern: Option<usize>) -> Option<u16> {
    let number = pattern.map_or(0, |pattern| pattern + 1);
    let number = u16::try_from(number).ok()?;
    (number < ANSWER).then_some(number | ANSWER)
}

/// The pattern that `answer` put into `entry`.
fn pattern(entry: u16) -> Option<usize> {
    usize::from(entry & !ANSWER).checked_sub(1)
}
