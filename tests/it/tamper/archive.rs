//! Changes of archives, also of compressed ones. Members that an extractor would act on must not pass.

use std::fs;
use std::ops::Range;

use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

use super::{Verdict, failures, snapshot};
use crate::kit::command::{code, ekvsnap};

const S0: &str = "redis/db_0/strings/s0.bin";

/// An archive, and the positions of its members with their headers.
struct Made {
    bytes: Vec<u8>,
    members: Vec<(String, Range<usize>, usize)>,
    end: usize,
}

impl Made {
    fn of(bytes: Vec<u8>) -> Made {
        let (mut at, mut start, mut members) = (0, 0, Vec::new());
        while bytes[at..at + 512] != [0; 512] {
            let header = Header::from_byte_slice(&bytes[at..at + 512]);
            let end = at + 512 + (header.entry_size().unwrap() as usize).next_multiple_of(512);
            let is_own = !matches!(header.entry_type().as_byte(), b'x' | b'g' | b'L' | b'K');
            if is_own {
                members.push((String::from_utf8_lossy(&header.path_bytes()).into_owned(), start..end, at));
                start = end;
            }
            at = end;
        }
        Made { bytes, members, end: at }
    }

    fn member(&self, name: &str) -> &(String, Range<usize>, usize) {
        self.members.iter().find(|(own, ..)| own == name).unwrap_or_else(|| panic!("no {name}"))
    }

    fn copy(&self, name: &str) -> Vec<u8> {
        self.bytes[self.member(name).1.clone()].to_vec()
    }

    /// With more members after the last one.
    fn with(&self, more: &[u8]) -> Vec<u8> {
        [&self.bytes[..self.end], more, &self.bytes[self.end..]].concat()
    }

    /// With other bytes in place of a member.
    fn instead(&self, name: &str, other: &[u8]) -> Vec<u8> {
        let range = self.member(name).1.clone();
        [&self.bytes[..range.start], other, &self.bytes[range.end..]].concat()
    }

    /// With a changed header of a member.
    fn headed(&self, name: &str, change: impl Fn(&mut Header)) -> Vec<u8> {
        let at = self.member(name).2;
        let mut header = Header::from_byte_slice(&self.bytes[at..at + 512]).clone();
        change(&mut header);
        header.set_cksum();
        let mut bytes = self.bytes.clone();
        bytes[at..at + 512].copy_from_slice(header.as_bytes());
        bytes
    }
}

