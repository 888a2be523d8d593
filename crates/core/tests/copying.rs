//! Copying a store while another thread records into it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is a test")]

use std::path::Path;
use std::sync::Arc;
use std::thread;

use monthly_visitors::store::{
    self, Access, Batch, MonthState, Prosody, Sealed, Store, Visit, Visits,
};
use monthly_visitors::{
    Config, KeptUser, KeyTable, Kind, Log, Month, MonthKey, Outcome, Realm, User, copy,
};

/// How many batches of two users are counted meanwhile.
const BATCHES: usize = 400;

fn config(scheme: &str, dir: &Path) -> Config {
    Config {
        store: Some(format!("{scheme}:{}", dir.display())),
        ..Config::default()
    }
}

/// Counts new users into `month`, two at a time.
fn record(store: &mut dyn Store, month: Month) {
    let keys = Arc::new(KeyTable::default());
    let state = MonthState {
        key: MonthKey::random().unwrap(),
        first: None,
    };
    let marking = Realm::default().marking(&state.key);
    for round in 0..BATCHES {
        let mut visits = Visits::new(Arc::clone(&keys));
        for other in [0, 1] {
            let name = format!("user{round}x{other}");
            let user = User::new(name.as_bytes()).unwrap();
            let visit = Visit {
                marker: marking.of(user),
                place: keys.id(&format!("geo-DE-?-{}", round % 9)),
                client: keys.id("client-IOS"),
                asn: None,
            };
            visits.push(visit, Some(KeptUser::from(user))).unwrap();
        }
        let batch = Batch {
            month,
            state: &state,
            visits: &visits,
        };
        store.commit(&batch).unwrap();
    }
}

/// Copies again and again, each time into an empty store, until all are there;
/// what arrives must belong together.
fn check(from: &Config, month: Month) {
    let mut arrived = 0;
    while arrived < 2 * BATCHES as u64 {
        let folder = tempfile::tempdir().unwrap();
        let to = config("sealed", folder.path());
        copy(from, &to, |_, outcome, _, _| match outcome {
            Outcome::Copied => (),
            Outcome::Same => panic!("the target was empty"),
            // Nothing false was copied, which is all that is asked here.
            Outcome::Refused(error) => assert!(error.to_string().contains("faster"), "{error}"),
        })
        .unwrap();
        let mut target = store::open(&to, &Realm::default()).unwrap();
        let totals = target.totals().unwrap();
        let Some(found) = totals.get(&month) else {
            continue;
        };
        let sum = |kind| -> u64 {
            let of_kind = found.counts.iter().filter(|(key, _)| key.kind() == kind);
            of_kind.map(|(_, count)| count).sum()
        };
        let markers = target.load().unwrap().open[0].markers.len() as u64;
        assert_eq!((sum(Kind::Place), sum(Kind::Client)), (markers, markers));
        arrived = markers;
    }
}

fn check_while_recording(mut source: impl Store, from: &Config) {
    let month = "2026-11".parse().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| record(&mut source, month));
        check(from, month);
    });
}

#[test]
fn counts_and_markers_of_a_sealed_store_belong_together() {
    let folder = tempfile::tempdir().unwrap();
    let (realm, log) = (Realm::default(), Log::default());
    let source = Sealed::open(folder.path(), None, &realm, Access::Record, &log).unwrap();
    check_while_recording(source, &config("sealed", folder.path()));
}

#[test]
fn counts_and_users_of_a_prosody_store_belong_together() {
    let folder = tempfile::tempdir().unwrap();
    let source = Prosody::open(folder.path(), Access::Record, &Log::default()).unwrap();
    check_while_recording(source, &config("prosody", folder.path()));
}
