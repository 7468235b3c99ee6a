//! ekvsnap turns elastickv snapshot files into logical backups.
//!
//! The program of that name is a thin layer over this crate. To embed it, begin with [`Snapshot`].
//!
//! Live rows, borrowed from the map of the file, in key order:
//!
//! ```
//! use ekvsnap::{Snapshot, format::Family};
//!
//! # fn main() -> ekvsnap::Result<()> {
//! let snapshot = Snapshot::open(&["testdata/redis-small.fsm"])?;
//! let set = snapshot.rows()?;
//! for (family, count) in set.counts().families() {
//!     println!("{}: {} rows, {} live", family.prefix(), count.rows, count.live);
//! }
//! let mut members = set.family(Family::SetMember);
//! while let Some(row) = members.next()? {
//!     println!("{} at {}", row.user_key.escape_ascii(), row.commit_ts);
//! }
//! assert_eq!(set.counts().family(Family::SetMember).live, 168);
//! # Ok(())
//! # }
//! ```
//!
//! Logical objects — keys, items, objects, messages, files — as a client of the server would count them:
//!
//! ```
//! use ekvsnap::{Snapshot, decode::Options};
//!
//! # fn main() -> ekvsnap::Result<()> {
//! let snapshot = Snapshot::open(&["testdata/redis-small.fsm"])?;
//! let (mut hashes, mut expiring) = (0, 0);
//! snapshot.objects(&Options::default(), &mut |object| {
//!     hashes += u32::from(object.kind == "hashes");
//!     expiring += u32::from(object.expire_at_ms.is_some());
//!     Ok(())
//! })?;
//! assert_eq!((hashes, expiring), (16, 27));
//! # Ok(())
//! # }
//! ```
//!
//! One object, and a whole backup:
//!
//! ```
//! use ekvsnap::decode::{Options, Silent};
//! use ekvsnap::options::ObjectName;
//! use ekvsnap::{Snapshot, get::get};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let snapshot = Snapshot::open(&["testdata/redis-small.fsm"])?;
//! let mut value = Vec::new();
//! let key = ObjectName::parse(b"redis:lua:x")?;
//! assert!(get(snapshot.sources(), &key, &Options::default(), &Silent, &mut value)?);
//!
//! let dir = tempfile::tempdir()?;
//! let outcome = snapshot.decode(&dir.path().join("backup"), &Options::default(), &Silent)?;
//! assert_eq!(outcome.manifest.counters.live, 1491);
//! # Ok(())
//! # }
//! ```
//!
//! [`diff`], [`inspect`] and [`verify`] are the other commands; [`mod@format`] has the parsers alone, without any I/O.
#![deny(unsafe_code, clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("ekvsnap needs the memory maps, directory handles and signals of Linux on a 64-bit machine");

pub mod adapters;
#[cfg(feature = "cli")]
pub mod cli;
pub mod compare;
pub mod dataset;
pub mod decode;
pub mod diff;
pub mod encode;
pub mod error;
pub mod format;
pub mod get;
pub mod index;
pub mod inspect;
pub mod layouts;
#[cfg(feature = "load")]
pub mod load;
pub mod model;
pub mod objects;
pub mod options;
pub mod output;
pub mod pack;
pub mod plan;
pub mod registry;
#[doc(hidden)]
pub mod replay;
pub mod report;
pub mod restore;
pub mod run;
pub mod snapshot;
pub mod source;
mod sync;
pub mod verify;

pub use error::{Error, ErrorKind, Remedy, Result};
pub use snapshot::Snapshot;
