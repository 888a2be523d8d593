//! Counts the users of a chat server month by month, by place and by client,
//! and keeps nothing by which any of them could be found again.
#![forbid(unsafe_code)]

pub mod address;
pub mod client;
mod config;
mod countries;
mod error;
pub mod geo;
mod key;
mod log;
mod lookup;
mod marker;
mod month;
mod place;
pub mod store;
mod totals;
mod user;

pub use config::Config;
pub use countries::Countries;
pub use error::Error;
pub use key::{Key, KeyId, KeyTable, Kind};
pub use log::{Level, Log};
pub use lookup::{DatabaseFiles, LoginKeys, Lookup};
pub use marker::{Marker, Marking, MonthKey};
pub use month::Month;
pub use place::{Code, Place};
pub use totals::{Counts, MonthTotals, Totals};
pub use user::{KeptUser, MAX_TEXT, User};
