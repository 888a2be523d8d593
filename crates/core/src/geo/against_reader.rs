//! The table against the reader, in databases of any shape: where there is a
//! table, every address has what the reader finds for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use maxminddb::WithinOptions;
use mmdb_writer::{IpVersion, Ipv4Aliasing, RecordSize, Value, Writer};

use super::GeoTable;
use super::by_hand::{Parts, To, file};
use super::database::Database;
use super::walk::Numbered;
use crate::Place;

/// More than any of these databases has.
const MOST_NETWORKS: usize = 100_000;

/// Numbers that are the same each time (xorshift64).
struct Draw(u64);

impl Draw {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.bits() % limit
    }

    fn ipv6(&mut self) -> Ipv6Addr {
        let bits = u128::from(self.bits()) << 64 | u128::from(self.bits());
        // Half of them where networks are short, IPv4 is, and so on.
        Ipv6Addr::from_bits(bits >> (self.below(2) * self.below(128)))
    }

    fn ipv4(&mut self) -> Ipv4Addr {
        Ipv4Addr::from_bits((self.bits() >> 32) as u32)
    }
}

/// Builds the table, and compares it: first and last address of each network
/// and their neighbours, and any others.
pub(super) fn compare(bytes: &[u8]) -> Result<(), String> {
    let database = Database::open::<Place>(file(bytes).path()).map_err(|e| e.to_string())?;
    let table = Numbered::build(&database, || false)?.unwrap();
    let equal = |address: IpAddr| {
        let found: Place = table.value(table.number(address));
        assert_eq!(found, database.value(address), "{address}");
    };
    let all = WithinOptions::default()
        .include_networks_without_data()
        .include_aliased_networks();
    for network in database.reader.networks(all).unwrap().take(MOST_NETWORKS) {
        // An alias may lead deeper than addresses are long.
        let Ok(network) = network.and_then(|record| record.network()) else {
            break;
        };
        match (network.network(), network.broadcast()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                for bits in [first.to_bits(), last.to_bits()] {
                    for near in [bits.saturating_sub(1), bits, bits.saturating_add(1)] {
                        equal(Ipv4Addr::from_bits(near).into());
                        equal(Ipv6Addr::from_bits(near.into()).into());
                    }
                }
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                for bits in [first.to_bits(), last.to_bits()] {
                    for near in [bits.saturating_sub(1), bits, bits.saturating_add(1)] {
                        equal(Ipv6Addr::from_bits(near).into());
                    }
                }
            }
            mixed => panic!("{mixed:?}"),
        }
    }
    let mut draw = Draw(7);
    for _ in 0..200 {
        equal(draw.ipv4().into());
        equal(draw.ipv6().into());
    }
    Ok(())
}

fn place(number: u64) -> Value {
    Value::map([(
        "country",
        Value::map([("iso_code", Value::from(format!("C{}", number % 5)))]),
    )])
}

/// Networks of every length, one in the other and side by side.
fn networks(draw: &mut Draw) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for _ in 0..4 {
        let (ipv4, ipv6) = (draw.ipv4(), draw.ipv6());
        for prefix in 0..=32 {
            networks.push(Ipv4Net::new(ipv4, prefix).unwrap().trunc().into());
            networks.push(Ipv4Net::new(draw.ipv4(), prefix).unwrap().trunc().into());
        }
        for prefix in 1..=128 {
            networks.push(Ipv6Net::new(ipv6, prefix).unwrap().trunc().into());
            networks.push(Ipv6Net::new(draw.ipv6(), prefix).unwrap().trunc().into());
        }
    }
    networks
}

#[test]
fn networks_of_every_length_are_found_in_files_of_every_kind() {
    let mut draw = Draw(1);
    for (ip_version, aliases) in [
        (IpVersion::V4, Ipv4Aliasing::Disabled),
        (IpVersion::V6, Ipv4Aliasing::Disabled),
        (IpVersion::V6, Ipv4Aliasing::Enabled),
    ] {
        for size in [RecordSize::Bits24, RecordSize::Bits28, RecordSize::Bits32] {
            let mut writer = Writer::builder("Test-City")
                .ip_version(ip_version)
                .ipv4_aliasing(aliases)
                .record_size(size)
                .build();
            let mut inserted = 0;
            for network in networks(&mut draw) {
                // Some are in what is an alias, or of the wrong family.
                let value = place(draw.below(5));
                inserted += u32::from(writer.insert_value(network, value).is_ok());
            }
            assert!(inserted > 100);
            compare(&writer.to_bytes().unwrap()).unwrap();
        }
    }
}

#[test]
fn a_database_of_ipv6_without_ipv4_is_exact() {
    let mut writer = Writer::builder("Test-City")
        .ipv4_aliasing(Ipv4Aliasing::Disabled)
        .build();
    for (number, network) in ["2001:db8::/32", "2001:db8:1:2:3::/80", "8000::/1"]
        .into_iter()
        .enumerate()
    {
        let network: IpNet = network.parse().unwrap();
        writer.insert_value(network, place(number as u64)).unwrap();
    }
    compare(&writer.to_bytes().unwrap()).unwrap();
}

/// A database with these nodes.
fn by_hand(nodes: &[[To; 2]], ip_version: u8) -> Vec<u8> {
    Parts::new(nodes, ip_version).bytes()
}

