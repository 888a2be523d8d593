//! A report for spreadsheets: CSV as in RFC 4180, with a header line.
//!
//! The columns are the same whatever the rows are; those that do not apply to
//! a row are empty. An unknown part is `?`, as it is in the key. `key` is
//! empty where keys are folded. There is no byte order mark, the text is
//! UTF-8.

use monthly_visitors::{Error, Kind};

use crate::{By, Item, Names, Report};

const COLUMNS: [&str; 13] = [
    "month",
    "kind",
    "country",
    "country_name",
    "subdivision",
    "city_geoname_id",
    "city_name",
    "client",
    "asn",
    "key",
    "users",
    "open",
    "incomplete",
];

pub(crate) fn text(report: &Report<'_>, names: &Names) -> Result<String, Error> {
    // Writing to memory fails only if this module is wrong.
    write(report, names).ok_or(Error::Internal)
}

fn write(report: &Report<'_>, names: &Names) -> Option<String> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record(COLUMNS).ok()?;
    for month in report.months() {
        for section in &month.sections {
            for line in &section.lines {
                let parts = parts(&line.item, names);
                let record = [
                    month.month.to_string(),
                    kind(section.kind, report.by()).into(),
                ]
                .into_iter()
                .chain(parts.map(harmless))
                .chain([
                    harmless(line.item.key().unwrap_or_default()),
                    line.count.to_string(),
                    month.open.to_string(),
                    month.incomplete.to_string(),
                ]);
                writer.write_record(record).ok()?;
            }
        }
    }
    String::from_utf8(writer.into_inner().ok()?).ok()
}

fn kind(kind: Kind, by: By) -> &'static str {
    match (kind, by) {
        (Kind::Place, By::Country) => "country",
        (Kind::Place, By::Subdivision) => "subdivision",
        (Kind::Place, _) => "place",
        (Kind::Client, _) => "client",
        (Kind::Asn, _) => "asn",
        (Kind::Other, _) => "other",
    }
}

/// Country, its name, subdivision, city, its name, client, network.
fn parts(item: &Item<'_>, names: &Names) -> [String; 7] {
    let part = |text: Option<&str>| text.unwrap_or("?").to_owned();
    let name = |country: Option<&str>| country.and_then(Names::country).unwrap_or("").to_owned();
    let none = String::new;
    match *item {
        Item::Country(country) => {
            let (country, name) = (part(country), name(country));
            [country, name, none(), none(), none(), none(), none()]
        }
        Item::Subdivision {
            country,
            subdivision,
        } => [
            part(country),
            name(country),
            part(subdivision),
            none(),
            none(),
            none(),
            none(),
        ],
        Item::Place {
            country,
            subdivision,
            city,
        } => [
            part(country),
            name(country),
            part(subdivision),
            city.map_or_else(|| "?".into(), |id| id.to_string()),
            city.and_then(|id| names.city(id)).unwrap_or("").into(),
            none(),
            none(),
        ],
        Item::Client(client) => {
            let client = part(client);
            [none(), none(), none(), none(), none(), client, none()]
        }
        Item::Asn(asn) => {
            let asn = part(asn);
            [none(), none(), none(), none(), none(), none(), asn]
        }
        Item::Raw(_) => [(); 7].map(|()| none()),
    }
}

/// `text`, with an apostrophe before it if a spreadsheet would take it for a
/// formula: the way of OWASP's page "CSV Injection". The full-width signs are
/// those that some spreadsheets read like the others.
fn harmless(text: String) -> String {
    const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    if text.starts_with(FORMULA) {
        format!("'{text}")
    } else {
        text
    }
}
