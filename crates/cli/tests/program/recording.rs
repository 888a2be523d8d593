//! `record`: one login, or many from a file.

use std::fs;

use super::place::*;

#[test]
fn one_login_is_recorded_and_reported() {
    let place = Place::new();
    let user = [
        "record",
        "--user",
        "juliet",
        "--ip",
        "192.0.2.1",
        "--resource",
        "Zom-1",
        "--time",
        "2026-11-05T12:00:00Z",
    ];
    for _ in 0..2 {
        let done = place.run(&user);
        assert_eq!(
            (done.status, done.stdout.as_str(), done.stderr.as_str()),
            (0, "", "")
        );
    }
    let report = place.run(&["report", "--format", "csv"]);
    assert_eq!(
        csv_counts(&report.stdout),
        ["2026-11 geo-DE-HE-2925533 1", "2026-11 client-IOS 1"]
    );
    let table = place.run(&["report"]).stdout;
    assert!(table.contains("Monthly users of example.net"), "{table}");
    assert!(table.contains("Frankfurt am Main (DE-HE)"), "{table}");
}

#[test]
fn bad_lines_are_named_counted_and_skipped() {
    let place = Place::new();
    let text = "{\"user\":\"kanarie\",\"time\":\"2026-11-05T00:00:00Z\"}\n\
                {\"user\":\"kanarie\",\"time\":\"kanarie\"}\n\
                kanarie\n\
                {\"user\":\"juliet\",\"time\":1793880000}\n";
    let skipped = place.run_with_input(&["record", "--from", "-"], text.as_bytes());
    assert_eq!(
        (skipped.status, skipped.stdout.as_str()),
        (0, "2 logins recorded\n")
    );
    for expected in [
        "line 2: time is neither",
        "line 3: not JSON",
        "2 bad lines skipped",
    ] {
        assert!(skipped.stderr.contains(expected), "{}", skipped.stderr);
    }
    assert!(!skipped.stderr.contains("kanarie"), "{}", skipped.stderr);

    let place = Place::new();
    let strict = place.run_with_input(&["record", "--from", "-", "--strict"], text.as_bytes());
    assert_eq!(strict.status, 2);
    assert!(
        strict.stderr.contains("line 2: ")
            && strict.stderr.contains("1 logins before it are recorded"),
        "{}",
        strict.stderr
    );
    let report = place.run(&["report", "--by", "client", "--format", "csv"]);
    assert_eq!(csv_counts(&report.stdout), ["2026-11 client-? 1"]);
}

#[test]
fn more_logins_than_may_wait_are_all_recorded() {
    let place = Place::new();
    let text = many(5000);
    let done = place.run_with_input(
        &["--pending-limit", "100", "record", "--from", "-"],
        text.as_bytes(),
    );
    assert_eq!(
        (done.status, done.stdout.as_str(), done.stderr.as_str()),
        (0, "5000 logins recorded\n", "")
    );
    let report = place.run(&["report", "--by", "client", "--format", "csv"]);
    assert_eq!(csv_counts(&report.stdout), ["2026-11 client-? 5000"]);
}

#[test]
fn an_empty_or_strange_file_is_told_apart() {
    let place = Place::new();
    assert_eq!(
        place.run_with_input(&["record", "--from", "-"], b"").status,
        1
    );
    let strange = place.run_with_input(&["record", "--from", "-"], b"hello\n");
    assert_eq!(strange.status, 2);
    assert!(
        strange.stderr.contains("neither JSON Lines nor CSV"),
        "{}",
        strange.stderr
    );
    assert_eq!(place.run(&["record", "--from", "nowhere.csv"]).status, 2);
}

#[test]
fn what_has_not_happened_yet_is_not_recorded() {
    let place = Place::new();
    fs::write(
        place.path("ahead.csv"),
        "user,time\na,2026-11-01T00:00:00Z\nb,9998-01-01T00:00:00Z\nc,9998-01-03T00:00:00Z\n",
    )
    .unwrap();
    let from = place.path("ahead.csv").display().to_string();
    let done = place.run(&["record", "--from", &from]);
    assert_eq!(
        (done.status, done.stdout.as_str()),
        (0, "1 login recorded\n")
    );
    assert!(
        done.stderr
            .contains("line 4: time is more than a day in the future"),
        "{}",
        done.stderr
    );
    let one = place.run(&["record", "--user", "d", "--time", "9998-01-01T00:00:00Z"]);
    assert_eq!(one.status, 2);
    assert!(one.stderr.contains("in the future"), "{}", one.stderr);
    // November is as open as before.
    assert_eq!(
        place
            .run(&["record", "--user", "e", "--time", "2026-11-02T00:00:00Z"])
            .status,
        0
    );
}
