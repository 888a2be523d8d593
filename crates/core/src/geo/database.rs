//! A database file in memory, and what its records say.

use std::collections::HashSet;
use std::hash::Hash;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use maxminddb::{MaxMindDbError, PathElement, Reader, Within, WithinOptions, path};
use serde::Deserialize;

use super::Table;
use super::shared::Shared;
use super::tree::Tree;
use crate::{Code, Error, Network, Place};

/// How many networks, and how many different records, are looked at before a
/// database is refused because it has nothing of what it is for. Databases of
/// one kind have it in nearly every record. A record may be as large as the
/// file, and all may be in the same bytes: hence the second bound.
const PROBED_NETWORKS: usize = 100_000;
const PROBED_RECORDS: usize = 1_000;

/// What is kept of a record. The default is what an address has that is not in
/// the database.
pub trait Value: Copy + Default + Eq + Hash + Send + Sync + 'static {
    /// What a database must have to be of this kind.
    const WHAT: &'static str;

    /// As much of a record as is there, of the right type, and not damaged.
    fn of(record: &Record<'_>) -> Self;

    /// Whether it is more than nothing.
    fn is_known(&self) -> bool;

    /// The databases of this kind that are in use.
    fn shared() -> &'static Shared<Table<Self>>;
}

impl Value for Place {
    const WHAT: &'static str = "countries";

    fn of(record: &Record<'_>) -> Self {
        Self {
            // The flat layout has it at the top.
            country: code(record, &path!["country", "iso_code"])
                .or_else(|| code(record, &path!["country_code"])),
            subdivision: code(record, &path!["subdivisions", 0, "iso_code"]),
            city: city(record),
        }
    }

    fn is_known(&self) -> bool {
        self.country.is_some()
    }

    fn shared() -> &'static Shared<Table<Self>> {
        static OPENED: Shared<Table<Place>> = Shared::new();
        &OPENED
    }
}

impl Value for Network {
    const WHAT: &'static str = "autonomous systems";

    fn of(record: &Record<'_>) -> Self {
        Self {
            asn: decode(record, &path!["autonomous_system_number"]),
        }
    }

    fn is_known(&self) -> bool {
        self.asn.is_some()
    }

    fn shared() -> &'static Shared<Table<Self>> {
        static OPENED: Shared<Table<Network>> = Shared::new();
        &OPENED
    }
}

/// The file's bytes: the reader has them, and so has who looks at the tree.
#[derive(Clone, Debug)]
pub struct Bytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// What the reader finds for an address.
pub type Record<'a> = maxminddb::LookupResult<'a, Bytes>;

#[derive(Debug)]
pub(super) struct Database {
    pub(super) bytes: Bytes,
    pub(super) reader: Reader<Bytes>,
}

impl Database {
    /// Reads the file, which must have at least one record with a `V`.
    pub(super) fn open<V: Value>(path: &Path) -> Result<Self, Error> {
        let error = |reason: String| super::error(path, reason);
        let bytes =
            std::fs::read(path).map_err(|cause| error(format!("cannot read it: {cause}")))?;
        let bytes = Bytes(Arc::new(bytes));
        let reader = Reader::from_source(bytes.clone())
            .map_err(|cause| error(format!("not a MaxMind database: {cause}")))?;
        let database = Self { bytes, reader };
        if database
            .has_any::<V>()
            .map_err(|cause| error(damaged(&cause)))?
        {
            return Ok(database);
        }
        let kind = &database.reader.metadata().database_type;
        let what = V::WHAT;
        Err(error(format!("a database of type {kind:?} has no {what}")))
    }

    /// Whether some record has what the database is for. Otherwise a mistaken
    /// path would count everybody as unknown, for months.
    fn has_any<V: Value>(&self) -> Result<bool, MaxMindDbError> {
        // What an iterator leaves out it looks for all the same, and in a tree
        // that is none without end. This one leaves out nothing.
        let all = WithinOptions::default()
            .include_networks_without_data()
            .include_aliased_networks();
        let mut seen = HashSet::new();
        for record in self.reader.networks(all)?.take(PROBED_NETWORKS) {
            let record = record?;
            if record.offset().is_none_or(|offset| !seen.insert(offset)) {
                continue;
            }
            if V::of(&record).is_known() {
                return Ok(true);
            }
            if seen.len() == PROBED_RECORDS {
                break;
            }
        }
        Ok(false)
    }

    pub(super) fn value<V: Value>(&self, address: IpAddr) -> V {
        // An IPv6 address in an IPv4 database is an error of the crate's; for
        // us it is an address that is not there.
        self.reader
            .lookup(address)
            .map_or_else(|_| V::default(), |record| V::of(&record))
    }

    /// All networks, in the order of their addresses: first IPv4, then IPv6.
    /// Those that are the same as IPv4 are left out. `None` when it was
    /// stopped.
    ///
    /// # Errors
    ///
    /// The database is damaged, so that there might be no end.
    pub(super) fn networks(
        &self,
        stopped: impl Fn() -> bool,
    ) -> Result<Option<Within<'_, Bytes>>, String> {
        let metadata = self.reader.metadata();
        let tree = Tree {
            bytes: self.bytes.as_ref(),
            node_count: metadata.node_count as usize,
            record_size: metadata.record_size,
            has_ipv6: metadata.ip_version == 6,
        };
        match tree.is_tree(stopped) {
            None => return Ok(None),
            Some(false) => return Err("the database is damaged: its search tree is none".into()),
            Some(true) => {}
        }
        let all = WithinOptions::default().include_networks_without_data();
        let networks = self.reader.networks(all);
        networks.map(Some).map_err(|cause| damaged(&cause))
    }
}

pub(super) fn damaged(cause: &MaxMindDbError) -> String {
    format!("the database is damaged: {cause}")
}

pub(super) fn city(record: &Record<'_>) -> Option<u32> {
    decode(record, &path!["city", "geoname_id"])
}

pub(super) fn city_name(record: &Record<'_>) -> Option<String> {
    decode(record, &path!["city", "names", "en"])
}

fn code(record: &Record<'_>, path: &[PathElement<'_>]) -> Option<Code> {
    decode::<&str>(record, path).and_then(Code::new)
}

/// The value at `path`, or `None` when it is missing, of another type (in the
/// flat layout `city` is a text), or damaged.
fn decode<'a, T: Deserialize<'a>>(record: &Record<'a>, path: &[PathElement<'_>]) -> Option<T> {
    record.decode_path(path).ok().flatten()
}
