//! Lists of Lua patterns against the matcher that goes one way after the other.

use super::backtrack::{BUDGET, Search};
use super::group;
use super::lua_pattern::{Item, LuaPattern};

/// More than any pattern of use needs, and little enough for many a second.
const STEPS: usize = 300_000;

/// Checks that the list finds the pattern that is found when they are tried one
/// by one, and that each pattern alone agrees with it.
///
/// # Panics
///
/// They differ.
pub fn compare(patterns: &[&[u8]], subject: &[u8]) {
    let patterns = patterns.iter().map(|text| LuaPattern::parse(text));
    let patterns: Vec<LuaPattern> = patterns.filter_map(Result::ok).collect();
    let expected: Option<Vec<bool>> = patterns
        .iter()
        .map(|pattern| is_match(pattern, subject))
        .collect();
    let first_of = |patterns: &[LuaPattern]| {
        let groups = group::of_lua(patterns);
        groups.iter().find_map(|group| group.first_match(subject))
    };
    let found = first_of(&patterns);
    let Some(expected) = expected else {
        // The reference gave up, and only the other is bound to end.
        return;
    };
    assert_eq!(found, expected.iter().position(|is_match| *is_match));
    for (pattern, expected) in patterns.iter().zip(expected) {
        let alone = first_of(std::slice::from_ref(pattern));
        assert_eq!(alone.is_some(), expected, "a pattern alone");
    }
}

/// As Lua has it, but with the bound for what is not regular; `None` where a
/// regular pattern takes too many steps.
fn is_match(pattern: &LuaPattern, subject: &[u8]) -> Option<bool> {
    let is_irregular = |item: &Item| matches!(item, Item::Balanced(..) | Item::Same(_));
    if pattern.items.iter().any(is_irregular) {
        return Some(Search::new(pattern, subject, BUDGET).run().is_some());
    }
    let mut search = Search::new(pattern, subject, STEPS);
    let is_match = search.run().is_some();
    (is_match || search.budget > 0).then_some(is_match)
}
