//! Files that are out of reach, and programs that write the same ones.

use std::thread;

use super::super::apply::Step;
use super::*;

/// A marker file of juliet that cannot be read: a folder.
const FOLDER: &str = "monthly%2dvisitors/juliet.dat/inside";

/// Makes one that can be renamed neither: all names for that are taken.
fn make_stuck(place: &Place) {
    let file = |ending: &str| place.path(&format!("monthly%2dvisitors/juliet.{ending}"));
    fs::create_dir_all(file("ba9").join("inside")).unwrap();
    for ending in ["bad", "ba2", "ba3", "ba4", "ba5", "ba6", "ba7", "ba8"] {
        fs::write(file(ending), "").unwrap();
    }
    fs::create_dir_all(file("dat").join("inside")).unwrap();
}

/// Checks that the only warning is this, and names nobody.
fn assert_warned(place: &Place, text: &str) {
    let lines = place.lines.lock();
    assert!(lines[0].contains(text), "{lines:?}");
    assert!(
        lines.iter().all(|line| !line.contains("juliet")),
        "{lines:?}"
    );
}

#[test]
fn a_marker_file_that_cannot_be_read_stops_nobody() {
    let place = Place::with(&[(FOLDER, "")]);
    let mut store = place.open();
    let mut maker = Maker::new();
    let visits = ["juliet", "romeo"].map(|name| visit(&mut maker, name));
    for _ in 0..2 {
        maker.commit(&mut store, &visits);
        assert_eq!(
            lines(&mut store),
            ["2026-11 client-IOS 2", "2026-11 geo-DE-HE-2925533 2"]
        );
    }
    assert!(place.path("monthly%2dvisitors/juliet.bad/inside").exists());
    assert_eq!(place.mark("juliet"), marker("2026-11"));
    assert_warned(&place, "the user counts again");
}

#[test]
fn a_user_whose_marker_cannot_be_set_is_not_counted() {
    let place = Place::new();
    let mut maker = Maker::new();
    let visits = ["juliet", "romeo"].map(|name| visit(&mut maker, name));
    make_stuck(&place);
    for _ in 0..2 {
        let mut store = place.open();
        maker.commit(&mut store, &visits);
        assert_eq!(
            lines(&mut store),
            ["2026-11 client-IOS 1", "2026-11 geo-DE-HE-2925533 1"]
        );
    }
    assert_warned(&place, "not counted until it is gone");
}

#[test]
fn what_cannot_be_read_is_not_taken_for_nobody_and_not_named() {
    let place = Place::with(&[(FOLDER, "")]);
    let mut store = place.open();
    for message in [
        store.users().unwrap_err().to_string(),
        store
            .forget(&forgotten("juliet", &[]))
            .unwrap_err()
            .to_string(),
    ] {
        assert!(message.contains("a user's marker file"), "{message}");
        assert!(!message.contains("juliet"), "{message}");
    }
}

#[test]
fn a_batch_goes_on_when_a_marker_cannot_be_written_any_more() {
    for stuck in [false, true] {
        let place = Place::with(&[]);
        let mut maker = Maker::new();
        let visits = ["juliet", "romeo"].map(|name| visit(&mut maker, name));
        crash::crash_after(
            &mut place.open(),
            &maker,
            &visits,
            &[Step::Next, Step::Journal, Step::Totals],
        );
        if stuck {
            make_stuck(&place);
        } else {
            place.write(FOLDER, "");
        }
        let mut store = place.open();
        assert_eq!(
            lines(&mut store),
            ["2026-11 client-IOS 2", "2026-11 geo-DE-HE-2925533 2"]
        );
        assert_eq!(place.mark("romeo"), marker("2026-11"));
        assert!(!place.path("monthly%2dvisitors.journal").exists());
        if stuck {
            assert_warned(&place, "the user may count again");
        } else {
            assert_eq!(place.mark("juliet"), marker("2026-11"));
        }
    }
}

#[test]
fn when_no_marker_can_be_read_all_wait() {
    let place = Place::new();
    let mut store = place.open();
    let mut maker = Maker::new();
    let visits = ["juliet", "romeo"].map(|name| visit(&mut maker, name));
    let (folder, away) = (place.path("monthly%2dvisitors"), place.path("away"));
    fs::rename(&folder, &away).unwrap();
    fs::write(&folder, "no folder").unwrap();
    assert!(maker.try_commit(&mut store, &visits).is_err());
    assert!(lines(&mut store).is_empty());
    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    maker.commit(&mut store, &visits);
    assert_eq!(lines(&mut store)[0], "2026-11 client-IOS 2");
}

#[test]
fn what_others_write_meanwhile_is_not_lost() {
    let place = Place::new();
    let mut store = place.open();
    let mut maker = Maker::new();
    let first = visit(&mut maker, "juliet");
    maker.commit(&mut store, &[first]);
    place.write(
        TOTALS,
        "return { ['2026-11'] = { ['client-IOS'] = 7, ['geo-DE-HE-2925533'] = 7 } }",
    );
    let second = visit(&mut maker, "romeo");
    maker.commit(&mut store, &[second]);
    assert_eq!(
        lines(&mut store),
        ["2026-11 client-IOS 8", "2026-11 geo-DE-HE-2925533 8"]
    );
}

/// The totals of a batch are in place before its markers are: whoever writes
/// the totals in between must be noticed.
#[test]
fn what_others_write_while_a_batch_is_applied_is_not_lost() {
    let place = Place::new();
    let mut store = place.open();
    let mut maker = Maker::new();
    let visits: Vec<_> = (0..3000)
        .map(|i| visit(&mut maker, &format!("user{i}")))
        .collect();
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            while !place.path(TOTALS).exists() {
                thread::yield_now();
            }
            let text = "return { ['2026-11'] = { ['client-IOS'] = 7, ['geo-DE-HE-2925533'] = 7 } }";
            place.write("other", text);
            fs::rename(place.path("other"), place.path(TOTALS)).unwrap();
            place.path("monthly%2dvisitors.journal").exists()
        });
        maker.commit(&mut store, &visits);
        assert!(other.join().unwrap(), "the other was too late");
    });
    let next = visit(&mut maker, "romeo");
    maker.commit(&mut store, &[next]);
    assert_eq!(
        lines(&mut store),
        ["2026-11 client-IOS 8", "2026-11 geo-DE-HE-2925533 8"]
    );
}
