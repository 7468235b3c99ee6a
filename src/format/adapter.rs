//! Front ends of the store: their names, and how their objects are named. Most code knows an adapter only by this handle.
//!
//! Five are built in. A program that embeds the crate adds its own with [`register`]. How its objects are read and written is
//! registered in the [registry](crate::registry).

use super::slots::{Full, Slots};

/// A front end of the store: a handle of its [`Spec`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Adapter(u8);

/// Tables and items.
pub const DYNAMODB: Adapter = Adapter(0);
/// Buckets and objects.
pub const S3: Adapter = Adapter(1);
/// Keys of the Redis interface.
pub const REDIS: Adapter = Adapter(2);
/// Queues and messages.
pub const SQS: Adapter = Adapter(3);
/// The file system.
pub const FS: Adapter = Adapter(4);

/// The adapters of this crate, in the order of the manifest.
pub const BUILT_IN: [Adapter; 5] = [DYNAMODB, S3, REDIS, SQS, FS];

/// Maximum number of adapters.
pub const MOST: usize = 16;

/// The name of an adapter, and how its objects are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Its name on the command line and in the manifest, and the folder of its files.
    pub name: &'static str,
    /// Prefixes of its keys. Those of built-in adapters are in [`Family`](super::Family); others begin with `!WORD|`.
    pub prefixes: &'static [&'static str],
    /// How one object is named.
    pub naming: Naming,
    /// The word for an object: `key`, `item`.
    pub object: &'static str,
    /// The member of the manifest that lists the names of its scopes.
    pub scopes: Option<&'static str>,
    /// The word for the data that accompanies the value of an object: `expiry`, `metadata`.
    pub beside: &'static str,
    /// Bytes that end a part of a key, for counts of objects by prefix.
    pub separators: &'static [u8],
}

/// What follows the colon of `ADAPTER:NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// A key, as it is.
    Key,
    /// A path: slashes at its ends do not count, and a directory includes everything below it.
    Path,
    /// A scope, and after a slash an object in it.
    Scoped(Scoped),
}

/// Names of objects that are in scopes: `SCOPE/PART…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scoped {
    /// The word for a scope: `table`.
    pub scope: &'static str,
    /// The parts in words, if a scope alone does not name an object: `TABLE/PK or dynamodb:TABLE/PK/SK`.
    pub wanted: Option<&'static str>,
    /// Maximum number of parts of a pattern, with the scope.
    pub parts: usize,
    /// Whether a pattern without special characters matches everything that begins with it.
    pub prefixes: bool,
}

const KEY_SEPARATORS: &[u8] = b":/#|";

static BUILT_IN_SPECS: [Spec; 5] = [
    Spec {
        name: "dynamodb",
        prefixes: &[],
        naming: Naming::Scoped(Scoped {
            scope: "table",
            wanted: Some("dynamodb:TABLE/PK or dynamodb:TABLE/PK/SK"),
            parts: 3,
            prefixes: false,
        }),
        object: "item",
        scopes: Some("tables"),
        beside: "metadata",
        separators: KEY_SEPARATORS,
    },
    Spec {
        name: "s3",
        prefixes: &[],
        naming: Naming::Scoped(Scoped { scope: "bucket", wanted: Some("s3:BUCKET/KEY"), parts: 2, prefixes: true }),
        object: "object",
        scopes: Some("buckets"),
        beside: "metadata",
        separators: b"/",
    },
    Spec {
        name: "redis",
        prefixes: &[],
        naming: Naming::Key,
        object: "key",
        scopes: Some("databases"),
        beside: "expiry",
        separators: KEY_SEPARATORS,
    },
    Spec {
        name: "sqs",
        prefixes: &[],
        naming: Naming::Scoped(Scoped { scope: "queue", wanted: None, parts: 2, prefixes: false }),
        object: "message",
        scopes: Some("queues"),
        beside: "metadata",
        separators: KEY_SEPARATORS,
    },
    Spec {
        name: "fs",
        prefixes: &[],
        naming: Naming::Path,
        object: "path",
        scopes: None,
        beside: "attributes",
        separators: b"/",
    },
];

static ADDED: Slots<Spec, { MOST - 5 }> = Slots::new();

/// Adds an adapter for the rest of the life of the process.
///
/// # Errors
/// There are [`MOST`] already, or one of them has this name.
pub fn register(spec: &'static Spec) -> Result<Adapter, Full> {
    if all().any(|known| known.name() == spec.name) {
        return Err(Full);
    }
    let slot = ADDED.add(spec)?;
    u8::try_from(BUILT_IN.len().saturating_add(slot)).map(Adapter).map_err(|_| Full)
}

/// All adapters: those of this crate, then those that were added.
pub fn all() -> impl Iterator<Item = Adapter> {
    let added = (BUILT_IN.len()..).zip(ADDED.all()).filter_map(|(id, _)| u8::try_from(id).ok().map(Adapter));
    BUILT_IN.into_iter().chain(added)
}

/// The adapter of this name.
pub fn named(name: &[u8]) -> Option<Adapter> {
    all().find(|adapter| adapter.name().as_bytes() == name)
}

/// The adapter of this number, if there is one.
pub fn numbered(id: u8) -> Option<Adapter> {
    all().find(|adapter| adapter.0 == id)
}

/// Names of all adapters, in a sentence: `redis, s3 or fs`.
pub fn names() -> String {
    let names: Vec<&str> = all().map(|adapter| adapter.name()).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

impl Adapter {
    /// Its specification.
    pub fn spec(self) -> &'static Spec {
        let id = usize::from(self.0);
        // A handle always has a specification.
        BUILT_IN_SPECS.get(id).or_else(|| ADDED.get(id.checked_sub(BUILT_IN.len())?)).unwrap_or(&BUILT_IN_SPECS[0])
    }

    /// Its name on the command line and in the manifest.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// Its number, below [`MOST`]: the same for the life of the process.
    pub const fn id(self) -> u8 {
        self.0
    }

    /// The names of its scopes and of the objects in them; `None` if there is only one scope.
    pub fn scoped(self) -> Option<&'static Scoped> {
        match &self.spec().naming {
            Naming::Scoped(scoped) => Some(scoped),
            Naming::Key | Naming::Path => None,
        }
    }

    /// Whether its objects are named by paths.
    pub fn has_paths(self) -> bool {
        self.spec().naming == Naming::Path
    }
}
