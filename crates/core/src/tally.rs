//! One open month in memory: who was seen in it.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;

use crate::store::MonthState;
use crate::sync::RwLock;
use crate::{Marker, Marking, Month, MonthKey, Realm, User};

/// Enough that two threads seldom meet in one.
const SHARDS: usize = 64;

/// Who was seen in one month. Shared by threads.
///
/// The markers that came with the store are a sorted list, which costs nothing
/// to share; those since then are in a hash set.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) month: Month,
    key: MonthKey,
    marking: Marking,
    loaded: ArcSwap<Vec<Marker>>,
    seen: [RwLock<Markers>; SHARDS],
    /// The time of the earliest login, or [`SETTLED`].
    first: AtomicI64,
}

/// The `first` of a month before which everything is closed: no login is
/// earlier, so nobody needs to look closer.
const SETTLED: i64 = i64::MIN;

type Markers = HashSet<Marker, BuildHasherDefault<AlreadyHashed>>;

impl Tally {
    pub(crate) fn new(
        month: Month,
        state: &MonthState,
        realm: &Realm,
        loaded: Arc<Vec<Marker>>,
    ) -> Self {
        Self {
            month,
            marking: realm.marking(&state.key),
            key: state.key.clone(),
            loaded: ArcSwap::new(loaded),
            seen: std::array::from_fn(|_| RwLock::default()),
            first: AtomicI64::new(state.first.unwrap_or(SETTLED)),
        }
    }

    /// The same month for the child of a fork, which must not wait for the
    /// parent's locks: what was seen since the store was read is forgotten.
    pub(crate) fn for_child(&self) -> Self {
        Self {
            month: self.month,
            marking: self.marking.clone(),
            key: self.key.clone(),
            loaded: ArcSwap::new(self.loaded.load_full()),
            seen: std::array::from_fn(|_| RwLock::default()),
            first: AtomicI64::new(self.first()),
        }
    }

    pub(crate) fn marker(&self, user: User<'_>) -> Marker {
        self.marking.of(user)
    }

    pub(crate) fn contains(&self, marker: Marker) -> bool {
        self.shard(marker).read().contains(&marker)
            || self.loaded.load().binary_search(&marker).is_ok()
    }

    /// Marks a user as seen; says whether they were not before.
    pub(crate) fn insert(&self, marker: Marker) -> bool {
        self.loaded.load().binary_search(&marker).is_err()
            && self.shard(marker).write().insert(marker)
    }

    pub(crate) fn remove(&self, marker: Marker) {
        self.shard(marker).write().remove(&marker);
        let loaded = self.loaded.load_full();
        if loaded.binary_search(&marker).is_ok() {
            let rest = loaded.iter().copied().filter(|&other| other != marker);
            self.loaded.store(Arc::new(rest.collect()));
        }
    }

    /// What the store must keep of the month.
    pub(crate) fn state(&self) -> MonthState {
        let first = self.first();
        MonthState {
            key: self.key.clone(),
            first: (first != SETTLED).then_some(first),
        }
    }

    /// The time of the earliest login; earlier than any time once settled.
    pub(crate) fn first(&self) -> i64 {
        self.first.load(Ordering::Relaxed)
    }

    pub(crate) fn lower_first(&self, time: i64) {
        self.first.fetch_min(time, Ordering::Relaxed);
    }

    /// Every month before this one is closed.
    pub(crate) fn settle(&self) {
        self.first.store(SETTLED, Ordering::Relaxed);
    }

    fn shard(&self, marker: Marker) -> &RwLock<Markers> {
        // The lowest bits choose a place within the hash set, the highest its
        // tag; these are between. The remainder is always within the array.
        let index = usize::try_from(marker.0 >> 40).unwrap_or_default() % SHARDS;
        &self.seen[index]
    }
}

/// Markers are hashes; hashing them again would be work for nothing.
#[derive(Debug, Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only `u64`s are hashed; this keeps the trait's promise for the rest.
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(loaded: Vec<Marker>) -> Tally {
        let state = MonthState {
            key: MonthKey::from_bytes([1; 32]),
            first: Some(100),
        };
        Tally::new(
            "2026-08".parse().unwrap(),
            &state,
            &Realm::default(),
            Arc::new(loaded),
        )
    }

    #[test]
    fn a_marker_is_new_once_wherever_it_came_from() {
        let tally = tally(vec![Marker(3), Marker(u64::MAX)]);
        assert!(tally.contains(Marker(3)) && !tally.insert(Marker(3)));
        assert!(!tally.contains(Marker(4)) && tally.insert(Marker(4)));
        assert!(tally.contains(Marker(4)) && !tally.insert(Marker(4)));
        for marker in [3, 4, u64::MAX] {
            tally.remove(Marker(marker));
            assert!(tally.insert(Marker(marker)), "{marker}");
        }
    }

    #[test]
    fn threads_agree_on_who_was_first() {
        let tally = tally(Vec::new());
        let news: usize = std::thread::scope(|scope| {
            let count = || {
                (0..10_000_u64)
                    .filter(|&i| tally.insert(Marker(i.wrapping_mul(0x9E37_79B9_7F4A_7C15))))
                    .count()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(news, 10_000);
    }

    #[test]
    fn first_is_the_earliest_login_until_settled() {
        let tally = tally(Vec::new());
        tally.lower_first(200);
        assert_eq!(tally.state().first, Some(100));
        tally.lower_first(50);
        assert_eq!(tally.state().first, Some(50));
        tally.settle();
        assert_eq!(tally.state().first, None);
    }
}
