//! The input of `record --from`: JSON Lines and CSV. Bad lines are counted and
//! never quoted.
#![no_main]
#![allow(dead_code, reason = "the program uses what this target does not")]

use std::io::BufReader;

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/cli/src/input.rs"]
mod input;

/// All that may be said of a line, numbers aside.
const KNOWN: &[&str] = &[
    "the line is too long",
    "not an object with the text user and, if known, ip, resource and time",
    "not JSON, at column #",
    "# fields instead of #",
    "not CSV in UTF-8",
    "user is empty",
    "user is too long",
    "user contains NUL",
    "resource is too long",
    "time is neither RFC 3339, such as 2026-11-05T12:00:00Z, nor Unix seconds",
];

fuzz_target!(|bytes: &[u8]| {
    let first = read(bytes, 8192);
    // However the system divides what it reads.
    assert_eq!(read(bytes, 3), first);
});

/// The good lines, and the number of bad ones.
fn read(bytes: &[u8], buffer: usize) -> (Vec<u64>, usize) {
    let mut lines = input::Lines::new(BufReader::with_capacity(buffer, bytes));
    let (mut good, mut bad, mut last) = (Vec::new(), 0, 0);
    // At the end, or where it is no such file.
    while let Ok(Some((number, line))) = lines.next() {
        assert!(number > last);
        last = number;
        match line.as_ref().map_err(ToString::to_string).and_then(|line| {
            let login = line.login().map_err(|bad| bad.to_string())?;
            assert!(!login.user.expose().is_empty());
            Ok(())
        }) {
            Ok(()) => good.push(number),
            Err(message) => {
                let mut known = KNOWN.iter().map(|known| without_numbers(known));
                let message = without_numbers(&message);
                assert!(known.any(|known| known == message), "{message}");
                bad += 1;
            }
        }
    }
    (good, bad)
}

fn without_numbers(text: &str) -> String {
    let mut short = String::new();
    for letter in text.chars() {
        let letter = if letter.is_ascii_digit() { '#' } else { letter };
        if letter != '#' || !short.ends_with('#') {
            short.push(letter);
        }
    }
    short
}
