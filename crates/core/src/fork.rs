//! What becomes of a counter when its process forks.
//!
//! Only the thread that forks lives on in the child: there is no writer, and a
//! mutex that another thread held stays locked for ever. The child therefore
//! touches no mutex of its parent's. It leaves the parent's pending visits and
//! open files to the parent, without closing them, and starts afresh with its
//! first login (see `Counter`).
//!
//! A process id would tell the child as well, but asking for it is a system
//! call, and the question is asked at each login.

use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Tells the library that this process is the child of a fork. To be called in
/// the child before anything else of the library, which is what
/// `pthread_atfork` is for.
pub fn note_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// Differs from the value before the fork in a child, and only there.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}
