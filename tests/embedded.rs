//! Guarantees for a program that embeds the crate: its own handler of SIGBUS still receives signals that are not about the crate's maps.

use std::sync::atomic::{AtomicU32, Ordering};

static HEARD: AtomicU32 = AtomicU32::new(0);

extern "C" fn on_signal(_: libc::c_int) {
    HEARD.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn a_handler_that_was_there_is_called() {
    // SAFETY: the handler only counts.
    unsafe { libc::signal(libc::SIGBUS, on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    ekvsnap::source::survive_torn_maps();
    for heard in 1..=2 {
        // SAFETY: a signal without an address, as another program sends it.
        unsafe { libc::raise(libc::SIGBUS) };
        assert_eq!(HEARD.load(Ordering::SeqCst), heard);
    }
}
