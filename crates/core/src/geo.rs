//! Places and networks from MaxMind databases (`.mmdb`).
//!
//! The format is MaxMind's, specification 2.0; it is read by the `maxminddb`
//! crate. A file is read into memory, never mapped: whoever overwrites a mapped
//! file in place kills the process that reads it. Of what was read, a table
//! keeps what is counted, in less than half the memory and found in a fraction of
//! the time.

mod database;
#[cfg(fuzzing)]
pub mod fuzzing;
mod ranges;
mod shared;
mod table;
mod tree;
mod walk;

#[cfg(test)]
mod against_reader;
#[cfg(test)]
mod broken;
#[cfg(test)]
mod by_hand;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub use self::database::Value;
pub use self::shared::Stamp;
pub(crate) use self::table::Found;
pub use self::table::Table;
use crate::{Error, Network, Place};

/// A database of places, in any edition that has countries.
pub type GeoTable = Table<Place>;

/// A database of networks, by the numbers of autonomous systems.
pub type AsnTable = Table<Network>;

impl GeoTable {
    /// The English names of cities, by `GeoNames` number, as far as the
    /// database has them. Walks through the whole database, and reads it again
    /// when there is a table: about a second.
    #[must_use]
    pub fn city_names(&self, wanted: &BTreeSet<u32>) -> BTreeMap<u32, String> {
        let mut names = BTreeMap::new();
        let Ok(database) = self.database() else {
            return names;
        };
        let Ok(Some(networks)) = database.networks(|| false) else {
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
            let Some(city) = database::city(&record) else {
                continue;
            };
            if wanted.contains(&city) && !names.contains_key(&city) {
                if let Some(name) = database::city_name(&record) {
                    names.insert(city, name);
                }
            }
        }
        names
    }
}

fn error(path: &Path, reason: String) -> Error {
    Error::Geoip {
        path: path.display().to_string(),
        reason,
    }
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
        for _ in 0..2 {
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
            table.build().unwrap();
        }
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
        let asn = |address: &str| table.lookup(address.parse().unwrap()).asn;
        assert_eq!(asn("192.0.2.1"), Some(3320));
        assert_eq!(asn("198.51.100.1"), None);
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
