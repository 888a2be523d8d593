//! Where log lines go.

use std::fmt;
use std::sync::Arc;

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something is not counted or not kept; somebody should look.
    Error,
    /// Something was odd and dealt with.
    Warn,
    /// What happens in the normal course: months closed, totals deleted.
    Info,
    /// What helps to find a fault.
    Debug,
}

/// Takes the log lines of a counter.
///
/// A line is one line, without a user name, an address or a resource. It may
/// come from any thread, one at a time from each; the receiver must not call
/// the counter.
#[derive(Clone)]
pub struct Log(Arc<Receiver>);

type Receiver = dyn Fn(Level, &str) + Send + Sync;

impl Log {
    /// Sends lines to `receiver`.
    pub fn new(receiver: impl Fn(Level, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(receiver))
    }

    pub(crate) fn write(&self, level: Level, line: &str) {
        (self.0)(level, line);
    }

    pub(crate) fn error(&self, line: impl fmt::Display) {
        self.write(Level::Error, &line.to_string());
    }

    pub(crate) fn warn(&self, line: impl fmt::Display) {
        self.write(Level::Warn, &line.to_string());
    }

    pub(crate) fn info(&self, line: impl fmt::Display) {
        self.write(Level::Info, &line.to_string());
    }

    pub(crate) fn debug(&self, line: impl fmt::Display) {
        self.write(Level::Debug, &line.to_string());
    }
}

impl Default for Log {
    /// Lines go nowhere.
    fn default() -> Self {
        Self::new(|_, _| ())
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log(..)")
    }
}
