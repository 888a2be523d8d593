//! A batch is all or nothing, wherever a crash comes.

use super::super::apply::{Step, plan};
use super::*;

/// Visits of one batch: old users, new users, and more than are synced one by
/// one, if `many`.
fn batch(maker: &mut Maker, many: bool) -> Vec<Dated> {
    let count = if many { 50 } else { 3 };
    (0..count)
        .map(|i| format!("new{i}"))
        .chain(["juliet".into()])
        .map(|name| maker.visit("2026-11", &name, "FR-?-?", "?"))
        .collect()
}

/// A place where juliet and romeo counted, the former in the month before.
fn place(maker: &mut Maker) -> Place {
    let place = Place::new();
    let mut store = place.open();
    let visits = [
        maker.visit("2026-10", "juliet", "DE-?-?", "IOS"),
        visit(maker, "romeo"),
    ];
    maker.commit(&mut store, &visits);
    place
}

/// Does the steps of committing the batch, up to a crash.
pub(super) fn crash_after(store: &mut Prosody, maker: &Maker, visits: &[Dated], steps: &[Step]) {
    let mut sheet = store.take_sheet().unwrap();
    let mut changes = Changes::new();
    for (month, visit, user) in visits {
        let stem = names::stem(user.as_user());
        changes.insert(stem, *month);
        for key in visit.keys() {
            sheet.add(*month, &maker.keys.key(key).unwrap(), 1).unwrap();
        }
    }
    let (journal, text) = plan(&sheet, changes);
    store.run(&journal, &text, None, steps).unwrap();
}

/// Checks that the counts of November are as many as its markers, and returns
/// how many.
fn counted(place: &Place) -> usize {
    let mut store = place.reader();
    let month = month("2026-11");
    let totals = store.totals().unwrap().remove(&month).unwrap().counts;
    let sum = |prefix: &str| -> u64 {
        let of = totals
            .iter()
            .filter(|(key, _)| key.as_str().starts_with(prefix));
        of.map(|(_, count)| count).sum()
    };
    let users = store.users().unwrap();
    let marked = users.iter().filter(|(_, last)| *last == month).count();
    assert_eq!(sum("geo-"), sum("client-"));
    assert_eq!(sum("geo-"), marked as u64);
    marked
}

/// What must hold after a crash: `counted` now, as a reader sees it and after
/// opening; all of the batch, once, when it is committed again.
fn check(place: &Place, maker: &Maker, visits: &[Dated], now: usize, case: &str) {
    assert_eq!(counted(place), now, "{case}, read");
    let mut store = place.open();
    assert_eq!(counted(place), now, "{case}, opened");
    for name in place.names() {
        let ending = name.rsplit('.').next();
        assert_eq!(ending, Some("dat"), "{case}: {name} is left");
    }
    maker.commit(&mut store, visits);
    assert_eq!(counted(place), 1 + visits.len(), "{case}, committed again");
}

#[test]
fn a_batch_is_all_or_nothing_after_every_step() {
    for many in [false, true] {
        for done in 0..=Step::ALL.len() {
            let mut maker = Maker::new();
            let place = place(&mut maker);
            let visits = batch(&mut maker, many);
            let steps = &Step::ALL[..done];
            crash_after(&mut place.open(), &maker, &visits, steps);
            let all = steps.contains(&Step::Journal);
            let now = if all { 1 + visits.len() } else { 1 };
            check(&place, &maker, &visits, now, &format!("after {steps:?}"));
        }
    }
}

#[test]
fn a_failed_commit_is_finished_by_the_next_call() {
    for done in 0..Step::ALL.len() {
        let mut maker = Maker::new();
        let place = place(&mut maker);
        let visits = batch(&mut maker, false);
        let mut store = place.open();
        crash_after(&mut store, &maker, &visits, &Step::ALL[..done]);
        store.pending = true;
        maker.commit(&mut store, &visits);
        assert_eq!(counted(&place), 1 + visits.len(), "after {done} steps");
        store.forget(&forgotten("new0", &[])).unwrap();
        drop(store);
        // No journal marks the forgotten user again.
        assert!(!listed(&mut place.open()).contains(&"new0 2026-11".into()));
    }
}

