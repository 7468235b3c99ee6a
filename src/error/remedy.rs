//! Options that would avoid an error.

/// A change of the options that would avoid an error. A caller with its own names for options, such as the command line, can translate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Replace the existing output.
    Replace,
    /// Load into existing data.
    Merge,
    /// Decode for a restore.
    ForRestore,
    /// Write a line for each file.
    Lines,
    /// Select objects of one kind.
    OneKind,
    /// Skip damage.
    SkipDamage,
    /// Fail on damage.
    FailOnDamage,
    /// Read with keys.
    Keys,
    /// For changes: take the earlier state from an older snapshot.
    OlderSnapshot,
}
