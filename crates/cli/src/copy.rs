//! `copy`: from one store into another.

use std::io::{self, Write};

use anyhow::{Result, bail};
use monthly_visitors::{Outcome, copy};

use crate::args::{CopyArgs, SettingsArgs};
use crate::{settings, terminal};

pub fn run(settings: &SettingsArgs, args: &CopyArgs) -> Result<bool> {
    let from = settings::config(settings)?;
    if from.store.is_none() {
        bail!("no store to copy from: give --store URL, or --config FILE with a store in it");
    }
    let mut to = from.clone();
    to.set("store", &args.to)?;
    if let Some(file) = &args.to_secret_file {
        to.set("secret_file", file)?;
    }
    to.key_dir = args.to_key_dir.as_ref().map(Into::into);
    settings::check_changeable(&to)?;
    let bar = terminal::of_steps();
    let (mut copied, mut same, mut refused) = (0, 0, Vec::new());
    let result = copy(&from, &to, |month, outcome, number, all| {
        bar.set_length(all as u64);
        bar.set_position(number as u64);
        bar.set_message(month.to_string());
        match outcome {
            Outcome::Copied => copied += 1,
            Outcome::Same => same += 1,
            Outcome::Refused(error) => refused.push(error.to_string()),
        }
    });
    bar.finish_and_clear();
    result?;
    writeln!(
        io::stdout(),
        "{} copied, {same} were there already",
        months(copied)
    )?;
    for reason in &refused {
        eprintln!("monthly-visitors: {reason}");
    }
    match refused.len() {
        0 => Ok(copied + same > 0),
        1 => bail!("1 month was not copied"),
        count => bail!("{count} months were not copied"),
    }
}

fn months(count: usize) -> String {
    if count == 1 {
        "1 month".into()
    } else {
        format!("{count} months")
    }
}
