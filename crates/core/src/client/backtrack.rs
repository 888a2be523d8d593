//! Matches as Lua does, one way after the other, within a bound.
//!
//! Only patterns with `%b` or back-references need it. Lua's matcher calls
//! itself; this one keeps a list of the items that may still match otherwise.
//! An item is in it at most once, because a pattern has no loops, so the list
//! is never longer than the pattern and no stack can overflow.

use std::ops::Range;

use super::byte_set::ByteSet;
use super::lua_pattern::{Item, LuaPattern, MAX_CAPTURES, Repeat};

/// The steps that one search may take: items tried plus bytes compared.
///
/// The time of this matcher grows with the resource's length to the power of
/// the repetitions in the pattern, and for back-references nobody knows a way
/// that is always fast. So a resource made to be slow is given up and counts
/// as not matching. The figure is enough for patterns with one repetition on
/// any resource of 200 bytes and with two on any of 50, when those of real
/// clients have 10 to 50; and it is used up within a millisecond.
pub(super) const BUDGET: usize = 100_000;

/// The text of a capture, or its position when it is one.
pub(super) type Capture = Range<usize>;

/// One search of a pattern in a subject.
#[derive(Debug)]
pub(super) struct Search<'a> {
    pattern: &'a LuaPattern,
    subject: &'a [u8],
    /// Steps still allowed. 0 after a search that was given up.
    pub(super) budget: usize,
    /// By number. Which captures an item may use depends on its place in the
    /// pattern alone, and those were set on the way to it: so nothing is
    /// undone when an item is tried otherwise.
    pub(super) captures: [Capture; MAX_CAPTURES],
    /// The items that may still match otherwise, the latest last.
    choices: Vec<Choice>,
}

/// Another way for the item before `next` to match.
#[derive(Debug)]
enum Choice {
    /// To leave less: to end at `longest` or before, down to `shortest`.
    Shorter {
        next: usize,
        shortest: usize,
        longest: usize,
    },
    /// To take one byte of the set at `end` more.
    Longer {
        next: usize,
        end: usize,
        set: ByteSet,
    },
}

impl<'a> Search<'a> {
    pub(super) fn new(pattern: &'a LuaPattern, subject: &'a [u8], budget: usize) -> Self {
        Self {
            pattern,
            subject,
            budget,
            captures: [const { 0..0 }; MAX_CAPTURES],
            choices: Vec::new(),
        }
    }

    /// The first match, as Lua's `string.match` finds it; none when the budget
    /// is used up before.
    pub(super) fn run(&mut self) -> Option<Range<usize>> {
        let last_start = if self.pattern.at_start {
            0
        } else {
            self.subject.len()
        };
        for start in 0..=last_start {
            if let Some(end) = self.run_at(start) {
                return Some(start..end);
            }
            if self.budget == 0 {
                return None;
            }
        }
        None
    }

    /// The end of the match that starts at `start`.
    fn run_at(&mut self, start: usize) -> Option<usize> {
        self.choices.clear();
        let mut state = (0, start);
        loop {
            let (next, at) = state;
            self.spend(1)?;
            let moved = match self.pattern.items.get(next) {
                Some(item) => self.item(*item, next + 1, at),
                None if self.pattern.at_end && at < self.subject.len() => None,
                None => return Some(at),
            };
            state = match moved {
                Some(end) => (next + 1, end),
                None => self.choose()?,
            };
        }
    }

    /// Where `item`, tried at `at`, ends first. `next` is the item after it.
    fn item(&mut self, item: Item, next: usize, at: usize) -> Option<usize> {
        match item {
            Item::Bytes(set, Repeat::Once) => self.has(at, set).then_some(at + 1),
            Item::Bytes(set, Repeat::Optional) => Some(self.longest(next, at, set, 1)),
            Item::Bytes(set, Repeat::Greedy) => Some(self.longest(next, at, set, usize::MAX)),
            Item::Bytes(set, Repeat::Lazy) => {
                let end = at;
                self.choices.push(Choice::Longer { next, end, set });
                Some(at)
            }
            Item::Open(number) => {
                self.capture(number)?.start = at;
                Some(at)
            }
            Item::Close(number) => {
                self.capture(number)?.end = at;
                Some(at)
            }
            Item::Position(number) => {
                *self.capture(number)? = at..at;
                Some(at)
            }
            Item::Frontier(set) => {
                let byte = |at: Option<usize>| at.and_then(|at| self.subject.get(at).copied());
                let before = byte(at.checked_sub(1)).unwrap_or(0);
                let after = byte(Some(at)).unwrap_or(0);
                (!set.contains(before) && set.contains(after)).then_some(at)
            }
            Item::Balanced(open, close) => self.balanced(at, open, close),
            Item::Same(number) => {
                let text = self.subject.get(self.capture(number)?.clone())?;
                let rest = self.subject.get(at..)?;
                self.spend(text.len().min(rest.len()))?;
                rest.starts_with(text).then_some(at + text.len())
            }
        }
    }

    /// The end of the bytes of `set` from `at`, `limit` at most; less is left
    /// as a choice.
    fn longest(&mut self, next: usize, at: usize, set: ByteSet, limit: usize) -> usize {
        let rest = self.subject.get(at..).unwrap_or_default();
        let bytes = rest.iter().take(limit);
        let len = bytes.take_while(|byte| set.contains(**byte)).count();
        if len > 0 {
            self.choices.push(Choice::Shorter {
                next,
                shortest: at,
                longest: at + len - 1,
            });
        }
        // Nothing left is noticed with the next item.
        self.budget = self.budget.saturating_sub(len);
        at + len
    }

