//! The program as an administrator uses it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this is a test")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ipnet::IpNet;
use mmdb_writer::{Value, Writer};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_monthly-visitors");

struct Place {
    folder: TempDir,
}

/// What a command did.
struct Done {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Place {
    /// A folder with a database, a settings file and no store yet.
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let mut writer = Writer::new("Test-City");
        let names = Value::map([("en", Value::from("Frankfurt am Main"))]);
        let city = Value::map([("geoname_id", Value::from(2_925_533_u32)), ("names", names)]);
        let code = |code| Value::map([("iso_code", Value::from(code))]);
        let record = Value::map([
            ("country", code("DE")),
            ("subdivisions", Value::array([code("HE")])),
            ("city", city),
        ]);
        writer
            .insert_value("192.0.2.0/24".parse::<IpNet>().unwrap(), record)
            .unwrap();
        fs::write(place.path("places.mmdb"), writer.to_bytes().unwrap()).unwrap();
        let settings = format!(
            "store = \"sealed:{}\"\ngeoip = \"{}\"\nhost = \"example.net\"\n\
             [[client]]\npattern = \"^Zom\"\ncategory = \"IOS\"\n",
            place.path("store").display(),
            place.path("places.mmdb").display(),
        );
        fs::write(place.path("settings.toml"), settings).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .current_dir(self.folder.path())
            .env_remove("NO_COLOR")
            .env("MONTHLY_VISITORS_CONFIG", self.path("settings.toml"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Done {
        done(&self.command().args(arguments).output().unwrap())
    }

    fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Done {
        let mut child = self
            .command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // A program that ends early does not read the rest.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        done(&output)
    }

    /// Runs on a terminal, and returns what that shows.
    fn run_on_terminal(&self, arguments: &str) -> String {
        let output = self
            .command_named("script")
            .args(["-qec", &format!("{PROGRAM} {arguments}"), "/dev/null"])
            .env("TERM", "xterm")
            .output()
            .expect("`script` of util-linux is part of every Debian");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn command_named(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .env_remove("NO_COLOR")
            .env("MONTHLY_VISITORS_CONFIG", self.path("settings.toml"));
        command
    }

    /// Three users in two months.
    fn fill(&self) {
        let text = "user,ip,resource,time\n\
                    juliet,192.0.2.1,Zom-1,2026-10-05T00:00:00Z\n\
                    romeo,,,2026-10-06T00:00:00Z\n\
                    juliet,192.0.2.1,Zom-1,2026-11-05T00:00:00Z\n";
        let done = self.run_with_input(&["record", "--from", "-"], text.as_bytes());
        assert_eq!(
            (done.status, done.stdout.as_str(), done.stderr.as_str()),
            (0, "3 logins recorded\n", "")
        );
    }
}

fn done(output: &Output) -> Done {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Done {
        status: output.status.code().unwrap(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// Logins of so many users.
fn many(users: u32) -> String {
    let lines: Vec<String> = (0..users)
        .map(|number| format!("{{\"user\":\"user{number}\",\"time\":1793880000}}\n"))
        .collect();
    lines.concat()
}

fn csv_counts(csv: &str) -> Vec<String> {
    csv.lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            format!("{} {} {}", fields[0], fields[9], fields[10])
        })
        .collect()
}

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
fn check_says_what_is_right_and_wrong_and_makes_nothing() {
    let place = Place::new();
    let missing = place.run(&["check"]);
    assert_eq!(missing.status, 2);
    assert!(
        missing.stdout.contains("WRONG  store: "),
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
        "2 months, 2026-10 to 2026-11",
    ] {
        assert!(right.stdout.contains(expected), "{}", right.stdout);
    }
    assert_eq!(names(&place.path("store")), before);
    for (arguments, expected) in [
        (
            &["--geoip", "nowhere.mmdb"][..],
            "WRONG  geoip: nowhere.mmdb",
        ),
        (
            &["--client", "^[a=X"],
            "WRONG  client: client: pattern 2 (\"^[a\"): missing ']'",
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

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

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
