//! Clients: which category a resource belongs to.

use crate::Error;

/// How patterns are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syntax {
    /// Lua patterns, as Lua 5.4's `string.match` reads them.
    #[default]
    Lua,
    /// Regular expressions, as the `regex` crate reads them, on bytes.
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
#[derive(Debug, Default)]
pub struct Classifier {}

impl Classifier {
    /// Compiles `patterns`, in order.
    ///
    /// # Errors
    ///
    /// A pattern is malformed; the message gives its number, its text and what
    /// is wrong with it.
    pub fn new(syntax: Syntax, patterns: &[ClientPattern]) -> Result<Self, Error> {
        let _ = (syntax, patterns);
        Ok(Self {})
    }

    /// The category of the first pattern that matches `resource`, if any does.
    #[must_use]
    pub fn classify(&self, resource: &[u8]) -> Option<&str> {
        let _ = resource;
        None
    }
}
