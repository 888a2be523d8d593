//! Progress for people, on a terminal only.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

const BYTES: &str = "{bar:40} {percent:>3} %  {bytes}/{total_bytes}  {msg}, {eta} left";
const STEPS: &str = "{bar:40} {pos}/{len}  {msg}";
const UNKNOWN: &str = "{spinner} {msg}";

/// Shows how much of an input of `size` bytes is read; that it is being read,
/// where the size is unknown.
pub fn of_bytes(size: Option<u64>) -> ProgressBar {
    match size {
        Some(size) => shown(ProgressBar::new(size), BYTES),
        None => shown(ProgressBar::new_spinner(), UNKNOWN),
    }
}

/// Shows how many steps are done; how many there are is told later.
pub fn of_steps() -> ProgressBar {
    shown(ProgressBar::new(0), STEPS)
}

fn shown(bar: ProgressBar, template: &str) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    // A test reads each template, so there is no failure to speak of.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_can_be_read() {
        for template in [BYTES, STEPS, UNKNOWN] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
