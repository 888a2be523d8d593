//! Settings, right and wrong, and changed while open.

use std::fs;

use monthly_visitors::{Config, Counter, Error};

use super::host::*;

#[test]
fn settings_change_on_an_open_counter_or_not_at_all() {
    let host = Host::open("sealed:DIR");
    let time = day("2026-11-05");
    host.record("a", "192.0.2.1", "Gajim", time);
    let mut next = host.config.clone();
    next.add_client("^Gajim", "DESKTOP").unwrap();
    host.counter.open(&next).unwrap();
    host.record("b", "192.0.2.1", "Gajim", time);
    let mut bad = next.clone();
    bad.clients.clear();
    bad.geoip = Some("/nowhere/places.mmdb".into());
    assert!(matches!(host.counter.open(&bad), Err(Error::Geoip { .. })));
    bad = next.clone();
    bad.host = "example.net".into();
    assert!(matches!(host.counter.open(&bad), Err(Error::Config { .. })));
    host.record("c", "192.0.2.1", "Gajim", time);
    assert_eq!(
        host.totals(),
        [
            "2026-11 client-? 1",
            "2026-11 client-DESKTOP 2",
            "2026-11 geo-DE-?-? 3"
        ]
    );
    // Another store: what was recorded stays where it was.
    next.set("store", "memory:").unwrap();
    host.counter.open(&next).unwrap();
    assert!(host.totals().is_empty());
    next.set("store", host.config.store.as_deref().unwrap())
        .unwrap();
    host.counter.open(&next).unwrap();
    assert_eq!(
        sums(&host.counter.totals().unwrap())[&month("2026-11")],
        (3, 3)
    );
}

#[test]
fn a_replaced_database_is_used_after_a_reload_a_broken_one_is_not() {
    let host = Host::open("memory:");
    let geoip = host.config.geoip.clone().unwrap();
    fs::write(&geoip, "broken").unwrap();
    assert!(matches!(
        host.counter.reload_geoip(),
        Err(Error::Geoip { .. })
    ));
    host.record("a", "192.0.2.1", "", day("2026-11-05"));
    write_places(&geoip, "FR", "IT");
    host.counter.reload_geoip().unwrap();
    host.record("b", "192.0.2.1", "", day("2026-11-05"));
    assert_eq!(
        host.totals(),
        [
            "2026-11 client-? 2",
            "2026-11 geo-DE-?-? 1",
            "2026-11 geo-FR-?-? 1"
        ]
    );
}

#[test]
fn wrong_settings_open_nothing() {
    for (key, value) in [
        ("store", "sealed:"),
        ("store", "sqlite:/x"),
        ("geoip", "/nowhere/places.mmdb"),
        ("asn", "/nowhere/asn.mmdb"),
        ("secret_file", "/nowhere/secret"),
        ("store", "sealed:/nowhere/at/all"),
    ] {
        let mut host = Host::new("sealed:DIR");
        host.config.set(key, value).unwrap();
        let error = host.counter.open(&host.config).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains(value.trim_start_matches("sealed:")) || message.starts_with(key),
            "{message}"
        );
        assert!(matches!(host.counter.totals(), Err(Error::Closed)));
    }
    let nothing = Counter::new()
        .open(&Config::default())
        .unwrap_err()
        .to_string();
    assert_eq!(nothing, "store: is not set");
}
