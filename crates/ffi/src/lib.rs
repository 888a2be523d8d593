//! The C interface: `libmonthly_visitors.so`, `.a`, and the header that cbindgen
//! makes of this crate.
//!
//! No decisions are made here: whatever is about visitors is in the library of
//! `core`. The comments of exported items are the C documentation, so they are
//! written for readers of C.
#![allow(non_camel_case_types, reason = "the names are those of C")]
#![allow(
    clippy::missing_safety_doc,
    reason = "the top of the header says it once for all functions, in words for C"
)]
#![allow(
    unreachable_pub,
    reason = "exported items are public for C; their modules are private"
)]

mod config;
mod counter;
#[cfg(feature = "fault-test")]
mod fault_test;
mod guard;
#[cfg(feature = "panic-test")]
mod panic_test;
mod record;
mod report;
mod status;
