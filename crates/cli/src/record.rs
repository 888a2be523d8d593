//! `record`: one login, or all logins of a file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use monthly_visitors::{Address, Counter, Error, Login, Resource, User, now};

use crate::args::{RecordArgs, SettingsArgs};
use crate::input::{Bad, Lines};
use crate::{settings, terminal};

/// How many bad lines are named one by one.
const NAMED: u64 = 20;

/// How long the store may take to take what is pending.
const PATIENCE: Duration = Duration::from_secs(600);

pub fn run(settings: &SettingsArgs, args: &RecordArgs) -> Result<bool> {
    let counter = settings::open_to_record(settings)?;
    let recorded = match (&args.user, &args.from) {
        (Some(user), _) => record_one(&counter, user, args).map(|()| None),
        (None, Some(path)) => record_file(&counter, path, args.strict).map(Some),
        (None, None) => bail!("give --user or --from"),
    };
    // Also after a failure: what was counted before it stays counted.
    let closed = counter.close();
    let logins = recorded?;
    closed.context(
        "not everything was recorded; once this is mended, run the same again: nobody counts twice",
    )?;
    if let Some(logins) = logins {
        let plural = if logins == 1 { "" } else { "s" };
        writeln!(io::stdout(), "{logins} login{plural} recorded")?;
    }
    Ok(logins != Some(0))
}

fn record_one(counter: &Counter, user: &str, args: &RecordArgs) -> Result<()> {
    let resource = args
        .resource
        .as_deref()
        .map(|text| Resource::new(text.as_bytes()));
    let login = Login {
        user: User::new(user.as_bytes())?,
        address: args.ip.as_deref().map(|ip| Address::new(ip.as_bytes())),
        resource: resource.transpose()?,
        time: args.time.unwrap_or_else(now),
    };
    if is_ahead(&login) {
        bail!("{AHEAD}");
    }
    counter.record(&login)?;
    Ok(())
}

/// What is wrong with a login that has not happened yet. It would open the month
/// of its time, and the next one close all months before, for good.
const AHEAD: &str = "time is more than a day in the future";

fn is_ahead(login: &Login<'_>) -> bool {
    login.time > now().saturating_add(24 * 60 * 60)
}

/// Records all logins of a file, and returns how many they were.
fn record_file(counter: &Counter, path: &Path, strict: bool) -> Result<u64> {
    let name = path.display();
    let (input, size): (Box<dyn Read>, _) = if path == Path::new("-") {
        (Box::new(io::stdin()), None)
    } else {
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        let size = file
            .metadata()
            .map(|data| data.len())
            .ok()
            .filter(|&size| size > 0);
        (Box::new(file), size)
    };
    let bar = terminal::of_bytes(size);
    let recorded = record_lines(counter, BufReader::new(bar.wrap_read(input)), &bar, strict);
    bar.finish_and_clear();
    let tally = recorded.with_context(|| format!("{name}"))?;
    if tally.bad > 0 {
        eprintln!("monthly-visitors: {name}: {} bad lines skipped", tally.bad);
    }
    Ok(tally.good)
}

#[derive(Default)]
struct Tally {
    good: u64,
    bad: u64,
}

fn record_lines(
    counter: &Counter,
    input: impl BufRead,
    bar: &ProgressBar,
    strict: bool,
) -> Result<Tally> {
    let mut lines = Lines::new(input);
    let mut tally = Tally::default();
    while let Some((number, line)) = lines.next()? {
        let result = match line {
            Ok(line) => match line.login() {
                Ok(login) => record(counter, &login)?,
                Err(bad) => Err(bad),
            },
            Err(bad) => Err(bad),
        };
        match result {
            Ok(()) => tally.good += 1,
            Err(bad) if strict => bail!(
                "line {number}: {bad}; {} logins before it are recorded",
                tally.good
            ),
            Err(bad) => {
                tally.bad += 1;
                if tally.bad <= NAMED {
                    bar.suspend(|| eprintln!("monthly-visitors: line {number}: {bad}"));
                } else if tally.bad == NAMED + 1 {
                    bar.suspend(|| eprintln!("monthly-visitors: more bad lines are only counted"));
                }
            }
        }
        if (tally.good + tally.bad) % 10_000 == 0 {
            bar.set_message(format!("{} logins, {} bad lines", tally.good, tally.bad));
        }
    }
    Ok(tally)
}

/// Records a login; waits for the store when too many are pending. The inner
/// failure is the line's, the outer one that of the store.
fn record(counter: &Counter, login: &Login<'_>) -> Result<Result<(), Bad>, Error> {
    if is_ahead(login) {
        return Ok(Err(Bad(AHEAD.into())));
    }
    loop {
        match counter.record(login) {
            Ok(()) => return Ok(Ok(())),
            Err(Error::Full) => counter.flush(PATIENCE)?,
            Err(error @ (Error::Argument(_) | Error::MonthClosed(_))) => {
                return Ok(Err(error.into()));
            }
            Err(error) => return Err(error),
        }
    }
}
