//! Groups of consecutive patterns, each tried in one pass over the resource.
//!
//! Most lists of Lua patterns are one group with one table. A list whose table
//! would be too large is divided until the tables are small; a single pattern
//! whose own is too large, such as `a.............b`, is stepped through
//! instead. So there are never more passes than patterns, and which way a
//! pattern is tried depends on the list alone, never on the resource.

use regex::bytes::Regex;

use super::automaton::Automaton;
use super::backtrack::{BUDGET, Search};
use super::lua_pattern::LuaPattern;
use super::table::Table;

/// Consecutive patterns of a list, ready to match.
#[derive(Debug)]
pub(super) struct Group {
    /// The number of the first one in the list, from 0.
    pub(super) first: usize,
    pub(super) matcher: Matcher,
}

/// What tries the patterns of a group.
#[derive(Debug)]
pub(super) enum Matcher {
    /// Regular Lua patterns.
    Table(Table),
    /// One regular Lua pattern that has no table.
    Automaton(Automaton),
    /// One Lua pattern that is not regular.
    Backtracking(LuaPattern),
    /// One regular expression.
    Regex(Regex),
}

impl Group {
    /// The number in the list of the group's first pattern that matches.
    pub(super) fn first_match(&self, resource: &[u8]) -> Option<usize> {
        let single = |is_match: bool| is_match.then_some(0);
        let number = match &self.matcher {
            Matcher::Table(table) => table.first_match(resource),
            Matcher::Automaton(automaton) => single(automaton.is_match(resource)),
            Matcher::Backtracking(pattern) => {
                single(Search::new(pattern, resource, BUDGET).run().is_some())
            }
            Matcher::Regex(regex) => single(regex.is_match(resource)),
        };
        number.map(|number| self.first + number)
    }
}

/// Divides Lua patterns into groups.
pub(super) fn of_lua(patterns: &[LuaPattern]) -> Vec<Group> {
    let mut groups = Vec::new();
    push_groups(&mut groups, 0, patterns);
    groups
}

/// Regular expressions are a group each. A `RegexSet` is one pass as well, but
/// makes its table while it matches, and a resource can make it throw that
/// away again and again.
pub(super) fn of_regex(patterns: Vec<Regex>) -> Vec<Group> {
    let groups = patterns.into_iter().enumerate();
    let group = |(first, regex)| Group {
        first,
        matcher: Matcher::Regex(regex),
    };
    groups.map(group).collect()
}

/// Adds the groups of `patterns`, of which `first` is the number of the first.
fn push_groups(groups: &mut Vec<Group>, first: usize, patterns: &[LuaPattern]) {
    if patterns.is_empty() {
        return;
    }
    if let Some(matcher) = matcher(patterns) {
        groups.push(Group { first, matcher });
    } else {
        let middle = patterns.len() / 2;
        let (before, behind) = patterns.split_at(middle);
        push_groups(groups, first, before);
        push_groups(groups, first + middle, behind);
    }
}

/// What tries all of `patterns`, of which there is one at least. A single one
/// always has a matcher.
fn matcher(patterns: &[LuaPattern]) -> Option<Matcher> {
    let single = match patterns {
        [single] => Some(single),
        _ => None,
    };
    let Some(automaton) = Automaton::new(patterns) else {
        return single.cloned().map(Matcher::Backtracking);
    };
    match Table::new(&automaton) {
        Some(table) => Some(Matcher::Table(table)),
        None => single.map(|_| Matcher::Automaton(automaton)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each group the number of its first pattern, and what tries it.
    fn groups(patterns: &[String]) -> Vec<(usize, &'static str)> {
        let parse = |pattern: &String| LuaPattern::parse(pattern.as_bytes()).unwrap();
        let patterns: Vec<LuaPattern> = patterns.iter().map(parse).collect();
        let groups = of_lua(&patterns).into_iter();
        let shown = |group: Group| {
            let name = match group.matcher {
                Matcher::Table(_) => "table",
                Matcher::Automaton(_) => "automaton",
                Matcher::Backtracking(_) => "backtracking",
                Matcher::Regex(_) => "regex",
            };
            (group.first, name)
        };
        groups.map(shown).collect()
    }

    fn texts(patterns: &[&str]) -> Vec<String> {
        patterns.iter().copied().map(String::from).collect()
    }

    #[test]
    fn patterns_of_real_clients_are_one_group() {
        let patterns = [
            "^Conversations%.",
            "^Quicksy%.",
            "^blabber%.im",
            "^monocles",
            "^Cheogram",
            "^[Yy]axim",
            "^Siskin",
            "^BeagleIM",
            "[Mm]onal",
            "^[Zz]om[-%d]",
            "^ChatSecure",
            "[Gg]ajim",
            "^dino%.",
            "^profanity",
            "[Pp]idgin",
            "^Psi%+?",
            "^mcabber",
            "[Cc]onverse",
            "^%w+%-web$",
            "[Ii][Oo][Ss]",
        ];
        assert_eq!(groups(&texts(&patterns)), [(0, "table")]);
    }

    #[test]
    fn what_has_no_table_with_others_does_not_take_theirs() {
        let dots = "a.............b";
        let mut patterns = texts(&["^a", "^b", "^c", "^d", "^e", "^f", "^g", "^h"]);
        patterns[2] = dots.into();
        patterns[7] = "(a)%1".into();
        assert_eq!(
            groups(&patterns),
            [
                (0, "table"),
                (2, "automaton"),
                (3, "table"),
                (4, "table"),
                (6, "table"),
                (7, "backtracking"),
            ]
        );
        assert_eq!(groups(&[]), []);
    }

    #[test]
    fn hard_patterns_are_never_more_groups_than_patterns() {
        let hard = |text: fn(char, char) -> String| -> Vec<String> {
            let letters = 'a'..='j';
            let pairs = letters
                .clone()
                .flat_map(|a| letters.clone().map(move |b| (a, b)));
            pairs.map(|(a, b)| text(a, b)).collect()
        };
        for (patterns, most) in [
            (hard(|a, b| format!("{a}*{a}*{a}*{b}!")), 1),
            (hard(|a, b| format!(".-{a}.-{b}.-x")), 50),
            (hard(|a, b| format!("{a}.............{b}")), 100),
        ] {
            let found = groups(&patterns);
            assert!(found.len() <= most, "{}: {found:?}", patterns[0]);
        }
    }
}
