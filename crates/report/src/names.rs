//! What people call an item: names of countries and cities, "unknown".

use std::collections::BTreeMap;

use crate::Item;

/// Names that are not in the totals. Those of countries are built in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The virtual host that the totals are of; may be empty.
    pub host: String,
    /// Names of cities by `GeoNames` id, from a database of places. May lack
    /// any of them.
    pub cities: BTreeMap<u32, String>,
}

impl Names {
    /// The short English name of a country, such as "Germany" for "DE".
    #[must_use]
    pub fn country(code: &str) -> Option<&'static str> {
        country_emoji::code_to_name(code)
    }

    /// The name of a city, if it is known.
    #[must_use]
    pub fn city(&self, id: u32) -> Option<&str> {
        self.cities.get(&id).map(String::as_str)
    }

    /// What a table calls `item`: "Frankfurt am Main (DE-HE)", "DE Germany",
    /// "unknown". On one line, and harmless to a terminal.
    #[must_use]
    pub fn label(&self, item: &Item<'_>) -> String {
        let text = match *item {
            Item::Country(country) => full_country(country),
            Item::Subdivision {
                country,
                subdivision,
            } => full_subdivision(country, subdivision),
            Item::Place {
                country: None,
                subdivision: None,
                city: None,
            } => "unknown".into(),
            Item::Place {
                country: country @ Some(_),
                subdivision: None,
                city: None,
            } => format!("{}, place unknown", full_country(country)),
            Item::Place {
                country,
                subdivision,
                city,
            } => {
                let region = match (country, subdivision) {
                    (Some(country), Some(subdivision)) => format!("{country}-{subdivision}"),
                    (Some(country), None) => country.into(),
                    (None, Some(subdivision)) => format!("?-{subdivision}"),
                    (None, None) => "country unknown".into(),
                };
                format!("{} ({region})", self.full_city(city))
            }
            Item::Client(name) | Item::Asn(name) => match name {
                None => "unknown".into(),
                // An empty cell would look like a defect of the table.
                Some("") => "\"\"".into(),
                Some(name) => name.into(),
            },
            Item::Raw("") => "\"\"".into(),
            Item::Raw(key) => key.into(),
        };
        printable(&text)
    }

    fn full_city(&self, city: Option<u32>) -> String {
        city.map_or_else(
            || "unknown".into(),
            |id| {
                self.city(id)
                    .map_or_else(|| format!("GeoNames {id}"), Into::into)
            },
        )
    }
}

fn full_country(country: Option<&str>) -> String {
    match country {
        None => "unknown".into(),
        Some(code) => {
            Names::country(code).map_or_else(|| code.into(), |name| format!("{code} {name}"))
        }
    }
}

fn full_subdivision(country: Option<&str>, subdivision: Option<&str>) -> String {
    match (country, subdivision) {
        (None, None) => "unknown".into(),
        (None, Some(subdivision)) => format!("?-{subdivision}"),
        (Some(_), None) => format!("{}, subdivision unknown", full_country(country)),
        (Some(code), Some(subdivision)) => Names::country(code).map_or_else(
            || format!("{code}-{subdivision}"),
            |name| format!("{code}-{subdivision} {name}"),
        ),
    }
}

/// `text` with its control characters, and those that turn the direction of
/// writing, escaped: a category or a file must not move the cursor, nor make
/// one name look like another.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        let turns = matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        );
        if turns || character.is_control() {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use monthly_visitors::Key;

    use super::*;
    use crate::By;

    fn label(key: &str, by: By) -> String {
        let mut names = Names::default();
        names.cities.insert(2_925_533, "Frankfurt am Main".into());
        names.label(&Item::of(&Key::new(key), by))
    }

    #[test]
    fn a_place_is_called_by_the_most_that_is_known() {
        for (key, expected) in [
            ("geo-DE-HE-2925533", "Frankfurt am Main (DE-HE)"),
            ("geo-DE-?-2925533", "Frankfurt am Main (DE)"),
            ("geo-?-?-2925533", "Frankfurt am Main (country unknown)"),
            ("geo-?-HE-?", "unknown (?-HE)"),
            ("geo-AT-9-2761369", "GeoNames 2761369 (AT-9)"),
            ("geo-DE-HE-?", "unknown (DE-HE)"),
            ("geo-CN-?-?", "CN China, place unknown"),
            ("geo-?-?-?", "unknown"),
            ("geo-DE", "geo-DE"),
        ] {
            assert_eq!(label(key, By::Place), expected, "{key}");
        }
    }

    #[test]
    fn countries_and_subdivisions_have_their_codes_and_names() {
        for (key, country, subdivision) in [
            ("geo-DE-HE-1", "DE Germany", "DE-HE Germany"),
            ("geo-RU-?-?", "RU Russia", "RU Russia, subdivision unknown"),
            ("geo-XK-?-?", "XK Kosovo", "XK Kosovo, subdivision unknown"),
            ("geo-ZZ-1-?", "ZZ", "ZZ-1"),
            ("geo-ZZ-?-?", "ZZ", "ZZ, subdivision unknown"),
            ("geo-?-1-?", "unknown", "?-1"),
            ("geo-?-?-?", "unknown", "unknown"),
        ] {
            assert_eq!(label(key, By::Country), country, "{key}");
            assert_eq!(label(key, By::Subdivision), subdivision, "{key}");
        }
    }

    #[test]
    fn country_names_are_short_and_in_english() {
        for (code, name) in [
            ("US", "United States"),
            ("GB", "United Kingdom"),
            ("KR", "South Korea"),
            ("CI", "Côte d'Ivoire"),
        ] {
            assert_eq!(Names::country(code), Some(name));
        }
        assert_eq!(Names::country("XX"), None);
    }

    #[test]
    fn clients_and_networks_keep_their_names() {
        for (key, expected) in [
            ("client-IOS", "IOS"),
            ("client-?", "unknown"),
            ("client-", "\"\""),
            ("asn-AS3320", "AS3320"),
            ("asn-?", "unknown"),
            ("", "\"\""),
        ] {
            assert_eq!(label(key, By::All), expected, "{key:?}");
        }
    }

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        assert_eq!(
            label("client-a\r\nb\u{1b}[31m\u{202e}c\u{9b}", By::All),
            "a\\r\\nb\\u{1b}[31m\\u{202e}c\\u{9b}"
        );
        assert_eq!(label("client-Зима 冬", By::All), "Зима 冬");
    }
}
