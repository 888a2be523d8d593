//! Threads of the library.

use std::io;
use std::thread::{Builder, JoinHandle};

use nix::sys::signal::{SigSet, SigmaskHow};

/// Starts a thread with all signals blocked: a handler of the host expects to
/// run in a thread of the host.
pub(crate) fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    // The new thread inherits the mask.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK);
    let thread = Builder::new().name(name.into()).spawn(body);
    if let Ok(mask) = mask {
        // Fails for a wrong argument alone.
        let _ = mask.thread_set_mask();
    }
    thread
}
