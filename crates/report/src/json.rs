//! A report for programs: one JSON object.
//!
//! An unknown part is `null`; so is a name that is not known. `key` is the key
//! as it is stored; entries that are folded from several keys have none. A key
//! that says it is a place and is not written like one is among the places,
//! with `null` for its parts. The sections that the report is not about are
//! left out. Fields may be added without a new schema number.

use monthly_visitors::{Error, Kind};
use serde::Serialize;

use crate::{Item, Line, MonthReport, Names, Report};

const SCHEMA: u32 = 1;

const DEFINITION: &str = "A user counts once per calendar month (UTC), at the first login of that \
     month, with the place and the client of that login.";

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    host: &'a str,
    definition: &'a str,
    by: String,
    months: Vec<MonthEntry<'a>>,
}

#[derive(Serialize)]
struct MonthEntry<'a> {
    month: String,
    open: bool,
    incomplete: bool,
    users: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    places: Option<Vec<Entry<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Option<Vec<Entry<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asns: Option<Vec<Entry<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<Vec<Entry<'a>>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(flatten)]
    parts: Parts<'a>,
    users: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Parts<'a> {
    Country {
        country: Option<&'a str>,
        country_name: Option<&'a str>,
    },
    Subdivision {
        country: Option<&'a str>,
        country_name: Option<&'a str>,
        subdivision: Option<&'a str>,
    },
    Place {
        country: Option<&'a str>,
        country_name: Option<&'a str>,
        subdivision: Option<&'a str>,
        city_geoname_id: Option<u32>,
        city_name: Option<&'a str>,
    },
    Client {
        client: Option<&'a str>,
    },
    Asn {
        asn: Option<&'a str>,
    },
    Other {},
}

pub(crate) fn text(report: &Report<'_>, names: &Names) -> Result<String, Error> {
    let document = Document {
        schema: SCHEMA,
        host: &names.host,
        definition: DEFINITION,
        by: report.by().to_string(),
        months: report
            .months()
            .iter()
            .map(|month| month_entry(month, names))
            .collect(),
    };
    // Writing to memory fails only if this module is wrong.
    let text = serde_json::to_string_pretty(&document).map_err(|_| Error::Internal)?;
    Ok(text + "\n")
}

fn month_entry<'a>(month: &MonthReport<'a>, names: &'a Names) -> MonthEntry<'a> {
    let section = |kind| {
        let section = month.sections.iter().find(|section| section.kind == kind)?;
        let entries = section.lines.iter().map(|line| entry(line, kind, names));
        Some(entries.collect())
    };
    MonthEntry {
        month: month.month.to_string(),
        open: month.open,
        incomplete: month.incomplete,
        users: month.users,
        places: section(Kind::Place),
        clients: section(Kind::Client),
        asns: section(Kind::Asn),
        other: section(Kind::Other),
    }
}

fn entry<'a>(line: &Line<'a>, kind: Kind, names: &'a Names) -> Entry<'a> {
    let name = |country: Option<&str>| country.and_then(Names::country);
    let parts = match line.item {
        Item::Country(country) => Parts::Country {
            country,
            country_name: name(country),
        },
        Item::Subdivision {
            country,
            subdivision,
        } => Parts::Subdivision {
            country,
            country_name: name(country),
            subdivision,
        },
        Item::Place {
            country,
            subdivision,
            city,
        } => Parts::Place {
            country,
            country_name: name(country),
            subdivision,
            city_geoname_id: city,
            city_name: city.and_then(|id| names.city(id)),
        },
        Item::Client(client) => Parts::Client { client },
        Item::Asn(asn) => Parts::Asn { asn },
        Item::Raw(_) if kind == Kind::Place => Parts::Place {
            country: None,
            country_name: None,
            subdivision: None,
            city_geoname_id: None,
            city_name: None,
        },
        Item::Raw(_) => Parts::Other {},
    };
    Entry {
        key: line.item.key(),
        parts,
        users: line.count,
    }
}
