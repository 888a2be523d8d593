//! The table of a database against the reader of its file.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use maxminddb::WithinOptions;

use super::database::{Database, Value};
use super::walk::Numbered;
use crate::{Network, Place};

/// How many networks are compared.
const COMPARED: usize = 300;

/// Opens the file as a database of places and as one of networks, looks up
/// `bits` and the borders of its first networks, and compares the table, where
/// there is one, with the reader.
///
/// # Panics
///
/// They differ.
pub fn compare(path: &Path, bits: u128) {
    compare_as::<Place>(path, bits);
    compare_as::<Network>(path, bits);
}

fn compare_as<V: Value + std::fmt::Debug>(path: &Path, bits: u128) {
    let Ok(database) = Database::open::<V>(path) else {
        return;
    };
    let table = Numbered::<V>::build(&database, || false);
    let equal = |address: IpAddr| {
        let read: V = database.value(address);
        if let Ok(Some(table)) = &table {
            assert_eq!(table.value(table.number(address)), read, "{address}");
        }
    };
    equal(Ipv6Addr::from_bits(bits).into());
    equal(Ipv6Addr::from_bits(bits >> 96).into());
    equal(Ipv4Addr::from_bits((bits >> 96) as u32).into());
    let all = WithinOptions::default()
        .include_networks_without_data()
        .include_aliased_networks();
    let Ok(networks) = database.reader.networks(all) else {
        return;
    };
    for network in networks.take(COMPARED) {
        let Ok(network) = network.and_then(|record| record.network()) else {
            break;
        };
        equal(network.network());
        equal(network.broadcast());
    }
}
