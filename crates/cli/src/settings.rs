//! From the command line and the settings file to the settings of a counter.

use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result, bail};
use monthly_visitors::{Config, Counter, Countries, Error, Level, Log, store};

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
    let config = config(args)?;
    check_changeable(&config)?;
    open(&config)
}

/// A counter that is open for reports. Without the databases it only lacks
/// names, so a database that cannot be read is no more than a warning.
pub fn open_to_read(args: &SettingsArgs) -> Result<Counter> {
    let mut config = config(args)?;
    config.read_only = true;
    match open(&config) {
        Err(error) if matches!(error.downcast_ref(), Some(Error::Geoip { .. })) => {
            eprintln!("monthly-visitors: {error}; names of cities are missing");
            open(&without_databases(config))
        }
        opened => opened,
    }
}

/// The settings without databases, and without what needs them.
fn without_databases(config: Config) -> Config {
    Config {
        geoip: None,
        asn: None,
        record_countries: Countries::default(),
        ..config
    }
}

/// A counter whose store is to be changed and must be there: one that is made
/// by mistake would hide the mistake.
pub fn open_to_change(args: &SettingsArgs) -> Result<Counter> {
    // Databases are for logins, and what is old is deleted by whoever records.
    let mut config = without_databases(config(args)?);
    config.retention_months = 0;
    config.read_only = true;
    drop(open(&config)?);
    config.read_only = false;
    check_changeable(&config)?;
    open(&config)
}

/// Refuses to change a store where that would do more than was asked for. A server
/// goes on when it cannot read a month, which then starts anew; here somebody
/// can look first. And what another account has written, the server cannot read.
pub fn check_changeable(config: &Config) -> Result<()> {
    let place = config.store.as_deref().and_then(|url| url.split_once(':'));
    let Some((scheme @ ("sealed" | "prosody"), place)) = place else {
        return Ok(());
    };
    let Ok(folder) = fs::metadata(place) else {
        return Ok(());
    };
    if fs::metadata("/proc/self").is_ok_and(|me| me.uid() != folder.uid()) {
        bail!(
            "{place} belongs to another account: run this as that account, for instance with sudo -u"
        );
    }
    // Prosody's files are refused by the library when they cannot be read.
    if scheme == "prosody" {
        return Ok(());
    }
    let quiet = Config {
        log: Log::default(),
        ..config.clone()
    };
    match store::probe(&quiet) {
        // That the library refuses by itself, and copying for that month alone.
        Err(Error::Config { .. }) => Ok(()),
        probed => probed.map(drop).context(
            "nothing was changed; where a month cannot be read, check secret_file and key_dir, or move its files \
             away to begin it anew",
        ),
    }
}

fn open(config: &Config) -> Result<Counter> {
    if config.store.is_none() {
        bail!("no store: give --store URL, or --config FILE with a store in it");
    }
    let counter = Counter::new();
    counter.open(config)?;
    Ok(counter)
}
