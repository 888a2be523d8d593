//! Tries several regular patterns with one look into a table for each byte.
//!
//! The table is a deterministic automaton (the subset construction; Hopcroft,
//! Motwani and Ullman, Introduction to Automata Theory, Languages, and
//! Computation, section 2.3.5). It is made before the first resource comes, so
//! that no resource can make it grow. Where it would become too large, there
//! is none.

use std::collections::HashMap;

use super::automaton::{Automaton, Progress, Row, is_over};

/// The most entries for each pattern. With it the tables of a hundred
/// patterns, at worst one each, stay in the processor's second cache, and a
/// list of a hundred hard patterns is ready in a fiftieth of a second.
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
    /// `None` when the table would be too large.
    pub(super) fn new(automaton: &Automaton) -> Option<Self> {
        let columns = automaton.rows().count();
        let limit = automaton.patterns() * ENTRIES_FOR_EACH;
        let limit = limit.min(usize::from(ANSWER));
        let first = State {
            progress: automaton.start(),
            found: None,
        };
        let mut numbers = HashMap::from([(first.clone(), 0)]);
        let mut states = vec![first];
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
        self.run(subject.iter())
    }

    /// The same; takes no more bytes than the answer needs.
    fn run<'a>(&self, subject: impl Iterator<Item = &'a u8>) -> Option<usize> {
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

#[cfg(test)]
mod tests {
    use super::super::lua_pattern::LuaPattern;
    use super::*;

    fn table(patterns: &[&str]) -> Option<Table> {
        let parse = |pattern: &&str| LuaPattern::parse(pattern.as_bytes()).unwrap();
        let patterns: Vec<LuaPattern> = patterns.iter().map(parse).collect();
        Table::new(&Automaton::new(&patterns).unwrap())
    }

    #[test]
    fn the_first_pattern_wins_wherever_it_matches() {
        let table = table(&["^ab$", "c%d", "^[ab]", "b$", "%f[%w]d", "x*y"]).unwrap();
        for (subject, expected) in [
            ("ab", Some(0)),
            ("abc", Some(2)),
            ("abc1", Some(1)),
            ("bc1ab", Some(1)),
            ("-b", Some(3)),
            ("-d-b", Some(3)),
            ("-d-b-", Some(4)),
            ("-cd", None),
            ("-cdxy", Some(5)),
            ("", None),
        ] {
            assert_eq!(table.first_match(subject.as_bytes()), expected, "{subject}");
        }
    }

    #[test]
    fn no_byte_is_read_twice_and_none_that_cannot_matter() {
        for (patterns, subject, reads) in [
            (&["^gajim", "^dino"][..], "Conversations.1234", 1),
            (&["^gajim", "^dino"], "gajim.1234", 6),
            (&["^gajim", "^%a+%."], "gajim.1234", 6),
            (&["^%a+%.", "^gajim"], "gajim.1234", 7),
            (&["1", "a*a*a*b"], "aaaaaaaaaaaa", 12),
            (&["1", "a*a*a*b"], "aaaabaaaaaaa", 12),
            (&["a*a*a*b", "1"], "aaaabaaaaaaa", 6),
            (&[""], "aaaa", 1),
        ] {
            let mut count = 0;
            let counted = subject.as_bytes().iter().inspect(|_| count += 1);
            table(patterns).unwrap().run(counted);
            assert_eq!(count, reads, "{patterns:?} on {subject}");
        }
    }

    #[test]
    fn what_would_be_too_large_has_no_table() {
        assert!(table(&["a.....b"]).is_some());
        assert!(table(&["a.............b"]).is_none());
        assert!(table(&["^a.............b"]).is_some());
        // Each has a small table of its own.
        let hard: Vec<String> = ('a'..='z').map(|last| format!("{last}.-x.-y.-!")).collect();
        let hard: Vec<&str> = hard.iter().map(String::as_str).collect();
        assert!(hard.iter().all(|pattern| table(&[pattern]).is_some()));
        assert!(table(&hard).is_none());
    }

    #[test]
    fn a_table_stays_within_its_limit() {
        let fits = |patterns: &[&str]| {
            let table = table(patterns);
            let entries = table.as_ref().map_or(0, |table| table.entries.len());
            assert!(entries <= patterns.len() * ENTRIES_FOR_EACH, "{patterns:?}");
            table.is_some()
        };
        let letters = "^abcdefghijklmnopqrstuvwxyz".repeat(10);
        for (len, alone, in_company) in [(27, true, true), (108, false, true), (270, false, false)]
        {
            let long = letters.get(..len).unwrap();
            assert_eq!(fits(&[long]), alone, "{len} bytes");
            assert_eq!(fits(&[long, "b", "c"]), in_company, "{len} bytes");
        }
    }

    #[test]
    fn a_table_may_have_many_patterns() {
        let patterns = [&["^a$"; 1000][..], &["^b"]].concat();
        assert_eq!(table(&patterns).unwrap().first_match(b"b"), Some(1000));
    }
}
