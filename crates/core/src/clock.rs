//! The time of the system clock.

use nix::time::{ClockId, clock_gettime};

/// Of these, the one that costs a fraction of a system call: it is asked at each
/// login, and may be some milliseconds late.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::CLOCK_REALTIME_COARSE;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::CLOCK_REALTIME;

/// The time, in Unix seconds.
#[must_use]
pub fn now() -> i64 {
    // A system without a clock gets a time that no login has.
    clock_gettime(CLOCK).map_or(-1, |time| time.tv_sec())
}
