//! One event: a user, an address, a resource and a time.

use std::fmt;

use crate::{Address, Error, MAX_TEXT, User};

/// A login, borrowed for the length of a call.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// Who logged in.
    pub user: User<'a>,
    /// From where, if that is known.
    pub address: Option<Address<'a>>,
    /// With which resource, if there is one.
    pub resource: Option<Resource<'a>>,
    /// When, in Unix seconds.
    pub time: i64,
}

/// The resource of a login, which tells the client. It has no `Display`, and
/// `Debug` hides it, so it cannot reach a log by accident.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Resource<'a>(&'a [u8]);

impl<'a> Resource<'a> {
    /// Takes a resource of at most 3,071 bytes. Any bytes: patterns read bytes.
    ///
    /// # Errors
    ///
    /// It is longer.
    pub fn new(text: &'a [u8]) -> Result<Self, Error> {
        if text.len() > MAX_TEXT {
            return Err(Error::Argument("resource is too long".into()));
        }
        Ok(Self(text))
    }

    /// The resource itself. Called `expose` so that one search finds each use.
    #[must_use]
    pub fn expose(self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resource(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_everything_but_the_time() {
        let login = Login {
            user: User::new(b"juliet").unwrap(),
            address: Some(Address::new(b"192.0.2.1")),
            resource: Some(Resource::new(b"Zom-1").unwrap()),
            time: 7,
        };
        let shown = format!("{login:?}");
        for secret in ["juliet", "192", "Zom"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn a_resource_has_a_largest_length() {
        assert!(Resource::new(&vec![b'x'; MAX_TEXT]).is_ok());
        assert!(Resource::new(&vec![b'x'; MAX_TEXT + 1]).is_err());
    }
}
