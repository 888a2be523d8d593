//! Places and networks from MaxMind databases (`.mmdb`).
//!
//! The format is MaxMind's, specification 2.0; it is read by the `maxminddb`
//! crate. A file is read into memory, never mapped: whoever overwrites a mapped
//! file in place kills the process that reads it.

mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxminddb::{MaxMindDbError, PathElement, Reader, WithinOptions, path};
use serde::Deserialize;

use self::shared::Shared;
pub use self::shared::Stamp;
use crate::Error;
use crate::place::{Code, Place};

/// How many records are looked at before a database is refused because it has
/// nothing of what it is for. Databases of one kind have it in nearly every
/// record.
const PROBED_RECORDS: usize = 100_000;

/// A database of places, in any edition that has countries.
#[derive(Debug)]
pub struct GeoTable {
    database: Database,
}

/// A database of networks (autonomous systems).
#[derive(Debug)]
pub struct AsnTable {
    database: Database,
}

#[derive(Debug)]
struct Database {
    path: PathBuf,
    reader: Reader<Vec<u8>>,
}

impl GeoTable {
    /// Reads a database of places.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no such database, or has no countries.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let database = Database::open(path)?;
        database.probe("countries", |record| country(record).is_some())?;
        Ok(Self { database })
    }

    /// Reads a database of places, unless the process has it in memory already.
    ///
    /// # Errors
    ///
    /// As for [`GeoTable::open`].
    pub fn open_shared(path: &Path) -> Result<Arc<Self>, Error> {
        static OPENED: Shared<GeoTable> = Shared::new();
        OPENED.get(path, Self::open)
    }

    /// The place of `address`; all parts unknown when it is not there, or
    /// where the database is damaged.
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> Place {
        match self.database.record(address) {
            Some(record) => Place {
                country: country(&record),
                subdivision: code(&record, &path!["subdivisions", 0, "iso_code"]),
                city: city(&record),
            },
            None => Place::default(),
        }
    }

    /// The English names of cities, by `GeoNames` number, as far as the
    /// database has them. Walks through the whole database: about a second.
    #[must_use]
    pub fn city_names(&self, wanted: &BTreeSet<u32>) -> BTreeMap<u32, String> {
        let mut names = BTreeMap::new();
        let Ok(networks) = self.database.reader.networks(WithinOptions::default()) else {
            return names;
        };
        let mut seen = BTreeSet::new();
        for record in networks.flatten() {
            if names.len() == wanted.len() {
                break;
            }
            // Thousands of networks share a record.
            if !record.offset().is_some_and(|offset| seen.insert(offset)) {
                continue;
            }
            let Some(city) = city(&record) else {
                continue;
            };
            if wanted.contains(&city) && !names.contains_key(&city) {
                if let Some(name) = decode(&record, &path!["city", "names", "en"]) {
                    names.insert(city, name);
                }
            }
        }
        names
    }

    /// When the database was built, in Unix seconds.
    #[must_use]
    pub fn built(&self) -> u64 {
        self.database.reader.metadata().build_epoch
    }
}

impl AsnTable {
    /// Reads a database of networks.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no such database, or has no networks.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let database = Database::open(path)?;
        database.probe("autonomous systems", |record| asn(record).is_some())?;
        Ok(Self { database })
    }

    /// Reads a database of networks, unless the process has it in memory
    /// already.
    ///
    /// # Errors
    ///
    /// As for [`AsnTable::open`].
    pub fn open_shared(path: &Path) -> Result<Arc<Self>, Error> {
        static OPENED: Shared<AsnTable> = Shared::new();
        OPENED.get(path, Self::open)
    }

    /// The number of the autonomous system that `address` belongs to.
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> Option<u32> {
        self.database.record(address).as_ref().and_then(asn)
    }

    /// When the database was built, in Unix seconds.
    #[must_use]
    pub fn built(&self) -> u64 {
        self.database.reader.metadata().build_epoch
    }
}

type Record<'a> = maxminddb::LookupResult<'a, Vec<u8>>;

impl Database {
    fn open(path: &Path) -> Result<Self, Error> {
        let error = |reason: String| Error::Geoip {
            path: path.display().to_string(),
            reason,
        };
        let reader = Reader::open_readfile(path).map_err(|cause| {
            error(match cause {
                MaxMindDbError::Io(cause) => format!("cannot read it: {cause}"),
                cause => format!("not a MaxMind database: {cause}"),
            })
        })?;
        Ok(Self {
            path: path.into(),
            reader,
        })
    }

    /// Refuses a database in which no record has what it is for. Otherwise a
    /// mistaken path would count everybody as unknown, for months.
    fn probe(&self, what: &str, has: impl Fn(&Record<'_>) -> bool) -> Result<(), Error> {
        let error = |reason: String| Error::Geoip {
            path: self.path.display().to_string(),
            reason,
        };
        let mut found = false;
        let networks = self
            .reader
            .networks(WithinOptions::default())
            .map_err(|cause| error(cause.to_string()))?;
        for record in networks.take(PROBED_RECORDS) {
            let record =
                record.map_err(|cause| error(format!("the database is damaged: {cause}")))?;
            if has(&record) {
                found = true;
                break;
            }
        }
        if found {
            return Ok(());
        }
        let kind = &self.reader.metadata().database_type;
        Err(error(format!("a database of type {kind:?} has no {what}")))
    }

    fn record(&self, address: IpAddr) -> Option<Record<'_>> {
        // An IPv6 address in an IPv4 database is an error of the crate's; for
        // us it is an address that is not there.
        self.reader.lookup(address).ok()
    }
}

