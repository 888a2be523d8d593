//! Lua patterns and regular expressions, one to a line, and behind a NUL the
//! resource: a list matches as its patterns one by one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use monthly_visitors::client::{Classifier, ClientPattern, Syntax};
use monthly_visitors::fuzzing::client;

/// More would only be slower.
const PATTERNS: usize = 5;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let patterns = parts.next().unwrap_or_default();
    let subject = parts.next().unwrap_or_default();
    let patterns: Vec<&[u8]> = patterns
        .split(|byte| *byte == b'\n')
        .take(PATTERNS)
        .collect();
    client::compare(&patterns, subject);
    regular_expressions(&patterns, subject);
});

fn regular_expressions(patterns: &[&[u8]], subject: &[u8]) {
    let mut good = Vec::new();
    let mut expected = None;
    for (number, text) in patterns.iter().enumerate() {
        let Ok(pattern) = std::str::from_utf8(text) else {
            continue;
        };
        let client = ClientPattern {
            pattern: pattern.into(),
            category: number.to_string(),
        };
        match Classifier::new(Syntax::Regex, std::slice::from_ref(&client)) {
            Ok(alone) => {
                expected = expected.or(alone.classify(subject).map(str::to_owned));
                good.push(client);
            }
            Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }
    let together = Classifier::new(Syntax::Regex, &good).unwrap();
    assert_eq!(together.classify(subject), expected.as_deref());
}
