//! Broken databases: an error when they are opened, or addresses that are
//! unknown; never a panic, a search without end, or memory beyond the file's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::GeoTable;
use super::against_reader::{compare, to_ipv4};
use super::by_hand::{Parts, To, file};

const GERMAN: &str = "DE-?-?";
const UNKNOWN: &str = "?-?-?";

/// What a database answers before and after the table was tried; `None` when
/// it was refused.
fn answer(bytes: &[u8]) -> Option<String> {
    // Wherever there is a table, it says what the file says.
    let _ = compare(bytes);
    let file = file(bytes);
    let table = GeoTable::open(file.path()).ok()?;
    let place = |address: IpAddr| table.lookup(address).to_string();
    let before = [
        place(Ipv4Addr::LOCALHOST.into()),
        place(Ipv6Addr::LOCALHOST.into()),
    ];
    let _ = table.build();
    let after = [
        place(Ipv4Addr::LOCALHOST.into()),
        place(Ipv6Addr::LOCALHOST.into()),
    ];
    assert_eq!(before, after);
    let [ipv4, _] = after;
    Some(ipv4)
}

/// A whole database, in which all of IPv4 is German.
fn whole() -> Parts {
    let zeros = |next| [To::Node(next), To::Nothing];
    Parts::new(&to_ipv4(zeros, &[[To::Data(0), To::Data(1)]]), 6)
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let bytes = whole().bytes();
    assert_eq!(answer(&bytes).as_deref(), Some(GERMAN));
    for len in 0..bytes.len() {
        assert_eq!(
            answer(&bytes[..len]),
            None,
            "{len} of {} bytes",
            bytes.len()
        );
    }
}

#[test]
fn a_file_without_its_beginning_answers_something_or_is_refused() {
    let bytes = whole().bytes();
    let mut refused = 0;
    for len in 1..bytes.len() {
        refused += usize::from(answer(&bytes[len..]).is_none());
    }
    assert!(refused > bytes.len() / 2, "{refused}");
}

#[test]
fn a_byte_may_have_any_value_anywhere() {
    let bytes = whole().bytes();
    let mut answers = [0; 3];
    for at in 0..bytes.len() {
        for value in [0, 1, 0x20, 0x3F, 0xE0, 0xFF, bytes[at] ^ 0x80] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            answers[match answer(&bytes).as_deref() {
                None => 0,
                Some(GERMAN) => 1,
                Some(_) => 2,
            }] += 1;
        }
    }
    assert!(answers.iter().all(|count| *count > 20), "{answers:?}");
}

#[test]
fn wrong_metadata_is_refused_or_leads_to_no_place() {
    for (key, value) in [
        ("record_size", b"\xA0".as_slice()),
        ("record_size", b"\xA1\x01"),
        ("record_size", b"\xA1\x10"),
        ("record_size", b"\xA1\x1C"),
        ("record_size", b"\xA1\x20"),
        ("record_size", b"\xA1\x40"),
        ("record_size", b"\xA2\xFF\xFF"),
        ("record_size", b"\xA4\xFF\xFF\xFF\xFF"),
        ("record_size", b"\x4224"),
        ("node_count", b"\xC0"),
        ("node_count", b"\xC1\x01"),
        ("node_count", b"\xC4\x00\xFF\xFF\xFF"),
        ("node_count", b"\xC4\xFF\xFF\xFF\xFF"),
        ("node_count", b"\xE0"),
        ("ip_version", b"\xA0"),
        ("ip_version", b"\xA1\x04"),
        ("ip_version", b"\xA1\x05"),
        ("ip_version", b"\xA2\xFF\xFF"),
        ("binary_format_major_version", b"\xA1\x03"),
        ("database_type", b"\x5F\xFF\xFF\xFF"),
        ("description", b"\xFF\xFF\xFF\xFF"),
        ("languages", b"\x1F\x04\xFF\xFF\xFF"),
        // A pointer to where it is, and one beyond the end.
        ("languages", b"\x20\x00"),
        ("languages", b"\x38\xFF\xFF\xFF\xFF"),
        ("build_epoch", b"\x0F\x02"),
    ] {
        let answer = answer(&whole().with(key, value).bytes());
        // A version of the format that is to come may be read like this one.
        let is_future = key == "binary_format_major_version";
        assert!(
            is_future || answer.as_deref() != Some(GERMAN),
            "{key} {value:x?}"
        );
    }
}

