//! From the command line and the settings file to the settings of a counter.

use std::io::{self, IsTerminal};

use anyhow::Result;
use monthly_visitors::{Config, Counter, Error, Level, Log};

use crate::args::SettingsArgs;

/// The settings: those of the file, then those of the command line.
pub fn config(args: &SettingsArgs) -> Result<Config> {
    let mut config = Config::default();
    if let Some(path) = &args.config {
        config.load(path)?;
    }
    for (key, value) in [
        ("store", &args.store),
        ("host", &args.host),
        ("geoip", &args.geoip),
        ("asn", &args.asn),
        ("pattern_syntax", &args.pattern_syntax),
        ("record_countries", &args.record_countries),
        ("retention_months", &args.retention_months),
        ("flush_interval", &args.flush_interval),
        ("pending_limit", &args.pending_limit),
        ("secret_file", &args.secret_file),
        ("key_dir", &args.key_dir),
    ] {
        if let Some(value) = value {
            config.set(key, value)?;
        }
    }
    for (pattern, category) in &args.client {
        config.add_client(pattern, category)?;
    }
    config.log = Log::new(|level, line| {
        // What happens in the normal course is for those who watch.
        if level <= Level::Warn || (level == Level::Info && io::stderr().is_terminal()) {
            eprintln!("monthly-visitors: {line}");
        }
    });
    Ok(config)
}

/// A counter that is open to record. The store is made if it is not there.
pub fn open_to_record(args: &SettingsArgs) -> Result<Counter> {
    open(&config(args)?)
}

/// A counter that is open for reports. Without the databases it only lacks
/// names, so a database that cannot be read is no more than a warning.
pub fn open_to_read(args: &SettingsArgs) -> Result<Counter> {
    let mut config = config(args)?;
    config.read_only = true;
    match open(&config) {
        Err(error) if matches!(error.downcast_ref(), Some(Error::Geoip { .. })) => {
            eprintln!("monthly-visitors: {error}; names of cities are missing");
            (config.geoip, config.asn) = (None, None);
            open(&config)
        }
        opened => opened,
    }
}

/// A counter whose store is to be changed and must be there: one that is made
/// by mistake would hide the mistake.
pub fn open_to_change(args: &SettingsArgs) -> Result<Counter> {
    let mut config = config(args)?;
    // Databases and patterns are for logins.
    (config.geoip, config.asn) = (None, None);
    config.read_only = true;
    drop(open(&config)?);
    config.read_only = false;
    open(&config)
}

fn open(config: &Config) -> Result<Counter> {
    if config.store.is_none() {
        anyhow::bail!("no store: give --store URL, or --config FILE with a store in it");
    }
    let counter = Counter::new();
    counter.open(config)?;
    Ok(counter)
}
