//! What a report shows, and how.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use monthly_visitors::{Error, Kind, Month};

/// Which months a report has, and how its places are folded.
///
/// The default is every month and every key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The first month; none is no bound.
    pub first: Option<Month>,
    /// The last month, itself included; none is no bound.
    pub last: Option<Month>,
    /// Of the months that have totals, and are within the bounds, only the
    /// newest so many.
    pub last_n: Option<NonZeroU32>,
    /// What the rows are.
    pub by: By,
}

/// What the rows of a report are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// Every key: places, clients, networks and others, one after the other.
    #[default]
    All,
    /// Places, down to the city.
    Place,
    /// Countries.
    Country,
    /// First subdivisions of countries, such as states.
    Subdivision,
    /// Clients.
    Client,
    /// Networks.
    Asn,
}

impl By {
    const KNOWN: [(&'static str, Self); 6] = [
        ("all", Self::All),
        ("place", Self::Place),
        ("country", Self::Country),
        ("subdivision", Self::Subdivision),
        ("client", Self::Client),
        ("asn", Self::Asn),
    ];

    /// The kinds of keys that are in the report, in the report's order.
    pub(crate) fn kinds(self) -> &'static [Kind] {
        match self {
            Self::All => &[Kind::Place, Kind::Client, Kind::Asn, Kind::Other],
            Self::Place | Self::Country | Self::Subdivision => &[Kind::Place],
            Self::Client => &[Kind::Client],
            Self::Asn => &[Kind::Asn],
        }
    }
}

/// The form of a report's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns with shares and changes, for people.
    #[default]
    Table,
    /// One JSON object with a schema number, for programs.
    Json,
    /// RFC 4180 with a header line, for spreadsheets.
    Csv,
    /// The totals file of Prosody's Lua plugin.
    Prosody,
}

impl Format {
    const KNOWN: [(&'static str, Self); 4] = [
        ("table", Self::Table),
        ("json", Self::Json),
        ("csv", Self::Csv),
        ("prosody", Self::Prosody),
    ];
}

/// Whether a table has colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    #[default]
    Plain,
    /// Bold headings and dim changes, as ANSI escape sequences.
    Colour,
}

fn read<T: Copy>(what: &str, known: &[(&str, T)], text: &str) -> Result<T, Error> {
    let found = known.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        Error::Argument(format!("{what} is not one of {}", names.join(", ")))
    })
}

fn name<T: Copy + PartialEq>(known: &[(&'static str, T)], wanted: T) -> &'static str {
    let found = known.iter().find(|(_, value)| *value == wanted);
    found.map_or("", |(name, _)| name)
}

impl FromStr for By {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        read("by", &Self::KNOWN, text)
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(name(&Self::KNOWN, *self))
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        read("format", &Self::KNOWN, text)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(name(&Self::KNOWN, *self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        for text in ["table", "json", "csv", "prosody"] {
            assert_eq!(text.parse::<Format>().unwrap().to_string(), text);
        }
        for text in ["all", "place", "country", "subdivision", "client", "asn"] {
            assert_eq!(text.parse::<By>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_known_ones() {
        for text in ["", "xml", "Table", "json "] {
            assert_eq!(
                text.parse::<Format>().unwrap_err().to_string(),
                "format is not one of table, json, csv, prosody",
                "{text:?}"
            );
        }
        assert_eq!(
            "town".parse::<By>().unwrap_err().to_string(),
            "by is not one of all, place, country, subdivision, client, asn"
        );
    }
}
