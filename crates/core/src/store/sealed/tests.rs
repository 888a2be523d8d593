//! What a sealed store promises beyond the contract of all stores.

mod damage;
mod traces;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::sync::Mutex;
use tempfile::TempDir;

use super::*;
use crate::store::contract::{self, Maker, forgotten, month, shown, user};

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

    fn dir(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn open_with(&self, secret: &[u8], access: Access) -> Result<Sealed, Error> {
        let lines = Arc::clone(&self.lines);
        let log = Log::new(move |_, line| lines.lock().push(line.to_owned()));
        Sealed::open(&self.dir(), None, &Realm::new("", secret), access, &log)
    }

    fn open(&self) -> Sealed {
        self.open_with(b"", Access::Record).unwrap()
    }

    fn reader(&self) -> Sealed {
        self.open_with(b"", Access::Read).unwrap()
    }

    /// Names of the store's files, without the lock.
    fn names(&self) -> Vec<String> {
        names(&self.dir())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "lock")
        .collect();
    names.sort();
    names
}

/// Commits `count` visits of users whose names begin with `prefix`.
fn visits(store: &mut Sealed, maker: &mut Maker, text: &str, prefix: &str, count: usize) {
    let visits: Vec<_> = (0..count)
        .map(|i| maker.visit(text, &format!("{prefix}{i}"), "DE-?-?", "IOS"))
        .collect();
    maker.commit(store, &visits);
}

fn lines(store: &mut Sealed) -> Vec<String> {
    shown(&store.totals().unwrap())
}

/// A store with three users in its large file and one in its small one.
fn store_of_four(place: &Place) -> Maker {
    let mut maker = Maker::new();
    let mut store = place.open();
    visits(&mut store, &mut maker, "2026-11", "a", 3000);
    visits(&mut store, &mut maker, "2026-11", "b", 1);
    maker
}

fn damage(place: &Place, name: &str) {
    let mut bytes = fs::read(place.file(name)).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(place.file(name), bytes).unwrap();
}

#[test]
fn keeps_the_contract() {
    let make = || {
        let place = Place::new();
        move || Ok(Box::new(place.open_with(b"", Access::Record)?) as Box<dyn Store>)
    };
    contract::check(make);
    contract::check_durable(make);
}

#[test]
fn an_open_month_is_two_files_and_a_key_a_closed_one_is_json() {
    let place = Place::new();
    let mut store = place.open();
    let mut maker = Maker::new();
    visits(&mut store, &mut maker, "2026-11", "a", 5000);
    visits(&mut store, &mut maker, "2026-11", "b", 1);
    assert_eq!(
        place.names(),
        ["2026-11.fresh", "2026-11.key", "2026-11.sealed"]
    );
    visits(&mut store, &mut maker, "2026-12", "a", 1);
    store.close_before(month("2026-12")).unwrap();
    assert_eq!(
        place.names(),
        [
            "2026-11.json",
            "2026-12.key",
            "2026-12.sealed",
            "closed-before"
        ]
    );
    assert_eq!(
        lines(&mut store)[..2],
        ["2026-11 client-IOS 5001", "2026-11 geo-DE-?-? 5001"]
    );
}

#[test]
fn a_flush_costs_what_is_new_on_average() {
    let place = Place::new();
    let mut store = place.open();
    let mut maker = Maker::new();
    visits(&mut store, &mut maker, "2026-11", "a", 200_000);
    let large = fs::metadata(place.file("2026-11.sealed")).unwrap().len();
    let mut written = 0;
    let mut before = fs::read(place.file("2026-11.sealed")).unwrap();
    for round in 0..100 {
        visits(&mut store, &mut maker, "2026-11", &format!("{round}-"), 100);
        let now = fs::read(place.file("2026-11.sealed")).unwrap();
        let file = if now == before {
            "2026-11.fresh"
        } else {
            "2026-11.sealed"
        };
        written += fs::metadata(place.file(file)).unwrap().len();
        before = now;
    }
    assert!(
        written < 10 * large,
        "{written} bytes for 10,000 users, {large} for 200,000"
    );
    assert_eq!(
        lines(&mut store),
        ["2026-11 client-IOS 210000", "2026-11 geo-DE-?-? 210000"]
    );
}

#[test]
fn a_second_recorder_is_refused_a_reader_is_not() {
    let place = Place::new();
    let mut store = place.open();
    visits(&mut store, &mut Maker::new(), "2026-11", "a", 3);
    let refused = place
        .open_with(b"", Access::Record)
        .err()
        .unwrap()
        .to_string();
    assert!(
        refused.contains(&format!("in use by process {}", std::process::id())),
        "{refused}"
    );
    let mut reader = place.reader();
    assert_eq!(reader.totals().unwrap(), store.totals().unwrap());
    assert_eq!(
        reader.purge(Month::LAST).unwrap_err().to_string(),
        "cannot change the store: it is open for reading only"
    );
    visits(&mut store, &mut Maker::new(), "2026-12", "a", 1);
    assert_eq!(reader.totals().unwrap(), store.totals().unwrap());
}

