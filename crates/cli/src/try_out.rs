//! `lookup` and `classify`: what a database and patterns say.

use std::io::{self, BufRead, Write};

use anyhow::{Result, bail};
use monthly_visitors::{Address, Lookup, Resource};

use crate::args::SettingsArgs;
use crate::settings;

/// Prints `ADDRESS<TAB>KEY` for each address, and a key of the network after
/// that when there is a database of them. `false` when none is known.
pub fn lookup(settings: &SettingsArgs, addresses: &[String]) -> Result<bool> {
    let config = settings::config(settings)?;
    if config.geoip.is_none() && config.asn.is_none() {
        bail!("no database: give --geoip FILE or --asn FILE, or --config FILE with one in it");
    }
    let lookup = Lookup::new(&config)?;
    print_each(addresses, |text| {
        let address = Some(Address::new(text));
        let place = lookup.place(address);
        let network = lookup.network(address);
        let found = place.country.is_some() || network.is_some_and(|network| network.asn.is_some());
        let network = network
            .map(|network| format!("\tasn-{network}"))
            .unwrap_or_default();
        Ok((format!("geo-{place}{network}"), found))
    })
}

/// Prints `RESOURCE<TAB>KEY` for each resource. `false` when no pattern matches
/// any.
pub fn classify(settings: &SettingsArgs, resources: &[String]) -> Result<bool> {
    let config = settings::config(settings)?;
    if config.clients.is_empty() {
        bail!(
            "no client patterns: give --client PATTERN=CATEGORY, or --config FILE with some in it"
        );
    }
    let lookup = Lookup::new(&config)?;
    print_each(resources, |text| {
        let client = lookup.client(Some(Resource::new(text)?));
        Ok((format!("client-{client}"), client != "?"))
    })
}

/// Prints each word with its key; `-` stands for the lines of standard input.
fn print_each(words: &[String], key: impl Fn(&[u8]) -> Result<(String, bool)>) -> Result<bool> {
    let mut output = io::BufWriter::new(io::stdout().lock());
    let mut any = false;
    let mut print = |word: &[u8]| -> Result<()> {
        let (key, found) = key(word)?;
        any |= found;
        output.write_all(word)?;
        writeln!(output, "\t{key}")?;
        Ok(())
    };
    for word in words {
        if word == "-" {
            for line in io::stdin().lock().split(b'\n') {
                print(line?.trim_ascii_end())?;
            }
        } else {
            print(word.as_bytes())?;
        }
    }
    output.flush()?;
    Ok(any)
}