/// `country.iso_code`, or `country_code` at the top of the flat layout.
fn country(record: &Record<'_>) -> Option<Code> {
    code(record, &path!["country", "iso_code"]).or_else(|| code(record, &path!["country_code"]))
}

fn city(record: &Record<'_>) -> Option<u32> {
    decode(record, &path!["city", "geoname_id"])
}

fn asn(record: &Record<'_>) -> Option<u32> {
    decode(record, &path!["autonomous_system_number"])
}

fn code(record: &Record<'_>, path: &[PathElement<'_>]) -> Option<Code> {
    decode::<&str>(record, path).and_then(Code::new)
}

/// The value at `path`, or `None` when it is missing, of another type (in the
/// flat layout `city` is a text), or damaged.
fn decode<'a, T: Deserialize<'a>>(record: &Record<'a>, path: &[PathElement<'_>]) -> Option<T> {
    record.decode_path(path).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipnet::IpNet;
    use mmdb_writer::{IpVersion, Value, Writer};
    use std::io::Write as _;
    use tempfile::NamedTempFile;

    fn file(writer: &Writer) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(&writer.to_bytes().unwrap()).unwrap();
        file
    }

    fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
        Value::map(pairs)
    }

    fn insert(writer: &mut Writer, network: &str, value: Value) {
        writer
            .insert_value(network.parse::<IpNet>().unwrap(), value)
            .unwrap();
    }

    fn nested(country: &str, subdivision: &str, city: u32, name: &str) -> Value {
        map([
            ("country", map([("iso_code", Value::from(country))])),
            (
                "subdivisions",
                Value::array([map([("iso_code", Value::from(subdivision))])]),
            ),
            (
                "city",
                map([
                    ("geoname_id", Value::from(city)),
                    ("names", map([("en", Value::from(name))])),
                ]),
            ),
        ])
    }

    fn place(table: &GeoTable, address: &str) -> String {
        table.lookup(address.parse().unwrap()).to_string()
    }

    #[test]
    fn reads_nested_records_for_both_address_families() {
        let mut writer = Writer::new("Test-City");
        insert(
            &mut writer,
            "192.0.2.0/25",
            nested("DE", "HE", 2_925_533, "Frankfurt"),
        );
        insert(
            &mut writer,
            "2001:db8::/32",
            nested("AT", "9", 2_761_369, "Vienna"),
        );
        insert(
            &mut writer,
            "198.51.100.0/24",
            map([("country", map([("iso_code", Value::from("CN"))]))]),
        );
        insert(
            &mut writer,
            "203.0.113.0/24",
            map([("continent", Value::from("EU"))]),
        );
        let file = file(&writer);
        let table = GeoTable::open(file.path()).unwrap();
        for (address, expected) in [
            ("192.0.2.1", "DE-HE-2925533"),
            ("192.0.2.200", "?-?-?"),
            ("2001:db8::1", "AT-9-2761369"),
            ("198.51.100.1", "CN-?-?"),
            ("203.0.113.1", "?-?-?"),
            ("::1", "?-?-?"),
        ] {
            assert_eq!(place(&table, address), expected, "{address}");
        }
        let names = table.city_names(&BTreeSet::from([2_925_533, 1]));
        assert_eq!(names, BTreeMap::from([(2_925_533, "Frankfurt".to_owned())]));
    }

    #[test]
    fn reads_the_flat_layout() {
        let mut writer = Writer::new("Test-Flat");
        let value = map([
            ("country_code", Value::from("NZ")),
            ("city", Value::from("Picton")),
        ]);
        insert(&mut writer, "192.0.2.0/24", value);
        let file = file(&writer);
        let table = GeoTable::open(file.path()).unwrap();
        assert_eq!(place(&table, "192.0.2.1"), "NZ-?-?");
    }

    #[test]
    fn an_ipv6_address_in_an_ipv4_database_is_unknown() {
        let mut writer = Writer::builder("Test-V4").ip_version(IpVersion::V4).build();
        insert(&mut writer, "192.0.2.0/24", nested("DE", "HE", 1, ""));
        let file = file(&writer);
        let table = GeoTable::open(file.path()).unwrap();
        assert_eq!(place(&table, "192.0.2.1"), "DE-HE-1");
        assert_eq!(place(&table, "2001:db8::1"), "?-?-?");
    }

    #[test]
    fn reads_networks() {
        let mut writer = Writer::new("Test-ASN");
        let value = map([("autonomous_system_number", Value::from(3320_u32))]);
        insert(&mut writer, "192.0.2.0/24", value);
        let file = file(&writer);
        let table = AsnTable::open(file.path()).unwrap();
        assert_eq!(table.lookup("192.0.2.1".parse().unwrap()), Some(3320));
        assert_eq!(table.lookup("198.51.100.1".parse().unwrap()), None);
    }

    #[test]
    fn refuses_what_is_no_database_or_the_wrong_one_and_names_the_file() {
        let mut junk = NamedTempFile::new().unwrap();
        junk.write_all(&[7; 5000]).unwrap();
        let mut writer = Writer::new("Test-ASN");
        let value = map([("autonomous_system_number", Value::from(3320_u32))]);
        insert(&mut writer, "192.0.2.0/24", value);
        let networks = file(&writer);
        for path in [junk.path(), networks.path(), Path::new("/nowhere/x.mmdb")] {
            let message = GeoTable::open(path).unwrap_err().to_string();
            assert!(message.starts_with(&*path.to_string_lossy()), "{message}");
        }
    }
}
