//! A network: an autonomous system, known or not.

use std::fmt;

/// Whose network a login came from. `Display` is its key without the prefix:
/// `AS3320`, or `?`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// The number of the autonomous system (RFC 6793).
    pub asn: Option<u32>,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.asn {
            Some(asn) => write!(f, "AS{asn}"),
            None => f.write_str("?"),
        }
    }
}
