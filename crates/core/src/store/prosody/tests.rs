//! What the Prosody store promises beyond the contract of all stores.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::sync::Mutex;
use tempfile::TempDir;

use super::*;
use crate::store::contract::{self, Dated, Maker, forgotten, month, shown, user};
use crate::store::{MonthState, OpenMonth};
use crate::{Counts, Key, MonthKey};

mod crash;
mod trouble;

const TOTALS: &str = "monthly%2dvisitors.dat";
const OLD_TOTALS: &str = "monthly-visitors.dat";

/// A host's data directory, and the log lines of the stores opened there.
struct Place {
    folder: TempDir,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            lines: Arc::default(),
        }
    }

    /// A directory with these files.
    fn with(files: &[(&str, &str)]) -> Self {
        let place = Self::new();
        for (name, text) in files {
            place.write(name, text);
        }
        place
    }

    fn try_open(&self, access: Access) -> Result<Prosody, Error> {
        let lines = Arc::clone(&self.lines);
        let log = Log::new(move |_, line| lines.lock().push(line.to_owned()));
        Prosody::open(self.folder.path(), access, &log)
    }

    fn open(&self) -> Prosody {
        self.try_open(Access::Record).unwrap()
    }

    fn reader(&self) -> Prosody {
        self.try_open(Access::Read).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn mark(&self, stem: &str) -> String {
        self.read(&format!("monthly%2dvisitors/{stem}.dat"))
    }

    /// All files, sorted, without the lock.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for folder in ["", "monthly%2dvisitors", "monthly-visitors"] {
            for entry in fs::read_dir(self.path(folder)).into_iter().flatten() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_file() {
                    let name = entry.file_name().into_string().unwrap();
                    names.push(PathBuf::from(folder).join(name).display().to_string());
                }
            }
        }
        names.retain(|name| name != "monthly%2dvisitors.lock");
        names.sort();
        names
    }
}

fn marker(month: &str) -> String {
    format!("return {{\n\t[\"last-recorded\"] = \"{month}\";\n}};\n")
}

fn visit(maker: &mut Maker, name: &str) -> Dated {
    maker.visit("2026-11", name, "DE-HE-2925533", "IOS")
}

fn lines(store: &mut Prosody) -> Vec<String> {
    shown(&store.totals().unwrap())
}

fn listed(store: &mut Prosody) -> Vec<String> {
    store
        .users()
        .unwrap()
        .iter()
        .map(|(user, month)| {
            format!(
                "{} {month}",
                String::from_utf8_lossy(user.as_user().expose())
            )
        })
        .collect()
}

#[test]
fn keeps_the_contract() {
    let make = || {
        let place = Place::new();
        move || Ok(Box::new(place.try_open(Access::Record)?) as Box<dyn Store>)
    };
    contract::check(make);
    contract::check_durable(make);
}

#[test]
fn writes_what_the_lua_plugin_writes() {
    let place = Place::new();
    let mut store = place.open();
    let mut maker = Maker::new();
    let visits = ["juliet", "x@y.z"].map(|name| visit(&mut maker, name));
    maker.commit(&mut store, &visits);
    assert_eq!(
        place.read(TOTALS),
        "return {\n\t[\"2026-11\"] = {\n\t\t[\"client-IOS\"] = 2;\n\t\t[\"geo-DE-HE-2925533\"] = 2;\n\t};\n};\n"
    );
    assert_eq!(
        place.names(),
        [
            TOTALS,
            "monthly%2dvisitors/juliet.dat",
            "monthly%2dvisitors/x%40y%2ez.dat"
        ]
    );
    assert_eq!(place.mark("juliet"), marker("2026-11"));
    for (name, mode) in [
        (TOTALS, 0o640),
        ("monthly%2dvisitors", 0o750),
        ("monthly%2dvisitors/juliet.dat", 0o640),
    ] {
        let permissions = fs::metadata(place.path(name)).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode, "{name}");
    }
}

