//! Counts the users of a chat server month by month, by place and by client,
//! and keeps nothing by which any of them could be found again.
#![forbid(unsafe_code)]

mod address;
mod calendar;
pub mod client;
mod clock;
mod config;
mod copy;
mod counter;
mod countries;
mod error;
pub mod fork;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod geo;
mod health;
mod key;
mod log;
mod login;
mod lookup;
mod marker;
mod month;
mod network;
mod pages;
mod place;
mod recorder;
mod seen;
pub mod store;
mod sync;
mod tally;
mod threads;
mod totals;
mod user;

pub use address::Address;
pub use clock::now;
pub use config::Config;
pub use copy::{Outcome, copy};
pub use counter::Counter;
pub use countries::Countries;
pub use error::Error;
pub use health::Health;
pub use key::{Key, KeyId, KeyTable, Kind, LoginKeys};
pub use log::{Level, Log};
pub use login::{Login, Resource};
pub use lookup::Lookup;
pub use marker::{Marker, Marking, MonthKey, Realm};
pub use month::Month;
pub use network::Network;
pub use place::{Code, Place};
pub use totals::{Counts, MonthTotals, Totals};
pub use user::{KeptUser, MAX_TEXT, User};