    /// The end of `%bxy` at `at`.
    fn balanced(&mut self, at: usize, open: u8, close: u8) -> Option<usize> {
        if self.subject.get(at) != Some(&open) {
            return None;
        }
        let mut depth = 1_usize;
        for (offset, byte) in self.subject.iter().enumerate().skip(at + 1) {
            self.spend(1)?;
            // In this order, so that `%bxx` ends at the next `x`.
            if *byte == close {
                depth -= 1;
                if depth == 0 {
                    return Some(offset + 1);
                }
            } else if *byte == open {
                depth += 1;
            }
        }
        None
    }

    /// Takes the latest choice: the item to try next, and where.
    fn choose(&mut self) -> Option<(usize, usize)> {
        loop {
            match self.choices.pop()? {
                Choice::Shorter {
                    next,
                    shortest,
                    longest,
                } => {
                    if longest > shortest {
                        self.choices.push(Choice::Shorter {
                            next,
                            shortest,
                            longest: longest - 1,
                        });
                    }
                    return Some((next, longest));
                }
                Choice::Longer { next, end, set } => {
                    if self.has(end, set) {
                        let end = end + 1;
                        self.choices.push(Choice::Longer { next, end, set });
                        return Some((next, end));
                    }
                }
            }
        }
    }

    fn has(&self, at: usize, set: ByteSet) -> bool {
        self.subject.get(at).is_some_and(|byte| set.contains(*byte))
    }

    fn capture(&mut self, number: usize) -> Option<&mut Capture> {
        self.captures.get_mut(number)
    }

    /// Uses up `steps` of the budget; `None` when it has fewer.
    fn spend(&mut self, steps: usize) -> Option<()> {
        let left = self.budget.checked_sub(steps);
        self.budget = left.unwrap_or(0);
        left.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pattern: &str) -> LuaPattern {
        LuaPattern::parse(pattern.as_bytes()).unwrap()
    }

    #[test]
    fn finds_what_lua_finds() {
        for (pattern, subject, expected) in [
            ("%b()", "x(a(b)c)d)", Some(1..8)),
            ("%b()", "((a)", Some(1..4)),
            ("%bxx", "axbxcx", Some(1..4)),
            ("(%w)%1", "abccd", Some(2..4)),
            ("^(.-)%-%1$", "ab-ab", Some(0..5)),
            ("^(.-)%-%1$", "ab-ac", None),
            ("()%1", "aa", None),
            ("(a*(.)%w)", "aab1", Some(0..4)),
            ("a-b", "aab", Some(0..3)),
            ("a?a", "a", Some(0..1)),
            ("", "", Some(0..0)),
        ] {
            let pattern_read = parse(pattern);
            let found = Search::new(&pattern_read, subject.as_bytes(), BUDGET).run();
            assert_eq!(found, expected, "{pattern} on {subject}");
        }
    }

    #[test]
    fn captures_are_those_of_the_way_that_matched() {
        let pattern = parse("^(a*)(a?)()(b-)%2c$");
        let mut search = Search::new(&pattern, b"aaabc", BUDGET);
        assert_eq!(search.run(), Some(0..5));
        assert_eq!(search.captures[..4], [0..3, 3..3, 3..3, 3..4]);
    }

    #[test]
    fn the_budget_is_enough_for_resources_of_real_clients() {
        for (pattern, len) in [("(%w)%w*%1%-", 200), ("(%w)%w*%1%w-%1%-", 50)] {
            let subject = vec![b'a'; len];
            let pattern_read = parse(pattern);
            let mut search = Search::new(&pattern_read, &subject, BUDGET);
            assert_eq!(search.run(), None);
            assert!(search.budget > 0, "{pattern} on {len} bytes");
        }
    }

    #[test]
    fn a_hostile_resource_is_given_up() {
        let subject = [b'a'; 1023];
        for pattern in [
            "(a*)(a*)(a*)%1b",
            "(.-).-%1.-b",
            "a*%b()a*a*b",
            "(a)%1%1.-.-b",
        ] {
            let pattern_read = parse(pattern);
            let mut search = Search::new(&pattern_read, &subject, BUDGET);
            assert_eq!((search.run(), search.budget), (None, 0), "{pattern}");
        }
    }

    #[test]
    fn every_byte_looked_at_counts() {
        for (pattern, subject, at_least) in [
            ("^%b()", "(".repeat(3000), 3000),
            ("^(a*)%1", "a".repeat(3000), 3000 + 2 * 3000),
            ("^.*()%1", "a".repeat(3000), 3000 + 2 * 3000),
        ] {
            let pattern_read = parse(pattern);
            let mut search = Search::new(&pattern_read, subject.as_bytes(), BUDGET);
            search.run();
            assert!(BUDGET - search.budget >= at_least, "{pattern}");
        }
    }

    #[test]
    fn the_list_of_choices_is_no_longer_than_the_pattern() {
        let subject = [b'a'; 3071];
        for item in ["a?", "a-"] {
            let pattern = parse(&(item.repeat(3067 / item.len()) + "%b()"));
            let mut search = Search::new(&pattern, &subject, BUDGET);
            assert_eq!(search.run(), None, "{item}");
            assert!(search.choices.len() <= pattern.items.len(), "{item}");
            assert!(search.choices.len() > 1000, "{item}");
        }
    }
}
