//! Flags that name the keys of encrypted snapshots.

use std::path::PathBuf;

use crate::source::keys::KeyFiles;

/// Where keys are.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Encrypted snapshots")]
pub(super) struct Keys {
    /// The servers' key file; keys.json is found in a data directory or beside the file.
    #[arg(long, value_name = "FILE")]
    kek: Option<PathBuf>,

    /// The keys.json of a node, if it is elsewhere.
    #[arg(long, value_name = "FILE")]
    keys_json: Vec<PathBuf>,

    /// A data key from elsewhere (KMS), a file of 32 bytes.
    #[arg(long, value_name = "ID=FILE", value_parser = data_key)]
    dek: Vec<(u32, PathBuf)>,
}

impl Keys {
    /// The key files that are given.
    pub fn files(&self) -> KeyFiles {
        KeyFiles { kek: self.kek.clone(), sidecars: self.keys_json.clone(), data_keys: self.dek.clone() }
    }
}

/// Reads `ID=FILE`.
pub(super) fn data_key(text: &str) -> Result<(u32, PathBuf), String> {
    let (id, file) = text.split_once('=').ok_or("not of the form ID=FILE")?;
    match id.parse() {
        Ok(id) if id > 0 => Ok((id, file.into())),
        _ => Err(format!("{id} is not a key id (1 to 4294967295)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_keys() {
        assert_eq!(data_key("3=a=b"), Ok((3, "a=b".into())));
        for bad in ["3", "=a", "0=a", "-1=a", "4294967296=a"] {
            assert!(data_key(bad).is_err(), "{bad}");
        }
    }
}
