//! Compares this library's Lua patterns with Lua itself, pair by pair.
//!
//! Lua notices a malformed pattern only when a subject leads it to the
//! mistake. So where Lua matches a pattern that is refused here, the script
//! tries subjects that the items before the mistake match. There are none
//! when one of these items matches nothing at all, such as `[b-a]`; then it
//! tries the pattern with `a?` instead of every item before the mistake except
//! the captures, which Lua reads independently of each other.
//!
//! One thing is left out: Lua refuses a match that nests 200 calls deep
//! ("pattern too complex", `MAXCCALLS`). That is the limit of its C stack,
//! which this library does not use; the samples stay below.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread;

use super::automaton::Automaton;
use super::backtrack::{BUDGET, Search};
use super::group::{self, Group};
use super::lua_pattern::{Fault, Item, LuaPattern, Parser};
use super::samples::{self, Random};

const PATTERNS: usize = 50_000;
const SUBJECTS: usize = 3;
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/client/against_lua.lua");

/// A pair, and what is expected of Lua.
struct Case {
    /// The line for the script.
    line: String,
    expected: Expected,
}

enum Expected {
    /// The script's answer, word by word.
    Answer(String),
    /// Lua's message contains this text.
    Refusal(String),
}

#[test]
fn matches_captures_and_refuses_as_lua_does() {
    let mut random = Random::new(1);
    let mut cases = Vec::new();
    for _ in 0..PATTERNS {
        let pattern = samples::pattern(&mut random);
        let compiled = Compiled::new(&pattern);
        for _ in 0..SUBJECTS {
            let subject = samples::subject(&mut random, &pattern);
            cases.push(case(&mut random, &pattern, compiled.as_ref(), &subject));
        }
    }
    let input: Vec<&str> = cases.iter().map(|case| case.line.as_str()).collect();
    let output = lua(&input.concat());
    assert_eq!(output.lines().count(), cases.len());

    let (mut matches, mut refused) = (0, [0; 3]);
    let mut reasons = BTreeMap::new();
    for (case, answer) in cases.iter().zip(output.lines()) {
        match &case.expected {
            Expected::Answer(expected) => {
                assert_eq!(answer, expected, "{}", readable(&case.line));
                matches += usize::from(answer.starts_with("0 match"));
            }
            Expected::Refusal(reason) => {
                let (number, rest) = answer.split_once(' ').unwrap();
                let message = rest.strip_prefix("refused ").unwrap_or("");
                assert!(
                    message.contains(reason.as_str()),
                    "{reason:?} here, {rest:?} in Lua: {}",
                    readable(&case.line)
                );
                let kind = reason.trim_end_matches(|last: char| last.is_ascii_digit());
                *reasons.entry(kind).or_insert(0) += 1;
                let last = case.line.matches(',').count() / 2 - 1;
                let number: usize = number.parse().unwrap();
                refused[usize::from(number > 0) + usize::from(number == last)] += 1;
            }
        }
    }
    println!(
        "{} pairs: {matches} match; refused by Lua with this subject, one for the mistake, \
         without the items before: {refused:?}; {reasons:?}",
        cases.len()
    );
    assert!(cases.len() >= 120_000);
    assert!(matches * 10 >= cases.len() * 3, "{matches} pairs match");
    // Each of Lua's own mistakes; none is longer than the limit.
    assert_eq!(reasons.len(), 8, "{reasons:?}");
    assert!(reasons.values().all(|count| *count >= 300), "{reasons:?}");
}

/// A pattern, and what would try it in a list of its own.
struct Compiled {
    pattern: LuaPattern,
    groups: Vec<Group>,
    automaton: Option<Automaton>,
}

impl Compiled {
    fn new(pattern: &[u8]) -> Result<Self, Fault> {
        let pattern = LuaPattern::parse(pattern)?;
        let list = std::slice::from_ref(&pattern);
        Ok(Self {
            groups: group::of_lua(list),
            automaton: Automaton::new(list),
            pattern,
        })
    }
}

