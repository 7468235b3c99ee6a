//! Errors for the faults that the parsers of [`crate::format`] find.

use super::{Error, ErrorKind};
use crate::format::Fault;
use crate::format::frame::FrameFault;
use crate::format::header::HeaderFault;
use crate::format::mvcc::MvccFault;
use crate::format::sst::SstFault;

impl From<HeaderFault> for Error {
    #[cold]
    fn from(fault: HeaderFault) -> Error {
        Error::new(match fault {
            HeaderFault::UnknownVersion(v) => ErrorKind::HeaderVersion(v),
            HeaderFault::BadLength(n) => ErrorKind::HeaderLength(n),
            HeaderFault::Truncated => ErrorKind::Truncated("the FSM header"),
        })
    }
}

impl From<FrameFault> for Error {
    #[cold]
    fn from(fault: FrameFault) -> Error {
        Error::new(match fault {
            FrameFault::Truncated => ErrorKind::Truncated("an entry"),
            FrameFault::KeyTooLarge(n) => ErrorKind::KeyTooLarge(n),
            FrameFault::ValueTooLarge(n) => ErrorKind::ValueTooLarge(n),
            FrameFault::StateTooLarge(n) => ErrorKind::StateTooLarge(n),
        })
    }
}

impl From<MvccFault> for Error {
    #[cold]
    fn from(fault: MvccFault) -> Error {
        Error::new(match fault {
            MvccFault::ShortKey(n) => ErrorKind::ShortKey(n),
            MvccFault::ShortValue(n) => ErrorKind::ShortValue(n),
            MvccFault::Encrypted(Ok(sealed)) => ErrorKind::Encrypted(sealed),
            MvccFault::Encrypted(Err(fault)) => ErrorKind::Envelope(fault),
            MvccFault::SealedTombstone(sealed) => ErrorKind::SealedTombstone(sealed),
            MvccFault::ReservedFlags(flags) => ErrorKind::ReservedFlags(flags),
            MvccFault::OperationalValue(n) => ErrorKind::OperationalValue(n),
        })
    }
}

impl From<SstFault> for Error {
    #[cold]
    fn from(fault: SstFault) -> Error {
        Error::new(ErrorKind::Sst(fault))
    }
}

impl From<Fault> for Error {
    #[cold]
    fn from(fault: Fault) -> Error {
        Error::new(ErrorKind::Row(fault))
    }
}
