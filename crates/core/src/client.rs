//! Clients: which category a resource belongs to.

#[cfg(test)]
mod against_lua;
mod automaton;
mod backtrack;
mod byte_set;
#[cfg(fuzzing)]
pub mod fuzzing;
mod group;
#[cfg(test)]
mod lists;
mod lua_pattern;
#[cfg(test)]
mod samples;
mod table;

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

use crate::Error;
use group::Group;
use lua_pattern::LuaPattern;

/// How patterns are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syntax {
    /// Lua patterns, as Lua 5.4's `string.match` reads them (Lua 5.4 manual,
    /// section 6.4.1), byte by byte and in the C locale.
    #[default]
    Lua,
    /// Regular expressions, as the `regex` crate reads them.
    ///
    /// They are those of its documentation: `.` is a character and `\w` knows
    /// the letters of all scripts, since resources are UTF-8 (RFC 7622). In a
    /// resource that is not, `.` does not match the wrong bytes but the rest
    /// of the pattern does its work; `(?-u)` switches a pattern to bytes.
    Regex,
}

/// One line of the settings: resources that match `pattern` are `category`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPattern {
    /// The pattern, in the configured syntax.
    pub pattern: String,
    /// The category, such as `IOS`.
    pub category: String,
}

/// An ordered list of patterns, ready to match.
///
/// May be shared by threads. Lua patterns are tried together, in one pass over
/// the resource as a rule; regular expressions one by one. Time is linear in
/// the resource for every pattern that is a regular language. A Lua pattern
/// that is not, one with `%b` or a back-reference, gets 100,000 steps for a
/// resource and does not match when they are not enough.
#[derive(Debug, Default)]
pub struct Classifier {
    groups: Vec<Group>,
    /// In the order of the patterns.
    categories: Vec<Box<str>>,
}

impl Classifier {
    /// Compiles `patterns`, in order.
    ///
    /// # Errors
    ///
    /// A pattern is malformed; the message gives its number, its text and what
    /// is wrong with it.
    pub fn new(syntax: Syntax, patterns: &[ClientPattern]) -> Result<Self, Error> {
        let groups = match syntax {
            Syntax::Lua => group::of_lua(&read(patterns, lua)?),
            Syntax::Regex => group::of_regex(read(patterns, regex)?),
        };
        let categories = patterns.iter().map(|client| &*client.category);
        Ok(Self {
            groups,
            categories: categories.map(Box::from).collect(),
        })
    }

    /// The category of the first pattern that matches `resource`, if any does.
    #[must_use]
    pub fn classify(&self, resource: &[u8]) -> Option<&str> {
        let first = self.first_match(resource)?;
        self.categories.get(first).map(|category| &**category)
    }

    /// The number of that pattern, from 0.
    pub(crate) fn first_match(&self, resource: &[u8]) -> Option<usize> {
        let mut groups = self.groups.iter();
        groups.find_map(|group| group.first_match(resource))
    }

    /// The category of each pattern.
    pub(crate) fn categories(&self) -> impl Iterator<Item = &str> {
        self.categories.iter().map(|category| &**category)
    }
}

/// All `patterns`, read by `read`.
fn read<T>(
    patterns: &[ClientPattern],
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, Error> {
    let read = |(index, client): (usize, &ClientPattern)| {
        read(&client.pattern).map_err(|reason| {
            let text = Shortened(&client.pattern);
            let message = format!("pattern {} ({text}): {reason}", index + 1);
            Error::config("client", message)
        })
    };
    patterns.iter().enumerate().map(read).collect()
}

fn lua(pattern: &str) -> Result<LuaPattern, String> {
    LuaPattern::parse(pattern.as_bytes()).map_err(|fault| fault.to_string())
}

fn regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(REGEX_SIZE)
        .dfa_size_limit(REGEX_SIZE)
        .build()
        .map_err(|error| regex_reason(&error))
}

/// The most bytes that a compiled regular expression, and what it remembers
/// between matches, may take each. `\w{10}` fits, with all scripts' letters.
const REGEX_SIZE: usize = 1 << 20;

