//! Clocks that are wrong, that step, and that differ: logins at random times
//! against a plain model of the rule by which months close.

use std::collections::{BTreeMap, BTreeSet};

use monthly_visitors::{Error, Month};

use super::host::*;

/// The generator `SplitMix64`: the same sequence for the same seed, everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((x ^ (x >> 31)) >> 1).unwrap() % bound
    }
}

/// The rule: a login that is a day or more after the first one of a month closes
/// all months before that.
#[derive(Default)]
struct Rule {
    closed_before: Option<Month>,
    first: BTreeMap<Month, i64>,
    users: BTreeMap<Month, BTreeSet<i64>>,
}

impl Rule {
    /// Whether the login is accepted.
    fn login(&mut self, user: i64, time: i64) -> bool {
        let month = Month::of(time).unwrap();
        if Some(month) < self.closed_before {
            return false;
        }
        let first = self.first.entry(month).or_insert(time);
        *first = time.min(*first);
        let over = self.first.iter().filter(|(_, first)| **first + DAY <= time);
        self.closed_before = self.closed_before.max(over.map(|(&month, _)| month).max());
        self.users.entry(month).or_default().insert(user);
        true
    }

    /// What the places and the clients of each month add up to.
    fn sums(&self) -> BTreeMap<Month, (u64, u64)> {
        let count = |users: &BTreeSet<i64>| u64::try_from(users.len()).unwrap();
        let months = self.users.iter();
        months
            .map(|(&month, users)| (month, (count(users), count(users))))
            .collect()
    }
}

/// A time near the border of one of six months around the end of a year.
fn time(chance: &mut Chance) -> i64 {
    let border = month("2026-09").plus(u32::try_from(chance.below(6)).unwrap());
    border.start() + chance.below(6 * DAY) - 3 * DAY
}

#[test]
fn months_close_by_the_rule_whatever_the_clock_does() {
    for store in ["memory:", "sealed:DIR"] {
        for seed in 0..60 {
            let mut chance = Chance(seed);
            let mut rule = Rule::default();
            let host = Host::open(store);
            let mut now = month("2026-09").start();
            for step in 0..80 {
                now = match chance.below(10) {
                    // A step of the clock, to anywhere; else time goes on.
                    0 => time(&mut chance),
                    1 => now - chance.below(2 * DAY),
                    // The moment at which a month closes, or a second before.
                    2 | 3 => rule
                        .first
                        .last_key_value()
                        .map_or(now, |(_, first)| first + DAY - chance.below(2)),
                    _ => now + chance.below(DAY / 2),
                };
                let user = chance.below(6);
                let accepted = rule.login(user, now);
                let name = format!("user{user}");
                let counted = host.counter.record(&login(&name, "192.0.2.1", "", now));
                let case = format!("{store} seed {seed} step {step}");
                match counted {
                    Ok(()) => assert!(accepted, "{case}: accepted"),
                    Err(Error::MonthClosed(_)) => assert!(!accepted, "{case}: refused"),
                    Err(error) => panic!("{case}: {error}"),
                }
                match chance.below(30) {
                    0 => assert_eq!(sums(&host.counter.totals().unwrap()), rule.sums(), "{case}"),
                    1 if store != "memory:" => {
                        host.counter.close().unwrap();
                        host.counter.open(&host.config).unwrap();
                    }
                    _ => (),
                }
            }
            let totals = host.counter.totals().unwrap();
            assert_eq!(sums(&totals), rule.sums(), "{store} seed {seed}");
            for (&month, found) in &totals {
                let open = Some(month) >= rule.closed_before;
                assert_eq!(found.open, open, "{store} seed {seed} {month}");
            }
        }
    }
}

#[test]
fn a_user_of_the_prosody_store_counts_when_the_month_is_later_than_the_last() {
    for seed in 0..12 {
        let mut chance = Chance(seed);
        let host = Host::new("prosody:DIR");
        std::fs::create_dir(host.folder.path().join("store")).unwrap();
        host.counter.open(&host.config).unwrap();
        let mut last: BTreeMap<i64, Month> = BTreeMap::new();
        let mut expected: BTreeMap<Month, (u64, u64)> = BTreeMap::new();
        for step in 0..40 {
            let (user, now) = (chance.below(6), time(&mut chance));
            let month = Month::of(now).unwrap();
            if last.get(&user).is_none_or(|&last| last < month) {
                last.insert(user, month);
                let sum = expected.entry(month).or_default();
                *sum = (sum.0 + 1, sum.1 + 1);
            }
            host.record(&format!("user{user}"), "192.0.2.1", "", now);
            // Visits that wait together are written month by month.
            host.counter.flush(SOON).unwrap();
            if step % 10 == 0 {
                host.counter.close().unwrap();
                host.counter.open(&host.config).unwrap();
            }
        }
        assert_eq!(
            sums(&host.counter.totals().unwrap()),
            expected,
            "seed {seed}"
        );
    }
}

