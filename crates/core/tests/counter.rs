//! The rules of counting, as a host sees them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipnet::IpNet;
use mmdb_writer::{Value, Writer};
use monthly_visitors::{
    Address, Config, Counter, Error, Key, Kind, Level, Log, Login, Month, Resource, Totals, User,
};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(30);
const DAY: i64 = 86_400;

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

/// The first second of a day, "2026-11-05".
fn day(text: &str) -> i64 {
    let (month_text, day) = text.rsplit_once('-').unwrap();
    month(month_text).start() + (day.parse::<i64>().unwrap() - 1) * DAY
}

fn login<'a>(user: &'a str, ip: &'a str, resource: &'a str, time: i64) -> Login<'a> {
    Login {
        user: User::new(user.as_bytes()).unwrap(),
        address: Some(Address::new(ip.as_bytes())),
        resource: Some(Resource::new(resource.as_bytes()).unwrap()),
        time,
    }
}

/// A counter in a folder of its own, with two places and two clients.
struct Host {
    counter: Counter,
    config: Config,
    folder: TempDir,
    lines: Arc<Mutex<Vec<(Level, String)>>>,
}

impl Host {
    fn new(store: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let geoip = folder.path().join("places.mmdb");
        write_places(&geoip, "DE", "AT");
        let lines: Arc<Mutex<Vec<(Level, String)>>> = Arc::default();
        let mut config = Config {
            geoip: Some(geoip),
            ..Config::default()
        };
        let to = Arc::clone(&lines);
        config.log = Log::new(move |level, line| to.lock().unwrap().push((level, line.to_owned())));
        let url = store.replace("DIR", &folder.path().join("store").to_string_lossy());
        config.set("store", &url).unwrap();
        config.set("flush_interval", "20ms").unwrap();
        config.add_client("^Zom", "IOS").unwrap();
        config.add_client("^Zomb", "NEVER").unwrap();
        config.add_client("^Conversations%.", "ANDROID").unwrap();
        Self {
            counter: Counter::new(),
            config,
            folder,
            lines,
        }
    }

    fn open(store: &str) -> Self {
        let host = Self::new(store);
        host.counter.open(&host.config).unwrap();
        host
    }

    fn record(&self, user: &str, ip: &str, resource: &str, time: i64) {
        self.counter
            .record(&login(user, ip, resource, time))
            .unwrap();
    }

    fn totals(&self) -> Vec<String> {
        shown(&self.counter.totals().unwrap())
    }

    fn log(&self) -> Vec<(Level, String)> {
        self.lines.lock().unwrap().clone()
    }
}

/// Two networks in the country `one`, and 198.51.100.0/24 in `other`.
fn write_places(path: &Path, one: &str, other: &str) {
    let mut writer = Writer::new("Test-Country");
    for (network, country) in [
        ("192.0.2.0/24", one),
        ("2001:db8::/32", one),
        ("198.51.100.0/24", other),
    ] {
        let country = Value::map([("iso_code", Value::from(country))]);
        let value = Value::map([("country", country)]);
        writer
            .insert_value(network.parse::<IpNet>().unwrap(), value)
            .unwrap();
    }
    fs::write(path, writer.to_bytes().unwrap()).unwrap();
}

fn shown(totals: &Totals) -> Vec<String> {
    let mut lines = Vec::new();
    for (month, totals) in totals {
        for (key, count) in &totals.counts {
            lines.push(format!("{month} {key} {count}"));
        }
    }
    lines
}

/// The sums of the geo- and of the client- counts of each month.
fn sums(totals: &Totals) -> BTreeMap<Month, (u64, u64)> {
    let sum = |counts: &BTreeMap<Key, u64>, kind| {
        counts
            .iter()
            .filter(|(key, _)| key.kind() == kind)
            .map(|(_, count)| count)
            .sum()
    };
    totals
        .iter()
        .map(|(&month, totals)| {
            (
                month,
                (
                    sum(&totals.counts, Kind::Place),
                    sum(&totals.counts, Kind::Client),
                ),
            )
        })
        .collect()
}

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
fn a_month_closes_a_day_after_a_later_one_began() {
    for store in ["memory:", "sealed:DIR"] {
        let host = Host::open(store);
        let december = day("2026-12-01");
        host.record("juliet", "192.0.2.1", "", december - 10);
        host.record("juliet", "192.0.2.1", "", december + 60);
        // A late event finds its place.
        host.record("romeo", "192.0.2.1", "", december - 5);
        host.record("benvolio", "192.0.2.1", "", december + 59 + DAY);
        host.record("tybalt", "192.0.2.1", "", december - 1);
        // A login of somebody who is known closes it as well.
        host.record("juliet", "192.0.2.1", "", december + 60 + DAY);
        let late = host
            .counter
            .record(&login("mercutio", "192.0.2.1", "", december - 1));
        assert!(
            matches!(late, Err(Error::MonthClosed(closed)) if closed == month("2026-11")),
            "{late:?}"
        );
        host.counter.flush(SOON).unwrap();
        let totals = host.counter.totals().unwrap();
        assert_eq!(
            sums(&totals),
            BTreeMap::from([(month("2026-11"), (3, 3)), (month("2026-12"), (2, 2))]),
            "{store}"
        );
        assert!(
            !totals[&month("2026-11")].open && totals[&month("2026-12")].open,
            "{store}"
        );
    }
}

