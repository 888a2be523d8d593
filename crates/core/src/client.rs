//! Clients: which category a resource belongs to.

#[cfg(test)]
mod against_lua;
mod backtrack;
mod byte_set;
mod linear;
mod lua_pattern;
#[cfg(test)]
mod samples;

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

use crate::Error;
use backtrack::{BUDGET, Search};
use linear::Linear;
use lua_pattern::{Fault, LuaPattern};

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
/// May be shared by threads. Time is linear in the resource for every pattern
/// that is a regular language. A Lua pattern that is not, one with `%b` or a
/// back-reference, gets 100,000 steps for a resource and does not match when
/// they are not enough.
#[derive(Debug, Default)]
pub struct Classifier {
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    matcher: Matcher,
    category: Box<str>,
}

impl Classifier {
    /// Compiles `patterns`, in order.
    ///
    /// # Errors
    ///
    /// A pattern is malformed; the message gives its number, its text and what
    /// is wrong with it.
    pub fn new(syntax: Syntax, patterns: &[ClientPattern]) -> Result<Self, Error> {
        let compile = |(index, client): (usize, &ClientPattern)| {
            let matcher = Matcher::new(syntax, &client.pattern).map_err(|reason| {
                let text = Shortened(&client.pattern);
                Error::config(
                    "client",
                    format!("pattern {} ({text}): {reason}", index + 1),
                )
            })?;
            let category = client.category.as_str().into();
            Ok(Client { matcher, category })
        };
        let clients = patterns.iter().enumerate().map(compile);
        Ok(Self {
            clients: clients.collect::<Result<_, Error>>()?,
        })
    }

    /// The category of the first pattern that matches `resource`, if any does.
    #[must_use]
    pub fn classify(&self, resource: &[u8]) -> Option<&str> {
        self.clients
            .iter()
            .find(|client| client.matcher.is_match(resource))
            .map(|client| &*client.category)
    }
}

/// A compiled pattern.
#[derive(Debug)]
enum Matcher {
    Linear(Linear),
    Backtracking(LuaPattern),
    Regex(Regex),
}

impl Matcher {
    fn new(syntax: Syntax, pattern: &str) -> Result<Self, String> {
        match syntax {
            Syntax::Lua => Self::lua(pattern.as_bytes()).map_err(|fault| fault.to_string()),
            Syntax::Regex => Self::regex(pattern),
        }
    }

    fn lua(pattern: &[u8]) -> Result<Self, Fault> {
        let pattern = LuaPattern::parse(pattern)?;
        Ok(match Linear::new(&pattern) {
            Some(linear) => Self::Linear(linear),
            None => Self::Backtracking(pattern),
        })
    }

    fn regex(pattern: &str) -> Result<Self, String> {
        RegexBuilder::new(pattern)
            .size_limit(REGEX_SIZE)
            .dfa_size_limit(REGEX_SIZE)
            .build()
            .map(Self::Regex)
            .map_err(|error| regex_reason(&error))
    }

    fn is_match(&self, resource: &[u8]) -> bool {
        match self {
            Self::Linear(linear) => linear.is_match(resource),
            Self::Backtracking(pattern) => Search::new(pattern, resource, BUDGET).run().is_some(),
            Self::Regex(regex) => regex.is_match(resource),
        }
    }
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
