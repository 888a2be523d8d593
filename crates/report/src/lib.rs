//! Monthly totals as text: a table for people, JSON, CSV, and the file of
//! Prosody's Lua plugin.
//!
//! Pure functions: no clock, no files, no environment. What depends on those,
//! such as the names of cities or whether the output is a terminal, is an
//! argument.
//!
//! ```
//! use monthly_visitors::{Key, MonthTotals, Totals};
//! use monthly_visitors_report::{Format, Names, Options, Report, Style};
//!
//! let mut totals = Totals::new();
//! let mut month = MonthTotals::default();
//! month.counts.insert(Key::new("geo-DE-HE-2925533"), 2);
//! totals.insert("2026-11".parse()?, month);
//!
//! let report = Report::new(&totals, &Options::default())?;
//! assert!(!report.is_empty());
//! let text = report.text(Format::Csv, Style::Plain, &Names::default())?;
//! assert!(text.contains("2026-11,place,DE,Germany,HE,2925533,"));
//! # Ok::<(), monthly_visitors::Error>(())
//! ```
#![forbid(unsafe_code)]

mod csv;
mod item;
mod json;
mod names;
mod number;
mod options;
mod report;
mod table;

pub use item::Item;
pub use names::Names;
pub use options::{By, Format, Options, Style};
pub use report::{Gone, Line, MonthReport, Report, Row, Section};
