//! `purge`, `forget` and `copy`.

use std::fs;

use super::place::*;

#[test]
fn purge_names_what_it_deletes_and_can_be_tried() {
    let place = Place::new();
    place.fill();
    // A day into November, October closes.
    place.run(&[
        "record",
        "--user",
        "nurse",
        "--time",
        "2026-11-06T00:00:00Z",
    ]);
    for (arguments, status, stdout) in [
        (&["--before", "2026-10"][..], 1, ""),
        (&["--keep", "1", "--dry-run"], 0, "2026-10\n"),
        (&["--keep", "2"], 1, ""),
        (&["--keep", "1"], 0, "2026-10\n"),
        (&["--before", "2027-01"], 1, ""),
    ] {
        let done = place.run(&[&["purge"], arguments].concat());
        assert_eq!(
            (done.status, done.stdout.as_str()),
            (status, stdout),
            "{arguments:?}: {}",
            done.stderr
        );
    }
    let report = place.run(&["report", "--by", "client", "--format", "csv"]);
    assert_eq!(
        csv_counts(&report.stdout),
        ["2026-11 client-? 1", "2026-11 client-IOS 1"]
    );
}

#[test]
fn forget_says_the_same_of_everybody() {
    let place = Place::new();
    place.fill();
    for user in ["juliet", "nobody"] {
        let done = place.run(&["forget", user]);
        assert_eq!(
            (done.status, done.stdout.as_str(), done.stderr.as_str()),
            (0, "", ""),
            "{user}"
        );
    }
    let again = [
        "record",
        "--user",
        "juliet",
        "--time",
        "2026-11-05T00:00:00Z",
    ];
    place.run(&again);
    let report = place.run(&["report", "--last", "1", "--by", "client", "--format", "csv"]);
    assert_eq!(
        csv_counts(&report.stdout),
        ["2026-11 client-? 1", "2026-11 client-IOS 1"]
    );
}

#[test]
fn the_history_of_the_lua_plugin_is_taken_over() {
    let place = Place::new();
    let data = place.path("localhost");
    fs::create_dir_all(data.join("monthly%2dvisitors")).unwrap();
    fs::write(
        data.join("monthly%2dvisitors.dat"),
        "return {\n\t[\"2026-10\"] = {\n\t\t[\"client-?\"] = 2;\n\t\t[\"geo-CN-?-?\"] = 2;\n\t};\n\
         \t[\"2026-11\"] = {\n\t\t[\"client-IOS\"] = 1;\n\t\t[\"geo-CN-?-?\"] = 1;\n\t};\n};\n",
    )
    .unwrap();
    fs::write(
        data.join("monthly%2dvisitors/juliet.dat"),
        "return {\n\t[\"last-recorded\"] = \"2026-11\";\n};\n",
    )
    .unwrap();
    let from = format!("prosody:{}", data.display());
    let to = format!("sealed:{}", place.path("store").display());
    for expected in [
        "2 months copied, 0 were there already\n",
        "0 months copied, 2 were there already\n",
    ] {
        let done = place.run(&["--store", &from, "copy", "--to", &to]);
        assert_eq!(
            (done.status, done.stdout.as_str(), done.stderr.as_str()),
            (0, expected, "")
        );
    }
    // Who counted there does not count again.
    for user in ["juliet", "romeo"] {
        place.run(&["record", "--user", user, "--time", "2026-11-07T00:00:00Z"]);
    }
    let report = place.run(&["report", "--by", "client", "--format", "csv"]);
    assert_eq!(
        csv_counts(&report.stdout),
        [
            "2026-10 client-? 2",
            "2026-11 client-? 1",
            "2026-11 client-IOS 1"
        ]
    );
    // What the new store counted itself is not replaced.
    let refused = place.run(&["--store", &from, "copy", "--to", &to]);
    assert_eq!(refused.status, 2);
    assert!(
        refused.stderr.contains("2026-11") && refused.stderr.contains("1 month was not copied"),
        "{}",
        refused.stderr
    );
    // And back as a file, for the plugin.
    let text = place
        .run(&["report", "--month", "2026-10", "--format", "prosody"])
        .stdout;
    assert_eq!(
        text,
        "return {\n\t[\"2026-10\"] = {\n\t\t[\"client-?\"] = 2;\n\t\t[\"geo-CN-?-?\"] = 2;\n\t};\n};\n"
    );
}

#[test]
fn open_months_that_cannot_be_taken_over_are_refused_and_the_rest_is_copied() {
    let place = Place::new();
    place.fill();
    place.run(&[
        "record",
        "--user",
        "nurse",
        "--time",
        "2026-11-06T00:00:00Z",
    ]);
    let data = place.path("localhost");
    fs::create_dir(&data).unwrap();
    let done = place.run(&["copy", "--to", &format!("prosody:{}", data.display())]);
    assert_eq!(
        (done.status, done.stdout.as_str()),
        (2, "1 month copied, 0 were there already\n")
    );
    assert!(done.stderr.contains("2026-11"), "{}", done.stderr);
    // Into another sealed store the markers go with the month.
    let other = format!("sealed:{}", place.path("other").display());
    assert_eq!(place.run(&["copy", "--to", &other]).status, 0);
    place.run(&[
        "--store",
        &other,
        "record",
        "--user",
        "juliet",
        "--time",
        "2026-11-07T00:00:00Z",
    ]);
    let counts = |store: &str| {
        csv_counts(
            &place
                .run(&["--store", store, "report", "--format", "csv"])
                .stdout,
        )
    };
    assert_eq!(
        counts(&other),
        counts(&format!("sealed:{}", place.path("store").display()))
    );
}

#[test]
fn a_store_that_is_not_there_is_not_made_to_be_changed() {
    let place = Place::new();
    for arguments in [&["forget", "juliet"][..], &["purge", "--keep", "1"]] {
        let done = place.run(arguments);
        assert_eq!(done.status, 2, "{arguments:?}");
        assert!(!place.path("store").exists(), "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_read_is_not_changed() {
    let place = Place::new();
    let run = |name: &str, command: &[&str]| {
        let secret = place.path(name);
        fs::write(&secret, format!("{name} secret of sixteen bytes")).unwrap();
        let secret = secret.display().to_string();
        place.run(&[&["--secret-file", &secret][..], command].concat())
    };
    assert_eq!(run("right", &["record", "--user", "juliet"]).status, 0);
    for command in [
        &["record", "--user", "romeo"][..],
        &["forget", "juliet"],
        &["purge", "--keep", "1"],
    ] {
        let done = run("wrong", command);
        assert_eq!(done.status, 2, "{command:?}");
        assert!(done.stderr.contains("check secret_file"), "{}", done.stderr);
    }
    let report = run("right", &["report", "--format", "csv"]);
    assert!(
        report.stdout.contains("geo-?-?-?,1,"),
        "{}{}",
        report.stdout,
        report.stderr
    );
}
