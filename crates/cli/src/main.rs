//! The program `monthly-visitors`.
#![forbid(unsafe_code)]

mod args;
mod check;
mod copy;
mod input;
mod manual;
mod record;
mod report;
mod settings;
mod terminal;
mod try_out;
mod upkeep;

use std::io;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::args::{Args, Command};

/// Exit status, like that of `grep`: 0 done, 1 nothing found, 2 trouble.
fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("monthly-visitors: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs a command; `false` when there was nothing to do or to show.
fn run(args: &Args) -> Result<bool> {
    let settings = &args.settings;
    match &args.command {
        Command::Record(record) => record::run(settings, record),
        Command::Report(report) => report::run(settings, report),
        Command::Lookup { addresses } => try_out::lookup(settings, addresses),
        Command::Classify { resources } => try_out::classify(settings, resources),
        Command::Purge(purge) => upkeep::purge(settings, purge),
        Command::Forget { user } => upkeep::forget(settings, user),
        Command::Copy(copy) => copy::run(settings, copy),
        Command::Check => check::run(settings),
        Command::Completions { shell } => manual::completions(*shell),
        Command::Manual => manual::manual(),
    }
}

/// Whoever reads the output has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| cause.downcast_ref().is_some_and(is))
}
