//! `report`, and what it looks like where.

use std::fs;

use super::place::*;

#[test]
fn reports_choose_months_rows_format_and_file() {
    let place = Place::new();
    place.fill();
    for (arguments, expected) in [
        (
            &["--month", "2026-10"][..],
            &[
                "2026-10 geo-?-?-? 1",
                "2026-10 geo-DE-HE-2925533 1",
                "2026-10 client-? 1",
                "2026-10 client-IOS 1",
            ][..],
        ),
        (
            &["--last", "1", "--by", "client"],
            &["2026-11 client-IOS 1"],
        ),
        (
            &["--from", "2026-11", "--by", "place"],
            &["2026-11 geo-DE-HE-2925533 1"],
        ),
        (
            &["--to", "2026-10", "--by", "client"],
            &["2026-10 client-? 1", "2026-10 client-IOS 1"],
        ),
    ] {
        let report = place.run(&[&["report", "--format", "csv"], arguments].concat());
        assert_eq!(csv_counts(&report.stdout), expected, "{arguments:?}");
        assert_eq!(report.status, 0);
    }
    let nothing = place.run(&["report", "--month", "2020-01"]);
    assert_eq!(nothing.status, 1, "nothing found");
    let output = place.path("report.json");
    let written = place.run(&[
        "report",
        "--format",
        "json",
        "--output",
        &output.to_string_lossy(),
    ]);
    assert_eq!((written.status, written.stdout.as_str()), (0, ""));
    let json: serde_json::Value = serde_json::from_slice(&fs::read(output).unwrap()).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["months"][0]["users"], 2);
}

#[test]
fn colours_and_progress_are_for_terminals() {
    let place = Place::new();
    place.fill();
    assert!(!place.run(&["report"]).stdout.contains('\x1b'));
    assert!(
        place
            .run(&["report", "--color", "always"])
            .stdout
            .contains('\x1b')
    );
    assert!(place.run_on_terminal("report").contains('\x1b'));
    assert!(
        !place
            .run_on_terminal("report --color never")
            .contains('\x1b')
    );
    let text = many(60_000);
    fs::write(place.path("many.jsonl"), text).unwrap();
    let shown = place.run_on_terminal("record --from many.jsonl");
    assert!(
        shown.contains('%') && shown.contains("60000 logins recorded"),
        "{shown:?}"
    );
}

#[test]
fn no_color_is_respected() {
    let place = Place::new();
    place.fill();
    let output = place
        .command_named("script")
        .args(["-qec", &format!("{PROGRAM} report"), "/dev/null"])
        .env("TERM", "xterm")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        shown.contains("2026-11") && !shown.contains('\x1b'),
        "{shown:?}"
    );
}

#[test]
fn output_that_nobody_reads_is_no_trouble() {
    let place = Place::new();
    place.fill();
    let shown = place
        .command_named("sh")
        .args([
            "-c",
            &format!("{PROGRAM} report | true; {PROGRAM} completions bash | head -n 1 >/dev/null"),
        ])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&shown.stderr), "");
}
