//! The program as an administrator uses it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this is a test")]

mod help;
mod place;
mod recording;
mod reporting;
mod trying;
mod upkeep;