#[test]
fn markers_that_a_loss_of_power_took_are_written_again() {
    let mut maker = Maker::new();
    let place = place(&mut maker);
    let visits = batch(&mut maker, true);
    let steps = [Step::Next, Step::Journal, Step::Totals, Step::Marks];
    crash_after(&mut place.open(), &maker, &visits, &steps);
    // Some files are gone, some are there without their bytes, one is an old
    // one, and one is on its way.
    for i in 0..10 {
        fs::remove_file(place.path(&format!("monthly%2dvisitors/new{i}.dat"))).unwrap();
        place.write(&format!("monthly%2dvisitors/new{}.dat", i + 10), "");
    }
    place.write("monthly%2dvisitors/juliet.dat", &marker("2026-10"));
    place.write("monthly%2dvisitors/.monthly-visitors-1-1.tmp", "return");
    check(&place, &maker, &visits, 1 + visits.len(), "torn markers");
}

#[test]
fn a_batch_is_given_up_when_somebody_else_counted_before_it_was_applied() {
    let mut maker = Maker::new();
    let place = place(&mut maker);
    let visits = batch(&mut maker, false);
    let steps = [Step::Next, Step::Journal];
    crash_after(&mut place.open(), &maker, &visits, &steps);
    let text = "return { ['2026-11'] = { ['client-?'] = 2; ['geo-?-?-?'] = 2 } }";
    place.write(TOTALS, text);
    place.write("monthly%2dvisitors/nurse.dat", &marker("2026-11"));
    assert_eq!(counted(&place), 2);
    drop(place.open());
    assert_eq!(counted(&place), 2);
    assert_eq!(place.read(TOTALS), text);
    assert!(place.lines.lock()[0].ends_with("somebody else has counted since"));
    assert!(!place.path("monthly%2dvisitors.journal").exists());
    assert!(!place.path("monthly%2dvisitors.next").exists());
}

#[test]
fn markers_follow_when_somebody_else_counted_after_the_totals_were_in_place() {
    let mut maker = Maker::new();
    let place = place(&mut maker);
    let visits = batch(&mut maker, false);
    let steps = [Step::Next, Step::Journal, Step::Totals];
    crash_after(&mut place.open(), &maker, &visits, &steps);
    let one_more = place
        .read(TOTALS)
        .replace("[\"client-?\"] = 4", "[\"client-?\"] = 5")
        .replace("[\"geo-FR-?-?\"] = 4", "[\"geo-FR-?-?\"] = 5");
    place.write(TOTALS, &one_more);
    place.write("monthly%2dvisitors/nurse.dat", &marker("2026-11"));
    // One of the batch has logged in since, a month later.
    place.write("monthly%2dvisitors/new0.dat", &marker("2026-12"));
    drop(place.open());
    assert_eq!(place.read(TOTALS), one_more);
    assert_eq!(place.mark("new0"), marker("2026-12"));
    assert_eq!(place.mark("new1"), marker("2026-11"));
}

#[test]
fn a_torn_journal_or_torn_totals_are_given_up() {
    for name in ["monthly%2dvisitors.journal", "monthly%2dvisitors.next"] {
        let mut maker = Maker::new();
        let place = place(&mut maker);
        let visits = batch(&mut maker, false);
        let steps = [Step::Next, Step::Journal];
        crash_after(&mut place.open(), &maker, &visits, &steps);
        let bytes = place.read(name);
        place.write(name, &bytes[..bytes.len() - 5]);
        check(&place, &maker, &visits, 1, name);
    }
}

#[test]
fn a_first_batch_in_old_totals_is_finished_too() {
    for done in 0..=Step::ALL.len() {
        let place = Place::with(&[(
            OLD_TOTALS,
            "return { ['2026-11'] = { ['client-?'] = 1; ['geo-?-?-?'] = 1 } }",
        )]);
        place.write("monthly-visitors/romeo.dat", &marker("2026-11"));
        let mut maker = Maker::new();
        let visits = batch(&mut maker, false);
        let steps = &Step::ALL[..done];
        crash_after(&mut place.open(), &maker, &visits, steps);
        let all = steps.contains(&Step::Journal);
        let now = if all { 1 + visits.len() } else { 1 };
        check(&place, &maker, &visits, now, &format!("after {steps:?}"));
    }
}
