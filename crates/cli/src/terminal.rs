//! Progress for people, on a terminal only.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for work of a known size, or a counter for work of an unknown one.
/// Silent when standard error is no terminal.
pub fn progress(size: Option<u64>, unit: &str) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match (size, unit) {
        (Some(size), "bytes") => (
            ProgressBar::new(size),
            "{bar:40} {percent:>3} %  {bytes}/{total_bytes}  {msg}, {eta} left",
        ),
        (Some(size), _) => (ProgressBar::new(size), "{bar:40} {pos}/{len}  {msg}"),
        (None, _) => (ProgressBar::new_spinner(), "{spinner} {msg}"),
    };
    // The templates are constants, and right: a test draws each.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