#[test]
fn what_is_closed_is_closed_for_the_next_process_too() {
    let host = Host::open("sealed:DIR");
    let december = day("2026-12-01");
    host.record("juliet", "192.0.2.1", "", december);
    host.record("romeo", "192.0.2.1", "", december + DAY);
    host.counter.close().unwrap();
    host.counter.open(&host.config).unwrap();
    // November had no login at all, and yet it is closed.
    let late = host
        .counter
        .record(&login("mercutio", "192.0.2.1", "", december - 1));
    assert!(matches!(late, Err(Error::MonthClosed(_))), "{late:?}");
}

#[test]
fn the_day_of_grace_outlives_a_restart() {
    let host = Host::open("sealed:DIR");
    let december = day("2026-12-01");
    host.record("juliet", "192.0.2.1", "", december - 10);
    host.record("juliet", "192.0.2.1", "", december + 60);
    for (seconds, open) in [(59 + DAY, true), (60 + DAY, false)] {
        host.counter.close().unwrap();
        host.counter.open(&host.config).unwrap();
        host.record("romeo", "192.0.2.1", "", december + seconds);
        host.counter.flush(SOON).unwrap();
        assert_eq!(
            host.counter.totals().unwrap()[&month("2026-11")].open,
            open,
            "{seconds}"
        );
    }
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
fn totals_survive_a_restart_and_users_are_known_again() {
    let host = Host::open("sealed:DIR");
    let time = day("2026-11-05");
    for number in 0..1000 {
        host.record(&format!("user{number}"), "192.0.2.1", "Zom", time);
    }
    host.counter.close().unwrap();
    assert!(matches!(host.counter.totals(), Err(Error::Closed)));
    assert!(matches!(
        host.counter.record(&login("x", "", "", time)),
        Err(Error::Closed)
    ));
    host.counter.open(&host.config).unwrap();
    for number in 0..1001 {
        host.record(&format!("user{number}"), "192.0.2.1", "Zom", time + 5);
    }
    assert_eq!(
        host.totals(),
        ["2026-11 client-IOS 1001", "2026-11 geo-DE-?-? 1001"]
    );
}

#[test]
fn a_visit_is_durable_within_the_interval_without_a_flush() {
    let host = Host::open("sealed:DIR");
    host.record("juliet", "192.0.2.1", "", day("2026-11-05"));
    let mut config = host.config.clone();
    config.read_only = true;
    let reader = Counter::new();
    reader.open(&config).unwrap();
    // Bounded by the test's patience alone; the interval is 20 ms.
    for _ in 0..1000 {
        if !reader.totals().unwrap().is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nothing was written");
}

#[test]
fn a_reader_cannot_record() {
    let host = Host::open("sealed:DIR");
    host.record("juliet", "192.0.2.1", "", day("2026-11-05"));
    host.counter.flush(SOON).unwrap();
    let mut config = host.config.clone();
    config.read_only = true;
    let reader = Counter::new();
    reader.open(&config).unwrap();
    assert_eq!(reader.totals().unwrap(), host.counter.totals().unwrap());
    assert!(matches!(
        reader.record(&login("romeo", "", "", day("2026-11-05"))),
        Err(Error::Argument(_))
    ));
    assert!(reader.purge(Month::LAST).is_err());
    reader.close().unwrap();
}

#[test]
fn a_full_intake_refuses_and_the_user_counts_later() {
    let mut host = Host::new("sealed:DIR");
    host.config.set("flush_interval", "1h").unwrap();
    host.config.set("pending_limit", "3").unwrap();
    host.counter.open(&host.config).unwrap();
    let time = day("2026-11-05");
    for name in ["a", "b", "c"] {
        host.record(name, "192.0.2.1", "", time);
    }
    let refused = host.counter.record(&login("d", "192.0.2.1", "", time));
    assert!(matches!(refused, Err(Error::Full)), "{refused:?}");
    // Who is known is no visit, and needs no space.
    host.record("a", "192.0.2.1", "", time);
    host.counter.flush(SOON).unwrap();
    host.record("d", "192.0.2.1", "", time);
    assert_eq!(
        sums(&host.counter.totals().unwrap())[&month("2026-11")],
        (4, 4)
    );
}

#[test]
fn while_the_store_fails_visits_wait_and_one_line_says_so() {
    let host = Host::open("sealed:DIR");
    let store = host.folder.path().join("store");
    let aside = host.folder.path().join("aside");
    fs::rename(&store, &aside).unwrap();
    host.record("juliet", "192.0.2.1", "", day("2026-11-05"));
    for _ in 0..2 {
        let failed = host.counter.flush(SOON);
        assert!(matches!(failed, Err(Error::Storage { .. })), "{failed:?}");
    }
    assert!(matches!(host.counter.close(), Err(Error::Storage { .. })));
    host.record("romeo", "192.0.2.1", "", day("2026-11-05"));
    fs::rename(&aside, &store).unwrap();
    assert_eq!(
        sums(&host.counter.totals().unwrap())[&month("2026-11")],
        (2, 2)
    );
    host.counter.flush(SOON).unwrap();
    host.counter.close().unwrap();
    let errors = host
        .log()
        .into_iter()
        .filter(|(level, _)| *level == Level::Error)
        .count();
    assert_eq!(errors, 1, "{:?}", host.log());
    host.counter.open(&host.config).unwrap();
    assert_eq!(
        sums(&host.counter.totals().unwrap())[&month("2026-11")],
        (2, 2)
    );
}

#[test]
fn retention_deletes_at_open_and_at_each_months_end_and_says_so() {
    let mut host = Host::new("sealed:DIR");
    host.counter.open(&host.config).unwrap();
    for text in ["2026-06-01", "2026-07-01", "2026-08-01", "2026-09-01"] {
        host.record("juliet", "192.0.2.1", "", day(text));
        host.record("juliet", "192.0.2.1", "", day(text) + DAY);
        host.counter.flush(SOON).unwrap();
    }
    host.counter.close().unwrap();
    let months = |host: &Host| -> Vec<String> {
        host.counter
            .totals()
            .unwrap()
            .keys()
            .map(ToString::to_string)
            .collect()
    };
    host.config.set("retention_months", "3").unwrap();
    host.counter.open(&host.config).unwrap();
    assert_eq!(months(&host), ["2026-07", "2026-08", "2026-09"]);
    host.record("juliet", "192.0.2.1", "", day("2026-10-01"));
    host.record("juliet", "192.0.2.1", "", day("2026-10-02"));
    host.counter.flush(SOON).unwrap();
    // The writer deletes after it has answered.
    host.counter.close().unwrap();
    host.counter.open(&host.config).unwrap();
    assert_eq!(months(&host), ["2026-08", "2026-09", "2026-10"]);
    let said = host
        .log()
        .iter()
        .filter(|(_, line)| line.starts_with("1 months of totals deleted"))
        .count();
    assert_eq!(said, 2, "{:?}", host.log());
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
fn a_second_recorder_is_refused_and_told_who_holds_the_store() {
    let host = Host::open("sealed:DIR");
    let refused = Counter::new().open(&host.config).unwrap_err().to_string();
    assert!(
        refused.contains(&format!("process {}", std::process::id())),
        "{refused}"
    );
    host.counter.close().unwrap();
    Counter::new().open(&host.config).unwrap();
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

#[test]
fn no_line_of_the_log_names_anybody() {
    let host = Host::open("sealed:DIR");
    let secrets = ["kanarienvogel", "198.51.100.77", "Zom-Wellensittich"];
    for time in ["2026-10-05", "2026-11-05", "2026-11-07"].map(day) {
        host.record(secrets[0], secrets[1], secrets[2], time);
    }
    host.counter.flush(SOON).unwrap();
    let late = host.counter.record(&login(
        secrets[0],
        secrets[1],
        secrets[2],
        day("2026-10-06"),
    ));
    let mut texts = vec![late.unwrap_err().to_string()];
    fs::remove_dir_all(host.folder.path().join("store")).unwrap();
    host.record("another", secrets[1], secrets[2], day("2026-11-07"));
    texts.push(host.counter.flush(SOON).unwrap_err().to_string());
    texts.push(
        host.counter
            .forget(User::new(secrets[0].as_bytes()).unwrap())
            .unwrap_err()
            .to_string(),
    );
    texts.extend(host.log().into_iter().map(|(_, line)| line));
    assert!(texts.len() > 3);
    for text in texts {
        for secret in secrets {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
