//! Errors, the manual and completions.

use std::fs;
use std::process::Command;

use super::place::*;

#[test]
fn trouble_is_one_line_that_says_what_to_do() {
    let place = Place::new();
    fs::write(
        place.path("bad.toml"),
        "store = 'memory:'\nflush_intervall = '1s'\n",
    )
    .unwrap();
    for (arguments, expected) in [
        (
            &["--config", "bad.toml", "report"][..],
            "bad.toml: flush_intervall: there is no such key",
        ),
        (
            &["--config", "nowhere.toml", "report"],
            "nowhere.toml: cannot read it",
        ),
        (&["--store", "/var/lib", "report"], "store: must be a URL"),
        (
            &["--flush-interval", "1", "record", "--user", "x"],
            "flush_interval: must be a time",
        ),
        (
            &["--store", "sealed:nowhere/at/all", "record", "--user", "x"],
            "nowhere/at/all",
        ),
        (&["record", "--user", ""], "user is empty"),
        (
            &["record", "--user", "x", "--time", "-1"],
            "time is before 1970",
        ),
    ] {
        let done = place.run(arguments);
        assert_eq!(done.status, 2, "{arguments:?}");
        assert!(
            done.stderr.contains(expected),
            "{arguments:?}: {}",
            done.stderr
        );
        assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    }
    let nothing = done(
        &Command::new(PROGRAM)
            .arg("report")
            .env_remove("MONTHLY_VISITORS_CONFIG")
            .output()
            .unwrap(),
    );
    assert_eq!(nothing.status, 2);
    assert!(
        nothing.stderr.contains("give --store URL"),
        "{}",
        nothing.stderr
    );
    assert_eq!(place.run(&["frobnicate"]).status, 2);
    assert_eq!(place.run(&["--help"]).status, 0);
}

#[test]
fn manual_and_completions_know_every_command() {
    let place = Place::new();
    let manual = place.run(&["manual"]).stdout;
    assert!(manual.contains(".TH monthly-visitors 1"), "{manual:.200}");
    for command in [
        "record", "report", "lookup", "classify", "purge", "forget", "copy", "check",
    ] {
        assert!(
            manual.contains(&format!("COMMAND {}", command.to_uppercase())),
            "{command}"
        );
        for shell in ["bash", "zsh", "fish"] {
            let completions = place.run(&["completions", shell]).stdout;
            assert!(completions.contains(command), "{shell} {command}");
        }
    }
}