/// 96 nodes that lead to the next one by `next`, which ends as a tree of IPv4
/// begins.
pub(super) fn to_ipv4(next: impl Fn(usize) -> [To; 2], ipv4: &[[To; 2]]) -> Vec<[To; 2]> {
    let mut nodes: Vec<_> = (1..=96).map(next).collect();
    nodes.extend_from_slice(ipv4);
    nodes
}

#[test]
fn a_file_made_to_be_walked_for_ever_is_not() {
    use To::{Data, Node, Nothing};
    let both = |next| [Node(next), Node(next)];
    let zeros = |next| [Node(next), Nothing];
    for (name, nodes) in [
        ("a root that is its own child", vec![[Data(0), Node(0)]]),
        (
            "two ways through each node",
            to_ipv4(both, &[[Data(0), Nothing]]),
        ),
        ("a cycle in IPv4", to_ipv4(zeros, &[[Data(0), Node(96)]])),
        ("a way back", to_ipv4(zeros, &[[Data(0), Node(50)]])),
        ("no data there", to_ipv4(zeros, &[[Data(0), Data(9)]])),
    ] {
        let bytes = by_hand(&nodes, 6);
        assert!(compare(&bytes).is_err(), "{name}");
        let file = file(&bytes);
        let table = GeoTable::open(file.path()).unwrap();
        let answer = || table.lookup(Ipv4Addr::LOCALHOST.into()).to_string();
        assert_eq!(answer(), "DE-?-?", "{name}");
        assert!(
            table.build().is_err() && table.failure().is_some(),
            "{name}"
        );
        assert_eq!(answer(), "DE-?-?", "{name}");
        assert!(table.size().is_none(), "{name}");
        assert!(table.city_names(&[1].into()).is_empty(), "{name}");
    }
    // Nothing anywhere, and 2^96 ways to find that out.
    let nothing = by_hand(&to_ipv4(both, &[[Nothing, Nothing]]), 6);
    assert!(GeoTable::open(file(&nothing).path()).is_err());
}

#[test]
fn an_alias_is_exact_wherever_it_begins() {
    use To::{Data, Node, Nothing};
    let ipv4 = [[Node(97), Data(1)], [Nothing, Node(98)], [Data(0), Data(1)]];
    for prefix in 1..=96_usize {
        // One bit is set, and from there on it is IPv4.
        let nodes = to_ipv4(
            |next| {
                let other = if next == prefix { Node(96) } else { Data(0) };
                [Node(next), other]
            },
            &ipv4,
        );
        compare(&by_hand(&nodes, 6)).unwrap_or_else(|error| panic!("/{prefix}: {error}"));
    }
}

#[test]
fn any_tree_is_exact_or_refused() {
    let mut draw = Draw(3);
    let mut exact = 0;
    for _ in 0..2000 {
        let has_ipv4 = draw.below(4) > 0;
        let mut nodes = Vec::new();
        if has_ipv4 {
            nodes = to_ipv4(|next| [To::Node(next), To::Nothing], &[[To::Nothing; 2]]);
        }
        let given = nodes.len();
        let added = 1 + usize::try_from(draw.below(40)).unwrap();
        nodes.resize(given + added, [To::Nothing; 2]);
        for (node, sides) in nodes.iter_mut().enumerate() {
            // The way to IPv4 stays.
            let kept = usize::from(node + 1 < given);
            for to in sides.iter_mut().skip(kept) {
                *to = match draw.below(12) {
                    0..=2 => To::Data(0),
                    3..=4 => To::Data(1),
                    5 if has_ipv4 && node < 96 => To::Node(96),
                    _ => To::Nothing,
                };
            }
        }
        // Each of the others hangs on a free place of one before it.
        for node in given.max(1)..nodes.len() {
            let parent = usize::try_from(draw.below(node as u64)).unwrap();
            let side = usize::try_from(draw.below(2)).unwrap();
            if !matches!(nodes[parent][side], To::Node(_)) {
                nodes[parent][side] = To::Node(node);
            }
        }
        exact += u32::from(compare(&by_hand(&nodes, 6)).is_ok());
    }
    assert!(exact > 1500, "{exact}");
}

#[test]
fn a_damaged_file_is_exact_or_refused() {
    let mut draw = Draw(5);
    let mut writer = Writer::new("Test-City");
    for network in networks(&mut draw) {
        let _ = writer.insert_value(network, place(draw.below(5)));
    }
    let bytes = writer.to_bytes().unwrap();
    let mut exact = 0;
    for _ in 0..300 {
        let mut bytes = bytes.clone();
        for _ in 0..=draw.below(3) {
            // Most in the data, which are at the end: a tree seldom survives.
            let within = if draw.below(4) == 0 { bytes.len() } else { 300 };
            let at = bytes.len() - 1 - usize::try_from(draw.below(within as u64)).unwrap();
            bytes[at] = draw.bits().to_be_bytes()[0];
        }
        exact += u32::from(compare(&bytes).is_ok());
    }
    assert!((30..270).contains(&exact), "{exact}");
}

#[test]
fn building_stops_when_it_is_told_to() {
    let mut writer = Writer::new("Test-City");
    let network: IpNet = "192.0.2.0/24".parse().unwrap();
    writer.insert_value(network, place(1)).unwrap();
    let file = file(&writer.to_bytes().unwrap());
    let database = Database::open::<Place>(file.path()).unwrap();
    assert!(
        Numbered::<Place>::build(&database, || true)
            .unwrap()
            .is_none()
    );
}
