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
    let found = match (&args.user, &args.from) {
        (Some(user), _) => record_one(&counter, user, args).map(|()| true),
        (None, Some(path)) => record_file(&counter, path, args.strict),
        (None, None) => bail!("give --user or --from"),
    };
    // Also after a failure: what was counted before it stays counted.
    let closed = counter.close();
    let found = found?;
    closed?;
    Ok(found)
}

fn record_one(counter: &Counter, user: &str, args: &RecordArgs) -> Result<()> {
    let resource = args
        .resource
        .as_deref()
        .map(|text| Resource::new(text.as_bytes()));
    counter.record(&Login {
        user: User::new(user.as_bytes())?,
        address: args.ip.as_deref().map(|ip| Address::new(ip.as_bytes())),
        resource: resource.transpose()?,
        time: args.time.unwrap_or_else(now),
    })?;
    Ok(())
}

/// Records all logins of a file; `false` when there was none.
fn record_file(counter: &Counter, path: &Path, strict: bool) -> Result<bool> {
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
    writeln!(io::stdout(), "{} logins recorded", tally.good)?;
    Ok(tally.good > 0)
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
