//! The tests that every store passes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Batch, Forgotten, Marks, MonthCopy, MonthState, Store, Visit, Visits};
use crate::{Counts, Error, KeptUser, Key, KeyTable, Marker, Month, MonthKey, Realm, Totals, User};

type Opened = Result<Box<dyn Store>, Error>;

/// Checks a store of one process. `make` makes a new, empty place and returns
/// what opens it.
pub fn check<O: FnMut() -> Opened>(make: impl Fn() -> O) {
    a_new_store_is_empty(&mut *make()().unwrap());
    a_user_counts_once_a_month(&mut *make()().unwrap());
    months_are_separate(&mut *make()().unwrap());
    a_batch_may_be_committed_again(&mut *make()().unwrap());
    a_network_is_counted_when_there_is_one(&mut *make()().unwrap());
    a_closed_month_is_final(&mut *make()().unwrap());
    purge_deletes_closed_months_only(&mut *make()().unwrap());
    a_forgotten_user_counts_again(&mut *make()().unwrap());
    an_export_is_counts_and_users_together(&mut *make()().unwrap());
    an_import_replaces_a_month(&mut *make()().unwrap());
    an_import_with_names_marks_them(&mut *make()().unwrap());
    an_import_drops_no_users_of_the_target(&mut *make()().unwrap());
}

/// Checks that a store which is on disk or elsewhere finds everything again.
pub fn check_durable<O: FnMut() -> Opened>(make: impl Fn() -> O) {
    everything_is_there_after_opening_again(make());
    many_small_commits_equal_one_large(make(), make());
}

/// A visit, the month in which it counts, and whose it is.
pub type Dated = (Month, Visit, KeptUser);

/// A month in the making, with what a counter would hold.
pub struct Maker {
    pub keys: Arc<KeyTable>,
    pub months: BTreeMap<Month, MonthState>,
}

impl Maker {
    pub fn new() -> Self {
        Self {
            keys: Arc::default(),
            months: BTreeMap::new(),
        }
    }

    pub fn visit(&mut self, text: &str, name: &str, place: &str, client: &str) -> Dated {
        let month = month(text);
        let state = self.months.entry(month).or_insert_with(|| MonthState {
            key: MonthKey::random().unwrap(),
            first: Some(month.start() + 60),
        });
        let user = User::new(name.as_bytes()).unwrap();
        let visit = Visit {
            marker: Realm::default().marking(&state.key).of(user),
            place: self.keys.id(&format!("geo-{place}")),
            client: self.keys.id(&format!("client-{client}")),
            asn: None,
        };
        (month, visit, KeptUser::from(user))
    }

    /// Commits visits, those of each month together.
    pub fn commit(&self, store: &mut dyn Store, visits: &[Dated]) {
        self.try_commit(store, visits).unwrap();
    }

    pub fn try_commit(&self, store: &mut dyn Store, visits: &[Dated]) -> Result<(), Error> {
        for (&month, state) in &self.months {
            let mut of_month = Visits::new(Arc::clone(&self.keys));
            for (_, visit, user) in visits.iter().filter(|(other, ..)| *other == month) {
                of_month.push(*visit, Some(user.clone()))?;
            }
            if !of_month.is_empty() {
                store.commit(&Batch {
                    month,
                    state,
                    visits: &of_month,
                })?;
            }
        }
        Ok(())
    }
}

pub fn month(text: &str) -> Month {
    text.parse().unwrap()
}

pub fn user(name: &str) -> User<'_> {
    User::new(name.as_bytes()).unwrap()
}

/// A user who is to be forgotten.
pub fn forgotten(name: &str, markers: &[(Month, Marker)]) -> [Forgotten; 1] {
    [Forgotten {
        user: user(name).into(),
        markers: markers.to_vec(),
    }]
}

/// Totals as text, one `MONTH KEY COUNT` after the other.
pub fn shown(totals: &Totals) -> Vec<String> {
    let mut lines = Vec::new();
    for (month, totals) in totals {
        for (key, count) in &totals.counts {
            lines.push(format!("{month} {key} {count}"));
        }
    }
    lines
}

