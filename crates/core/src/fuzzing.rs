//! What the targets in `fuzz/` reach of the private modules. Built with
//! `--cfg fuzzing` alone, so that it is no part of the library.

pub use crate::client::fuzzing as client;
pub use crate::geo::fuzzing as geo;
pub use crate::store::fuzzing as sealed;
