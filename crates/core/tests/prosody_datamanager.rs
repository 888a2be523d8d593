//! The Prosody store and Prosody's own `util.datamanager` read each other's
//! files. Needs `lua5.4` and the code of Prosody, which `make test` installs;
//! `PROSODY_LUA` says where it is, if not in `/usr/lib/prosody`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use monthly_visitors::store::dat::{self, TableKey, Value};
use monthly_visitors::store::{Access, Batch, MonthState, Prosody, Store, Visit, Visits};
use monthly_visitors::{KeptUser, KeyTable, Log, Month, MonthKey, Realm, User};

/// Names that a file name cannot hold as they are.
const NAMES: [&str; 8] = [
    "juliet", "a.b", "ü", "user%x", "日本", "x@y", "../up", "o'n\"e",
];

/// Prosody encodes the names of hosts as it does those of users.
const HOST: &str = "chat.example.net";
const FOLDER: &str = "chat%2eexample%2enet";

/// What datamanager does with the files, in lines.
fn datamanager(data: &Path, arguments: &[&str]) -> Vec<String> {
    let code = std::env::var("PROSODY_LUA").unwrap_or_else(|_| "/usr/lib/prosody".into());
    assert!(
        Path::new(&code).join("util/datamanager.lua").exists(),
        "Prosody's code is not in {code}; `make test` installs what the tests need"
    );
    let output = Command::new("lua5.4")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/prosody_datamanager.lua"
        ))
        .arg(&code)
        .arg(data)
        .arg(HOST)
        .args(arguments)
        .output()
        .expect("lua5.4 cannot be run; `make test` installs what the tests need");
    assert!(
        output.status.success(),
        "{}; `make test` installs what the tests need",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(String::from).collect()
}

/// Commits a visit of each user.
fn record(store: &mut Prosody, month: Month, names: &[&str], client: &str) {
    let keys = Arc::new(KeyTable::default());
    let key = MonthKey::random().unwrap();
    let mut visits = Visits::new(Arc::clone(&keys));
    for name in names {
        let user = User::new(name.as_bytes()).unwrap();
        let visit = Visit {
            marker: Realm::default().marking(&key).of(user),
            place: keys.id("geo-DE-HE-2925533"),
            client: keys.id(client),
            asn: None,
        };
        visits.push(visit, Some(KeptUser::from(user))).unwrap();
    }
    let state = MonthState { key, first: None };
    store
        .commit(&Batch {
            month,
            state: &state,
            visits: &visits,
        })
        .unwrap();
}

fn open(data: &Path) -> Prosody {
    Prosody::open(&data.join(FOLDER), Access::Record, &Log::default()).unwrap()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn datamanager_reads_what_the_store_wrote() {
    let data = tempfile::tempdir().unwrap();
    fs::create_dir(data.path().join(FOLDER)).unwrap();
    let mut store = open(data.path());
    let month = "2026-11".parse().unwrap();
    record(&mut store, month, &NAMES, "client-odd \"'\\ é");
    let mut expected = vec![
        "2026-11 client-odd \"'\\ é 8".to_owned(),
        "2026-11 geo-DE-HE-2925533 8".to_owned(),
    ];
    expected.extend(NAMES.map(|name| format!("{name} 2026-11")));
    assert_eq!(datamanager(data.path(), &["show"]), sorted(expected));
}

#[test]
fn the_store_reads_what_datamanager_wrote_and_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let mut arguments = vec!["store", "2026-11"];
    arguments.extend(NAMES);
    datamanager(data.path(), &arguments);
    let mut store = open(data.path());
    let users = store.users().unwrap();
    let listed = users.iter().map(|(user, month)| {
        format!(
            "{} {month}",
            String::from_utf8_lossy(user.as_user().expose())
        )
    });
    let names = NAMES.map(|name| format!("{name} 2026-11"));
    assert_eq!(sorted(listed.collect()), sorted(names.to_vec()));

    // All have counted; one more comes.
    let mut all = NAMES.to_vec();
    all.push("romeo");
    record(&mut store, "2026-11".parse().unwrap(), &all, "client-IOS");
    let totals = store.totals().unwrap();
    let counts: Vec<_> = totals
        .iter()
        .flat_map(|(month, totals)| {
            let counts = totals.counts.iter();
            counts.map(move |(key, count)| format!("{month} {key} {count}"))
        })
        .collect();
    assert_eq!(
        counts,
        [
            "2026-11 client-\"'\\\n\r\0\u{7f}é 8",
            "2026-11 client-IOS 9",
            "2026-11 geo-DE-HE-2925533 9",
        ]
    );

    // And datamanager after the store again.
    drop(store);
    datamanager(data.path(), &["store", "2026-12", "romeo"]);
    let mut store = open(data.path());
    assert_eq!(store.totals().unwrap().len(), 2);
    assert!(
        store
            .users()
            .unwrap()
            .iter()
            .any(|(user, month)| user.as_user().expose() == b"romeo"
                && month.to_string() == "2026-12")
    );
}

#[test]
fn every_way_in_which_prosody_and_lua_write_is_read() {
    let data = tempfile::tempdir().unwrap();
    datamanager(data.path(), &["presets"]);
    let read = |name: &str| dat::parse(&fs::read(data.path().join(name)).unwrap()).unwrap();
    let bytes: Vec<u8> = (0..=255).collect();
    let expected = read("default");
    assert_eq!(expected.len(), 8);
    assert_eq!(
        expected[&TableKey::text("text")],
        Value::Text(bytes.clone())
    );
    assert_eq!(
        expected[&TableKey::Text(bytes.clone())],
        Value::Boolean(true)
    );
    let Value::Table(numbers) = &expected[&TableKey::text("numbers")] else {
        panic!("numbers are no table");
    };
    let numbers: Vec<&Value> = numbers.values().collect();
    assert_eq!(
        numbers,
        [
            &Value::Integer(1),
            &Value::Integer(-2),
            &Value::Float(0.5),
            &Value::Float(1e99),
            // Prosody writes whole floats without a point.
            &Value::Integer(1 << 53),
            &Value::Float(f64::INFINITY),
            &Value::Float(f64::NEG_INFINITY),
            &Value::Integer(i64::MAX),
        ]
    );
    for preset in ["oneline", "compact", "debug"] {
        assert_eq!(read(preset), expected, "{preset}");
    }
    let quoted: Vec<Value> = read("quoted").into_values().collect();
    assert_eq!(
        quoted,
        [
            Value::Float(0.1),
            Value::Float(f64::INFINITY),
            Value::Integer(i64::MIN),
            Value::Float(1e300),
            Value::Text(bytes),
        ]
    );
}
