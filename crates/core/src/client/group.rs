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
    first: usize,
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
        let number = match &self.matcher {
            Matcher::Table(table) => table.first_match(resource)?,
            Matcher::Automaton(automaton) if automaton.is_match(resource) => 0,
            Matcher::Backtracking(pattern) => {
                Search::new(pattern, resource, BUDGET).run().map(|_| 0)?
            }
            Matcher::Regex(regex) if regex.is_match(resource) => 0,
            Matcher::Automaton(_) | Matcher::Regex(_) => return None,
        };
        Some(self.first + number)
    }
}

/// Divides Lua patterns into groups.
pub(super) fn of_lua(patterns: &[LuaPattern]) -> Vec<Group> {
    let mut groups = Vec::new();
    push_groups(&mut groups, 0, patterns);
    groups
}

/// Regular expressions are a group each. A set of them is one pass as well, but
/// the `regex` crate makes its table while it matches: a hundred hard ones
/// use up its space again and again, and then take longer than one by one.
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
    match Table::new(&automaton, patterns.len()) {
        Some(table) => Some(Matcher::Table(table)),
        None => single.map(|_| Matcher::Automaton(automaton)),
    }
}
