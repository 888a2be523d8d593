//! When months close, and how long totals are kept.

use std::collections::BTreeMap;

use monthly_visitors::Error;

use super::host::*;

#[test]
fn a_month_closes_a_day_after_a_later_one_began() {
    for store in ["memory:", "sealed:DIR"] {
        let host = Host::open(store);
        let december = day("2026-12-01");
        host.record("juliet", "192.0.2.1", "", december - 10);
        host.record("juliet", "192.0.2.1", "", december + 60);
        // A late event finds its place.
        host.record("romeo", "192.0.2.1", "", december - 5);
        host.record("benvolio", "192.0.2.1", "", december + 59 + DAY);
        host.record("tybalt", "192.0.2.1", "", december - 1);
        // A login of somebody who is known closes it as well.
        host.record("juliet", "192.0.2.1", "", december + 60 + DAY);
        let late = host
            .counter
            .record(&login("mercutio", "192.0.2.1", "", december - 1));
        assert!(
            matches!(late, Err(Error::MonthClosed(closed)) if closed == month("2026-11")),
            "{late:?}"
        );
        host.counter.flush(SOON).unwrap();
        let totals = host.counter.totals().unwrap();
        assert_eq!(
            sums(&totals),
            BTreeMap::from([(month("2026-11"), (3, 3)), (month("2026-12"), (2, 2))]),
            "{store}"
        );
        assert!(
            !totals[&month("2026-11")].open && totals[&month("2026-12")].open,
            "{store}"
        );
    }
}

#[test]
fn what_is_closed_is_closed_for_the_next_process_too() {
    let host = Host::open("sealed:DIR");
    let december = day("2026-12-01");
    host.record("juliet", "192.0.2.1", "", december);
    host.record("romeo", "192.0.2.1", "", december + DAY);
    host.counter.close().unwrap();
    host.counter.open(&host.config).unwrap();
    // November had no login at all, and yet it is closed.
    let late = host
        .counter
        .record(&login("mercutio", "192.0.2.1", "", december - 1));
    assert!(matches!(late, Err(Error::MonthClosed(_))), "{late:?}");
}

#[test]
fn the_day_of_grace_outlives_a_restart() {
    let host = Host::open("sealed:DIR");
    let december = day("2026-12-01");
    host.record("juliet", "192.0.2.1", "", december - 10);
    host.record("juliet", "192.0.2.1", "", december + 60);
    for (seconds, open) in [(59 + DAY, true), (60 + DAY, false)] {
        host.counter.close().unwrap();
        host.counter.open(&host.config).unwrap();
        host.record("romeo", "192.0.2.1", "", december + seconds);
        host.counter.flush(SOON).unwrap();
        assert_eq!(
            host.counter.totals().unwrap()[&month("2026-11")].open,
            open,
            "{seconds}"
        );
    }
}

#[test]
fn retention_deletes_at_open_and_at_each_months_end_and_says_so() {
    let mut host = Host::new("sealed:DIR");
    host.counter.open(&host.config).unwrap();
    for text in ["2026-06-01", "2026-07-01", "2026-08-01", "2026-09-01"] {
        host.record("juliet", "192.0.2.1", "", day(text));
        host.record("juliet", "192.0.2.1", "", day(text) + DAY);
        host.counter.flush(SOON).unwrap();
    }
    host.counter.close().unwrap();
    let months = |host: &Host| -> Vec<String> {
        host.counter
            .totals()
            .unwrap()
            .keys()
            .map(ToString::to_string)
            .collect()
    };
    host.config.set("retention_months", "3").unwrap();
    host.counter.open(&host.config).unwrap();
    assert_eq!(months(&host), ["2026-07", "2026-08", "2026-09"]);
    host.record("juliet", "192.0.2.1", "", day("2026-10-01"));
    host.record("juliet", "192.0.2.1", "", day("2026-10-02"));
    host.counter.flush(SOON).unwrap();
    // The writer deletes after it has answered.
    host.counter.close().unwrap();
    host.counter.open(&host.config).unwrap();
    assert_eq!(months(&host), ["2026-08", "2026-09", "2026-10"]);
    let said = host
        .log()
        .iter()
        .filter(|(_, line)| line.starts_with("totals of months deleted: 1,"))
        .count();
    assert_eq!(said, 2, "{:?}", host.log());
}
