//! Counts the users of a chat server month by month, by place and by client,
//! and keeps nothing by which any of them could be found again.
#![forbid(unsafe_code)]

pub mod client;
mod error;
mod key;
mod log;
mod marker;
mod month;
pub mod store;
mod totals;
mod user;

pub use error::Error;
pub use key::{Key, KeyId, KeyTable, Kind};
pub use log::{Level, Log};
pub use marker::{Marker, Marking, MonthKey};
pub use month::Month;
pub use totals::{Counts, MonthTotals, Totals};
pub use user::{KeptUser, MAX_TEXT, User};
