//! What a counter is called: `geo-DE-HE-2925533`, `client-IOS`, `asn-AS3320`.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::sync::RwLock;

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

/// A key's number in a [`KeyTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(NonZeroU32);

impl KeyId {
    /// The number as an index, from 0 on, without gaps.
    pub(crate) fn index(self) -> usize {
        usize::try_from(self.0.get() - 1).unwrap_or(usize::MAX)
    }
}

/// Gives each key a small number, so that a pending visit is a few bytes.
///
/// Only grows; it is as large as the number of places and clients ever seen by
/// the counter, which the databases bound.
#[derive(Debug, Default)]
pub struct KeyTable {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ids: HashMap<Key, KeyId>,
    keys: Vec<Key>,
}

impl KeyTable {
    /// The number of the key with this text. Allocates for a new key alone.
    pub fn id(&self, text: impl fmt::Display) -> KeyId {
        let mut short = ShortText::default();
        if write!(short, "{text}").is_ok() {
            self.id_of(short.as_str())
        } else {
            self.id_of(&text.to_string())
        }
    }

    fn id_of(&self, text: &str) -> KeyId {
        if let Some(id) = self.inner.read().ids.get(text) {
            return *id;
        }
        let key = Key::new(text);
        let mut inner = self.inner.write();
        let next = u32::try_from(inner.keys.len() + 1)
            .ok()
            .and_then(NonZeroU32::new)
            // Four thousand million distinct keys do not fit into memory.
            .unwrap_or(NonZeroU32::MAX);
        let id = *inner.ids.entry(key.clone()).or_insert(KeyId(next));
        if id.0 == next {
            inner.keys.push(key);
        }
        id
    }

    /// The key with this number, if the number is from this table.
    #[must_use]
    pub fn key(&self, id: KeyId) -> Option<Key> {
        self.key_at(id.index())
    }

    /// The key at an index, as [`KeyId::index`] tells it.
    pub(crate) fn key_at(&self, index: usize) -> Option<Key> {
        self.inner.read().keys.get(index).cloned()
    }
}

/// The text of a key, as far as it is no longer than those of places are.
#[derive(Default)]
struct ShortText {
    bytes: [u8; 32],
    len: usize,
}

impl ShortText {
    fn as_str(&self) -> &str {
        let text = self.bytes.get(..self.len).map(std::str::from_utf8);
        text.and_then(Result::ok).unwrap_or_default()
    }
}

impl fmt::Write for ShortText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let free = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        free.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
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
        let long = "x".repeat(100);
        let c = table.id(format_args!("client-{long}"));
        assert_eq!(table.id(format_args!("client-{long}")), c);
        assert_eq!(table.key(c), Some(Key::new(&format!("client-{long}"))));
        let other = KeyTable::default();
        assert_eq!(other.key(b), None);
    }
}
