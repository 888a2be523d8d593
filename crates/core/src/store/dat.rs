//! Prosody's `.dat` files: a Lua chunk that returns one table of data.
//!
//! Reads everything that Prosody's own writer makes, from 0.9 to 13.0, and
//! nothing that would have to be executed. Writes what Prosody 0.11 and later
//! would write, with sorted keys, so that equal data give equal bytes.

use std::collections::BTreeMap;
use std::fmt;

use crate::Totals;

mod number;
mod read;
mod text;
mod write;

pub(crate) use number::whole;

/// The deepest nesting that is read. Prosody's writer stops at 127.
const MAX_DEPTH: usize = 128;

/// A table: the data of a file, or a part of it.
pub type Table = BTreeMap<TableKey, Value>;

/// What a table may hold. `nil` is not there: to Lua, a key whose value is nil
/// does not exist.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number that Lua 5.4 would keep as an integer.
    Integer(i64),
    /// Any other number, infinities and NaN included.
    Float(f64),
    /// A string. Lua's strings are bytes.
    Text(Vec<u8>),
    /// A table within the table.
    Table(Table),
}

/// What a table may have as a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableKey {
    /// A whole number; `1`, `2`, … for the items of a list.
    Integer(i64),
    /// The bits of a number that is not whole.
    Float(u64),
    /// A string.
    Text(Vec<u8>),
    /// `true` or `false`.
    Boolean(bool),
}

impl TableKey {
    /// The key that is this text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }

    /// The text that the key is, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

/// Why a file was refused. Its message does not quote the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line where reading stopped, from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for Fault {}

/// Reads the table that a file returns.
///
/// # Errors
///
/// The file is empty, damaged, or does more than to return a table of data.
pub fn parse(bytes: &[u8]) -> Result<Table, Fault> {
    read::file(bytes)
}

/// Writes a table as a file that returns it.
#[must_use]
pub fn to_text(table: &Table) -> String {
    write::file(table)
}

/// Writes totals as the file `monthly%2dvisitors.dat` of a host has them.
#[must_use]
pub fn totals_to_text(totals: &Totals) -> String {
    let table = totals
        .iter()
        .map(|(month, totals)| {
            let counts = totals
                .counts
                .iter()
                .map(|(key, &count)| (TableKey::text(key.as_str()), count_value(count)))
                .collect();
            (TableKey::text(&month.to_string()), Value::Table(counts))
        })
        .collect();
    to_text(&table)
}

/// A count as Lua has it, which knows no number of users beyond 2⁶³.
pub(crate) fn count_value(count: u64) -> Value {
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counts, Key, MonthTotals};

    #[test]
    fn totals_are_written_as_the_lua_plugin_wrote_them() {
        let month = |counts: &[(&str, u64)]| MonthTotals {
            counts: counts
                .iter()
                .map(|&(key, count)| (Key::new(key), count))
                .collect::<Counts>(),
            ..MonthTotals::default()
        };
        let totals = Totals::from([
            ("2026-12".parse().unwrap(), month(&[("client-\"é\"", 1)])),
            (
                "2026-11".parse().unwrap(),
                month(&[("geo-DE-HE-2925533", 2), ("client-?", u64::MAX)]),
            ),
        ]);
        assert_eq!(
            totals_to_text(&totals),
            "return {\n\
             \t[\"2026-11\"] = {\n\
             \t\t[\"client-?\"] = 9223372036854775807;\n\
             \t\t[\"geo-DE-HE-2925533\"] = 2;\n\
             \t};\n\
             \t[\"2026-12\"] = {\n\
             \t\t[\"client-\\\"\\195\\169\\\"\"] = 1;\n\
             \t};\n\
             };\n"
        );
        assert_eq!(totals_to_text(&Totals::new()), "return {};\n");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let all: Vec<u8> = (0..=255).collect();
        let table = Table::from([
            (TableKey::Integer(1), Value::Text(all.clone())),
            (TableKey::Integer(2), Value::Float(0.1)),
            (TableKey::Integer(-7), Value::Integer(i64::MIN)),
            (TableKey::Float(2.5f64.to_bits()), Value::Float(1e99)),
            (TableKey::Boolean(true), Value::Boolean(false)),
            (TableKey::Text(all), Value::Table(Table::new())),
            (TableKey::text("inf"), Value::Float(f64::NEG_INFINITY)),
            (TableKey::text("whole"), Value::Float(-3.0)),
            (
                TableKey::text("list"),
                Value::Table(Table::from([
                    (TableKey::Integer(1), Value::Integer(10)),
                    (TableKey::Integer(2), Value::Integer(20)),
                    (TableKey::Integer(4), Value::Integer(40)),
                ])),
            ),
        ]);
        let text = to_text(&table);
        assert_eq!(parse(text.as_bytes()).unwrap(), table, "{text}");
    }
}
