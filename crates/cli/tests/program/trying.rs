//! `lookup`, `classify` and `check`: they write nothing.

use std::fs;

use super::place::*;

#[test]
fn lookup_and_classify_print_keys_and_store_nothing() {
    let place = Place::new();
    let lookup = place.run(&["lookup", "192.0.2.7", "[::ffff:192.0.2.8]:5222", "junk"]);
    assert_eq!(lookup.status, 0);
    assert_eq!(
        lookup.stdout,
        "192.0.2.7\tgeo-DE-HE-2925533\n[::ffff:192.0.2.8]:5222\tgeo-DE-HE-2925533\njunk\tgeo-?-?-?\n"
    );
    let lines = place.run_with_input(&["lookup", "-"], b"192.0.2.7\r\n203.0.113.1\n");
    assert_eq!(
        lines.stdout,
        "192.0.2.7\tgeo-DE-HE-2925533\n203.0.113.1\tgeo-?-?-?\n"
    );
    assert_eq!(place.run(&["lookup", "203.0.113.1"]).status, 1);
    let classify = place.run(&["classify", "Zom-1", "other"]);
    assert_eq!(
        (classify.status, classify.stdout.as_str()),
        (0, "Zom-1\tclient-IOS\nother\tclient-?\n")
    );
    let given = place.run(&["--client", "^other=X", "classify", "other"]);
    assert_eq!(given.stdout, "other\tclient-X\n");
    assert!(!place.path("store").exists());
}

#[test]
fn check_says_what_is_right_and_wrong_and_makes_nothing() {
    let place = Place::new();
    let missing = place.run(&["check"]);
    assert_eq!(missing.status, 0, "{}", missing.stdout);
    assert!(
        missing
            .stdout
            .contains(", not there yet: recording makes it\n"),
        "{}",
        missing.stdout
    );
    assert!(!place.path("store").exists());
    place.fill();
    let before = names(&place.path("store"));
    let right = place.run(&["check"]);
    assert_eq!(
        (right.status, right.stderr.as_str()),
        (0, ""),
        "{}",
        right.stdout
    );
    for expected in [
        "ok     geoip: ",
        "ok     client: 1 pattern\n",
        "months with totals: 2, 2026-10 to 2026-11",
    ] {
        assert!(right.stdout.contains(expected), "{}", right.stdout);
    }
    assert_eq!(names(&place.path("store")), before);
    for (arguments, expected) in [
        (
            &["--geoip", "nowhere.mmdb"][..],
            "WRONG  geoip: nowhere.mmdb",
        ),
        (&["--store", "sealed:"], "WRONG  store: names no folder"),
        (
            &["--store", "sealed:nowhere/store"],
            "WRONG  store: cannot make a folder in nowhere: No such file or directory",
        ),
        (
            &["--store", "prosody:nowhere"],
            "WRONG  store: cannot open nowhere: No such file or directory",
        ),
        (
            &["--client", "^[a=X"],
            "WRONG  client: pattern 2 (\"^[a\"): missing ']'",
        ),
    ] {
        let wrong = place.run(&[arguments, &["check"]].concat());
        assert_eq!(wrong.status, 2);
        assert!(wrong.stdout.contains(expected), "{}", wrong.stdout);
        assert!(
            wrong.stderr.contains("1 setting is wrong"),
            "{}",
            wrong.stderr
        );
    }
}

#[test]
fn check_finds_what_would_stop_or_spoil_the_counting() {
    let place = Place::new();
    place.fill();
    fs::write(place.path("secret"), "a secret that came later").unwrap();
    for (arguments, expected) in [
        (
            &["--host", "example.org"][..],
            "WRONG  store: host: 2026-10 was begun for another host",
        ),
        (
            &["--secret-file", "none", "--store", "sealed:new"],
            "WRONG  store: secret_file: ",
        ),
        (
            &["--secret-file", "secret"],
            "WRONG  store: cannot read 2026-10",
        ),
        (
            &["--record-countries", "DE", "--geoip", ""],
            "WRONG  record_countries: needs geoip",
        ),
    ] {
        let wrong = place.run(&[arguments, &["check"]].concat());
        assert_eq!(wrong.status, 2, "{arguments:?}: {}", wrong.stdout);
        assert!(wrong.stdout.contains(expected), "{}", wrong.stdout);
    }
}

#[test]
fn a_report_needs_no_database() {
    let place = Place::new();
    place.fill();
    let done = place.run(&[
        "--geoip",
        "nowhere.mmdb",
        "report",
        "--by",
        "client",
        "--format",
        "csv",
    ]);
    assert_eq!((done.status, csv_counts(&done.stdout).len()), (0, 3));
    assert!(
        done.stderr.contains("nowhere.mmdb") && done.stderr.contains("names of cities are missing"),
        "{}",
        done.stderr
    );
    let countries = ["--record-countries", "DE", "--geoip", ""];
    let done = place.run(&[&countries[..], &["report"]].concat());
    assert_eq!((done.status, done.stderr.as_str()), (0, ""));
    let done = place.run(&[&countries[..], &["classify", "Zom-1"]].concat());
    assert_eq!((done.status, done.stderr.as_str()), (0, ""));
}
