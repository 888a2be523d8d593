//! Reports: any totals with any options, in every format. JSON is JSON, CSV has
//! equal rows, Prosody's file is read back, and a colour changes no letter.
#![no_main]

use std::num::NonZeroU32;
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use monthly_visitors::store::dat;
use monthly_visitors::{Key, Month, MonthTotals, Totals};
use monthly_visitors_report::{By, Format, Names, Options, Report, Style};

const BY: [By; 6] = [
    By::All,
    By::Place,
    By::Country,
    By::Subdivision,
    By::Client,
    By::Asn,
];

fuzz_target!(|bytes: &[u8]| {
    let Some(([by, first, last, count, flags], rest)) = bytes.split_first_chunk() else {
        return;
    };
    words(rest);
    let month = |byte: &u8| (*byte < 100).then(|| Month::FIRST.plus(24_300 + u32::from(*byte)));
    let options = Options {
        first: month(first),
        last: month(last),
        last_n: NonZeroU32::new(u32::from(*count)),
        by: BY[usize::from(*by) % BY.len()],
    };
    let totals = totals(rest);
    let mut names = Names::default();
    if flags & 1 > 0 {
        names.host = String::from_utf8_lossy(rest).into_owned();
        names.cities.insert(2_925_533, names.host.clone());
    }
    let Ok(report) = Report::new(&totals, &options) else {
        assert!(options.first > options.last);
        return;
    };
    let text = |format, style| report.text(format, style, &names);
    let table = text(Format::Table, Style::Plain).unwrap();
    assert!(!table.contains('\x1b'), "a name reached the terminal");
    assert_eq!(plain(&text(Format::Table, Style::Colour).unwrap()), table);
    let json = text(Format::Json, Style::Plain).unwrap();
    serde_json::from_str::<serde_json::Value>(&json).unwrap();
    let csv = text(Format::Csv, Style::Plain).unwrap();
    let rows = csv::Reader::from_reader(csv.as_bytes()).into_records();
    assert_eq!(rows.map(|row| row.unwrap()).count(), report.rows().count());
    if let Ok(text) = text(Format::Prosody, Style::Plain) {
        let table = dat::parse(text.as_bytes()).unwrap();
        assert_eq!(dat::to_text(&table), text);
    }
});

/// Options as text.
fn words(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    fn same<T: FromStr + ToString>(text: &str) {
        if let Ok(read) = text.parse::<T>() {
            assert_eq!(read.to_string(), text);
        }
    }
    same::<Month>(&text);
    same::<By>(&text);
    same::<Format>(&text);
}

/// Lines of a month, a count and a key.
fn totals(bytes: &[u8]) -> Totals {
    let mut totals = Totals::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(([month, count, shift], key)) = line.split_first_chunk() else {
            continue;
        };
        let month = Month::FIRST.plus(24_300 + u32::from(*month));
        let found: &mut MonthTotals = totals.entry(month).or_default();
        found.open = shift & 128 > 0;
        found.incomplete = shift & 64 > 0;
        let count = u64::from(*count) << (shift % 57);
        found
            .counts
            .insert(Key::new(&String::from_utf8_lossy(key)), count);
    }
    totals
}

/// Without ANSI escape sequences.
fn plain(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain += part.split_once('m').unwrap_or_default().1;
    }
    plain
}
