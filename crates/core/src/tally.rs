//! One open month in memory: who was seen in it.

use std::sync::Arc;

use crate::seen::Seen;
use crate::store::MonthState;
use crate::{Error, Marker, Marking, Month, MonthKey, Realm, User};

/// The `first` of a month before which everything is closed: no login is
/// earlier, so nobody needs to look closer.
const SETTLED: i64 = i64::MIN;

/// One open month. Clones share who was seen; all else of a clone stays as it
/// was when it was made.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) month: Month,
    /// The first second of the month, and the first one after it.
    start: i64,
    end: i64,
    /// The time of the earliest login, or [`SETTLED`].
    first: i64,
    secrets: Arc<Secrets>,
    pub(crate) seen: Seen,
}

/// The keys of a month, at one place in memory until they are erased.
#[derive(Debug)]
struct Secrets {
    key: MonthKey,
    marking: Marking,
}

impl Tally {
    /// The month as it was found, with the markers of those who count in it.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub(crate) fn new(
        month: Month,
        state: &MonthState,
        realm: &Realm,
        markers: &[Marker],
    ) -> Result<Self, Error> {
        Ok(Self {
            month,
            start: month.start(),
            end: month.end(),
            first: state.first.unwrap_or(SETTLED),
            secrets: Arc::new(Secrets {
                marking: realm.marking(&state.key),
                key: state.key.clone(),
            }),
            seen: Seen::new(markers)?,
        })
    }

    /// The same month with nobody in it.
    pub(crate) fn emptied(&self) -> Result<Self, Error> {
        Ok(Self {
            seen: Seen::new(&[])?,
            ..self.clone()
        })
    }

    pub(crate) fn marker(&self, user: User<'_>) -> Marker {
        self.secrets.marking.of(user)
    }

    /// Whether markers of the other are markers here: it is the same month of
    /// the same recorder.
    pub(crate) fn has_secrets_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.secrets, &other.secrets)
    }

    /// Whether the month is that of `time`.
    pub(crate) fn covers(&self, time: i64) -> bool {
        self.start <= time && time < self.end
    }

    /// What the store must keep of the month.
    pub(crate) fn state(&self) -> MonthState {
        MonthState {
            key: self.secrets.key.clone(),
            first: (self.first != SETTLED).then_some(self.first),
        }
    }

    pub(crate) fn has_key(&self, key: &MonthKey) -> bool {
        self.secrets.key == *key
    }

    /// The time of the earliest login; earlier than any time once settled.
    pub(crate) fn first(&self) -> i64 {
        self.first
    }

    pub(crate) fn lower_first(&mut self, time: i64) {
        self.first = self.first.min(time);
    }

    /// Every month before this one is closed.
    pub(crate) fn settle(&mut self) {
        self.first = SETTLED;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        let state = MonthState {
            key: MonthKey::from_bytes(&[1; 32]),
            first: Some(100),
        };
        let month = "2026-08".parse().unwrap();
        Tally::new(month, &state, &Realm::default(), &[Marker(3)]).unwrap()
    }

    #[test]
    fn covers_its_month_alone() {
        let tally = tally();
        let (start, end) = (tally.month.start(), tally.month.plus(1).start());
        assert!(tally.covers(start) && tally.covers(end - 1));
        assert!(!tally.covers(start - 1) && !tally.covers(end));
    }

    #[test]
    fn first_is_the_earliest_login_until_settled() {
        let mut tally = tally();
        tally.lower_first(200);
        assert_eq!(tally.state().first, Some(100));
        tally.lower_first(50);
        assert_eq!(tally.state().first, Some(50));
        tally.settle();
        assert_eq!(tally.state().first, None);
    }

    #[test]
    fn a_clone_shares_who_was_seen_and_an_emptied_one_does_not() {
        let tally = tally();
        let clone = tally.clone();
        tally.seen.insert(Marker(9)).unwrap();
        assert!(clone.seen.contains(Marker(9)) && clone.seen.contains(Marker(3)));
        assert!(!tally.emptied().unwrap().seen.contains(Marker(3)));
    }
}