#[test]
fn a_clock_that_steps_back_and_forth_counts_nobody_twice() {
    for store in ["memory:", "sealed:DIR"] {
        for (one, other) in [
            ("2026-11-01", "2026-10-31"),
            ("2027-01-01", "2026-12-31"),
            ("2026-11-05", "1970-01-01"),
            ("9999-12-01", "2026-11-05"),
            ("2028-02-29", "2028-03-01"),
        ] {
            let host = Host::open(store);
            let (one, other) = (day(one), day(other));
            for round in 0..20 {
                let user = format!("user{}", round % 4);
                host.record(&user, "192.0.2.1", "", one + round);
                host.record(&user, "192.0.2.1", "", other + round);
            }
            let found: Vec<_> = sums(&host.counter.totals().unwrap())
                .into_values()
                .collect();
            // 1970 and 9999 are a day and more apart, so the later closes the
            // earlier, which was counted in once.
            let both = found == [(4, 4), (4, 4)];
            assert!(
                both || found == [(4, 4)],
                "{store} {one} {other}: {found:?}"
            );
        }
    }
}

#[test]
fn every_second_belongs_to_one_month_of_utc() {
    let host = Host::open("memory:");
    for (second, name) in [
        (0, "1970-01"),
        // The leap second at the end of 2016 has the Unix time of the next.
        (1_483_228_799, "2016-12"),
        (1_483_228_800, "2017-01"),
        // Summer time ends, and begins, in Europe; neither is a month's end.
        (1_792_886_400, "2026-10"),
        (1_774_745_999, "2026-03"),
        // The last second of February, in a leap year and in 2100, which is none.
        (1_709_251_199, "2024-02"),
        (4_107_542_399, "2100-02"),
        (253_402_300_799, "9999-12"),
    ] {
        assert_eq!(Month::of(second).unwrap(), month(name), "{second}");
        host.record("juliet", "192.0.2.1", "", second);
        assert!(host.counter.totals().unwrap().contains_key(&month(name)));
        host.counter.close().unwrap();
        host.counter.open(&host.config).unwrap();
    }
    for second in [-1, i64::MIN + 1, 253_402_300_800, i64::MAX] {
        let wrong = host
            .counter
            .record(&login("juliet", "192.0.2.1", "", second));
        assert!(matches!(wrong, Err(Error::Argument(_))), "{second}");
    }
}

#[test]
fn counters_whose_clocks_differ_do_not_close_each_others_months() {
    let (slow, fast) = (Host::open("sealed:DIR"), Host::open("sealed:DIR"));
    let start = day("2026-11-30");
    for hour in 0..72 {
        let user = format!("user{hour}");
        slow.record(&user, "192.0.2.1", "", start + hour * 3600);
        // Five weeks ahead.
        fast.record(&user, "192.0.2.1", "", start + 35 * DAY + hour * 3600);
    }
    let november = month("2026-11");
    let found = slow.counter.totals().unwrap();
    assert_eq!(sums(&found)[&november], (24, 24));
    assert_eq!(sums(&found)[&november.plus(1)], (48, 48));
    assert!(!found[&november].open);
    let found = fast.counter.totals().unwrap();
    assert_eq!(sums(&found), BTreeMap::from([(november.plus(2), (72, 72))]));
    assert!(found[&november.plus(2)].open);
}

#[test]
fn a_month_of_which_only_the_key_was_written_begins_with_its_first_login() {
    let host = Host::open("sealed:DIR");
    let december = day("2026-12-01");
    host.record("juliet", "192.0.2.1", "", december - 10);
    host.record("juliet", "192.0.2.1", "", december + 5 * DAY);
    host.counter.close().unwrap();
    // The server was killed between the key and the first visit of December.
    std::fs::remove_file(host.folder.path().join("store/2026-12.sealed")).unwrap();
    host.counter.open(&host.config).unwrap();
    host.record("juliet", "192.0.2.1", "", december + 5 * DAY);
    host.record("romeo", "192.0.2.1", "", december - 5);
    host.record("juliet", "192.0.2.1", "", december + 6 * DAY);
    let found = host.counter.totals().unwrap();
    assert_eq!(sums(&found)[&month("2026-11")], (2, 2));
    assert!(!found[&month("2026-11")].open);
}
