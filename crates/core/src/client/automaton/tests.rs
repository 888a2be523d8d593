//! Tests of the automaton, one pattern at a time.

use super::super::backtrack::Search;
use super::super::samples::{self, Random};
use super::*;

fn parse(pattern: &str) -> LuaPattern {
    LuaPattern::parse(pattern.as_bytes()).unwrap()
}

fn automaton(pattern: &str) -> Automaton {
    Automaton::new(&[parse(pattern)]).unwrap()
}

/// The words that a search reads: its time.
fn work(pattern: &str, subject: &[u8]) -> usize {
    let mut words = 0;
    automaton(pattern).search(subject, |more| words += more);
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
        let Some(automaton) = Automaton::new(std::slice::from_ref(&pattern)) else {
            continue;
        };
        let subject = samples::subject(&mut random, &text);
        let expected = Search::new(&pattern, &subject, usize::MAX).run().is_some();
        assert_eq!(
            automaton.is_match(&subject),
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
        let automaton = automaton(&format!("^{}b$", "a?".repeat(optional)));
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
        let automaton = automaton(&"a".repeat(len));
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
        let found = automaton(pattern).is_match(subject);
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
            assert!(
                work(&pattern, &subject) <= subject.len() * words,
                "{pattern}"
            );
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
        let found = Automaton::new(&[parse(pattern)]).is_some();
        assert_eq!(found, regular, "{pattern}");
    }
}
