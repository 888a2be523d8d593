//! What a counter is called: `geo-DE-HE-2925533`, `client-IOS`, `asn-AS3320`.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::num::{NonZeroU32, TryFromIntError};
use std::sync::Arc;

use crate::geo::{AsnTable, Found, GeoTable, Table, Value};
use crate::sync::RwLock;
use crate::{Countries, Network, Place};

/// The name of one count of a month.
///
/// Any text, because files of the Lua plugin may hold keys that this library
/// would not make; [`Key::kind`] tells the known ones apart. Orders by bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// What a key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Users at a place: `geo-DE-HE-2925533`.
    Place,
    /// Users of a client: `client-IOS`.
    Client,
    /// Users in a network: `asn-AS3320`.
    Asn,
    /// A key that this library does not make.
    Other,
}

impl Key {
    /// A key with exactly this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the key counts, by its prefix.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.split().0
    }

    /// The text after the prefix: `DE-HE-2925533`, `IOS`, `AS3320`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.split().1
    }

    fn split(&self) -> (Kind, &str) {
        for (prefix, kind) in [
            ("geo-", Kind::Place),
            ("client-", Kind::Client),
            ("asn-", Kind::Asn),
        ] {
            if let Some(name) = self.0.strip_prefix(prefix) {
                return (kind, name);
            }
        }
        (Kind::Other, &self.0)
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The keys that a login adds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginKeys {
    /// The `geo-` key.
    pub place: KeyId,
    /// The `client-` key.
    pub client: KeyId,
    /// The `asn-` key, with a database of networks.
    pub asn: Option<KeyId>,
}

/// A key's number in a [`KeyTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(NonZeroU32);

/// What a number means is in its highest two bits; the rest is the number that
/// the table of a database has for a place or a network, three bytes at most, or
/// that of a text, from 1 on.
const KIND: u32 = 3 << 30;
const PLACE: u32 = 1 << 30;
const NETWORK: u32 = 2 << 30;

impl KeyId {
    fn of(kind: u32, number: u32) -> Self {
        // One of the two is never zero.
        Self(NonZeroU32::new(kind | number).unwrap_or(NonZeroU32::MAX))
    }
}

impl From<KeyId> for u32 {
    fn from(id: KeyId) -> Self {
        id.0.get()
    }
}

impl TryFrom<u32> for KeyId {
    type Error = TryFromIntError;

    fn try_from(number: u32) -> Result<Self, TryFromIntError> {
        NonZeroU32::try_from(number).map(Self)
    }
}

/// The databases of a counter, and what the numbers of keys mean that come from
/// them. A login makes no text, and a visit that waits is a few bytes.
///
/// A table of places knows all places by number already. Only categories of
/// clients, and places of a database whose table is not ready yet, get numbers
/// here, when they are first asked for.
#[derive(Debug, Default)]
pub struct KeyTable {
    geo: Option<Arc<GeoTable>>,
    asn: Option<Arc<AsnTable>>,
    texts: RwLock<Texts>,
}

#[derive(Debug, Default)]
struct Texts {
    ids: HashMap<Key, KeyId>,
    keys: Vec<Key>,
}

impl KeyTable {
    /// The keys of logins that are looked up in these databases.
    #[must_use]
    pub fn new(geo: Option<Arc<GeoTable>>, asn: Option<Arc<AsnTable>>) -> Self {
        Self {
            geo,
            asn,
            texts: RwLock::default(),
        }
    }

    /// The database of places, if there is one.
    #[must_use]
    pub fn geo(&self) -> Option<&Arc<GeoTable>> {
        self.geo.as_ref()
    }

    /// The database of networks, if there is one.
    #[must_use]
    pub fn asn(&self) -> Option<&Arc<AsnTable>> {
        self.asn.as_ref()
    }

    /// The place of an address; unknown without a database or an address.
    pub(crate) fn place(&self, ip: Option<IpAddr>) -> Place {
        value(self.geo.as_deref(), self.find_place(ip))
    }

    fn find_place(&self, ip: Option<IpAddr>) -> Found<Place> {
        match (&self.geo, ip) {
            (Some(geo), Some(ip)) => geo.find(ip),
            _ => Found::NOTHING,
        }
    }

    /// The network of an address, known or not; `None` without a database.
    pub(crate) fn network(&self, ip: Option<IpAddr>) -> Option<Network> {
        let found = self.find_network(ip)?;
        Some(value(self.asn.as_deref(), found))
    }

    fn find_network(&self, ip: Option<IpAddr>) -> Option<Found<Network>> {
        let asn = self.asn.as_ref()?;
        Some(ip.map_or(Found::NOTHING, |ip| asn.find(ip)))
    }

    /// The key of the place of an address, if that is counted.
    pub(crate) fn place_key(&self, ip: Option<IpAddr>, counted: &Countries) -> Option<KeyId> {
        let found = self.find_place(ip);
        if !counted.are_all() && !counted.admit(value(self.geo.as_deref(), found).country) {
            return None;
        }
        Some(match found {
            Found::Number(number) => KeyId::of(PLACE, number),
            Found::Value(place) => self.id(&place_text(place)),
        })
    }

    /// The key of the network of an address; `None` without a database.
    pub(crate) fn network_key(&self, ip: Option<IpAddr>) -> Option<KeyId> {
        Some(match self.find_network(ip)? {
            Found::Number(number) => KeyId::of(NETWORK, number),
            Found::Value(network) => self.id(&network_text(network)),
        })
    }

    /// The number of a key by its text.
    pub fn id(&self, text: &str) -> KeyId {
        if let Some(id) = self.texts.read().ids.get(text) {
            return *id;
        }
        let mut texts = self.texts.write();
        if let Some(id) = texts.ids.get(text) {
            return *id;
        }
        let key = Key::new(text);
        texts.keys.push(key.clone());
        // A thousand million distinct keys do not fit into memory.
        let number = u32::try_from(texts.keys.len()).unwrap_or(u32::MAX);
        let id = KeyId::of(0, number & !KIND);
        texts.ids.insert(key, id);
        id
    }

    /// The key with this number, if the number is from this table.
    #[must_use]
    pub fn key(&self, id: KeyId) -> Option<Key> {
        let number = u32::from(id) & !KIND;
        match u32::from(id) & KIND {
            PLACE => {
                let geo = self.geo.as_deref();
                let place = value(geo, Found::Number(number));
                Some(Key::new(&place_text(place)))
            }
            NETWORK => {
                let asn = self.asn.as_deref();
                let network = value(asn, Found::Number(number));
                Some(Key::new(&network_text(network)))
            }
            _ => {
                let index = usize::try_from(number).ok()?.checked_sub(1)?;
                self.texts.read().keys.get(index).cloned()
            }
        }
    }
}

/// What was found in a database, if there is one.
fn value<V: Value>(table: Option<&Table<V>>, found: Found<V>) -> V {
    match found {
        Found::Value(value) => value,
        Found::Number(number) => table.map_or_else(V::default, |table| table.value(number)),
    }
}

fn place_text(place: Place) -> String {
    format!("geo-{place}")
}

fn network_text(network: Network) -> String {
    format!("asn-{network}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_kind_and_name() {
        for (text, kind, name) in [
            ("geo-DE-HE-2925533", Kind::Place, "DE-HE-2925533"),
            ("client-?", Kind::Client, "?"),
            ("asn-AS3320", Kind::Asn, "AS3320"),
            ("geo", Kind::Other, "geo"),
            ("", Kind::Other, ""),
        ] {
            let key = Key::new(text);
            assert_eq!((key.kind(), key.name()), (kind, name), "{text}");
        }
    }

    #[test]
    fn a_table_gives_equal_numbers_to_equal_keys_only() {
        let table = KeyTable::default();
        let a = table.id("client-IOS");
        let b = table.id("client-ANDROID");
        assert_eq!(table.id("client-IOS"), a);
        assert_ne!(a, b);
        assert_eq!(table.key(b), Some(Key::new("client-ANDROID")));
        assert_eq!(KeyId::try_from(u32::from(b)), Ok(b));
        let other = KeyTable::default();
        assert_eq!(other.key(b), None);
    }

    #[test]
    fn without_a_database_a_place_is_unknown_and_a_network_is_none() {
        let table = KeyTable::default();
        let ip = "192.0.2.1".parse().ok();
        let place = table.place_key(ip, &Countries::default()).unwrap();
        assert_eq!(table.key(place), Some(Key::new("geo-?-?-?")));
        assert_eq!(table.place_key(None, &Countries::default()), Some(place));
        assert_eq!(table.place_key(ip, &"DE".parse().unwrap()), None);
        assert_eq!(table.network_key(ip), None);
    }
}
