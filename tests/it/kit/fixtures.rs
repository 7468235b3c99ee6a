//! The corpora that ship with the tests: `tests/fixtures/NAME.tar.zst`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

/// Name inside the archive (without the corpus's folder) to content.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Unpacks a corpus into memory.
pub fn load(name: &str) -> Files {
    raw(name).into_iter().map(|(name, bytes)| (String::from_utf8_lossy(&name).into_owned(), bytes)).collect()
}

/// The same with unchanged names.
pub fn raw(name: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("{name}.tar.zst"));
    let file = std::fs::File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut decoder = zstd::Decoder::new(file).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut archive = tar::Archive::new(decoder);
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let name = entry.path_bytes().into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            let folder = name.iter().position(|byte| *byte == b'/').unwrap();
            files.insert(name[folder + 1..].to_vec(), bytes);
        }
    }
    files
}

/// The snapshot files of a corpus, in name order.
pub fn snapshots(files: &Files) -> Vec<Vec<u8>> {
    let is_snapshot = |name: &&String| name.ends_with(".fsm") && !name.contains('/');
    files.keys().filter(is_snapshot).map(|name| files[name].clone()).collect()
}
