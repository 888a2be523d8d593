//! Which months are open: the rule by which they close.

use crate::Month;
use crate::tally::Tally;

/// How long after the first login of a later month a month closes: late events
/// find their place, and a clock that is wrong for a while closes nothing.
const GRACE: i64 = 24 * 60 * 60;

/// The months that can be counted in.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    /// Whether months close at all: that is for the store to say.
    closes: bool,
    closed_before: Month,
    /// By month, ascending.
    tallies: Vec<Tally>,
    /// The first time at which a login closes a month.
    closes_at: i64,
}

impl Calendar {
    pub(crate) fn new(closes: bool, closed_before: Month, tallies: Vec<Tally>) -> Self {
        let mut calendar = Self {
            closes,
            closed_before,
            tallies,
            closes_at: i64::MAX,
        };
        calendar.tallies.sort_by_key(|tally| tally.month);
        // Who brings months that are closed already has nothing to do about it.
        let _closed = calendar.update();
        calendar
    }

    pub(crate) fn closed_before(&self) -> Month {
        self.closed_before
    }

    pub(crate) fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    pub(crate) fn get_mut(&mut self, month: Month) -> Option<&mut Tally> {
        self.tallies.iter_mut().find(|tally| tally.month == month)
    }

    /// The tally of the month of `time` when a login then changes nothing here:
    /// the month is open, and the login is neither its earliest nor closes
    /// another.
    pub(crate) fn settled(&self, time: i64) -> Option<&Tally> {
        // Nearly always the newest of one or two.
        let tally = self.tallies.iter().rev().find(|tally| tally.covers(time))?;
        (time >= tally.first() && time < self.closes_at).then_some(tally)
    }

    /// Opens a month, unless it is open.
    pub(crate) fn add(&mut self, tally: Tally) {
        if !self.tallies.iter().any(|other| other.month == tally.month) {
            self.tallies.push(tally);
            self.tallies.sort_by_key(|tally| tally.month);
        }
    }

    /// Takes note of a login at `time` in `month`, which is open, and returns
    /// the months that it closes: all before one whose first login was a day or
    /// more ago.
    pub(crate) fn note(&mut self, month: Month, time: i64) -> Vec<Tally> {
        if let Some(tally) = self.get_mut(month) {
            tally.lower_first(time);
        }
        let reached = |tally: &&Tally| tally.month > self.closed_before && closes_at(tally) <= time;
        if self.closes {
            if let Some(tally) = self.tallies.iter().rev().find(reached) {
                self.closed_before = tally.month;
            }
        }
        self.update()
    }

    /// Takes the oldest months out that are not needed, until `count` are left,
    /// and returns them.
    pub(crate) fn truncate(
        &mut self,
        count: usize,
        is_needed: impl Fn(Month) -> bool,
    ) -> Vec<Tally> {
        let mut surplus = self.tallies.len().saturating_sub(count);
        let all = std::mem::take(&mut self.tallies);
        let (gone, left) = all.into_iter().partition(|tally| {
            let goes = surplus > 0 && !is_needed(tally.month);
            surplus -= usize::from(goes);
            goes
        });
        self.tallies = left;
        gone
    }

    /// Takes out what is closed, and returns it.
    fn update(&mut self) -> Vec<Tally> {
        let closed_before = self.closed_before;
        let first_open = self
            .tallies
            .partition_point(|tally| tally.month < closed_before);
        let closed = self.tallies.drain(..first_open).collect();
        for tally in &mut self.tallies {
            if tally.month == closed_before || !self.closes {
                tally.settle();
            }
        }
        self.closes_at = self
            .tallies
            .iter()
            .filter(|tally| self.closes && tally.month > closed_before)
            .map(closes_at)
            .min()
            .unwrap_or(i64::MAX);
        closed
    }
}