#[test]
fn readers_see_whole_states_while_a_recorder_writes() {
    let place = Place::new();
    let mut store = place.open();
    let mut maker = Maker::new();
    visits(&mut store, &mut maker, "2026-11", "a", 2);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut reader = place.reader();
            let mut last = 0;
            while last < 402 {
                let totals = reader.totals().unwrap();
                let counts: Vec<u64> = totals
                    .values()
                    .flat_map(|month| month.counts.values().copied())
                    .collect();
                assert!(
                    counts.windows(2).all(|pair| pair[0] == pair[1]),
                    "{counts:?}"
                );
                assert!(counts[0] >= last, "{counts:?} after {last}");
                last = counts[0];
            }
        });
        for round in 0..200 {
            visits(&mut store, &mut maker, "2026-11", &format!("{round}-"), 2);
        }
        reading.join().unwrap();
    });
}

#[test]
fn a_forgotten_user_is_in_no_file() {
    let place = Place::new();
    let maker = store_of_four(&place);
    let key = &maker.months[&month("2026-11")].key;
    let mut store = place.open();
    for name in ["a7", "b0"] {
        let of_user = Realm::default().marking(key).of(user(name));
        assert!(store.months[&month("2026-11")].list().contains(&of_user));
        store
            .forget(&forgotten(name, &[(month("2026-11"), of_user)]))
            .unwrap();
    }
    drop(store);
    let loaded = place.open().load().unwrap();
    assert_eq!(loaded.open[0].markers.len(), 2999);
}

#[test]
fn keys_may_live_in_a_folder_of_their_own_and_only_one_store_uses_it() {
    let place = Place::new();
    let keys = place.folder.path().join("keys");
    let open = |dir: &str| {
        Sealed::open(
            &place.folder.path().join(dir),
            Some(&keys),
            &Realm::default(),
            Access::Record,
            &Log::default(),
        )
    };
    let mut store = open("one").unwrap();
    visits(&mut store, &mut Maker::new(), "2026-11", "a", 1);
    assert_eq!(names(&keys), ["2026-11.key"]);
    assert_eq!(names(&place.folder.path().join("one")), ["2026-11.sealed"]);
    assert!(open("two").is_err());
    store.close_before(month("2026-12")).unwrap();
    assert!(names(&keys).is_empty());
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let place = Place::new();
    fs::write(place.dir(), "a file").unwrap();
    for access in [Access::Record, Access::Read] {
        let message = place.open_with(b"", access).err().unwrap().to_string();
        assert!(
            message.contains(&*place.dir().to_string_lossy()),
            "{message}"
        );
    }
    let nowhere = Sealed::open(
        &place.folder.path().join("a/b"),
        None,
        &Realm::default(),
        Access::Record,
        &Log::default(),
    );
    assert!(nowhere.err().unwrap().to_string().contains("a/b"));
}

#[test]
fn another_host_is_refused_while_a_month_is_open_and_may_read() {
    let place = Place::new();
    store_of_four(&place);
    let open = |access| {
        Sealed::open(
            &place.dir(),
            None,
            &Realm::new("example.net", b""),
            access,
            &Log::default(),
        )
    };
    let refused = open(Access::Record)
        .unwrap()
        .load()
        .err()
        .unwrap()
        .to_string();
    assert!(
        refused.starts_with("host: 2026-11 was begun for another host"),
        "{refused}"
    );
    assert_eq!(
        lines(&mut open(Access::Read).unwrap())[0],
        "2026-11 client-IOS 3001"
    );
    let mut store = place.open();
    store.load().unwrap();
    store.close_before(month("2026-12")).unwrap();
    drop(store);
    open(Access::Record).unwrap().load().unwrap();
}

#[test]
fn keys_follow_when_a_folder_for_them_is_chosen_later() {
    let place = Place::new();
    store_of_four(&place);
    let keys = place.folder.path().join("keys");
    let mut store = Sealed::open(
        &place.dir(),
        Some(&keys),
        &Realm::default(),
        Access::Record,
        &Log::default(),
    )
    .unwrap();
    assert_eq!(lines(&mut store)[0], "2026-11 client-IOS 3001");
    assert_eq!(names(&keys), ["2026-11.key"]);
    assert_eq!(place.names(), ["2026-11.fresh", "2026-11.sealed"]);
}

#[test]
fn a_flush_does_not_write_the_names_of_known_keys_again() {
    let place = Place::new();
    let mut store = place.open();
    let mut maker = Maker::new();
    let mut all: Vec<_> = (0..5000)
        .map(|i| maker.visit("2026-11", &format!("a{i}"), &format!("DE-HE-{i}"), "IOS"))
        .collect();
    maker.commit(&mut store, &all);
    let new = [
        maker.visit("2026-11", "b", "DE-HE-7", "IOS"),
        maker.visit("2026-11", "c", "FR-?-?", "ANDROID"),
    ];
    for visit in &new {
        maker.commit(&mut store, std::slice::from_ref(visit));
    }
    let size = fs::metadata(place.file("2026-11.fresh")).unwrap().len();
    assert!(size < 10_000, "{size} bytes");
    drop(store);
    let expected = place.open().totals().unwrap();
    let once = Place::new();
    all.extend(new);
    maker.commit(&mut once.open(), &all);
    assert_eq!(expected, once.open().totals().unwrap());
}
