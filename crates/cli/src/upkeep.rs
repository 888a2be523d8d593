//! `purge` and `forget`.

use std::io::{self, Write};

use anyhow::Result;
use monthly_visitors::{Month, User};

use crate::args::{PurgeArgs, SettingsArgs};
use crate::settings;

/// Deletes old totals, and prints the months that they were of.
pub fn purge(settings: &SettingsArgs, args: &PurgeArgs) -> Result<bool> {
    let counter = if args.dry_run {
        settings::open_to_read(settings)?
    } else {
        settings::open_to_change(settings)?
    };
    let totals = counter.totals()?;
    let before = args.before.unwrap_or_else(|| {
        let keep = args.keep.and_then(|keep| usize::try_from(keep.get()).ok());
        let oldest_kept = totals.len().saturating_sub(keep.unwrap_or(usize::MAX));
        totals
            .keys()
            .nth(oldest_kept)
            .copied()
            .unwrap_or(Month::FIRST)
    });
    let gone = if args.dry_run {
        totals
            .iter()
            .filter(|(month, found)| **month < before && !found.open)
            .map(|(&month, _)| month)
            .collect()
    } else {
        counter.purge(before)?
    };
    let mut output = io::stdout();
    for month in &gone {
        writeln!(output, "{month}")?;
    }
    counter.close()?;
    Ok(!gone.is_empty())
}

/// Deletes a user's marker. Says nothing of whether there was one.
pub fn forget(settings: &SettingsArgs, user: &str) -> Result<bool> {
    let counter = settings::open_to_change(settings)?;
    counter.forget(User::new(user.as_bytes())?)?;
    counter.close()?;
    Ok(true)
}
