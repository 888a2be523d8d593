//! Who counts, once, and with what.

use std::fs;

use ipnet::IpNet;
use mmdb_writer::{Value, Writer};
use monthly_visitors::{Address, Error, Key, Login, Resource, Totals, User};

use super::host::*;

#[test]
fn a_user_counts_once_a_month_with_the_first_login() {
    for store in ["memory:", "sealed:DIR"] {
        let host = Host::open(store);
        let november = day("2026-11-05");
        host.record("juliet", "192.0.2.1", "Zombie-1", november);
        host.record("juliet", "198.51.100.1", "Conversations.x", november + 10);
        host.record("romeo", "198.51.100.1", "Conversations.x", november + 20);
        host.record("juliet", "198.51.100.1", "Gajim", day("2026-12-01"));
        let expected = [
            "2026-11 client-ANDROID 1",
            "2026-11 client-IOS 1",
            "2026-11 geo-AT-?-? 1",
            "2026-11 geo-DE-?-? 1",
            "2026-12 client-? 1",
            "2026-12 geo-AT-?-? 1",
        ];
        assert_eq!(host.totals(), expected, "{store}, before the flush");
        host.counter.flush(SOON).unwrap();
        assert_eq!(host.totals(), expected, "{store}, after the flush");
    }
}

#[test]
fn an_odd_address_or_resource_loses_no_visit() {
    let host = Host::open("memory:");
    let time = day("2026-11-05");
    for (number, (ip, place)) in [
        ("::ffff:192.0.2.1", "DE-?-?"),
        ("\"[2001:db8::1]:5222\"", "DE-?-?"),
        ("198.51.100.7:40000", "AT-?-?"),
        ("203.0.113.1", "?-?-?"),
        ("", "?-?-?"),
        ("unknown", "?-?-?"),
        (&"x".repeat(5000), "?-?-?"),
    ]
    .into_iter()
    .enumerate()
    {
        let user = format!("user{number}");
        let before = host.counter.totals().unwrap();
        host.record(&user, ip, "", time);
        let after = host.counter.totals().unwrap();
        let key = Key::new(&format!("geo-{place}"));
        let count = |totals: &Totals| {
            totals
                .get(&month("2026-11"))
                .and_then(|m| m.counts.get(&key))
                .copied()
                .unwrap_or(0)
        };
        assert_eq!(count(&after), count(&before) + 1, "{ip}");
    }
    let nothing_known = Login {
        user: User::new(b"nobody").unwrap(),
        address: None,
        resource: None,
        time,
    };
    host.counter.record(&nothing_known).unwrap();
    let bytes = Login {
        user: User::new(b"bytes").unwrap(),
        address: Some(Address::new(b"\xff\xfe")),
        resource: Some(Resource::new(b"Zom\xff").unwrap()),
        time,
    };
    host.counter.record(&bytes).unwrap();
    assert_eq!(
        sums(&host.counter.totals().unwrap())[&month("2026-11")],
        (9, 9)
    );
}

#[test]
fn a_network_is_counted_when_there_is_a_database_of_them() {
    let mut host = Host::new("memory:");
    let asn = host.folder.path().join("asn.mmdb");
    let mut writer = Writer::new("Test-ASN");
    let value = Value::map([("autonomous_system_number", Value::from(3320_u32))]);
    writer
        .insert_value("192.0.2.0/24".parse::<IpNet>().unwrap(), value)
        .unwrap();
    fs::write(&asn, writer.to_bytes().unwrap()).unwrap();
    host.config.asn = Some(asn);
    host.counter.open(&host.config).unwrap();
    host.record("a", "192.0.2.1", "", day("2026-11-05"));
    host.record("b", "198.51.100.1", "", day("2026-11-05"));
    host.record("c", "junk", "", day("2026-11-05"));
    let networks: Vec<String> = host
        .totals()
        .into_iter()
        .filter(|line| line.contains("asn-"))
        .collect();
    assert_eq!(networks, ["2026-11 asn-? 2", "2026-11 asn-AS3320 1"]);
}

