//! A place: country, subdivision and city, each known or not.

use std::fmt;

/// An ISO 3166 code of a country or a subdivision: 1 to 8 ASCII letters or
/// digits, held without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl Code {
    const MAX: usize = 8;

    /// The code with this text, or `None` when it could not be one. Databases
    /// are made by others: a key must stay readable whatever they hold.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let len = u8::try_from(text.len()).ok()?;
        let mut bytes = [0; Self::MAX];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric());
        (plain && len > 0).then_some(Self { bytes, len })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.bytes
            .get(..usize::from(self.len))
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Where a login came from. `Display` is the place's key without the prefix:
/// `DE-HE-2925533`, unknown parts as `?`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// ISO 3166-1 alpha-2 code of the country.
    pub country: Option<Code>,
    /// ISO 3166-2 code of the first subdivision, without the country.
    pub subdivision: Option<Code>,
    /// `GeoNames` number of the city.
    pub city: Option<u32>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |code: &Option<Code>, f: &mut fmt::Formatter<'_>| {
            f.write_str(code.as_ref().map_or("?", Code::as_str))
        };
        text(&self.country, f)?;
        f.write_str("-")?;
        text(&self.subdivision, f)?;
        match self.city {
            Some(city) => write!(f, "-{city}"),
            None => f.write_str("-?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_unknown_parts_as_question_marks() {
        let place = |country, subdivision, city| Place {
            country: Code::new(country),
            subdivision: Code::new(subdivision),
            city,
        };
        for (place, expected) in [
            (place("DE", "HE", Some(2_925_533)), "DE-HE-2925533"),
            (place("AT", "9", Some(2_761_369)), "AT-9-2761369"),
            (place("CN", "", None), "CN-?-?"),
            (Place::default(), "?-?-?"),
        ] {
            assert_eq!(place.to_string(), expected);
        }
    }

    #[test]
    fn a_code_is_letters_and_digits() {
        for text in ["DE", "9", "01", "ABCDEFGH"] {
            assert_eq!(Code::new(text).unwrap().as_str(), text);
        }
        for text in ["", "D-E", "D E", "Ü", "ABCDEFGHI", "A\n"] {
            assert!(Code::new(text).is_none(), "{text:?}");
        }
    }
}