fn case(
    random: &mut Random,
    pattern: &[u8],
    compiled: Result<&Compiled, &Fault>,
    subject: &[u8],
) -> Case {
    let mut line = String::new();
    push_pair(&mut line, pattern, subject);
    let expected = match compiled {
        Ok(compiled) => Expected::Answer(answer(compiled, subject)),
        Err(fault) => {
            push_proofs(random, &mut line, pattern);
            Expected::Refusal(fault.to_string())
        }
    };
    line.push('\n');
    Case { line, expected }
}

/// What the script should say, after a look whether all matchers that could
/// try the pattern say the same.
fn answer(compiled: &Compiled, subject: &[u8]) -> String {
    let mut search = Search::new(&compiled.pattern, subject, usize::MAX);
    let found = search.run();
    let context = || format!("{:?} with {}", compiled.pattern, subject.escape_ascii());

    let given_up = compiled.automaton.is_none() && usize::MAX - search.budget > BUDGET;
    let expected = found.is_some() && !given_up;
    let first = compiled
        .groups
        .iter()
        .find_map(|group| group.first_match(subject));
    assert_eq!(first, expected.then_some(0), "{}", context());
    if let Some(automaton) = &compiled.automaton {
        assert_eq!(automaton.is_match(subject), expected, "{}", context());
    }

    let Some(found) = found else {
        return "0 no match".into();
    };
    let mut answer = format!("0 match {} {}", found.start + 1, found.end);
    let captures = || search.captures.iter();
    // Items are in the order of the captures' numbers.
    let are_positions = compiled.pattern.items.iter().filter_map(|item| match item {
        Item::Open(_) => Some(false),
        Item::Position(_) => Some(true),
        _ => None,
    });
    for (is_position, capture) in are_positions.clone().zip(captures()) {
        if is_position {
            write!(answer, " at:{}", capture.start + 1).unwrap();
        } else {
            answer.push_str(" text:");
            push_hex(&mut answer, &subject[capture.clone()]);
        }
    }
    if are_positions.count() == 0 {
        answer.push_str(" text:");
        push_hex(&mut answer, &subject[found]);
    }
    answer
}

/// Adds pairs that show Lua the mistake in `pattern`.
fn push_proofs(random: &mut Random, line: &mut String, pattern: &[u8]) {
    let mut parser = Parser::new(pattern);
    parser.run().unwrap_err();
    for _ in 0..10 {
        let mut subject = Vec::new();
        samples::push_match(random, &parser.pattern.items, &mut subject);
        if Search::new(&parser.pattern, &subject, BUDGET)
            .run()
            .is_some()
        {
            push_pair(line, pattern, &subject);
            break;
        }
    }
    let mut reduced = Vec::new();
    if parser.pattern.at_start {
        reduced.push(b'^');
    }
    for item in &parser.pattern.items {
        reduced.extend_from_slice(match item {
            Item::Open(_) => b"(",
            Item::Close(_) => b")",
            Item::Position(_) => b"()",
            _ => b"a?",
        });
    }
    reduced.extend(&pattern[parser.at..]);
    push_pair(line, &reduced, b"");
}

fn push_pair(line: &mut String, pattern: &[u8], subject: &[u8]) {
    for field in [pattern, subject] {
        push_hex(line, field);
        line.push(',');
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
}

/// The fields of a line as text, for the message of a failure.
fn readable(line: &str) -> String {
    let byte =
        |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    let field = |hex: &str| {
        let bytes: Vec<u8> = hex.as_bytes().chunks_exact(2).map(byte).collect();
        format!("\"{}\"", bytes.escape_ascii())
    };
    let fields: Vec<String> = line.trim_end().split(',').map(field).collect();
    fields.join(" ")
}

/// The script's answers to `input`.
fn lua(input: &str) -> String {
    // -E: no settings from the environment.
    let mut lua = Command::new("lua5.4")
        .args(["-E", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("lua5.4 is not on PATH: `make test` installs it");
    let mut stdin = lua.stdin.take().unwrap();
    let mut output = String::new();
    thread::scope(|scope| {
        // In a thread of its own: Lua answers before it has read everything.
        scope.spawn(move || stdin.write_all(input.as_bytes()).unwrap());
        let stdout = lua.stdout.as_mut().unwrap();
        stdout.read_to_string(&mut output).unwrap();
    });
    assert!(lua.wait().unwrap().success());
    output
}
