//! Times looking up places, for `make bench`: `bench_places DATABASE.mmdb
//! ADDRESSES`, of which each is four bytes.

use std::error::Error;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Instant;

use monthly_visitors::geo::GeoTable;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, database, addresses] = arguments.as_slice() else {
        return Err("usage: bench_places DATABASE.mmdb ADDRESSES".into());
    };
    let bytes = std::fs::read(addresses)?;
    let addresses: Vec<IpAddr> = bytes
        .chunks_exact(4)
        .filter_map(|bytes| Some(u32::from_ne_bytes(bytes.try_into().ok()?)))
        .map(|bits| Ipv4Addr::from(bits).into())
        .collect();
    let table = GeoTable::open(Path::new(database))?;
    table.build()?;
    let all = || {
        for address in &addresses {
            black_box(table.lookup(black_box(*address)));
        }
    };
    all(); // warms up
    let start = Instant::now();
    all();
    let per = start.elapsed().as_secs_f64() / f64::from(u32::try_from(addresses.len())?);
    println!("lookup {}", per * 1e9);
    println!("size {}", table.size().ok_or("there is no table")?);
    Ok(())
}
