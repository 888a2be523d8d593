//! Panics on purpose, for the tests of the border. Not in the shipped library:
//! only the feature `panic-test` has this.

use std::cell::Cell;

thread_local! {
    static TOLD: Cell<bool> = const { Cell::new(false) };
}

/// The next guarded call of this thread panics.
#[unsafe(no_mangle)]
pub extern "C" fn mv_panic_next() {
    TOLD.set(true);
}

pub(crate) fn panic_if_told() {
    assert!(!TOLD.replace(false), "canary");
}
