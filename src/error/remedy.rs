//! Options that would avoid an error.

/// What a run would have to be asked for, to get over an error. Who asks in words of its own, as a command line does, can name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// To replace what is there.
    Replace,
    /// To load into what is there.
    Merge,
    /// To decode for a restore.
    ForRestore,
    /// For a line for each file.
    Lines,
    /// For objects of one kind.
    OneKind,
    /// To pass over damage.
    SkipDamage,
    /// Not to pass over damage.
    FailOnDamage,
    /// To read with keys.
    Keys,
    /// For changes: to take the earlier state from an older snapshot.
    OlderSnapshot,
}