#[test]
fn follows_the_lua_plugin() {
    let place = Place::with(&[
        (
            TOTALS,
            "return {\n\t[\"2026-11\"] = {\n\t\t[\"geo-DE-HE-2925533\"] = 2;\n\t\t[\"client-IOS\"] = 2;\n\t};\n};\n",
        ),
        ("monthly%2dvisitors/juliet.dat", &marker("2026-11")),
        ("monthly%2dvisitors/romeo.dat", &marker("2026-10")),
        ("monthly%2dvisitors/nurse.dat", "return {\n};\n"),
        ("monthly%2dvisitors/late.dat", &marker("2026-12")),
    ]);
    let mut store = place.open();
    let mut maker = Maker::new();
    let visits = ["juliet", "romeo", "nurse", "late", "new"].map(|name| visit(&mut maker, name));
    maker.commit(&mut store, &visits);
    assert_eq!(
        lines(&mut store),
        ["2026-11 client-IOS 5", "2026-11 geo-DE-HE-2925533 5"]
    );
    assert_eq!(
        listed(&mut store),
        [
            "juliet 2026-11",
            "late 2026-12",
            "new 2026-11",
            "nurse 2026-11",
            "romeo 2026-11"
        ]
    );
}

#[test]
fn names_of_older_prosody_are_read_and_new_ones_written() {
    let old = "return { ['2026-10'] = { ['geo-DE-HE-2925533'] = 1, ['client-IOS'] = 1 } };";
    let place = Place::with(&[
        (OLD_TOTALS, old),
        ("monthly-visitors/juliet.dat", &marker("2026-11")),
        ("monthly%2dvisitors/juliet.dat", &marker("2026-09")),
        ("monthly-visitors/romeo.dat", &marker("2026-10")),
        ("monthly%2dvisitors/romeo.dat", &marker("2026-11")),
        ("monthly-visitors/nurse.dat", &marker("2026-10")),
    ]);
    let mut store = place.open();
    let mut maker = Maker::new();
    let visits = ["juliet", "romeo", "nurse"].map(|name| visit(&mut maker, name));
    maker.commit(&mut store, &visits);
    let expected = [
        "2026-10 client-IOS 1",
        "2026-10 geo-DE-HE-2925533 1",
        "2026-11 client-IOS 1",
        "2026-11 geo-DE-HE-2925533 1",
    ];
    assert_eq!(lines(&mut store), expected);
    assert_eq!(place.read(OLD_TOTALS), old, "old totals stay as they are");
    // Once there are new totals, the old ones no longer count.
    place.write(OLD_TOTALS, "broken");
    assert_eq!(lines(&mut place.reader()), expected);
    assert_eq!(
        listed(&mut store),
        ["juliet 2026-11", "nurse 2026-11", "romeo 2026-11"]
    );
    store.forget(&forgotten("nurse", &[])).unwrap();
    assert_eq!(listed(&mut store), ["juliet 2026-11", "romeo 2026-11"]);
}

#[test]
fn totals_that_cannot_be_read_are_refused_and_kept() {
    for (text, reason) in [
        ("", "line 1: the file is empty"),
        ("return {\n\t[\"2026", "line 2: the string does not end"),
        (
            "return {\n\n\tos.exit() }",
            "line 3: a word that is no data",
        ),
    ] {
        let place = Place::with(&[(TOTALS, text)]);
        let message = place.try_open(Access::Record).unwrap_err().to_string();
        assert!(
            message.contains(TOTALS) && message.ends_with(reason),
            "{message}"
        );
        let message = place.reader().totals().unwrap_err().to_string();
        assert!(
            message.contains(TOTALS) && message.ends_with(reason),
            "{message}"
        );
        assert_eq!(place.read(TOTALS), text);
    }
}

