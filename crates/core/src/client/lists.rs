//! Compares lists of patterns with trying their patterns one by one.

use super::backtrack::{BUDGET, Search};
use super::group::{self, Matcher};
use super::lua_pattern::{Item, LuaPattern};
use super::samples::{self, Random};

const LISTS: usize = 250;
const SUBJECTS: usize = 60;

/// Patterns with so many ways to match that few or none share a table.
const HARD: &[&[u8]] = &[
    b"a.......b",
    b"[ab].............-",
    b".-a.-b.-1.-_",
    b"^.-1.-a.-_$",
    b"b.-%..-a.-A$",
    b"a*a*a*b$",
    b"%f[%w]a.*1%f[%W]",
    b"(a)..%1.b",
    b"%b()-",
];

/// A pattern, and its text.
type Sample = (LuaPattern, Vec<u8>);

#[test]
fn lists_match_as_their_patterns_one_by_one() {
    let mut random = Random::new(3);
    let mut answers = [0; 4];
    let mut groups_of = [0; 4];
    for _ in 0..LISTS {
        let list = list(&mut random);
        let patterns: Vec<LuaPattern> = list.iter().map(|(pattern, _)| pattern.clone()).collect();
        let groups = group::of_lua(&patterns);
        assert!(groups.len() <= list.len());
        for _ in 0..SUBJECTS {
            let (_, near) = &list[random.below(list.len())];
            let subject = samples::subject(&mut random, near);
            let mut all = patterns.iter();
            let expected = all.position(|pattern| is_match(pattern, &subject));
            let found = groups.iter().find_map(|group| group.first_match(&subject));
            assert_eq!(found, expected, "{}", readable(&list, &subject));
            answers[match expected {
                None => 0,
                Some(0) => 1,
                Some(1..10) => 2,
                Some(_) => 3,
            }] += 1;
        }
        for (number, group) in groups.iter().enumerate() {
            let end = groups.get(number + 1).map_or(list.len(), |next| next.first);
            groups_of[match &group.matcher {
                Matcher::Table(_) if end - group.first > 1 => 0,
                Matcher::Table(_) => 1,
                Matcher::Automaton(_) => 2,
                _ => 3,
            }] += 1;
        }
    }
    println!(
        "no pattern, the first, one of the next nine, a later one: {answers:?}; groups with \
         a table for several, for one, with an automaton, with backtracking: {groups_of:?}"
    );
    assert!(answers.iter().all(|count| *count >= 1_000), "{answers:?}");
    assert!(groups_of.iter().all(|count| *count >= 150), "{groups_of:?}");
}

/// From 1 to 60 patterns. Few match everything: those behind these would never
/// be seen.
fn list(random: &mut Random) -> Vec<Sample> {
    let len = 1 + random.below(60);
    let hard = random.below(3) * 10;
    let mut list = Vec::new();
    while list.len() < len {
        let text = match random.below(100) {
            0..2 => samples::long(random),
            chance if chance < hard => random.pick(HARD).to_vec(),
            _ => samples::pattern(random),
        };
        if let Ok(pattern) = LuaPattern::parse(&text) {
            if !is_match(&pattern, b"") || random.percent(1) {
                list.push((pattern, text));
            }
        }
    }
    list
}

/// As Lua has it, but with the bound for what is not regular.
fn is_match(pattern: &LuaPattern, subject: &[u8]) -> bool {
    let is_irregular = |item: &Item| matches!(item, Item::Balanced(..) | Item::Same(_));
    let budget = if pattern.items.iter().any(is_irregular) {
        BUDGET
    } else {
        usize::MAX
    };
    Search::new(pattern, subject, budget).run().is_some()
}

fn readable(list: &[Sample], subject: &[u8]) -> String {
    let texts = list.iter().map(|(_, text)| text.escape_ascii().to_string());
    let texts: Vec<String> = texts.collect();
    format!("{texts:?} on {}", subject.escape_ascii())
}