#[test]
fn a_user_from_elsewhere_is_neither_counted_nor_marked() {
    let mut host = Host::new("memory:");
    host.config.set("record_countries", "at").unwrap();
    host.counter.open(&host.config).unwrap();
    host.record("juliet", "192.0.2.1", "", day("2026-11-05"));
    host.record("romeo", "junk", "", day("2026-11-05"));
    assert!(host.totals().is_empty());
    // Not marked: the first login from a listed country counts.
    host.record("juliet", "198.51.100.1", "", day("2026-11-06"));
    assert_eq!(
        host.totals(),
        ["2026-11 client-? 1", "2026-11 geo-AT-?-? 1"]
    );
}

#[test]
fn a_clock_that_steps_back_counts_nobody_twice() {
    let host = Host::open("sealed:DIR");
    for time in ["2026-11-05", "2026-11-03", "2026-11-20", "2026-11-01"].map(day) {
        host.record("juliet", "192.0.2.1", "", time);
        host.counter.flush(SOON).unwrap();
    }
    host.counter.close().unwrap();
    host.counter.open(&host.config).unwrap();
    host.record("juliet", "192.0.2.1", "", day("2026-11-02"));
    assert_eq!(
        sums(&host.counter.totals().unwrap())[&month("2026-11")],
        (1, 1)
    );
}

#[test]
fn times_that_no_login_has_are_refused() {
    let host = Host::open("memory:");
    for time in [-1, i64::MIN, 253_402_300_800, i64::MAX] {
        let refused = host.counter.record(&login("juliet", "192.0.2.1", "", time));
        assert!(
            matches!(refused, Err(Error::Argument(_))),
            "{time}: {refused:?}"
        );
    }
    assert!(host.totals().is_empty());
}

#[test]
fn many_threads_count_each_user_once() {
    let host = Host::open("sealed:DIR");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let host = &host;
            scope.spawn(move || {
                for number in 0..2000 {
                    let user = format!("user{}", (number + thread * 250) % 2000);
                    host.record(&user, "192.0.2.1", "Zom", day("2026-11-05"));
                }
            });
        }
        for _ in 0..5 {
            host.counter.flush(SOON).unwrap();
            let (places, clients) = sums(&host.counter.totals().unwrap())
                .get(&month("2026-11"))
                .copied()
                .unwrap_or_default();
            assert_eq!(places, clients);
        }
    });
    assert_eq!(
        host.totals(),
        ["2026-11 client-IOS 2000", "2026-11 geo-DE-?-? 2000"]
    );
}

#[test]
fn a_forgotten_user_counts_again_and_the_counts_stay() {
    for store in ["memory:", "sealed:DIR"] {
        let host = Host::open(store);
        host.record("juliet", "192.0.2.1", "", day("2026-11-05"));
        for name in ["juliet", "nobody"] {
            host.counter
                .forget(User::new(name.as_bytes()).unwrap())
                .unwrap();
        }
        assert_eq!(
            sums(&host.counter.totals().unwrap())[&month("2026-11")],
            (1, 1),
            "{store}"
        );
        host.record("juliet", "192.0.2.1", "", day("2026-11-05"));
        host.record("juliet", "192.0.2.1", "", day("2026-11-05"));
        assert_eq!(
            sums(&host.counter.totals().unwrap())[&month("2026-11")],
            (2, 2),
            "{store}"
        );
    }
}

#[test]
fn who_comes_back_before_the_store_has_forgotten_them_counts_again_once() {
    for store in ["memory:", "sealed:DIR", "prosody:DIR"] {
        let mut host = Host::new(store);
        if store.starts_with("prosody:") {
            fs::create_dir(host.folder.path().join("store")).unwrap();
        }
        host.config.set("flush_interval", "1h").unwrap();
        host.counter.open(&host.config).unwrap();
        let juliet = || host.record("juliet", "192.0.2.1", "", day("2026-11-05"));
        juliet();
        host.counter.flush(SOON).unwrap();
        // Nothing is written in between.
        host.counter.forget(User::new(b"juliet").unwrap()).unwrap();
        juliet();
        host.counter.flush(SOON).unwrap();
        if store != "memory:" {
            // Her new marker is there: the old one went before it came.
            host.counter.close().unwrap();
            host.counter.open(&host.config).unwrap();
        }
        juliet();
        assert_eq!(
            sums(&host.counter.totals().unwrap())[&month("2026-11")],
            (2, 2),
            "{store}"
        );
    }
}