#[test]
fn a_damaged_marker_file_stops_nobody_and_is_kept() {
    for damaged in [
        "",
        "return {\n\t[\"last-re",
        "return { ['last-recorded'] = 5 }",
    ] {
        let place = Place::with(&[
            ("monthly%2dvisitors/juliet.dat", damaged),
            ("monthly%2dvisitors/juliet.bad", "an earlier one"),
        ]);
        let mut store = place.open();
        let mut maker = Maker::new();
        let visits = ["juliet", "romeo"].map(|name| visit(&mut maker, name));
        maker.commit(&mut store, &visits);
        maker.commit(&mut store, &visits);
        assert_eq!(
            lines(&mut store),
            ["2026-11 client-IOS 2", "2026-11 geo-DE-HE-2925533 2"]
        );
        assert_eq!(place.mark("juliet"), marker("2026-11"));
        assert_eq!(
            place.read("monthly%2dvisitors/juliet.bad"),
            "an earlier one"
        );
        assert_eq!(place.read("monthly%2dvisitors/juliet.ba2"), damaged);
        let log = place.lines.lock().clone();
        assert_eq!(log.len(), 1, "{log:?}");
        assert!(log[0].starts_with("a user's marker file, ") && !log[0].contains("juliet"));
        store.forget(&forgotten("juliet", &[])).unwrap();
        assert_eq!(place.names(), [TOTALS, "monthly%2dvisitors/romeo.dat"]);
    }
}

#[test]
fn what_is_not_ours_is_kept() {
    let place = Place::with(&[
        (
            TOTALS,
            "return { 'first'; note = { deep = { 1, 2 } }; ['2026-11'] = { odd = 'text', half = 2.5; less = -1, ['geo-FR-?-?'] = 3.0 }; ['2026-13'] = {} };",
        ),
        (
            "monthly%2dvisitors/juliet.dat",
            "return { colour = 'red'; ['last-recorded'] = '2026-10' };",
        ),
    ]);
    let mut store = place.open();
    let mut maker = Maker::new();
    let visit = maker.visit("2026-11", "juliet", "FR-?-?", "IOS");
    maker.commit(&mut store, &[visit]);
    assert_eq!(
        lines(&mut store),
        ["2026-11 client-IOS 1", "2026-11 geo-FR-?-? 4"]
    );
    let kept = dat::parse(
        b"return { 'first'; note = { deep = { 1, 2 } }; ['2026-11'] = { odd = 'text', half = 2.5; less = -1, ['geo-FR-?-?'] = 4; ['client-IOS'] = 1 }; ['2026-13'] = {} };",
    );
    assert_eq!(dat::parse(place.read(TOTALS).as_bytes()), kept);
    assert_eq!(
        place.mark("juliet"),
        "return {\n\t[\"colour\"] = \"red\";\n\t[\"last-recorded\"] = \"2026-11\";\n};\n"
    );
    assert_eq!(place.lines.lock().len(), 1);
    assert!(
        place.lines.lock()[0].starts_with("6 entries"),
        "{:?}",
        place.lines.lock()
    );
}

#[test]
fn nothing_is_added_to_what_is_no_count() {
    for text in [
        "return { ['2026-11'] = { ['geo-FR-?-?'] = 2.5 } }",
        "return { ['2026-11'] = 7 }",
    ] {
        let place = Place::with(&[(TOTALS, text)]);
        let mut store = place.open();
        let mut maker = Maker::new();
        let visits = [maker.visit("2026-11", "juliet", "FR-?-?", "IOS")];
        assert!(maker.try_commit(&mut store, &visits).is_err());
        assert!(
            maker.try_commit(&mut store, &visits).is_err(),
            "not even when tried again"
        );
        assert_eq!(place.names(), [TOTALS]);
        assert_eq!(place.read(TOTALS), text);
    }
}

#[test]
fn the_layout_of_the_later_fork_is_read_only() {
    let text = "return {\n\t[\"2026-11\"] = {\n\t\t[\"US-WA-5803556\"] = { users_seen = 3, clients_seen = { IOS = 2, [\"?\"] = 1 }, isps_seen = { AS7922 = 3 } };\n\t\t[\"DE-?-?\"] = { users_seen = 1, clients_seen = { IOS = 1 }, isps_seen = {} };\n\t};\n};\n";
    let place = Place::with(&[(TOTALS, text)]);
    assert_eq!(
        lines(&mut place.reader()),
        [
            "2026-11 asn-AS7922 3",
            "2026-11 client-? 1",
            "2026-11 client-IOS 3",
            "2026-11 geo-DE-?-? 1",
            "2026-11 geo-US-WA-5803556 3",
        ]
    );
    let message = place.try_open(Access::Record).unwrap_err().to_string();
    assert!(message.ends_with("copy it into another store"), "{message}");
    assert_eq!(place.read(TOTALS), text);
}

