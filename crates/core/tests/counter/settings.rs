//! Settings, right and wrong, and changed while open.

use std::fs;

use monthly_visitors::{Config, Counter, Error, Level};

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

/// The tables of both databases have the same numbers, for other places.
#[test]
fn visits_that_wait_keep_their_places_when_the_database_is_replaced() {
    let mut host = Host::new("sealed:DIR");
    host.config.set("flush_interval", "1h").unwrap();
    host.counter.open(&host.config).unwrap();
    for (round, (one, other)) in [("DE", "AT"), ("FR", "IT"), ("CH", "DE")]
        .into_iter()
        .enumerate()
    {
        write_places(host.config.geoip.as_ref().unwrap(), one, other);
        host.counter.reload_geoip().unwrap();
        host.record(&format!("early{round}"), "192.0.2.1", "", day("2026-11-05"));
        host.counter.places().unwrap().unwrap().build().unwrap();
        for user in ["a", "b"] {
            let user = format!("{user}{round}");
            host.record(&user, "192.0.2.1", "", day("2026-11-05"));
        }
        host.record("c", "192.0.2.1", "", day("2026-11-05"));
    }
    assert_eq!(host.counter.health().unwrap().pending, 10);
    assert_eq!(
        host.totals(),
        [
            "2026-11 client-? 10",
            "2026-11 geo-CH-?-? 3",
            "2026-11 geo-DE-?-? 4",
            "2026-11 geo-FR-?-? 3"
        ]
    );
}

/// Both databases say the same of everybody who logs in, under other numbers.
#[test]
fn who_logs_in_while_the_database_is_replaced_gets_their_own_place() {
    let mut host = Host::new("sealed:DIR");
    host.config.set("flush_interval", "1ms").unwrap();
    let geoip = host.config.geoip.clone().unwrap();
    let next = geoip.with_extension("next");
    let write = |more: bool| {
        let first = [("1.0.0.0/8", "FR"), ("2.0.0.0/8", "IT")];
        let places = first.iter().filter(|_| more);
        let places = places.chain(&[("192.0.2.0/24", "DE"), ("198.51.100.0/24", "AT")]);
        fs::write(&next, database(places)).unwrap();
        fs::rename(&next, &geoip).unwrap();
    };
    write(false);
    host.counter.open(&host.config).unwrap();
    let done = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (host, done) = (&host, &done);
            scope.spawn(move || {
                for user in 0..20_000 {
                    let ip = ["192.0.2.1", "198.51.100.1"][(user + thread) % 2];
                    host.record(&format!("{thread}x{user}"), ip, "", day("2026-11-05"));
                }
                done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            });
        }
        let mut more = false;
        while done.load(std::sync::atomic::Ordering::Relaxed) < 2 {
            more = !more;
            write(more);
            host.counter.reload_geoip().unwrap();
            host.counter.places().unwrap().unwrap().build().unwrap();
        }
    });
    assert_eq!(
        host.totals(),
        [
            "2026-11 client-? 40000",
            "2026-11 geo-AT-?-? 20000",
            "2026-11 geo-DE-?-? 20000"
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
    let mut nobody = Host::new("memory:");
    nobody.config.set("record_countries", "DE").unwrap();
    nobody.config.geoip = None;
    let message = nobody.counter.open(&nobody.config).unwrap_err().to_string();
    assert!(
        message.starts_with("record_countries: needs geoip"),
        "{message}"
    );
    let nothing = Counter::new()
        .open(&Config::default())
        .unwrap_err()
        .to_string();
    assert_eq!(nothing, "store: is not set");
}

#[test]
fn counters_with_the_same_database_share_it() {
    let one = Host::open("memory:");
    let other = Host::new("memory:");
    other.counter.open(&one.config).unwrap();
    let places = |host: &Host| host.counter.places().unwrap().unwrap();
    assert!(std::sync::Arc::ptr_eq(&places(&one), &places(&other)));
    write_places(one.config.geoip.as_ref().unwrap(), "FR", "IT");
    one.counter.reload_geoip().unwrap();
    assert!(!std::sync::Arc::ptr_eq(&places(&one), &places(&other)));
}

#[test]
fn a_database_that_is_damaged_inside_still_answers_and_is_warned_of_once() {
    let host = Host::new("memory:");
    let geoip = host.config.geoip.as_ref().unwrap();
    let mut bytes = fs::read(geoip).unwrap();
    // The second record of the first node, which is 8000::/1, leads outside.
    bytes[3..6].fill(0xFF);
    fs::write(geoip, bytes).unwrap();
    host.counter.open(&host.config).unwrap();
    let time = day("2026-11-05");
    host.record("a", "192.0.2.1", "", time);
    assert!(host.counter.places().unwrap().unwrap().build().is_err());
    for user in ["b", "c"] {
        host.record(user, "8000::1", "", time);
        host.counter.flush(SOON).unwrap();
    }
    assert_eq!(
        host.totals(),
        [
            "2026-11 client-? 3",
            "2026-11 geo-?-?-? 2",
            "2026-11 geo-DE-?-? 1"
        ]
    );
    host.counter.close().unwrap();
    let log = host.log();
    let warnings = log.iter().filter(|(level, _)| *level == Level::Warn);
    let warnings: Vec<_> = warnings.map(|(_, line)| line).collect();
    assert!(
        matches!(*warnings, [line] if line.contains("places.mmdb: the database is damaged")),
        "{log:?}"
    );
}

#[test]
fn a_login_counts_alike_before_and_after_the_table_is_built() {
    let host = Host::open("memory:");
    let time = day("2026-11-05");
    let record = |name: &str| {
        for (number, ip) in [
            "192.0.2.1",
            "198.51.100.1",
            "2001:db8::1",
            "2002:c000:201::",
        ]
        .into_iter()
        .enumerate()
        {
            host.record(&format!("{name}{number}"), ip, "", time);
        }
    };
    record("before");
    let places = host.counter.places().unwrap().unwrap();
    places.build().unwrap();
    assert!(places.size().is_some());
    record("after");
    assert_eq!(
        host.totals(),
        [
            "2026-11 client-? 8",
            "2026-11 geo-AT-?-? 2",
            "2026-11 geo-DE-?-? 6"
        ]
    );
}
