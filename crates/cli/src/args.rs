//! The command line: also the source of the manual and of the completions.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{ArgGroup, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use monthly_visitors::Month;
use monthly_visitors_report::{By, Format};

use crate::input::parse_time;

/// Counts the users of a chat server month by month, by place and client, and
/// keeps nothing by which any of them could be found again.
#[derive(Debug, Parser)]
#[command(
    name = "monthly-visitors",
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 done, 1 nothing found, 2 trouble."
)]
pub struct Args {
    #[command(flatten)]
    pub settings: SettingsArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// Settings. Those given here go over those of the file.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingsArgs {
    /// Settings file, in TOML
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "MONTHLY_VISITORS_CONFIG"
    )]
    pub config: Option<PathBuf>,
    /// Where totals are kept: sealed:DIR, prosody:DIR or memory:
    #[arg(long, global = true, value_name = "URL")]
    pub store: Option<String>,
    /// Virtual host
    #[arg(long, global = true, value_name = "NAME")]
    pub host: Option<String>,
    /// Database of places (.mmdb)
    #[arg(long, global = true, value_name = "FILE")]
    pub geoip: Option<String>,
    /// Database of networks (.mmdb)
    #[arg(long, global = true, value_name = "FILE")]
    pub asn: Option<String>,
    /// How client patterns are written: lua or regex
    #[arg(long, global = true, value_name = "SYNTAX")]
    pub pattern_syntax: Option<String>,
    /// One more client pattern, in order; may be given several times
    #[arg(long, global = true, value_name = "PATTERN=CATEGORY", value_parser = client)]
    pub client: Vec<(String, String)>,
    /// Count only users from these countries, such as DE,AT
    #[arg(long, global = true, value_name = "CODES")]
    pub record_countries: Option<String>,
    /// How many months of totals are kept; 0 keeps all
    #[arg(long, global = true, value_name = "N")]
    pub retention_months: Option<String>,
    /// Longest time that a login stays in memory only
    #[arg(long, global = true, value_name = "TIME")]
    pub flush_interval: Option<String>,
    /// Most logins that may wait for the store
    #[arg(long, global = true, value_name = "N")]
    pub pending_limit: Option<String>,
    /// A secret without which nobody can read an open month of a sealed store
    #[arg(long, global = true, value_name = "FILE")]
    pub secret_file: Option<String>,
    /// Folder for the sealed store's keys
    #[arg(long, global = true, value_name = "DIR")]
    pub key_dir: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Count one login, or all logins of a file
    Record(RecordArgs),
    /// Show how many people came, from where, and with which clients
    Report(ReportArgs),
    /// Print the key of addresses, storing nothing: to try a database
    Lookup {
        /// Addresses as a server gives them; - reads them from standard input, one on each line
        #[arg(required = true, value_name = "IP")]
        addresses: Vec<String>,
    },
    /// Print the key of resources, storing nothing: to try client patterns
    Classify {
        /// Resources; - reads them from standard input, one on each line
        #[arg(required = true, value_name = "RESOURCE")]
        resources: Vec<String>,
    },
    /// Delete old totals; months that are still open stay
    Purge(PurgeArgs),
    /// Delete what is kept of a user whose account was deleted; the counts stay
    Forget {
        /// The user, exactly as the server names it
        user: String,
    },
    /// Copy all totals into another store; may be repeated
    Copy(CopyArgs),
    /// Read the settings, open everything, say what is right and wrong; write nothing
    Check,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, for man(1)
    Manual,
}

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("what").required(true).args(["user", "from"]))]
pub struct RecordArgs {
    /// The user
    #[arg(long)]
    pub user: Option<String>,
    /// The address
    #[arg(long, requires = "user")]
    pub ip: Option<String>,
    /// The resource
    #[arg(long, requires = "user")]
    pub resource: Option<String>,
    /// When: RFC 3339 or Unix seconds [default: now]
    #[arg(long, requires = "user", value_parser = parse_time, allow_negative_numbers = true)]
    pub time: Option<i64>,
    /// Logins in JSON Lines or CSV, with the fields user, ip, resource and time; - is standard input
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// End at the first bad line instead of skipping it
    #[arg(long, requires = "from")]
    pub strict: bool,
}

#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// This month only, such as 2026-11
    #[arg(long, value_name = "MONTH", conflicts_with_all = ["from", "to", "last"])]
    pub month: Option<Month>,
    /// The first month
    #[arg(long, value_name = "MONTH", conflicts_with = "last")]
    pub from: Option<Month>,
    /// The last month
    #[arg(long, value_name = "MONTH", conflicts_with = "last")]
    pub to: Option<Month>,
    /// The newest N months
    #[arg(long, value_name = "N")]
    pub last: Option<NonZeroU32>,
    /// What the rows are: all, place, country, subdivision, client or asn
    #[arg(long, value_name = "LEVEL", default_value_t)]
    pub by: By,
    /// table, json, csv, or prosody (the data file of the Prosody plugin)
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub format: Format,
    /// Write to a file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// When to use colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("which").required(true).args(["before", "keep"]))]
pub struct PurgeArgs {
    /// Delete the months before this one
    #[arg(long, value_name = "MONTH")]
    pub before: Option<Month>,
    /// Keep the newest N months that have totals
    #[arg(long, value_name = "N")]
    pub keep: Option<NonZeroU32>,
    /// Only say what would be deleted
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub struct CopyArgs {
    /// The store to copy into
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// Secret file of the target, if it is another than that of the source
    #[arg(long, value_name = "FILE")]
    pub to_secret_file: Option<String>,
    /// Folder for the target's keys, if that is another than the store itself
    #[arg(long, value_name = "DIR")]
    pub to_key_dir: Option<String>,
}

fn client(text: &str) -> Result<(String, String), String> {
    // Patterns may contain "=", categories seldom do.
    text.rsplit_once('=')
        .map(|(pattern, category)| (pattern.into(), category.into()))
        .ok_or_else(|| "must be PATTERN=CATEGORY".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_agree_with_each_other() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_setting_of_the_library_has_an_option() {
        let command = Args::command();
        let options: Vec<&str> = command
            .get_arguments()
            .filter_map(|arg| arg.get_long())
            .collect();
        for key in monthly_visitors::Config::KEYS {
            // Chosen by the command itself.
            if key != "read_only" {
                assert!(options.contains(&key.replace('_', "-").as_str()), "{key}");
            }
        }
    }

    #[test]
    fn a_pattern_may_contain_the_sign_that_ends_it() {
        assert_eq!(client("^a=b=IOS").unwrap(), ("^a=b".into(), "IOS".into()));
        assert!(client("IOS").is_err());
    }
}
