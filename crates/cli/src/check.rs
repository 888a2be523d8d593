//! `check`: what is right and wrong with the settings.

use std::fmt;
use std::io::{self, Write};

use anyhow::{Result, bail};
use chrono::DateTime;
use monthly_visitors::client::Classifier;
use monthly_visitors::geo::{AsnTable, GeoTable};
use monthly_visitors::{Config, Countries};

use crate::args::SettingsArgs;
use crate::settings;

pub fn run(settings: &SettingsArgs) -> Result<bool> {
    let config = settings::config(settings)?;
    let mut wrong = 0;
    for (key, found) in [
        ("geoip", geoip(&config)),
        ("asn", asn(&config)),
        ("client", clients(&config)),
        ("record_countries", countries(&config)),
        ("store", store(&config)),
        ("retention_months", Ok(retention(&config))),
    ] {
        let (word, text) = match found {
            Ok(text) => ("ok", text),
            Err(text) => {
                wrong += 1;
                ("WRONG", text)
            }
        };
        // An error of this setting begins with its name.
        let text = text.strip_prefix(&format!("{key}: ")).unwrap_or(&text);
        writeln!(io::stdout(), "{word:5}  {key}: {text}")?;
    }
    match wrong {
        0 => Ok(true),
        1 => bail!("1 setting is wrong"),
        _ => bail!("{wrong} settings are wrong"),
    }
}

type Found = Result<String, String>;

fn geoip(config: &Config) -> Found {
    let Some(path) = &config.geoip else {
        return Ok("not set: every place is counted as unknown".into());
    };
    let table = GeoTable::open(path).map_err(text)?;
    Ok(format!("{}, {}", path.display(), built(table.built())))
}

fn asn(config: &Config) -> Found {
    let Some(path) = &config.asn else {
        return Ok("not set: networks are not counted".into());
    };
    let table = AsnTable::open(path).map_err(text)?;
    Ok(format!("{}, {}", path.display(), built(table.built())))
}

fn clients(config: &Config) -> Found {
    Classifier::new(config.pattern_syntax, &config.clients).map_err(text)?;
    Ok(match config.clients.len() {
        0 => "no patterns: every client is counted as unknown".into(),
        1 => "1 pattern".into(),
        count => format!("{count} patterns"),
    })
}

fn countries(config: &Config) -> Found {
    if config.record_countries == Countries::default() {
        return Ok("not set: users from everywhere are counted".into());
    }
    config.check_countries().map_err(text)?;
    Ok("only users from the listed countries are counted".into())
}

fn store(config: &Config) -> Found {
    let Some(url) = &config.store else {
        return Err("not set".into());
    };
    let Some(totals) = monthly_visitors::store::probe(config).map_err(text)? else {
        return Ok(format!("{url}, not there yet: recording makes it"));
    };
    let incomplete = totals.values().filter(|month| month.incomplete).count();
    let mut found = format!("{url}, months with totals: {}", totals.len());
    if let (Some(first), Some(last)) = (totals.keys().next(), totals.keys().next_back()) {
        found = format!("{found}, {first} to {last}");
    }
    if incomplete > 0 {
        found = format!("{found}, {incomplete} of them incomplete");
    }
    Ok(found)
}

fn retention(config: &Config) -> String {
    match config.retention_months {
        0 => "0: totals are kept for ever; 25 is recommended".into(),
        months => format!("{months}: older totals are deleted"),
    }
}

fn built(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .map_or_else(
            || "built at an unknown time".into(),
            |time| format!("built on {}", time.date_naive()),
        )
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}