fn assert_totals(store: &mut dyn Store, expected: &[&str]) {
    assert_eq!(shown(&store.totals().unwrap()), expected);
}

fn a_new_store_is_empty(store: &mut dyn Store) {
    assert_totals(store, &[]);
    let loaded = store.load().unwrap();
    assert!(loaded.open.is_empty());
    assert_eq!(loaded.closed_before, Month::FIRST);
    assert!(store.users().unwrap().is_empty());
    assert!(store.purge(Month::LAST).unwrap().is_empty());
}

fn a_user_counts_once_a_month(store: &mut dyn Store) {
    let mut maker = Maker::new();
    let first = maker.visit("2026-08", "juliet", "DE-HE-2925533", "IOS");
    let other = maker.visit("2026-08", "romeo", "DE-HE-2925533", "?");
    let again = maker.visit("2026-08", "juliet", "FR-?-?", "ANDROID");
    maker.commit(store, &[first, other]);
    maker.commit(store, &[again]);
    assert_totals(
        store,
        &[
            "2026-08 client-? 1",
            "2026-08 client-IOS 1",
            "2026-08 geo-DE-HE-2925533 2",
        ],
    );
}

fn months_are_separate(store: &mut dyn Store) {
    let mut maker = Maker::new();
    let august = maker.visit("2026-08", "juliet", "DE-?-?", "IOS");
    let september = maker.visit("2026-09", "juliet", "DE-?-?", "IOS");
    maker.commit(store, &[august, september]);
    assert_totals(
        store,
        &[
            "2026-08 client-IOS 1",
            "2026-08 geo-DE-?-? 1",
            "2026-09 client-IOS 1",
            "2026-09 geo-DE-?-? 1",
        ],
    );
}

fn a_batch_may_be_committed_again(store: &mut dyn Store) {
    let mut maker = Maker::new();
    let visits: Vec<Dated> = ["a", "b", "c"]
        .iter()
        .map(|name| maker.visit("2026-08", name, "DE-?-?", "IOS"))
        .collect();
    maker.commit(store, &visits);
    maker.commit(store, &visits);
    // Also within one batch, and mixed with new visits.
    let mut mixed = visits.clone();
    mixed.extend(visits);
    mixed.push(maker.visit("2026-08", "d", "DE-?-?", "IOS"));
    maker.commit(store, &mixed);
    assert_totals(store, &["2026-08 client-IOS 4", "2026-08 geo-DE-?-? 4"]);
}

fn a_network_is_counted_when_there_is_one(store: &mut dyn Store) {
    let mut maker = Maker::new();
    let mut visit = maker.visit("2026-08", "juliet", "?-?-?", "?");
    visit.1.asn = Some(maker.keys.id("asn-AS3320"));
    maker.commit(store, &[visit]);
    assert_totals(
        store,
        &[
            "2026-08 asn-AS3320 1",
            "2026-08 client-? 1",
            "2026-08 geo-?-?-? 1",
        ],
    );
}

fn a_closed_month_is_final(store: &mut dyn Store) {
    let mut maker = Maker::new();
    let july = maker.visit("2026-07", "juliet", "DE-?-?", "IOS");
    let august = maker.visit("2026-08", "juliet", "FR-?-?", "IOS");
    maker.commit(store, &[july, august]);
    store.close_before(month("2026-08")).unwrap();
    store.close_before(month("2026-08")).unwrap();
    assert_totals(
        store,
        &[
            "2026-07 client-IOS 1",
            "2026-07 geo-DE-?-? 1",
            "2026-08 client-IOS 1",
            "2026-08 geo-FR-?-? 1",
        ],
    );
    if store.character().closes_months {
        let late = maker.visit("2026-07", "romeo", "DE-?-?", "IOS");
        let refused = maker.try_commit(store, &[late]).unwrap_err();
        assert!(matches!(refused, Error::MonthClosed(_)), "{refused}");
        let open: Vec<bool> = store
            .totals()
            .unwrap()
            .values()
            .map(|totals| totals.open)
            .collect();
        assert_eq!(open, [false, true]);
        let loaded = store.load().unwrap();
        assert_eq!(loaded.closed_before, month("2026-08"));
        assert_eq!(
            loaded
                .open
                .iter()
                .map(|open| open.month)
                .collect::<Vec<_>>(),
            [month("2026-08")]
        );
    }
}

