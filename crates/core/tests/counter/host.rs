//! A counter in a folder of its own, as a host has one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipnet::IpNet;
use mmdb_writer::{Value, Writer};
use monthly_visitors::{
    Address, Config, Counter, Key, Kind, Level, Log, Login, Month, Resource, Totals, User,
};
use tempfile::TempDir;

pub(super) const SOON: Duration = Duration::from_secs(30);
pub(super) const DAY: i64 = 86_400;

pub(super) fn month(text: &str) -> Month {
    text.parse().unwrap()
}

/// The first second of a day, "2026-11-05".
pub(super) fn day(text: &str) -> i64 {
    let (month_text, day) = text.rsplit_once('-').unwrap();
    month(month_text).start() + (day.parse::<i64>().unwrap() - 1) * DAY
}

pub(super) fn login<'a>(user: &'a str, ip: &'a str, resource: &'a str, time: i64) -> Login<'a> {
    Login {
        user: User::new(user.as_bytes()).unwrap(),
        address: Some(Address::new(ip.as_bytes())),
        resource: Some(Resource::new(resource.as_bytes()).unwrap()),
        time,
    }
}

/// A counter in a folder of its own, with two places and two clients.
pub(super) struct Host {
    pub(super) counter: Counter,
    pub(super) config: Config,
    pub(super) folder: TempDir,
    pub(super) lines: Arc<Mutex<Vec<(Level, String)>>>,
}

impl Host {
    pub(super) fn new(store: &str) -> Self {
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

    pub(super) fn open(store: &str) -> Self {
        let host = Self::new(store);
        host.counter.open(&host.config).unwrap();
        host
    }

    pub(super) fn record(&self, user: &str, ip: &str, resource: &str, time: i64) {
        self.counter
            .record(&login(user, ip, resource, time))
            .unwrap();
    }

    pub(super) fn totals(&self) -> Vec<String> {
        shown(&self.counter.totals().unwrap())
    }

    pub(super) fn log(&self) -> Vec<(Level, String)> {
        self.lines.lock().unwrap().clone()
    }
}

/// Two networks in the country `one`, and 198.51.100.0/24 in `other`.
pub(super) fn write_places(path: &Path, one: &str, other: &str) {
    let places = [
        ("192.0.2.0/24", one),
        ("2001:db8::/32", one),
        ("198.51.100.0/24", other),
    ];
    fs::write(path, database(&places)).unwrap();
}

/// The bytes of a database with these networks, each in a country.
pub(super) fn database<'a>(places: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Vec<u8> {
    let mut writer = Writer::new("Test-Country");
    for (network, country) in places {
        let country = Value::map([("iso_code", Value::from(*country))]);
        let value = Value::map([("country", country)]);
        writer
            .insert_value(network.parse::<IpNet>().unwrap(), value)
            .unwrap();
    }
    writer.to_bytes().unwrap()
}

pub(super) fn shown(totals: &Totals) -> Vec<String> {
    let mut lines = Vec::new();
    for (month, totals) in totals {
        for (key, count) in &totals.counts {
            lines.push(format!("{month} {key} {count}"));
        }
    }
    lines
}

/// The sums of the geo- and of the client- counts of each month.
pub(super) fn sums(totals: &Totals) -> BTreeMap<Month, (u64, u64)> {
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
