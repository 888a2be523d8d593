//! The rules of counting, as a host sees them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is a test")]

mod clocks;
mod counting;
mod host;
mod keeping;
mod months;
mod settings;