fn purge_deletes_closed_months_only(store: &mut dyn Store) {
    let mut maker = Maker::new();
    let visits: Vec<Dated> = ["2026-06", "2026-07", "2026-08"]
        .iter()
        .map(|text| maker.visit(text, "juliet", "DE-?-?", "IOS"))
        .collect();
    maker.commit(store, &visits);
    store.close_before(month("2026-08")).unwrap();
    assert_eq!(store.purge(month("2026-07")).unwrap(), [month("2026-06")]);
    assert_eq!(store.purge(month("2026-07")).unwrap(), []);
    assert_eq!(store.purge(Month::LAST).unwrap(), [month("2026-07")]);
    assert_totals(store, &["2026-08 client-IOS 1", "2026-08 geo-DE-?-? 1"]);
}

fn a_forgotten_user_counts_again(store: &mut dyn Store) {
    let mut maker = Maker::new();
    let juliet = maker.visit("2026-08", "juliet", "DE-?-?", "IOS");
    let romeo = maker.visit("2026-08", "romeo", "DE-?-?", "IOS");
    maker.commit(store, &[juliet.clone(), romeo.clone()]);
    store
        .forget(&forgotten("juliet", &[(juliet.0, juliet.1.marker)]))
        .unwrap();
    assert_totals(store, &["2026-08 client-IOS 2", "2026-08 geo-DE-?-? 2"]);
    maker.commit(store, &[juliet, romeo]);
    assert_totals(store, &["2026-08 client-IOS 3", "2026-08 geo-DE-?-? 3"]);
}

fn an_export_is_counts_and_users_together(store: &mut dyn Store) {
    let mut maker = Maker::new();
    let visits = ["juliet", "romeo"].map(|name| maker.visit("2026-07", name, "DE-?-?", "IOS"));
    maker.commit(store, &visits);
    assert!(store.export(month("2026-06")).unwrap().is_none());
    let copy = store.export(month("2026-07")).unwrap().unwrap();
    assert_eq!(copy.counts[&Key::new("client-IOS")], 2);
    let users = match copy.marks {
        Marks::Closed => panic!("it is open"),
        Marks::Users(users) => users.len(),
        Marks::Keyed(open) => {
            assert_eq!(open.state, maker.months[&open.month]);
            open.markers.len()
        }
    };
    assert_eq!(users, 2);
    let later = maker.visit("2026-08", "juliet", "FR-?-?", "IOS");
    maker.commit(store, &[later]);
    store.close_before(month("2026-08")).unwrap();
    let copy = store.export(month("2026-07")).unwrap().unwrap();
    assert_eq!(copy.counts[&Key::new("client-IOS")], 2);
    assert!(matches!(copy.marks, Marks::Closed));
}

fn an_import_replaces_a_month(store: &mut dyn Store) {
    let mut maker = Maker::new();
    let before = maker.visit("2026-08", "juliet", "DE-?-?", "IOS");
    maker.commit(store, &[before]);
    store.close_before(month("2026-09")).unwrap();
    let counts = Counts::from([(Key::new("geo-FR-?-?"), 7), (Key::new("client-?"), 7)]);
    for _ in 0..2 {
        let copy = MonthCopy {
            counts: counts.clone(),
            incomplete: false,
            marks: Marks::Closed,
        };
        store.import(month("2026-08"), &copy).unwrap();
        assert_totals(store, &["2026-08 client-? 7", "2026-08 geo-FR-?-? 7"]);
    }
}