/// When a login closes the months before that of `tally`.
fn closes_at(tally: &Tally) -> i64 {
    tally.first().saturating_add(GRACE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MonthState;
    use crate::{MonthKey, Realm};

    const DAY: i64 = GRACE;

    fn month(text: &str) -> Month {
        text.parse().unwrap()
    }

    fn tally(month: Month, time: i64) -> Tally {
        let state = MonthState {
            key: MonthKey::from_bytes(&[1; 32]),
            first: Some(time),
        };
        Tally::new(month, &state, &Realm::default(), &[]).unwrap()
    }

    fn login(calendar: &mut Calendar, time: i64) -> Vec<Tally> {
        let month = Month::of(time).unwrap();
        calendar.add(tally(month, time));
        calendar.note(month, time)
    }

    /// Logins at the given times, in this order; what is closed after each.
    fn closed_after(times: &[i64]) -> Vec<String> {
        let mut calendar = Calendar::new(true, Month::FIRST, Vec::new());
        let mut closed = Vec::new();
        for &time in times {
            let month = Month::of(time).unwrap();
            if month >= calendar.closed_before() && calendar.settled(time).is_none() {
                login(&mut calendar, time);
            }
            closed.push(calendar.closed_before().to_string());
        }
        closed
    }

    #[test]
    fn a_month_closes_a_day_after_the_first_login_of_a_later_one() {
        let september = month("2026-09").start();
        assert_eq!(
            closed_after(&[
                september - 10,
                september + 600,
                september + 599 + DAY,
                september + 600 + DAY
            ]),
            ["0000-01", "0000-01", "2026-08", "2026-09"]
        );
    }

    #[test]
    fn a_login_in_a_third_month_closes_the_first() {
        let (september, october) = (month("2026-09").start(), month("2026-10").start());
        // The only login of September is in its last hour.
        assert_eq!(
            closed_after(&[
                september - 10,
                october - 3600,
                october + 10,
                october - 3600 + DAY,
                october + 10 + DAY
            ]),
            ["0000-01", "2026-08", "2026-08", "2026-09", "2026-10"]
        );
    }

    #[test]
    fn a_clock_that_is_wrong_for_a_while_closes_nothing() {
        let (august, year_2038) = (month("2026-08").start(), month("2038-01").start());
        assert_eq!(
            closed_after(&[
                august,
                year_2038,
                year_2038 + DAY - 1,
                august + 10,
                august + 20 * DAY
            ]),
            ["0000-01", "2026-08", "2026-08", "2026-08", "2026-08"]
        );
    }

    #[test]
    fn an_earlier_login_that_comes_late_moves_the_border_back() {
        let september = month("2026-09").start();
        assert_eq!(
            closed_after(&[
                september + 1000,
                september + 10,
                september + 9 + DAY,
                september + 10 + DAY
            ]),
            ["0000-01", "0000-01", "0000-01", "2026-09"]
        );
    }

    #[test]
    fn what_is_closed_stays_closed_when_the_clock_steps_back() {
        let september = month("2026-09").start();
        assert_eq!(
            closed_after(&[september, september + DAY, september - 10, september + 5]),
            ["0000-01", "2026-09", "2026-09", "2026-09"]
        );
    }

    #[test]
    fn where_months_do_not_close_every_month_is_settled() {
        let mut calendar = Calendar::new(false, Month::FIRST, Vec::new());
        for text in ["2026-09", "2026-07", "2026-08"] {
            let start = month(text).start();
            assert!(login(&mut calendar, start + 5).is_empty());
            assert!(calendar.settled(start).is_some());
        }
        assert_eq!(calendar.closed_before(), Month::FIRST);
        let months = |calendar: &Calendar| {
            let months = calendar.tallies().iter().map(|tally| tally.month);
            months.map(|month| month.to_string()).collect::<Vec<_>>()
        };
        let gone = calendar.truncate(2, |_| false);
        assert_eq!(gone.len(), 1);
        assert_eq!(gone[0].month, month("2026-07"));
        assert_eq!(months(&calendar), ["2026-08", "2026-09"]);
        login(&mut calendar, month("2026-01").start());
        calendar.truncate(2, |needed| needed == month("2026-01"));
        assert_eq!(months(&calendar), ["2026-01", "2026-09"]);
    }

    #[test]
    fn settled_months_need_no_second_look() {
        let september = month("2026-09").start();
        let mut calendar = Calendar::new(true, Month::FIRST, Vec::new());
        login(&mut calendar, september - 5 * DAY);
        assert!(login(&mut calendar, september + 5).is_empty());
        for (time, settled) in [
            (september + 4, false),
            (september + 5, true),
            (september + 5 + DAY, false),
        ] {
            assert_eq!(calendar.settled(time).is_some(), settled, "{time}");
        }
        let closed = login(&mut calendar, september + 5 + DAY);
        assert_eq!(closed.len(), 1);
        assert_eq!(closed[0].month, month("2026-08"));
        for time in [september, september + 29 * DAY] {
            assert!(calendar.settled(time).is_some(), "{time}");
        }
        assert!(calendar.settled(september - 1).is_none());
    }
}
