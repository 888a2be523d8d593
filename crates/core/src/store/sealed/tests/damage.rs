//! What becomes of files that are missing, damaged or under another key, and of
//! a store whose process was killed.

use std::collections::BTreeMap;
use std::fs;

use super::*;

#[test]
fn what_cannot_be_used_is_set_aside_and_the_month_is_incomplete() {
    type Harm = fn(&Place);
    for (what, harm, counted, aside) in [
        (
            "no key",
            (|place| fs::remove_file(place.file("2026-11.key")).unwrap()) as Harm,
            0,
            vec!["2026-11.fresh.damaged-1", "2026-11.sealed.damaged-1"],
        ),
        (
            "foreign key",
            |place| fs::write(place.file("2026-11.key"), [9; 32]).unwrap(),
            0,
            vec![
                "2026-11.fresh.damaged-1",
                "2026-11.key.damaged-1",
                "2026-11.sealed.damaged-1",
            ],
        ),
        (
            "short key",
            |place| fs::write(place.file("2026-11.key"), [9; 3]).unwrap(),
            0,
            vec![
                "2026-11.fresh.damaged-1",
                "2026-11.key.damaged-1",
                "2026-11.sealed.damaged-1",
            ],
        ),
        (
            "damaged large file",
            |place| damage(place, "2026-11.sealed"),
            0,
            vec!["2026-11.fresh.damaged-1", "2026-11.sealed.damaged-1"],
        ),
        (
            "damaged small file",
            |place| damage(place, "2026-11.fresh"),
            3000,
            vec!["2026-11.fresh.damaged-1"],
        ),
        (
            "no large file",
            |place| fs::remove_file(place.file("2026-11.sealed")).unwrap(),
            0,
            vec!["2026-11.fresh.damaged-1"],
        ),
        (
            "empty large file",
            |place| fs::write(place.file("2026-11.sealed"), "").unwrap(),
            0,
            vec!["2026-11.fresh.damaged-1", "2026-11.sealed.damaged-1"],
        ),
    ] {
        let place = Place::new();
        store_of_four(&place);
        harm(&place);
        for round in 0..2 {
            let mut store = place.open();
            let totals = store.totals().unwrap();
            let found = &totals[&month("2026-11")];
            assert!(found.incomplete && found.open, "{what}, {round}");
            let users = found
                .counts
                .get(&crate::Key::new("client-IOS"))
                .copied()
                .unwrap_or(0);
            assert_eq!(users, counted, "{what}, {round}");
            let damaged: Vec<String> = place
                .names()
                .into_iter()
                .filter(|name| name.contains("damaged"))
                .collect();
            assert_eq!(damaged, aside, "{what}, {round}");
            if round == 1 {
                // It goes on counting, and stays incomplete when closed.
                let mut maker = Maker::new();
                for open in store.load().unwrap().open {
                    maker.months.insert(open.month, open.state);
                }
                visits(&mut store, &mut maker, "2026-11", "c", 1);
                store.close_before(month("2026-12")).unwrap();
                let closed = &store.totals().unwrap()[&month("2026-11")];
                assert!(closed.incomplete && !closed.open, "{what}");
                assert_eq!(
                    closed.counts[&crate::Key::new("client-IOS")],
                    counted + 1,
                    "{what}"
                );
            }
        }
        assert!(
            place
                .lines
                .lock()
                .iter()
                .any(|line| line.contains("2026-11")),
            "{what}: nothing was logged"
        );
    }
}

#[test]
fn another_secret_is_a_foreign_key() {
    let place = Place::new();
    visits(
        &mut place.open_with(b"secret one", Access::Record).unwrap(),
        &mut Maker::new(),
        "2026-11",
        "a",
        3,
    );
    let mut store = place.open_with(b"secret two", Access::Record).unwrap();
    assert!(store.totals().unwrap()[&month("2026-11")].incomplete);
}

#[test]
fn a_damaged_closed_month_is_kept_and_hides_no_other() {
    let place = Place::new();
    let mut store = place.open();
    let mut maker = Maker::new();
    visits(&mut store, &mut maker, "2026-09", "a", 1);
    visits(&mut store, &mut maker, "2026-10", "a", 1);
    store.close_before(month("2026-11")).unwrap();
    drop(store);
    fs::write(place.file("2026-10.json"), "{").unwrap();
    let mut store = place.open();
    let totals = store.totals().unwrap();
    assert_eq!(
        shown(&totals),
        ["2026-09 client-IOS 1", "2026-09 geo-DE-?-? 1"]
    );
    assert!(totals[&month("2026-10")].incomplete && !totals[&month("2026-09")].incomplete);
    assert_eq!(store.load().unwrap().closed_before, month("2026-11"));
    assert_eq!(fs::read_to_string(place.file("2026-10.json")).unwrap(), "{");
}