/// A database in which all of IPv4 has these data.
fn with_data(data: Vec<u8>) -> Vec<u8> {
    let zeros = |next| [To::Node(next), To::Nothing];
    let mut parts = Parts::new(&to_ipv4(zeros, &[[To::Byte(0), To::Byte(0)]]), 6);
    parts.data = data;
    parts.bytes()
}

#[test]
fn data_that_lead_nowhere_are_no_place() {
    let code = |value: &[u8]| [b"\xE1\x4Ccountry_code", value].concat();
    assert_eq!(answer(&with_data(code(b"\x42DE"))).as_deref(), Some(GERMAN));
    // A pointer to a pointer to …: each two bytes long.
    let chain = (1..2000_u16).flat_map(|next| (0x2000 | (2 * next).min(0x7FF)).to_be_bytes());
    for (name, data) in [
        ("a pointer to itself", b"\x20\x00".to_vec()),
        ("two pointers in a circle", b"\x20\x02\x20\x00".to_vec()),
        ("a value that is its own map", code(b"\x20\x00")),
        ("a value that points to itself", code(b"\x20\x0E")),
        ("a pointer beyond the end", code(b"\x38\xFF\xFF\xFF\xFF")),
        ("two thousand pointers", chain.collect()),
        (
            "a map of 16 million",
            b"\xFF\xFF\xFF\xFF\x41a\x41b".to_vec(),
        ),
        ("an array of 16 million", b"\x1F\x04\xFF\xFF\xFF".to_vec()),
        ("a text of 16 million bytes", code(b"\x5F\xFF\xFF\xFF")),
        ("bytes of 16 million", code(b"\x9F\xFF\xFF\xFF")),
        ("a text that is none", code(b"\x42\xFF\xFE")),
        ("a number of 20 bytes", code(b"\xD4aaaaaaaaaaaaaaaaaaaa")),
        ("an unknown type", code(b"\x00\xF8")),
        (
            "100,000 maps, one in the other",
            b"\xE1\x41a".repeat(100_000),
        ),
        (
            "100,000 arrays, one in the other",
            b"\x01\x04".repeat(100_000),
        ),
        ("nothing", Vec::new()),
    ] {
        assert_eq!(answer(&with_data(data)), None, "{name}");
    }
}

#[test]
fn damaged_data_beside_a_good_place_are_unknown() {
    let zeros = |next| [To::Node(next), To::Nothing];
    for damaged in [b"\x20\x22".as_slice(), b"\xFF\xFF\xFF\xFF", b"\xE1\x20\x22"] {
        let nodes = to_ipv4(zeros, &[[To::Byte(34), To::Data(0)]]);
        let mut parts = Parts::new(&nodes, 6);
        parts.data.extend_from_slice(damaged);
        assert_eq!(
            answer(&parts.bytes()).as_deref(),
            Some(UNKNOWN),
            "{damaged:x?}"
        );
    }
}

/// 2¹⁶ networks of IPv4, and data through which each look-up goes to the end:
/// the network number n begins at `begin(n)`.
fn slow(data: Vec<u8>, begin: impl Fn(usize) -> usize) -> Vec<u8> {
    let nodes: Vec<[To; 2]> = (0..0xFFFF)
        .map(|node| {
            [1, 2].map(|side| {
                let child = 2 * node + side;
                if child < 0xFFFF {
                    To::Node(child)
                } else {
                    To::Byte(begin(child - 0xFFFF))
                }
            })
        })
        .collect();
    let mut parts = Parts::new(&nodes, 4);
    parts.data = data;
    parts.bytes()
}

/// The crate reads at most 65,536 values of a record. Without further bounds,
/// these took minutes to be refused.
#[test]
fn a_database_made_to_be_slow_is_refused_soon() {
    const ITEMS: u16 = 60_000;
    let [high, low] = (ITEMS - 285).to_be_bytes();
    let list = [0xE1, 0x41, b'a', 0x1E, 0x04, high, low];
    // All networks have one record, in which the way to a country leads through
    // a list of so many numbers.
    let mut data = list.to_vec();
    data.resize(list.len() + usize::from(ITEMS), 0xA0);
    assert_eq!(answer(&slow(data, |_| 0)), None);
    // Each network has a record of its own, in a text, which is a list of the
    // texts behind it.
    let data = [&[0x47], list.as_slice()]
        .concat()
        .repeat(usize::from(ITEMS));
    assert_eq!(
        answer(&slow(data, |network| network % 50_000 * 8 + 1)),
        None
    );
}
