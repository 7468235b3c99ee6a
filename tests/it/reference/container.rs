//! Reads versions from files (`container.md` §2–§4, §7).

use super::Damage;

/// One version of a key.
#[derive(Debug, Clone)]
pub struct Version {
    pub key: Vec<u8>,
    pub ts: u64,
    pub tombstone: bool,
    pub expire_at: u64,
    pub body: Vec<u8>,
}

impl Version {
    /// Whether the key exists at a read timestamp.
    pub fn is_live(&self, time: u64) -> bool {
        !self.tombstone && (self.expire_at == 0 || self.expire_at > time)
    }
}

/// The content of a file.
pub struct Stream {
    pub last_commit: u64,
    pub versions: Vec<Version>,
}

/// Takes numbers and bytes from the start of a slice.
pub struct Take<'b>(pub &'b [u8]);

impl<'b> Take<'b> {
    pub fn bytes(&mut self, len: u64) -> Result<&'b [u8], Damage> {
        if len > self.0.len() as u64 {
            return Err(format!("{len} bytes wanted, {} left", self.0.len()));
        }
        let (head, rest) = self.0.split_at(len as usize);
        self.0 = rest;
        Ok(head)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        Ok(self.bytes(N as u64)?.try_into().unwrap())
    }

    pub fn byte(&mut self) -> Result<u8, Damage> {
        Ok(self.array::<1>()?[0])
    }

    pub fn le(&mut self) -> Result<u64, Damage> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub fn be(&mut self) -> Result<u64, Damage> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub fn int(&mut self) -> Result<i64, Damage> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    pub fn end(&self) -> Result<(), Damage> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("{} bytes too many", self.0.len())) }
    }
}

/// Reads a whole file: header, stream, footer.
pub fn read(file: &[u8]) -> Result<Stream, Damage> {
    let body = behind_header(file)?;
    let crc = |rest: &[u8]| {
        let covered = file.len() - rest.len();
        if rest == crc32c(&file[..covered]).to_be_bytes() { Ok(()) } else { Err("checksum".to_owned()) }
    };
    if body.starts_with(b"EKVPBBL1") {
        pebble(Take(&body[8..]), crc)
    } else if body.starts_with(b"EKVMVCC2") {
        mvcc2(Take(&body[8..]), crc)
    } else {
        Err("magic".into())
    }
}

fn behind_header(file: &[u8]) -> Result<&[u8], Damage> {
    let mut take = Take(file);
    if file.starts_with(b"EKVTHLC1") {
        take.bytes(16)?;
    } else if file.starts_with(b"EKVTHLC2") {
        take.bytes(8)?;
        let len = u16::from_be_bytes(take.array()?);
        take.bytes(len.into())?;
    }
    Ok(take.0)
}

fn pebble(mut take: Take<'_>, crc: impl Fn(&[u8]) -> Result<(), Damage>) -> Result<Stream, Damage> {
    let last_commit = take.le()?;
    let mut versions = Vec::new();
    while !take.0.is_empty() {
        if take.0.len() == 4 {
            crc(take.0)?;
            break;
        }
        let len = take.le()?;
        let raw = take.bytes(len)?;
        let len = take.le()?;
        let value = take.bytes(len)?;
        if !is_bookkeeping(raw, value) {
            versions.push(version(raw, value)?);
        }
    }
    Ok(Stream { last_commit, versions })
}

/// Rows that are not versions of a key (`container.md` §3.4, `future.md` F1, F2).
fn is_bookkeeping(raw: &[u8], value: &[u8]) -> bool {
    let meta: [&[u8]; 4] =
        [b"_meta_last_commit_ts", b"_meta_min_retained_ts", b"_meta_pending_min_retained_ts", b"_meta_applied_index"];
    let writer = raw.starts_with(b"!encryption|writers|") && raw.len() == 27 && raw[24] == b'|';
    let migration: [&[u8]; 3] = [b"_migack", b"_mighlc", b"_migpromote"];
    let jobs: [&[u8]; 4] = [b"!migstage|ack|", b"!migstage|ready|", b"!migstage|hlc_floor|", b"!migstage|promote|"];
    let of_job = jobs.iter().any(|prefix| raw.starts_with(prefix));
    let short = raw.len() < 8 || value.len() < 9;
    let future = short && (raw.starts_with(b"_mig") || raw.starts_with(b"!migstage|"));
    meta.contains(&raw) || writer || migration.contains(&raw) || of_job || future
}

fn version(raw: &[u8], value: &[u8]) -> Result<Version, Damage> {
    if raw.len() < 8 || value.len() < 9 {
        return Err("short row".into());
    }
    let (key, inverted) = raw.split_at(raw.len() - 8);
    let ts = !u64::from_be_bytes(inverted.try_into().unwrap());
    let mut take = Take(value);
    let flags = take.byte()?;
    if flags > 1 {
        return Err(format!("flags {flags:#x}"));
    }
    Ok(Version { key: key.to_vec(), ts, tombstone: flags == 1, expire_at: take.le()?, body: take.0.to_vec() })
}

fn mvcc2(mut take: Take<'_>, crc: impl Fn(&[u8]) -> Result<(), Damage>) -> Result<Stream, Damage> {
    // Its own checksum is another test's work.
    let version = u32::from_le_bytes(take.array()?);
    take.bytes(4)?;
    let last_commit = take.le()?;
    take.le()?;
    if version == 2 {
        behind_state(&mut take)?;
    }
    let mut versions = Vec::new();
    while !take.0.is_empty() {
        if take.0.len() == 4 {
            crc(take.0)?;
            break;
        }
        let len = take.le()?;
        let key = take.bytes(len)?;
        for _ in 0..take.le()? {
            let (ts, tombstone, expire_at, len) = (take.le()?, take.byte()? != 0, take.le()?, take.le()?);
            let body = take.bytes(len)?.to_vec();
            versions.push(Version { key: key.to_vec(), ts, tombstone, expire_at, body });
        }
    }
    Ok(Stream { last_commit, versions })
}

/// Readiness states, and perhaps acknowledgements and floors (`future.md` F9).
fn behind_state(take: &mut Take<'_>) -> Result<(), Damage> {
    let mut parts = take.le()?;
    let mut marked = false;
    loop {
        for _ in 0..parts {
            let len = take.le()?;
            take.bytes(len)?;
        }
        if marked || !take.0.starts_with(b"EKVMIG2!") {
            return Ok(());
        }
        take.bytes(8)?;
        (marked, parts) = (true, 2);
    }
}

/// Bit by bit, like the definition.
fn crc32c(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc));
    !bytes.iter().fold(!0, byte)
}

#[test]
fn crc_of_the_check_string() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
}