/// Every state that a kill can leave while a month is folded or closed.
#[test]
fn a_kill_between_any_two_files_loses_and_doubles_nothing() {
    // The files before and after, and what may be on disk between: a prefix of
    // the changes in the order in which they are made.
    let snapshot = |place: &Place| -> BTreeMap<String, Vec<u8>> {
        place
            .names()
            .into_iter()
            .map(|name| (name.clone(), fs::read(place.file(&name)).unwrap()))
            .collect()
    };
    let place = Place::new();
    store_of_four(&place);
    let before = snapshot(&place);
    let mut store = place.open();
    store.close_before(month("2026-12")).unwrap();
    let expected = lines(&mut store);
    drop(store);
    let json = snapshot(&place).remove("2026-11.json").unwrap();
    for steps in 0..=4 {
        let place = Place::new();
        drop(place.open());
        let mut files = before.clone();
        if steps > 0 {
            files.insert("2026-11.json".into(), json.clone());
        }
        if steps == 2 {
            files.insert("2026-11.key".into(), vec![0; 32]);
        }
        for gone in ["2026-11.key", "2026-11.sealed"]
            .iter()
            .take(usize::saturating_sub(steps, 2))
        {
            files.remove(*gone);
        }
        for (name, bytes) in &files {
            fs::write(place.file(name), bytes).unwrap();
        }
        let mut store = place.open();
        assert_eq!(lines(&mut store), expected, "after {steps} steps");
        store.close_before(month("2026-12")).unwrap();
        assert_eq!(
            place.names(),
            ["2026-11.json", "closed-before"],
            "after {steps} steps"
        );
        assert_eq!(fs::read(place.file("2026-11.json")).unwrap(), json);
    }
    // Folded, and killed before the small file was removed.
    let fresh = before["2026-11.fresh"].clone();
    let place = Place::new();
    let maker = store_of_four(&place);
    for (name, bytes) in &before {
        fs::write(place.file(name), bytes).unwrap();
    }
    let mut store = place.open();
    let key = store.load().unwrap().open[0].state.key.clone();
    assert_ne!(key, maker.months[&month("2026-11")].key);
    let nobody = Realm::default().marking(&key).of(user("nobody"));
    store
        .forget(&forgotten("nobody", &[(month("2026-11"), nobody)]))
        .unwrap();
    assert!(!place.file("2026-11.fresh").exists());
    drop(store);
    fs::write(place.file("2026-11.fresh"), fresh).unwrap();
    assert_eq!(lines(&mut place.reader()), expected);
    assert_eq!(lines(&mut place.open()), expected);
}

#[test]
fn an_open_month_that_cannot_be_read_hides_no_other_from_readers() {
    for harm in ["2026-11.sealed", "2026-11.key"] {
        let place = Place::new();
        let mut store = place.open();
        let mut maker = Maker::new();
        visits(&mut store, &mut maker, "2026-10", "a", 1);
        store.close_before(month("2026-11")).unwrap();
        visits(&mut store, &mut maker, "2026-11", "a", 3);
        fs::write(place.file(harm), "damaged").unwrap();
        let totals = place.reader().totals().unwrap();
        assert_eq!(
            shown(&totals),
            ["2026-10 client-IOS 1", "2026-10 geo-DE-?-? 1"],
            "{harm}"
        );
        assert!(totals[&month("2026-11")].incomplete, "{harm}");
        assert!(place.reader().load().is_err(), "{harm}");
    }
}

#[test]
fn keys_that_were_set_aside_are_destroyed_with_their_month() {
    let place = Place::new();
    store_of_four(&place);
    let mut store = place.open_with(b"another secret", Access::Record).unwrap();
    assert!(place.names().contains(&"2026-11.key.damaged-1".to_owned()));
    store.close_before(month("2026-12")).unwrap();
    let left: Vec<String> = place
        .names()
        .into_iter()
        .filter(|name| name.contains(".key"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_reader_reports_a_month_without_its_large_file_as_incomplete() {
    let place = Place::new();
    store_of_four(&place);
    fs::remove_file(place.file("2026-11.sealed")).unwrap();
    let totals = place.reader().totals().unwrap();
    assert!(totals[&month("2026-11")].incomplete);
    assert!(shown(&totals).is_empty(), "{totals:?}");
}

#[test]
fn a_damaged_month_keeps_its_host() {
    let place = Place::new();
    store_of_four(&place);
    damage(&place, "2026-11.fresh");
    for _ in 0..2 {
        let mut other = Sealed::open(
            &place.dir(),
            None,
            &Realm::new("example.net", b""),
            Access::Record,
            &Log::default(),
        )
        .unwrap();
        assert!(other.load().is_err());
    }
    place.open().load().unwrap();
}

#[test]
fn forgetting_a_user_deletes_the_files_of_open_months_that_were_set_aside() {
    let place = Place::new();
    let mut maker = store_of_four(&place);
    {
        let mut store = place.open();
        visits(&mut store, &mut maker, "2026-10", "a", 1);
    }
    fs::write(place.file("2026-09.sealed.damaged-1"), "closed").unwrap();
    let mut store = place.open_with(b"another secret", Access::Record).unwrap();
    let damaged = || -> Vec<String> {
        let names = place.names().into_iter();
        names.filter(|name| name.contains("damaged")).collect()
    };
    assert_eq!(damaged().len(), 6);
    store.forget(&forgotten("a7", &[])).unwrap();
    assert_eq!(damaged(), ["2026-09.sealed.damaged-1"]);
    let lines = place.lines.lock();
    let told = lines.iter().filter(|line| line.contains("are deleted"));
    assert_eq!(told.count(), 2, "{lines:?}");
}

#[test]
fn a_witness_that_cannot_be_read_is_written_anew() {
    let place = Place::new();
    store_of_four(&place);
    fs::write(place.file("closed-before"), "2026-1").unwrap();
    let mut store = place.open();
    assert_eq!(lines(&mut store)[0], "2026-11 client-IOS 3001");
    assert!(place.lines.lock()[0].contains("closed-before"));
    store.close_before(month("2026-12")).unwrap();
    let text = fs::read_to_string(place.file("closed-before")).unwrap();
    assert_eq!(text, "2026-12\n");
}