fn an_import_with_names_marks_them(store: &mut dyn Store) {
    let copy = MonthCopy {
        counts: Counts::from([(Key::new("geo-FR-?-?"), 1), (Key::new("client-?"), 1)]),
        incomplete: false,
        marks: Marks::Users(vec![KeptUser::from(user("juliet"))]),
    };
    store.import(month("2026-08"), &copy).unwrap();
    let mut maker = Maker::new();
    for open in store.load().unwrap().open {
        maker.months.insert(open.month, open.state);
    }
    let juliet = maker.visit("2026-08", "juliet", "FR-?-?", "?");
    let romeo = maker.visit("2026-08", "romeo", "FR-?-?", "?");
    maker.commit(store, &[juliet, romeo]);
    assert_totals(store, &["2026-08 client-? 2", "2026-08 geo-FR-?-? 2"]);
}

fn an_import_drops_no_users_of_the_target(store: &mut dyn Store) {
    let copy = |users: &[&str]| MonthCopy {
        counts: Counts::from([
            (Key::new("geo-FR-?-?"), users.len() as u64),
            (Key::new("client-?"), users.len() as u64),
        ]),
        incomplete: false,
        marks: Marks::Users(
            users
                .iter()
                .map(|name| KeptUser::from(user(name)))
                .collect(),
        ),
    };
    // Repeated, with what has come since.
    for users in [&["juliet"][..], &["juliet", "romeo"]] {
        store.import(month("2026-08"), &copy(users)).unwrap();
    }
    let refused = store.import(month("2026-08"), &copy(&["juliet", "nurse", "tybalt"]));
    assert!(refused.is_err());
    assert_totals(store, &["2026-08 client-? 2", "2026-08 geo-FR-?-? 2"]);
}

fn everything_is_there_after_opening_again(mut open: impl FnMut() -> Opened) {
    let mut maker = Maker::new();
    let july = maker.visit("2026-07", "juliet", "DE-HE-2925533", "IOS");
    let august = maker.visit("2026-08", "romeo", "?-?-?", "\"odd\\\n");
    {
        let mut store = open().unwrap();
        store.load().unwrap();
        maker.commit(&mut *store, &[july.clone(), august.clone()]);
        store.close_before(month("2026-08")).unwrap();
    }
    let settled = MonthState {
        key: maker.months[&august.0].key.clone(),
        first: None,
    };
    let expected = [
        "2026-07 client-IOS 1",
        "2026-07 geo-DE-HE-2925533 1",
        "2026-08 client-\"odd\\\n 1",
        "2026-08 geo-?-?-? 1",
    ];
    for _ in 0..2 {
        let mut store = open().unwrap();
        let loaded = store.load().unwrap();
        assert_totals(&mut *store, &expected);
        if store.character().closes_months {
            assert_eq!(loaded.closed_before, month("2026-08"));
            assert_eq!(loaded.open.len(), 1);
            assert_eq!(loaded.open[0].state, settled);
            assert_eq!(*loaded.open[0].markers, [august.1.marker]);
        }
        // The markers are there too: the same visit adds nothing.
        maker.commit(&mut *store, std::slice::from_ref(&august));
        assert_totals(&mut *store, &expected);
    }
}

fn many_small_commits_equal_one_large(
    mut small: impl FnMut() -> Opened,
    mut large: impl FnMut() -> Opened,
) {
    let mut maker = Maker::new();
    let visits: Vec<Dated> = (0..300)
        .map(|i| {
            maker.visit(
                "2026-08",
                &format!("user{i}"),
                &format!("DE-?-{}", i % 7),
                "IOS",
            )
        })
        .collect();
    {
        let mut store = small().unwrap();
        store.load().unwrap();
        for some in visits.chunks(7) {
            maker.commit(&mut *store, some);
        }
        let mut store = large().unwrap();
        store.load().unwrap();
        maker.commit(&mut *store, &visits);
    }
    let (mut small, mut large) = (small().unwrap(), large().unwrap());
    let (one, other) = (small.load().unwrap(), large.load().unwrap());
    assert_eq!(small.totals().unwrap(), large.totals().unwrap());
    assert_eq!(one.open.len(), other.open.len());
    for (one, other) in one.open.iter().zip(&other.open) {
        assert_eq!(one.markers, other.markers);
    }
}