/// What is wrong with a regular expression, without the picture of it that
/// the `regex` crate draws over several lines.
fn regex_reason(error: &regex::Error) -> String {
    if let regex::Error::CompiledTooBig(limit) = error {
        return format!("takes more than {limit} bytes");
    }
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// A pattern in a message: quoted, on one line, and not so long that the
/// reason after it would be cut off.
struct Shortened<'a>(&'a str);

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(60) {
            Some((end, _)) => write!(f, "{:?}...", self.0.get(..end).unwrap_or_default()),
            None => write!(f, "{:?}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(patterns: &[(&str, &str)]) -> Vec<ClientPattern> {
        let client = |(pattern, category): &(&str, &str)| ClientPattern {
            pattern: (*pattern).into(),
            category: (*category).into(),
        };
        patterns.iter().map(client).collect()
    }

    fn refusal(syntax: Syntax, pattern: &str) -> String {
        let patterns = clients(&[(".", "ANY"), (pattern, "BAD")]);
        Classifier::new(syntax, &patterns).unwrap_err().to_string()
    }

    #[test]
    fn the_first_matching_pattern_gives_the_category() {
        let patterns = clients(&[
            ("^Conversations%.", "ANDROID"),
            ("[Ii][Oo][Ss]%-?%d*$", "IOS"),
            ("(%x%x)%-%1", "TWICE"),
            ("^gajim", "DESKTOP"),
            ("^%w+%.%w+$", "OTHER"),
        ]);
        let classifier = Classifier::new(Syntax::Lua, &patterns).unwrap();
        for (resource, category) in [
            ("Conversations.Qx2f", Some("ANDROID")),
            ("Conversations.ios", Some("ANDROID")),
            ("monal-iOS-17", Some("IOS")),
            ("gajim.ab-ab", Some("TWICE")),
            ("gajim.ab-ac", Some("DESKTOP")),
            ("dino.1f2e", Some("OTHER")),
            ("", None),
            ("телефон", None),
        ] {
            assert_eq!(
                classifier.classify(resource.as_bytes()),
                category,
                "{resource}"
            );
        }
    }

    #[test]
    fn no_pattern_means_no_category() {
        assert_eq!(Classifier::default().classify(b"gajim"), None);
        let none = Classifier::new(Syntax::Lua, &[]).unwrap();
        assert_eq!(none.classify(b"gajim"), None);
    }

    #[test]
    fn lua_patterns_match_bytes_and_regular_expressions_characters() {
        let three = clients(&[("^...$", "THREE")]);
        for (syntax, resource, category) in [
            (Syntax::Lua, &b"abc"[..], Some("THREE")),
            (Syntax::Lua, "д1".as_bytes(), Some("THREE")),
            (Syntax::Lua, b"a\0\xff", Some("THREE")),
            (Syntax::Regex, "дом".as_bytes(), Some("THREE")),
            (Syntax::Regex, "д1".as_bytes(), None),
            (Syntax::Regex, b"ab\xff", None),
        ] {
            let classifier = Classifier::new(syntax, &three).unwrap();
            assert_eq!(classifier.classify(resource), category, "{resource:?}");
        }
        let bytes = clients(&[(r"(?-u)^..\xff$", "BYTES"), ("^ab", "START")]);
        let classifier = Classifier::new(Syntax::Regex, &bytes).unwrap();
        assert_eq!(classifier.classify(b"ab\xff"), Some("BYTES"));
        assert_eq!(classifier.classify(b"ab\xfe"), Some("START"));
    }

    #[test]
    fn a_bad_pattern_is_named() {
        let long = format!("{}[", "д".repeat(80));
        let shown = "д".repeat(60);
        for (syntax, pattern, message) in [
            (
                Syntax::Lua,
                "^a[",
                r#"client: pattern 2 ("^a["): missing ']'"#.into(),
            ),
            (
                Syntax::Lua,
                "a\n%",
                r#"client: pattern 2 ("a\n%"): ends with '%'"#.into(),
            ),
            (
                Syntax::Lua,
                &*long,
                format!(r#"client: pattern 2 ("{shown}"...): missing ']'"#),
            ),
            (
                Syntax::Regex,
                "a(b",
                r#"client: pattern 2 ("a(b"): unclosed group"#.into(),
            ),
            (
                Syntax::Regex,
                r"\w{1000}",
                r#"client: pattern 2 ("\\w{1000}"): takes more than 1048576 bytes"#.into(),
            ),
        ] {
            assert_eq!(refusal(syntax, pattern), message);
        }
    }

    #[test]
    fn every_mistake_in_a_regular_expression_is_told_on_one_line() {
        for pattern in [
            "a(b",
            "[",
            "*",
            "(?z)",
            r"\p{x}",
            "a{2,1}",
            "(?-u)(?u:\\xff)\n(",
            "(?<a>)(?<a>)",
        ] {
            let message = refusal(Syntax::Regex, pattern);
            assert!(!message.contains('\n'), "{message}");
            assert!(!message.ends_with(": "), "{message}");
        }
    }

    #[test]
    fn regular_expressions_of_use_fit_into_the_limit() {
        for pattern in [
            r"\w{10}",
            r"(?i)^conversations\.\w+$",
            r"^\p{L}+-\d{1,20}$",
            "[a-z]{500}",
        ] {
            let patterns = clients(&[(pattern, "FITS")]);
            assert!(
                Classifier::new(Syntax::Regex, &patterns).is_ok(),
                "{pattern}"
            );
        }
    }

    #[test]
    fn threads_may_share_a_classifier() {
        fn shareable<T: Send + Sync>() {}
        shareable::<Classifier>();
    }
}
