//! A folder with a database and settings, and the program in it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ipnet::IpNet;
use mmdb_writer::{Value, Writer};
use tempfile::TempDir;

pub(super) const PROGRAM: &str = env!("CARGO_BIN_EXE_monthly-visitors");

pub(super) struct Place {
    pub(super) folder: TempDir,
}

/// What a command did.
pub(super) struct Done {
    pub(super) status: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Place {
    /// A folder with a database, a settings file and no store yet.
    pub(super) fn new() -> Self {
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

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .current_dir(self.folder.path())
            .env_remove("NO_COLOR")
            .env("MONTHLY_VISITORS_CONFIG", self.path("settings.toml"));
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Done {
        done(&self.command().args(arguments).output().unwrap())
    }

    pub(super) fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Done {
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
    pub(super) fn run_on_terminal(&self, arguments: &str) -> String {
        let output = self
            .command_named("script")
            .args(["-qec", &format!("{PROGRAM} {arguments}"), "/dev/null"])
            .env("TERM", "xterm")
            .output()
            .expect("`script` of util-linux is part of every Debian");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(super) fn command_named(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .env_remove("NO_COLOR")
            .env("MONTHLY_VISITORS_CONFIG", self.path("settings.toml"));
        command
    }

    /// Three users in two months.
    pub(super) fn fill(&self) {
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

pub(super) fn done(output: &Output) -> Done {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Done {
        status: output.status.code().unwrap(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// Logins of so many users.
pub(super) fn many(users: u32) -> String {
    let lines: Vec<String> = (0..users)
        .map(|number| format!("{{\"user\":\"user{number}\",\"time\":1793880000}}\n"))
        .collect();
    lines.concat()
}

pub(super) fn csv_counts(csv: &str) -> Vec<String> {
    csv.lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            format!("{} {} {}", fields[0], fields[9], fields[10])
        })
        .collect()
}

pub(super) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
