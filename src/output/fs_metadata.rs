//! Lines of `fs/metadata.jsonl` as other rooms see them: of any length, from any hand, without the holes.

use std::io::{self, BufRead, BufReader, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The path of the file system's metadata.
pub const METADATA: &str = "fs/metadata.jsonl";
/// Maximum length of a line without its holes: paths are bounded, and an escape takes six bytes for one.
const MOST_LINE: u64 = 8 << 20;
/// The member that may be of any length. Only a few short members follow it, which are not needed here.
const HOLES: &[u8] = b",\"holes\":[";

/// Calls `each` for every line, with its members before the holes. An invalid line is given as null.
///
/// # Errors
/// A failed read.
pub fn each_line(bytes: impl Read, each: &mut dyn FnMut(&Value)) -> io::Result<()> {
    let (mut bytes, mut line) = (BufReader::with_capacity(1 << 16, bytes), Vec::new());
    while next_line(&mut bytes, &mut line)? {
        if let Some(at) = memchr::memmem::find(&line, HOLES) {
            line.truncate(at);
            line.push(b'}');
        }
        each(&serde_json::from_slice(&line).unwrap_or_default());
    }
    Ok(())
}

/// Reads a line; of a long one only the start.
fn next_line(bytes: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    bytes.by_ref().take(MOST_LINE).read_until(b'\n', line)?;
    if line.len() as u64 == MOST_LINE && line.last() != Some(&b'\n') {
        bytes.skip_until(b'\n')?;
    }
    Ok(!line.is_empty())
}

/// A path as text, or in base64 under another name.
pub fn path(line: &Value, name: &str) -> Option<Vec<u8>> {
    let path = match line[name].as_str() {
        Some(path) => path.as_bytes().to_vec(),
        None => STANDARD.decode(line[&format!("{name}_b64")].as_str()?).ok()?,
    };
    // No file has a NUL in its path, and in the sorter of `verify` it replaces the slash.
    (!path.contains(&0)).then_some(path)
}