fn member(kind: u8, name: &str, data: &[u8], link: &str) -> Vec<u8> {
    let mut header = Header::new_gnu();
    let raw = header.as_mut_bytes();
    raw[..name.len()].copy_from_slice(name.as_bytes());
    raw[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(EntryType::new(kind));
    header.set_size(data.len() as u64);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    let mut bytes = [header.as_bytes(), data].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(name: &str, data: &[u8]) -> Vec<u8> {
    member(b'0', name, data, "")
}

/// One change of the archive.
struct Row(&'static str, fn(&Made) -> Vec<u8>, Verdict);

const ROWS: &[Row] = &[
    Row("nothing", |made| made.bytes.clone(), None),
    Row("a byte of a body", |made| flipped(made, S0), Some("s0.bin")),
    Row("a member twice", |made| made.with(&made.copy(S0)), Some("s0.bin")),
    Row("a member again, with other content", |made| made.with(&file(S0, b"evil")), Some("s0.bin")),
    Row("the same before", |made| [file(S0, b"evil"), made.bytes.clone()].concat(), Some("s0.bin")),
    Row("a second manifest", |made| made.with(&file("MANIFEST.json", b"{}")), Some("MANIFEST.json")),
    Row("a second list of sums", |made| made.with(&file("CHECKSUMS", b"")), Some("CHECKSUMS")),
    Row("./ before a known name", |made| made.with(&file(&format!("./{S0}"), b"evil")), Some("s0.bin")),
    Row("// in a known name", |made| made.with(&file("redis//db_0/strings/s0.bin", b"evil")), Some("s0.bin")),
    Row(".. in a name", |made| made.with(&file("redis/../x", b"evil")), Some("..")),
    Row("an absolute name", |made| made.with(&file("/tmp/x", b"evil")), Some("/tmp/x")),
    Row("a symbolic link", |made| made.with(&member(b'2', "evil", b"", "/etc/passwd")), Some("evil")),
    Row("a hard link out", |made| made.with(&member(b'1', "evil", b"", "/etc/passwd")), Some("evil")),
    Row("a hard link over a file", |made| made.with(&member(b'1', S0, b"", "s3/bkt/same")), Some("s0.bin")),
    Row("a device", |made| made.with(&member(b'3', "dev", b"", "")), Some("dev")),
    Row("a pipe", |made| made.with(&member(b'6', "pipe", b"", "")), Some("pipe")),
    Row("an unknown kind", |made| made.with(&member(b'Z', "odd", b"abc", "")), Some("odd")),
    Row("a contiguous file", |made| made.with(&member(b'7', S0, b"evil", "")), Some("s0.bin")),
    Row("an old file", |made| made.with(&member(0, S0, b"evil", "")), Some("s0.bin")),
    Row("a volume label", |made| made.with(&member(b'V', "vol", b"", "")), Some("vol")),
    Row("a file", |made| made.with(&file("extra", b"x")), Some("extra")),
    Row("a file with its row", |made| made_with_row(made, "extra", b"x"), Some("extra")),
    Row("an empty directory", |made| made.with(&member(b'5', "redis/db_9/", b"", "")), Some("redis/db_9")),
    Row("bytes behind the end", |made| [&made.bytes[..], b"garbage"].concat(), Some("after its end")),
    Row("a member behind the end", |made| [&made.bytes[..], &file(S0, b"evil")].concat(), Some("after its end")),
    Row("no end", |made| made.bytes[..made.end].to_vec(), Some("")),
    Row("cut", |made| made.bytes[..made.end - 512].to_vec(), Some("")),
    Row(
        "a header for all members",
        |made| [member(b'g', "g", b"13 path=evil\n", ""), made.bytes.clone()].concat(),
        Some(""),
    ),
    Row("a header that renames", |made| made.with(&renamed()), Some("s0.bin")),
    Row("a long name that renames", |made| made.with(&long_name()), Some("s0.bin")),
    Row(
        "a set-user-ID bit",
        |made| made.headed("fs/tree/plain", |header| header.set_mode(0o4644)),
        Some("fs/tree/plain"),
    ),
    Row("another owner", |made| made.headed("fs/tree/plain", |header| header.set_uid(1000)), Some("fs/tree/plain")),
    Row(
        "a mode outside of fs/",
        |made| made.headed(S0, |header| header.set_mode(0o644)),
        Some("mode is 0644, and should be 0600"),
    ),
    Row(
        "a mode of a directory",
        |made| made.headed("redis/db_0", |header| header.set_mode(0o777)),
        Some("mode is 0777"),
    ),
    Row("an owner outside of fs/", |made| made.headed("MANIFEST.json", |header| header.set_uid(7)), Some("uid is 7")),
    Row(
        "the name of an owner",
        |made| made.headed(S0, |header| header.set_username("root").unwrap()),
        Some("its owner is named"),
    ),
    Row(
        "a time outside of fs/",
        |made| made.headed("fs/metadata.jsonl", |header| header.set_mtime(1)),
        Some("mtime_ns is 1000000000"),
    ),
    Row("the time of all members", at_another_time, Some("CHECKSUMS\": mtime_ns is 1000000000")),
    Row(
        "a mode that GNU tar cannot read",
        |made| made.headed(S0, |header| header.as_old_mut().mode = [0; 8]),
        Some("mode is none"),
    ),
    Row(
        "a size that GNU tar cannot read",
        |made| made.headed("redis", |header| header.as_old_mut().size = *b"            "),
        Some("size"),
    ),
    Row("an empty directory removed", |made| made.instead("fs/tree/empty", b""), Some("fs/tree/empty")),
    Row("a hard link removed", |made| made.instead("fs/tree/second", b""), Some("fs/tree/second")),
    Row(
        "a hard link replaced",
        |made| made.instead("fs/tree/second", &file("fs/tree/second", b"evil")),
        Some("fs/tree/second"),
    ),
    Row(
        "a hard link to another file",
        |made| made.instead("fs/tree/second", &member(b'1', "fs/tree/second", b"", "fs/tree/plain")),
        Some("fs/tree/second"),
    ),
];

/// With another time of all members outside of `fs/`.
fn at_another_time(made: &Made) -> Vec<u8> {
    let is_plain =
        |name: &String| !name.starts_with("fs/") || ["fs/metadata.jsonl", "fs/report.json"].contains(&&**name);
    let plain = made.members.iter().map(|(name, ..)| name).filter(|name| is_plain(name));
    plain
        .fold(Made::of(made.bytes.clone()), |made, name| Made::of(made.headed(name, |header| header.set_mtime(1))))
        .bytes
}

fn flipped(made: &Made, name: &str) -> Vec<u8> {
    let mut bytes = made.bytes.clone();
    bytes[made.member(name).2 + 512] ^= 1;
    bytes
}

fn made_with_row(made: &Made, name: &str, data: &[u8]) -> Vec<u8> {
    let at = made.member("CHECKSUMS").2;
    let size = Header::from_byte_slice(&made.bytes[at..at + 512]).entry_size().unwrap() as usize;
    let digest: String = Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect();
    let sums = [&made.bytes[at + 512..at + 512 + size], format!("{digest}  {name}\n").as_bytes()].concat();
    let changed = Made::of(made.instead("CHECKSUMS", &file("CHECKSUMS", &sums)));
    changed.with(&file(name, data))
}

fn renamed() -> Vec<u8> {
    let record = format!("{} path={S0}\n", S0.len() + 9);
    [member(b'x', "PaxHeaders/x", record.as_bytes(), ""), file("other", b"evil")].concat()
}

fn long_name() -> Vec<u8> {
    [member(b'L', "././@LongLink", format!("{S0}\0").as_bytes(), ""), file("other", b"evil")].concat()
}

#[test]
fn every_change_of_an_archive_has_its_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    snapshot(dir);
    assert_eq!(code(&ekvsnap(dir, &["decode", "s.fsm", "-o", "made.tar"])), 0);
    let made = Made::of(fs::read(dir.join("made.tar")).unwrap());
    let mut wrong = Vec::new();
    for Row(what, change, verdict) in ROWS {
        fs::write(dir.join("x.tar"), change(&made)).unwrap();
        wrong.extend(failures(dir, what, "x.tar", *verdict, *verdict));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One change of the compressed archive, given together with its content.
struct Packed(&'static str, fn(&[u8], &Made) -> Vec<u8>, Verdict);

const PACKED: &[Packed] = &[
    Packed("nothing", |zst, _| zst.to_vec(), None),
    Packed("bytes behind the end", |zst, _| [zst, b"garbage"].concat(), Some("")),
    Packed("a second frame", |zst, _| [zst, &zstd::encode_all(&file(S0, b"evil")[..], 1).unwrap()].concat(), Some("")),
    Packed("a frame that decoders skip", |zst, _| [zst, b"\x50\x2a\x4d\x18\x05\0\0\0hello"].concat(), None),
    Packed("cut", |zst, _| zst[..zst.len() - 5].to_vec(), Some("")),
    Packed("a member of zeros", |_, made| bomb(made), Some("bomb")),
];

fn bomb(made: &Made) -> Vec<u8> {
    zstd::encode_all(&made.with(&file("bomb", &vec![0; 64 << 20]))[..], 1).unwrap()
}

#[test]
fn every_change_of_a_compressed_archive_has_its_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    snapshot(dir);
    for output in ["made.tar", "made.tar.zst"] {
        assert_eq!(code(&ekvsnap(dir, &["decode", "s.fsm", "-o", output])), 0);
    }
    let made = Made::of(fs::read(dir.join("made.tar")).unwrap());
    let zst = fs::read(dir.join("made.tar.zst")).unwrap();
    let mut wrong = Vec::new();
    for Packed(what, change, verdict) in PACKED {
        fs::write(dir.join("x.tar.zst"), change(&zst, &made)).unwrap();
        wrong.extend(failures(dir, what, "x.tar.zst", *verdict, *verdict));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
