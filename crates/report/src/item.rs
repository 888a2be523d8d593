//! What a row of a report counts: a key, or several keys folded into one.

use monthly_visitors::{Key, Kind};

use crate::By;

/// What a row of a report counts. A part that is unknown (`?` in the key) is
/// `None`.
///
/// The variants other than the folded ones hold a whole key: see
/// [`Item::key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item<'a> {
    /// All places of a country, folded.
    Country(Option<&'a str>),
    /// All places of a country's first subdivision, folded.
    Subdivision {
        /// ISO 3166-1 code.
        country: Option<&'a str>,
        /// ISO 3166-2 code without the country.
        subdivision: Option<&'a str>,
    },
    /// A place.
    Place {
        /// ISO 3166-1 code.
        country: Option<&'a str>,
        /// ISO 3166-2 code without the country.
        subdivision: Option<&'a str>,
        /// `GeoNames` id of the city.
        city: Option<u32>,
    },
    /// A client's category.
    Client(Option<&'a str>),
    /// A network, such as `AS3320`.
    Asn(Option<&'a str>),
    /// A key that is taken as it is: of no known kind, or that says it is a
    /// place and is not written like one. It is never folded.
    Raw(&'a str),
}

impl<'a> Item<'a> {
    /// What `key` is counted under in a report by `by`.
    pub(crate) fn of(key: &'a Key, by: By) -> Self {
        match key.kind() {
            Kind::Place => Self::place(key.name(), by).unwrap_or(Self::Raw(key.as_str())),
            Kind::Client => Self::Client(known(key.name())),
            Kind::Asn => Self::Asn(known(key.name())),
            Kind::Other => Self::Raw(key.as_str()),
        }
    }

    /// `None` when `name` is not written as the counter writes places. That
    /// includes numbers such as "007", so that the key can be made again from
    /// its parts.
    fn place(name: &'a str, by: By) -> Option<Self> {
        let mut parts = name.split('-');
        let (country, subdivision, city) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || country.is_empty() || subdivision.is_empty() {
            return None;
        }
        let city = match known(city) {
            None => None,
            Some(text) => {
                let id: u32 = text.parse().ok()?;
                (id.to_string() == text).then_some(Some(id))?
            }
        };
        let (country, subdivision) = (known(country), known(subdivision));
        Some(match by {
            By::Country => Self::Country(country),
            By::Subdivision => Self::Subdivision {
                country,
                subdivision,
            },
            _ => Self::Place {
                country,
                subdivision,
                city,
            },
        })
    }

    /// The key that is counted; `None` when several are folded into this item.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        let part = |text: Option<&'a str>| text.unwrap_or("?");
        match *self {
            Self::Country(_) | Self::Subdivision { .. } => None,
            Self::Place {
                country,
                subdivision,
                city,
            } => {
                let city = city.map_or_else(|| "?".into(), |id| id.to_string());
                Some(format!(
                    "geo-{}-{}-{city}",
                    part(country),
                    part(subdivision)
                ))
            }
            Self::Client(client) => Some(format!("client-{}", part(client))),
            Self::Asn(asn) => Some(format!("asn-{}", part(asn))),
            Self::Raw(key) => Some(key.into()),
        }
    }
}

fn known(part: &str) -> Option<&str> {
    (part != "?").then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_again_from_its_parts() {
        for text in [
            "geo-DE-HE-2925533",
            "geo-AT-9-2761369",
            "geo-CN-?-?",
            "geo-?-?-?",
            "geo-?-?-7",
            "client-IOS",
            "client-?",
            "client-",
            "asn-AS3320",
            "asn-?",
        ] {
            let key = Key::new(text);
            let item = Item::of(&key, By::All);
            assert!(!matches!(item, Item::Raw(_)), "{text}");
            assert_eq!(item.key().as_deref(), Some(text));
        }
    }

    #[test]
    fn a_place_that_is_not_written_like_one_keeps_its_whole_text() {
        for text in [
            "geo-",
            "geo-DE",
            "geo-DE-HE",
            "geo-DE-HE-1-2",
            "geo--HE-1",
            "geo-DE--1",
            "geo-DE-HE-",
            "geo-DE-HE-x",
            "geo-DE-HE-+1",
            "geo-DE-HE-01",
            "geo-DE-HE-4294967296",
            "other",
            "",
        ] {
            let key = Key::new(text);
            for by in [By::All, By::Place, By::Country, By::Subdivision] {
                assert_eq!(Item::of(&key, by), Item::Raw(text), "{text} by {by}");
            }
        }
    }

    #[test]
    fn folds_to_the_level_asked_for() {
        let key = Key::new("geo-DE-HE-2925533");
        let country = Some("DE");
        let subdivision = Some("HE");
        for (by, item) in [
            (By::Country, Item::Country(country)),
            (
                By::Subdivision,
                Item::Subdivision {
                    country,
                    subdivision,
                },
            ),
            (
                By::Place,
                Item::Place {
                    country,
                    subdivision,
                    city: Some(2_925_533),
                },
            ),
        ] {
            assert_eq!(Item::of(&key, by), item);
        }
    }
}
