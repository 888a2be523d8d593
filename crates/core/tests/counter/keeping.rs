//! What is kept, over restarts and failures.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use monthly_visitors::{Counter, Error, Level, Month, User};

use super::host::*;

#[test]
fn totals_survive_a_restart_and_users_are_known_again() {
    let host = Host::open("sealed:DIR");
    let time = day("2026-11-05");
    for number in 0..1000 {
        host.record(&format!("user{number}"), "192.0.2.1", "Zom", time);
    }
    host.counter.close().unwrap();
    assert!(matches!(host.counter.totals(), Err(Error::Closed)));
    assert!(matches!(
        host.counter.record(&login("x", "", "", time)),
        Err(Error::Closed)
    ));
    host.counter.open(&host.config).unwrap();
    for number in 0..1001 {
        host.record(&format!("user{number}"), "192.0.2.1", "Zom", time + 5);
    }
    assert_eq!(
        host.totals(),
        ["2026-11 client-IOS 1001", "2026-11 geo-DE-?-? 1001"]
    );
}

#[test]
fn a_visit_is_durable_within_the_interval_without_a_flush() {
    let host = Host::open("sealed:DIR");
    host.record("juliet", "192.0.2.1", "", day("2026-11-05"));
    let mut config = host.config.clone();
    config.read_only = true;
    let reader = Counter::new();
    reader.open(&config).unwrap();
    // Bounded by the test's patience alone; the interval is 20 ms.
    for _ in 0..1000 {
        if !reader.totals().unwrap().is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nothing was written");
}

#[test]
fn a_reader_cannot_record() {
    let host = Host::open("sealed:DIR");
    host.record("juliet", "192.0.2.1", "", day("2026-11-05"));
    host.counter.flush(SOON).unwrap();
    let mut config = host.config.clone();
    config.read_only = true;
    let reader = Counter::new();
    reader.open(&config).unwrap();
    assert_eq!(reader.totals().unwrap(), host.counter.totals().unwrap());
    assert!(matches!(
        reader.record(&login("romeo", "", "", day("2026-11-05"))),
        Err(Error::Argument(_))
    ));
    assert!(reader.purge(Month::LAST).is_err());
    reader.close().unwrap();
}

#[test]
fn a_full_intake_refuses_and_the_user_counts_later() {
    let mut host = Host::new("sealed:DIR");
    host.config.set("flush_interval", "1h").unwrap();
    host.config.set("pending_limit", "3").unwrap();
    host.counter.open(&host.config).unwrap();
    let time = day("2026-11-05");
    for name in ["a", "b", "c"] {
        host.record(name, "192.0.2.1", "", time);
    }
    let refused = host.counter.record(&login("d", "192.0.2.1", "", time));
    assert!(matches!(refused, Err(Error::Full)), "{refused:?}");
    // Who is known is no visit, and needs no space.
    host.record("a", "192.0.2.1", "", time);
    host.counter.flush(SOON).unwrap();
    host.record("d", "192.0.2.1", "", time);
    assert_eq!(
        sums(&host.counter.totals().unwrap())[&month("2026-11")],
        (4, 4)
    );
}

#[test]
fn while_the_store_fails_visits_wait_and_one_line_says_so() {
    let host = Host::open("sealed:DIR");
    let store = host.folder.path().join("store");
    let aside = host.folder.path().join("aside");
    fs::rename(&store, &aside).unwrap();
    host.record("juliet", "192.0.2.1", "", day("2026-11-05"));
    for _ in 0..2 {
        let failed = host.counter.flush(SOON);
        assert!(matches!(failed, Err(Error::Storage { .. })), "{failed:?}");
    }
    assert!(matches!(host.counter.close(), Err(Error::Storage { .. })));
    host.record("romeo", "192.0.2.1", "", day("2026-11-05"));
    fs::rename(&aside, &store).unwrap();
    assert_eq!(
        sums(&host.counter.totals().unwrap())[&month("2026-11")],
        (2, 2)
    );
    host.counter.flush(SOON).unwrap();
    host.counter.close().unwrap();
    let errors = host
        .log()
        .into_iter()
        .filter(|(level, _)| *level == Level::Error)
        .count();
    assert_eq!(errors, 1, "{:?}", host.log());
    host.counter.open(&host.config).unwrap();
    assert_eq!(
        sums(&host.counter.totals().unwrap())[&month("2026-11")],
        (2, 2)
    );
}

#[test]
fn a_second_recorder_is_refused_and_told_who_holds_the_store() {
    let host = Host::open("sealed:DIR");
    let refused = Counter::new().open(&host.config).unwrap_err().to_string();
    assert!(
        refused.contains(&format!("process {}", std::process::id())),
        "{refused}"
    );
    host.counter.close().unwrap();
    Counter::new().open(&host.config).unwrap();
}

#[test]
fn no_line_of_the_log_names_anybody() {
    let host = Host::open("sealed:DIR");
    let secrets = ["kanarienvogel", "198.51.100.77", "Zom-Wellensittich"];
    for time in ["2026-10-05", "2026-11-05", "2026-11-07"].map(day) {
        host.record(secrets[0], secrets[1], secrets[2], time);
    }
    host.counter.flush(SOON).unwrap();
    let late = host.counter.record(&login(
        secrets[0],
        secrets[1],
        secrets[2],
        day("2026-10-06"),
    ));
    let mut texts = vec![late.unwrap_err().to_string()];
    fs::remove_dir_all(host.folder.path().join("store")).unwrap();
    host.record("another", secrets[1], secrets[2], day("2026-11-07"));
    texts.push(host.counter.flush(SOON).unwrap_err().to_string());
    let canary = User::new(secrets[0].as_bytes()).unwrap();
    host.counter.forget(canary).unwrap();
    texts.push(host.counter.flush(SOON).unwrap_err().to_string());
    texts.extend(host.log().into_iter().map(|(_, line)| line));
    assert!(texts.len() > 3);
    for text in texts {
        for secret in secrets {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn health_tells_of_the_store_and_the_databases() {
    let mut host = Host::new("sealed:DIR");
    host.config.set("flush_interval", "1h").unwrap();
    host.counter.open(&host.config).unwrap();
    let health = || host.counter.health().unwrap();
    assert!(health().geoip_built.is_some() && health().asn_built.is_none());
    assert_eq!((health().pending, health().last_flush), (0, None));
    host.record("juliet", "192.0.2.1", "", day("2026-11-05"));
    assert_eq!(health().pending, 1);
    let store = host.folder.path().join("store");
    let aside = host.folder.path().join("aside");
    fs::rename(&store, &aside).unwrap();
    assert!(host.counter.flush(SOON).is_err());
    assert!(health().failing && health().pending == 1 && health().last_flush.is_none());
    fs::rename(&aside, &store).unwrap();
    host.counter.flush(SOON).unwrap();
    assert!(!health().failing && health().pending == 0 && health().last_flush.is_some());
}

#[test]
fn visits_while_a_month_closes_are_written_without_a_flush() {
    let host = Host::open("sealed:DIR");
    let december = day("2026-12-01");
    for number in 0..20_000 {
        host.record(&format!("user{number}"), "192.0.2.1", "", december - 10);
    }
    host.record("juliet", "192.0.2.1", "", december);
    // Closes November, which takes the writer a while; these come meanwhile.
    for number in 0..200 {
        host.record(&format!("late{number}"), "192.0.2.1", "", december + DAY);
        std::thread::sleep(Duration::from_micros(200));
    }
    for _ in 0..1000 {
        if host.counter.health().unwrap().pending == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("visits wait for ever");
}

#[test]
fn a_month_that_cannot_be_closed_holds_up_no_visit() {
    let host = Host::open("sealed:DIR");
    let december = day("2026-12-01");
    host.record("juliet", "192.0.2.1", "", december - 10);
    host.record("juliet", "192.0.2.1", "", december);
    host.counter.flush(SOON).unwrap();
    // The totals of November cannot be written over a folder.
    let blocked = host.folder.path().join("store/2026-11.json");
    fs::create_dir_all(blocked.join("inside")).unwrap();
    host.record("romeo", "192.0.2.1", "", december - 5);
    host.record("nurse", "192.0.2.1", "", december + DAY);
    assert!(host.counter.flush(SOON).is_err());
    assert_eq!(host.counter.health().unwrap().pending, 0);
    host.record("tybalt", "192.0.2.1", "", december + DAY);
    assert!(host.counter.flush(SOON).is_err());
    fs::remove_dir_all(&blocked).unwrap();
    host.counter.flush(SOON).unwrap();
    let totals = host.counter.totals().unwrap();
    assert_eq!(sums(&totals)[&month("2026-11")], (2, 2));
    assert_eq!(sums(&totals)[&month("2026-12")], (3, 3));
    host.counter.close().unwrap();
}

#[test]
fn a_flush_beside_a_close_is_not_left_waiting() {
    const ROUNDS: usize = 1000;
    let host = Host::open("memory:");
    let closing = AtomicBool::new(true);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while closing.load(Ordering::Relaxed) {
                    // So that there is something to write.
                    let _ = host.counter.forget(User::new(b"juliet").unwrap());
                    let flushed = host.counter.flush(SOON);
                    assert!(
                        matches!(flushed, Ok(()) | Err(Error::Closed)),
                        "{flushed:?}"
                    );
                }
            });
        }
        let again = |_| {
            let closed = host.counter.close();
            closed.and_then(|()| host.counter.open(&host.config)).err()
        };
        let failed = (0..ROUNDS).find_map(again);
        // In any case, or the others would never end.
        closing.store(false, Ordering::Relaxed);
        assert!(failed.is_none(), "{failed:?}");
    });
}
