//! The filter of countries whose users are counted.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::Code;

/// Which countries' users are counted: those of a list, or everybody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Countries {
    /// ISO 3166-1 codes in upper case; empty means everybody.
    listed: BTreeSet<Code>,
}

impl Countries {
    /// Whether users are counted wherever they are.
    pub(crate) fn are_all(&self) -> bool {
        self.listed.is_empty()
    }

    /// Whether a user from `country` is counted. A user from an unknown place
    /// is only counted when everybody is.
    #[must_use]
    pub fn admit(&self, country: Option<Code>) -> bool {
        self.listed.is_empty()
            || country
                .and_then(|code| Code::new(&code.as_str().to_ascii_uppercase()))
                .is_some_and(|code| self.listed.contains(&code))
    }
}

impl FromStr for Countries {
    type Err = String;

    /// Reads ISO 3166-1 alpha-2 codes in any case, separated by commas or
    /// spaces; nothing, or `ALL` among them, means everybody.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut listed = BTreeSet::new();
        let mut everybody = false;
        for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
            let word = word.to_ascii_uppercase();
            if word == "ALL" {
                everybody = true;
                continue;
            }
            let letters = word.len() == 2 && word.bytes().all(|b| b.is_ascii_alphabetic());
            let code = Code::new(&word).filter(|_| letters);
            listed.insert(code.ok_or_else(|| {
                format!("{word:?} is not a country code of two letters such as DE")
            })?);
        }
        if everybody {
            listed.clear();
        }
        Ok(Self { listed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_admits_its_countries_in_any_case() {
        let countries: Countries = "de, AT,ch".parse().unwrap();
        for (code, admitted) in [("DE", true), ("at", true), ("CH", true), ("FR", false)] {
            assert_eq!(countries.admit(Code::new(code)), admitted, "{code}");
        }
        assert!(!countries.admit(None));
    }

    #[test]
    fn nothing_or_all_admits_everybody() {
        for text in ["", " ", ",", "ALL", "all", "DE,ALL"] {
            let countries: Countries = text.parse().unwrap();
            assert!(
                countries.admit(None) && countries.admit(Code::new("FR")),
                "{text:?}"
            );
        }
    }

    #[test]
    fn names_what_is_no_country() {
        for text in ["DEU", "D", "Germany", "DE;AT", "4F"] {
            assert!(text.parse::<Countries>().is_err(), "{text:?}");
        }
    }
}
