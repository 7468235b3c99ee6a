//! Maps whose file was truncated, or whose disk failed, while they were read.
//!
//! Access to a page that no longer exists raises SIGBUS. The handler replaces the rest of the map by zeros and marks the map. The read
//! continues, the run ends because of the mark (`Source::check_unchanged`), and the output that it had begun is removed as after any error.
//! Any other SIGBUS is not related to these maps: it ends the process as usual.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Once, OnceLock};

use libc::{c_int, c_void, siginfo_t};

/// Number of places that are made at once.
const MANY: usize = 64;

/// A guarded map: its start (0: the place is free) and its end, and whether it was torn.
struct Place {
    start: AtomicUsize,
    end: AtomicUsize,
    torn: AtomicBool,
}

impl Place {
    const fn free() -> Place {
        Place { start: AtomicUsize::new(0), end: AtomicUsize::new(0), torn: AtomicBool::new(false) }
    }
}

/// Some places, and a link to more. Places are never freed: the handler may read them at any moment, and takes no lock.
struct Places {
    here: [Place; MANY],
    more: OnceLock<Box<Places>>,
}

impl Places {
    const fn new() -> Places {
        Places { here: [const { Place::free() }; MANY], more: OnceLock::new() }
    }

    /// All places: uses loads only.
    fn all(&'static self) -> impl Iterator<Item = &'static Place> {
        std::iter::successors(Some(self), |places| places.more.get().map(|more| &**more))
            .flat_map(|places| &places.here)
    }

    /// A place for a map that begins at `start`.
    fn take(&'static self, start: usize) -> &'static Place {
        let free = |place: &&Place| place.start.compare_exchange(0, start, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        let mut places = self;
        loop {
            if let Some(place) = places.here.iter().find(free) {
                return place;
            }
            places = places.more.get_or_init(|| Box::new(Places::new()));
        }
    }
}

static PLACES: Places = Places::new();
/// Bytes of a page; 0 until the handler is installed.
static PAGE: AtomicUsize = AtomicUsize::new(0);

/// Watches one map until it is dropped: it must be dropped before the map.
pub struct Guard(&'static Place);

impl Guard {
    /// Watches `bytes`, which is a whole map. Nothing happens unless [`install`] was called.
    pub fn new(bytes: &[u8]) -> Guard {
        let start = bytes.as_ptr() as usize;
        let place = PLACES.take(start);
        place.torn.store(false, Ordering::Release);
        place.end.store(start + bytes.len(), Ordering::Release);
        Guard(place)
    }

    /// Whether a part of the map was lost.
    pub fn is_torn(&self) -> bool {
        self.0.torn.load(Ordering::Acquire)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.end.store(0, Ordering::Release);
        self.0.start.store(0, Ordering::Release);
    }
}

/// Installs the handler, once in a process.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: `sysconf` only reads a constant of the system.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        PAGE.store(usize::try_from(page).unwrap_or(4096), Ordering::Release);
        // SAFETY: `action` is a plain struct for which all zeros are valid; the handler has the signature that
        // SA_SIGINFO asks for, and does only what a signal handler may: atomics and system calls.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_sigbus as extern "C" fn(c_int, *mut siginfo_t, *mut c_void) as usize;
            action.sa_flags = libc::SA_SIGINFO;
            libc::sigemptyset(&raw mut action.sa_mask);
            // The previous action must be known before the first signal comes.
            let mut before: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGBUS, ptr::null(), &raw mut before);
            PREVIOUS.store(Box::into_raw(Box::new(before)), Ordering::Release);
            libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut());
        }
    });
}

/// The previous action: never freed, because a signal can come at any time.
static PREVIOUS: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());

extern "C" fn on_sigbus(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid `info` to a SA_SIGINFO handler, and SIGBUS has an address.
    let address = unsafe { (*info).si_addr() } as usize;
    if !replace(address) {
        others(signal, info, context);
    }
}

/// A signal that is not related to our maps: the program that embeds the crate may have a handler for it.
fn others(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: it is nowhere, or what `install` stored, which lives for ever.
    let previous = unsafe { PREVIOUS.load(Ordering::Acquire).as_ref() };
    let handler = previous.map_or(libc::SIG_DFL, |previous| previous.sa_sigaction);
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // SAFETY: back to the default action; the access is repeated when this returns, and ends the process.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    } else if previous.is_some_and(|previous| previous.sa_flags & libc::SA_SIGINFO != 0) {
        // SAFETY: with SA_SIGINFO the action is a function of this signature, and its arguments are those of the kernel.
        let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = unsafe { std::mem::transmute(handler) };
        handler(signal, info, context);
    } else {
        // SAFETY: without SA_SIGINFO it is a function of the signal's number.
        let handler: extern "C" fn(c_int) = unsafe { std::mem::transmute(handler) };
        handler(signal);
    }
}

/// Puts zeros from the page of `address` to the end of its map; returns whether there is such a map.
fn replace(address: usize) -> bool {
    let inside =
        |place: &&Place| (place.start.load(Ordering::Acquire)..place.end.load(Ordering::Acquire)).contains(&address);
    let Some(place) = PLACES.all().find(inside) else { return false };
    let from = address - address % PAGE.load(Ordering::Acquire).max(1);
    let len = place.end.load(Ordering::Acquire).saturating_sub(from);
    // Marked first: a thread that reads the zeros can then know that they are not from the file.
    place.torn.store(true, Ordering::Release);
    // SAFETY: the pages from `from` on belong to a live map of ours (its guard is dropped before it is unmapped), which
    // is read only through shared slices. They are replaced by pages of zeros with the same protection, so that every
    // such slice stays valid memory. The system call does not touch anything else; the thread's errno is kept.
    unsafe {
        let errno = libc::__errno_location();
        let kept = *errno;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        let mapped = libc::mmap(from as *mut c_void, len, libc::PROT_READ, flags, -1, 0);
        *errno = kept;
        mapped != libc::MAP_FAILED
    }
}
