//! `report`: totals for people and for programs.

use std::fs;
use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result};
use monthly_visitors_report::{Format, Names, Options, Report, Style};

use crate::args::{Color, ReportArgs, SettingsArgs};
use crate::settings;

pub fn run(settings: &SettingsArgs, args: &ReportArgs) -> Result<bool> {
    let counter = settings::open_to_read(settings)?;
    let totals = counter.totals()?;
    let options = Options {
        first: args.month.or(args.from),
        last: args.month.or(args.to),
        last_n: args.last,
        by: args.by,
    };
    let report = Report::new(&totals, &options)?;
    // Only the formats that show names have a use for them.
    let places = counter.places()?.filter(|_| args.format != Format::Prosody);
    let names = Names {
        host: counter.host()?,
        cities: places
            .map(|places| places.city_names(&report.cities()))
            .unwrap_or_default(),
    };
    let text = report.text(args.format, style(args), &names)?;
    match &args.output {
        Some(path) => {
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        None => io::stdout().write_all(text.as_bytes())?,
    }
    Ok(!report.is_empty())
}

fn style(args: &ReportArgs) -> Style {
    // https://no-color.org: set, and not empty.
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    let colour = match args.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => args.output.is_none() && io::stdout().is_terminal() && !unwanted,
    };
    if colour { Style::Colour } else { Style::Plain }
}
