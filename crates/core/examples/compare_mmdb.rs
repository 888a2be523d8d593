//! Compares the table that is made of a database of places with the database, for
//! the first and the last address of every network, where IPv4 is also a part
//! of IPv6 included: `compare_mmdb DATABASE.mmdb`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;

use maxminddb::geoip2::City;
use maxminddb::{LookupResult, Reader, WithinOptions, path};
use monthly_visitors::geo::GeoTable;

type Failure = Box<dyn std::error::Error>;
type Record<'a> = LookupResult<'a, Vec<u8>>;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [database] = arguments.as_slice() else {
        eprintln!("usage: compare_mmdb DATABASE.mmdb");
        return ExitCode::from(2);
    };
    match compare(Path::new(database)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(different) => {
            eprintln!("compare_mmdb: {different} addresses differ");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("compare_mmdb: {error}");
            ExitCode::from(2)
        }
    }
}

/// Returns how many addresses differ.
fn compare(path: &Path) -> Result<u64, Failure> {
    let reader = Reader::open_readfile(path)?;
    let table = GeoTable::open(path)?;
    table.build()?;
    let mut decoded = HashMap::new();
    let (mut ipv4, mut ipv6, mut different) = (0_u64, 0_u64, 0_u64);
    let all = WithinOptions::default()
        .include_networks_without_data()
        .include_aliased_networks();
    for record in reader.networks(all)? {
        let record = record?;
        let network = record.network()?;
        match network.ip() {
            IpAddr::V4(_) => ipv4 += 1,
            IpAddr::V6(_) => ipv6 += 1,
        }
        let expected = decoded
            .entry(record.offset())
            .or_insert_with(|| place(&record));
        for address in [network.network(), network.broadcast()] {
            different += u64::from(table.lookup(address).to_string() != *expected);
        }
    }
    let file = std::fs::metadata(path)?.len();
    let table = table.size().ok_or("there is no table")?;
    println!(
        "{ipv4} networks of IPv4 and {ipv6} of IPv6: {different} addresses differ; \
         the file has {file} bytes, the table {table}"
    );
    Ok(different)
}

fn place(record: &Record<'_>) -> String {
    let mut parts = [None, None, None];
    if let Ok(Some(found)) = record.decode::<City>() {
        let subdivision = found.subdivisions.first();
        parts = [
            found.country.iso_code.map(str::to_owned),
            subdivision.and_then(|found| Some(found.iso_code?.to_owned())),
            found.city.geoname_id.map(|id| id.to_string()),
        ];
    }
    // The flat layout.
    let [country, subdivision, city] = parts;
    let country = country.or_else(|| record.decode_path(&path!["country_code"]).ok().flatten());
    let text = |part: Option<String>| part.unwrap_or_else(|| "?".into());
    [country, subdivision, city].map(text).join("-")
}
