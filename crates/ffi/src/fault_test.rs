//! Faults on purpose, for the tests with sanitizers: each must be found, or they
//! do not look at this code. Not in the shipped library: only the feature
//! `fault-test` has this.

use std::hint::black_box;

static mut COUNT: u64 = 0;

/// Reads the byte behind `size` bytes of memory.
#[unsafe(no_mangle)]
pub extern "C" fn mv_fault_overrun(size: usize) -> u8 {
    let bytes = black_box(vec![0_u8; size]);
    // SAFETY: it is not sound, which is what has to be found.
    unsafe { bytes.as_ptr().add(size).read_volatile() }
}

/// Counts without a lock: a race when two threads call it.
#[unsafe(no_mangle)]
pub extern "C" fn mv_fault_race() {
    let count = &raw mut COUNT;
    // SAFETY: it is not sound, which is what has to be found.
    unsafe { count.write_volatile(count.read_volatile() + 1) };
}