#[test]
fn one_records_many_read() {
    let place = Place::new();
    assert!(place.reader().totals().unwrap().is_empty());
    assert_eq!(place.names(), Vec::<String>::new());
    assert!(!place.path("monthly%2dvisitors").exists());
    let store = place.open();
    let message = place.try_open(Access::Record).unwrap_err().to_string();
    let me = std::process::id();
    assert!(
        message.contains(&format!("in use by process {me}")),
        "{message}"
    );
    let mut reader = place.reader();
    assert!(reader.users().unwrap().is_empty());
    assert!(reader.load().unwrap().open.is_empty());
    assert!(reader.forget(&forgotten("juliet", &[])).is_err());
    assert!(reader.purge(Month::LAST).is_err());
    drop(store);
    place.open();
}

#[test]
fn a_folder_must_be_there() {
    let place = Place::with(&[("file", "")]);
    for access in [Access::Record, Access::Read] {
        for (name, reason) in [("none", "No such file"), ("file", "it is not a folder")] {
            let message = Prosody::open(&place.path(name), access, &Log::default())
                .unwrap_err()
                .to_string();
            assert!(
                message.contains(name) && message.contains(reason),
                "{message}"
            );
        }
    }
}

#[test]
fn a_name_that_is_too_long_for_a_file_counts_and_is_not_listed() {
    let place = Place::new();
    let mut store = place.open();
    let mut maker = Maker::new();
    let name = "ü".repeat(400);
    let visits = [visit(&mut maker, &name), visit(&mut maker, "juliet")];
    maker.commit(&mut store, &visits);
    maker.commit(&mut store, &visits);
    assert_eq!(
        lines(&mut store),
        ["2026-11 client-IOS 2", "2026-11 geo-DE-HE-2925533 2"]
    );
    assert_eq!(listed(&mut store), ["juliet 2026-11"]);
    store.forget(&forgotten(&name, &[])).unwrap();
    assert_eq!(place.names(), [TOTALS, "monthly%2dvisitors/juliet.dat"]);
}

#[test]
fn an_import_marks_those_who_come_and_drops_nobody() {
    let place = Place::new();
    let mut store = place.open();
    let mut maker = Maker::new();
    let visits = [
        visit(&mut maker, "juliet"),
        visit(&mut maker, "romeo"),
        maker.visit("2026-12", "nurse", "DE-HE-2925533", "IOS"),
    ];
    maker.commit(&mut store, &visits);
    let mut copy = MonthCopy {
        counts: Counts::from([(Key::new("geo-FR-?-?"), 2), (Key::new("client-?"), 2)]),
        incomplete: false,
        marks: Marks::Users(vec![user("romeo").into(), user("nurse").into()]),
    };
    let before = place.read(TOTALS);
    assert!(store.import(month("2026-11"), &copy).is_err());
    assert_eq!(place.read(TOTALS), before);
    copy.marks = Marks::Users(
        ["juliet", "romeo", "nurse", "tybalt"]
            .map(|name| user(name).into())
            .to_vec(),
    );
    store.import(month("2026-11"), &copy).unwrap();
    assert_eq!(
        listed(&mut store),
        [
            "juliet 2026-11",
            "nurse 2026-12",
            "romeo 2026-11",
            "tybalt 2026-11"
        ]
    );
    copy.marks = Marks::Keyed(OpenMonth {
        month: month("2026-11"),
        state: MonthState {
            key: MonthKey::random().unwrap(),
            first: None,
        },
        markers: Arc::default(),
    });
    let before = place.read(TOTALS);
    assert!(store.import(month("2026-11"), &copy).is_err());
    assert_eq!(place.read(TOTALS), before);
}
