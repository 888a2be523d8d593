//! Prosody's `.dat` files: what is read is written and read back, and totals in
//! it are reported without a failure.
#![no_main]

use std::cell::RefCell;
use std::fs;

use libfuzzer_sys::fuzz_target;
use monthly_visitors::store::dat;
use monthly_visitors::{Config, Counter};
use monthly_visitors_report::{Format, Names, Options, Report, Style};
use tempfile::TempDir;

thread_local! {
    static DIR: RefCell<TempDir> = RefCell::new(TempDir::new().unwrap());
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(table) = dat::parse(bytes) else {
        return;
    };
    let text = dat::to_text(&table);
    let again = dat::parse(text.as_bytes()).unwrap();
    // NaN is not equal to itself, but its text is.
    assert_eq!(dat::to_text(&again), text);
    DIR.with_borrow(|dir| report(dir, bytes));
});

fn report(dir: &TempDir, bytes: &[u8]) {
    fs::write(dir.path().join("monthly%2dvisitors.dat"), bytes).unwrap();
    let config = Config {
        store: Some(format!("prosody:{}", dir.path().display())),
        read_only: true,
        ..Config::default()
    };
    let counter = Counter::new();
    if counter.open(&config).is_err() {
        return;
    }
    let Ok(totals) = counter.totals() else {
        return;
    };
    let report = Report::new(&totals, &Options::default()).unwrap();
    for format in [Format::Table, Format::Json, Format::Csv, Format::Prosody] {
        let text = report.text(format, Style::Plain, &Names::default());
        assert!(text.is_ok(), "{format}");
    }
}
