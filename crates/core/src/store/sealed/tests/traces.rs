//! What the files tell by their names, modes, times and bytes.

use super::*;

#[test]
fn files_are_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let mut store = place.open();
    visits(&mut store, &mut Maker::new(), "2026-11", "a", 1);
    store.close_before(month("2026-11")).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.dir()), 0o700);
    for name in place.names() {
        assert_eq!(mode(&place.file(&name)), 0o600, "{name}");
    }
}

#[test]
fn equal_totals_of_other_users_in_another_order_are_equal_files() {
    let closed = |prefix: &str, chunk: usize| {
        let place = Place::new();
        let mut store = place.open();
        let mut maker = Maker::new();
        let mut all: Vec<_> = (0..300)
            .map(|i| {
                maker.visit(
                    "2026-11",
                    &format!("{prefix}{i}"),
                    &format!("DE-?-{}", i % 7),
                    "IOS",
                )
            })
            .collect();
        if chunk > 1 {
            all.reverse();
        }
        for some in all.chunks(chunk) {
            maker.commit(&mut store, some);
        }
        store.close_before(month("2026-12")).unwrap();
        drop(store);
        (
            place.names(),
            fs::read(place.file("2026-11.json")).unwrap(),
            fs::read(place.file("closed-before")).unwrap(),
            fs::read(place.file("lock")).unwrap(),
        )
    };
    let one = closed("juliet", 1);
    assert_eq!(one.0, ["2026-11.json", "closed-before"]);
    assert_eq!(one, closed("romeo", 37));
}

#[test]
fn a_closed_month_stays_closed_when_nothing_of_it_is_left() {
    let place = Place::new();
    let mut store = place.open();
    let mut maker = Maker::new();
    visits(&mut store, &mut maker, "2026-10", "a", 1);
    store.close_before(month("2026-11")).unwrap();
    assert_eq!(store.purge(Month::LAST).unwrap(), [month("2026-10")]);
    drop(store);
    assert_eq!(place.names(), ["closed-before"]);
    let mut store = place.open();
    assert_eq!(store.load().unwrap().closed_before, month("2026-11"));
    let late = maker.visit("2026-10", "b", "DE-?-?", "IOS");
    assert!(maker.try_commit(&mut store, &[late]).is_err());
    // Also when the month came from another store, and was closed there.
    let place = Place::new();
    let copy = MonthCopy {
        counts: crate::Counts::from([(crate::Key::new("geo-?-?-?"), 1)]),
        incomplete: false,
        marks: Marks::Closed,
    };
    place.open().import(month("2026-10"), &copy).unwrap();
    place.open().purge(Month::LAST).unwrap();
    let closed_before = place.open().load().unwrap().closed_before;
    assert_eq!(closed_before, month("2026-11"));
}

#[test]
fn the_times_of_files_tell_nothing() {
    let place = Place::new();
    let keys = place.folder.path().join("keys");
    let mut store = Sealed::open(
        &place.dir(),
        Some(&keys),
        &Realm::default(),
        Access::Record,
        &Log::default(),
    )
    .unwrap();
    let modified = |path: &Path| {
        let time = fs::metadata(path).unwrap().modified().unwrap();
        let since = time.duration_since(std::time::UNIX_EPOCH).unwrap();
        (
            i64::try_from(since.as_secs()).unwrap(),
            since.subsec_nanos(),
        )
    };
    let check = |text: &str, expected: &[&str]| {
        let mut found = Vec::new();
        for dir in [&place.dir(), &keys] {
            assert_eq!(modified(dir), (month(text).start(), 0), "{}", dir.display());
            for name in names(dir) {
                let of: String = name.chars().take(7).collect();
                let of = of.parse().unwrap_or(month(text));
                assert_eq!(modified(&dir.join(&name)), (of.start(), 0), "{name}");
                found.push(name);
            }
        }
        assert_eq!(found, expected);
    };
    let mut maker = Maker::new();
    visits(&mut store, &mut maker, "2026-10", "a", 5000);
    visits(&mut store, &mut maker, "2026-10", "b", 1);
    check(
        "2026-10",
        &["2026-10.fresh", "2026-10.sealed", "2026-10.key"],
    );
    visits(&mut store, &mut maker, "2026-11", "a", 1);
    store.close_before(month("2026-11")).unwrap();
    // Where the key of October was destroyed last.
    assert_eq!(modified(&keys), (month("2026-10").start(), 0));
    assert_eq!(modified(&place.dir()), (month("2026-11").start(), 0));
}

/// Also when the closing came with visits that are in the small file alone.
#[test]
fn no_file_says_when_the_first_login_was_once_earlier_months_are_closed() {
    let place = Place::new();
    let mut store = place.open();
    let mut maker = Maker::new();
    let november = month("2026-11");
    visits(&mut store, &mut maker, "2026-11", "a", 3000);
    maker.months.get_mut(&november).unwrap().first = None;
    visits(&mut store, &mut maker, "2026-11", "b", 1);
    store.close_before(november).unwrap();
    drop(store);
    for part in ["2026-11.fresh", "none"] {
        let _ = fs::remove_file(place.dir().join(part));
        let loaded = place.reader().load().unwrap();
        assert_eq!(loaded.open[0].state.first, None, "without {part}");
        assert_eq!(loaded.open[0].markers.len(), 3001, "without {part}");
    }
}
