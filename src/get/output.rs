//! `get` from an output of a decode: the same bytes as from the snapshot that it was made of.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use super::files::{Files, Wanted, wrong};
use super::rendered::{as_file, as_lines};
use crate::adapters::dynamodb::key_text::{Key, keys, rows};
use crate::decode::{Layout, Options};
use crate::error::{Error, Result};
use crate::format::dynamodb::keys::ItemKey;
use crate::format::{Family, adapter};
use crate::layouts::dynamodb::name;
use crate::layouts::redis::paths;
use crate::layouts::s3::names::{META_SUFFIX, Name, Rules, assign};
use crate::layouts::sqs::names as queues;
use crate::model::redis::Type;
use crate::objects::{self, KeyNames};
use crate::options::ObjectName;
use crate::options::spellings;
use crate::output::json::{self, Escape};
use crate::output::manifest_read::ReadManifest;
use crate::output::names::segment;

/// Writes one object of the output at `path` to `out`; tells whether it is there. `lines`: as [`Layout::JSONL`] has it.
///
/// Every file that is read is compared with CHECKSUMS first.
///
/// # Errors
/// A file of the output that is missing, is not listed or differs, or is not what a decode writes.
pub fn get_from_output(
    path: &Path,
    manifest: &ReadManifest,
    one: &ObjectName,
    lines: bool,
    out: &mut dyn Write,
) -> Result<bool> {
    let packed = Options::of_readable(manifest)?.layout == Layout::JSONL;
    let mut kept = Kept { path, one, lines, packed, out };
    match one.adapter {
        adapter::REDIS if packed => kept.redis_lines(),
        adapter::REDIS => kept.redis_file(),
        adapter::DYNAMODB => kept.item(),
        adapter::S3 if packed => kept.s3_line(),
        adapter::S3 => kept.s3_file(),
        adapter::SQS => kept.queue(),
        adapter::FS => kept.file(),
        other => Err(Error::usage(format!("objects of {} cannot be read from an output", other.name()))),
    }
}

/// What is asked of which output.
struct Kept<'k> {
    path: &'k Path,
    one: &'k ObjectName,
    lines: bool,
    packed: bool,
    out: &'k mut dyn Write,
}

impl Kept<'_> {
    fn files(&self, paths: impl IntoIterator<Item = Vec<u8>>) -> Result<Files> {
        Files::open(self.path, &Wanted { paths: paths.into_iter().collect(), prefix: None })
    }

    fn rest(&self) -> &[u8] {
        self.one.rest.as_deref().unwrap_or_default()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(Error::stdout)
    }

    /// Writes a file as it is.
    fn copy(&mut self, files: &Files, path: &[u8]) -> Result<bool> {
        let out = &mut *self.out;
        files.read(path, &mut |bytes| out.write_all(bytes).map_err(Error::stdout))
    }

    fn put_lines(&mut self, kind: &str, file: &[u8], lines: &[u8]) -> Result<bool> {
        if lines.is_empty() {
            return Ok(false);
        }
        if self.lines {
            self.put(lines)?;
        } else {
            let bytes = as_file(self.one.adapter, kind, lines).ok_or_else(|| self.odd(file))?;
            self.put(&bytes)?;
        }
        Ok(true)
    }

    fn odd(&self, file: &[u8]) -> Error {
        wrong(self.path, format!("{}: a line that no decode writes", String::from_utf8_lossy(file)))
    }

    fn odd_file(&self, file: &[u8]) -> Error {
        wrong(self.path, format!("{}: no decode writes such a file", String::from_utf8_lossy(file)))
    }

    fn redis_file(&mut self) -> Result<bool> {
        let path = |key: &Vec<u8>, kind: Type| paths::file_of_key(kind, key).into_bytes();
        let keys = spellings(&self.one.name);
        let all = || keys.iter().flat_map(|key| Type::ALL.map(|kind| (key, kind, path(key, kind))));
        let expiries = [Type::String, Type::Hll].map(expiries);
        let files = self.files(all().map(|(.., path)| path).chain(expiries))?;
        let mut any = false;
        for (key, kind, path) in all().filter(|(.., path)| files.has(path)) {
            if !self.lines {
                return self.copy(&files, &path);
            }
            let expiry = expiry_of(&files, key, kind)?;
            any |= self.put_as_lines(&files, kind.plural(), key, &expiry, &path)?;
        }
        Ok(any)
    }

    /// Writes a file of a tree as its lines in the packed layout; the file is held meanwhile.
    fn put_as_lines(&mut self, files: &Files, kind: &str, key: &[u8], expiry: &str, path: &[u8]) -> Result<bool> {
        let Some(file) = files.whole(path)? else { return Ok(false) };
        let lines = as_lines(self.one.adapter, kind, key, expiry, &file).ok_or_else(|| self.odd_file(path))?;
        self.put(&lines).map(|()| true)
    }

    fn redis_lines(&mut self) -> Result<bool> {
        let path = |kind: Type| paths::file_of_lines(kind).into_bytes();
        let files = self.files(Type::ALL.map(path))?;
        let mut any = false;
        for key in spellings(&self.one.name) {
            for kind in Type::ALL {
                let mut found = Vec::new();
                scan(&files, &path(kind), &[keyed(&key)], &mut |line| {
                    found.extend_from_slice(line);
                    Ok(())
                })?;
                any |= self.put_lines(kind.plural(), &path(kind), &found)?;
                if any && !self.lines {
                    return Ok(true);
                }
            }
        }
        Ok(any)
    }

    fn s3_line(&mut self) -> Result<bool> {
        let bucket = format!("s3/{}", bucket(&self.one.name));
        let index = format!("{bucket}/_index.jsonl").into_bytes();
        let (files, mut found) = (self.files([index.clone()])?, BTreeMap::new());
        let keys = spellings(self.rest());
        let heads: Vec<_> = keys.iter().map(|key| keyed(key)).collect();
        scan(&files, &index, &heads, &mut |line| {
            let which = heads.iter().position(|head| line.starts_with(head));
            found.insert(which, line.to_vec());
            Ok(())
        })?;
        let Some((_, line)) = found.pop_first() else { return Ok(false) };
        if self.lines {
            return self.put(&objects::without_path(&line)).map(|()| true);
        }
        let body = objects::member(&line, "path").ok_or_else(|| self.odd(&index))?;
        let body = [bucket.as_bytes(), b"/", &body].concat();
        let files = self.files([body.clone()])?;
        if self.copy(&files, &body)? { Ok(true) } else { Err(self.missing(&body)) }
    }

    fn missing(&self, file: &[u8]) -> Error {
        wrong(self.path, format!("{}: it is missing, and CHECKSUMS does not list it", String::from_utf8_lossy(file)))
    }

    fn s3_file(&mut self) -> Result<bool> {
        const NAMES: [Name; 5] = [Name::Verbatim, Name::LeafData, Name::UserData, Name::Encoded, Name::Hashed];
        let (bucket, keys) = (format!("s3/{}/", bucket(&self.one.name)), spellings(self.rest()));
        let below = |path: &[u8]| [bucket.as_bytes(), path].concat();
        let about = |path: &[u8]| [&below(path), META_SUFFIX.as_bytes()].concat();
        let paths = keys.iter().flat_map(|key| NAMES.map(|name| name.path(key)));
        let candidates = paths.flat_map(|path| [below(&path), about(&path)]);
        let keymap = below(b"KEYMAP.jsonl");
        let files = self.files(candidates.chain([keymap.clone()]))?;
        // What is renamed, by its path and by its key.
        let mut renamed = BTreeMap::new();
        scan(&files, &keymap, &[], &mut |line| {
            let record = objects::member(line, "encoded").zip(objects::member_of_base64url(line, "original"));
            let Some((encoded, original)) = record else { return Ok(()) };
            if keys.contains(&original) || files.has(&below(&encoded)) {
                renamed.insert(encoded, original);
            }
            Ok(())
        })?;
        for key in &keys {
            let other = renamed.iter().find(|(_, original)| *original == key).map(|(encoded, _)| encoded.clone());
            let own = || {
                (!renamed.contains_key(key) && assign(&[key], Rules::default()) == [Name::Verbatim])
                    .then(|| key.clone())
            };
            let Some(path) = other.or_else(own).filter(|path| files.has(&below(path))) else { continue };
            if !self.lines {
                return self.copy(&files, &below(&path));
            }
            let about = about(&path);
            let there = self.put_as_lines(&files, "objects", key, "", &about)?;
            return if there { Ok(true) } else { Err(self.missing(&about)) };
        }
        Ok(false)
    }

    fn queue(&mut self) -> Result<bool> {
        let name = &self.one.name;
        let (dir, stem) = (queues::queue_directory(name), queues::queue_stem(name));
        let (about, messages) = match self.packed {
            true => (format!("sqs/{stem}.queue.json"), format!("sqs/{stem}.jsonl")),
            false => (format!("sqs/{dir}/_queue.json"), format!("sqs/{dir}/messages.jsonl")),
        };
        let files = self.files([about.clone().into_bytes(), messages.clone().into_bytes()])?;
        let Some(id) = &self.one.rest else {
            return Ok(self.copy(&files, messages.as_bytes())? || files.has(about.as_bytes()));
        };
        let mut found = Vec::new();
        scan(&files, messages.as_bytes(), &[], &mut |line| {
            if objects::message_id(line).as_ref() == Some(id) {
                found.extend_from_slice(line);
            }
            Ok(())
        })?;
        self.put(&found)?;
        Ok(!found.is_empty())
    }

    fn file(&mut self) -> Result<bool> {
        let (metadata, path) = (b"fs/metadata.jsonl".to_vec(), resolved(&self.one.name));
        let files = self.files([metadata.clone()])?;
        let (lines, mut any, mut found) = (self.lines, false, None);
        let out = &mut *self.out;
        scan(&files, &metadata, &[], &mut |line| {
            let named = objects::member(line, "path").or_else(|| objects::member_of_base64(line, "path_b64"));
            let Some(named) = named else { return Ok(()) };
            let is_it = named == path;
            let is_below = named.strip_prefix(&*path).is_some_and(|rest| path.is_empty() || rest.starts_with(b"/"));
            if lines && (is_it || is_below) {
                any = true;
                out.write_all(line).map_err(Error::stdout)?;
            } else if is_it {
                found = Some(line.to_vec());
            }
            Ok(())
        })?;
        let Some(line) = found else { return Ok(any) };
        if objects::member(&line, "type").as_deref() == Some(b"directory") {
            return Err(Error::usage("it is a directory: --json gives a line for each file and directory in it"));
        }
        let body = objects::member(&line, "tree").or_else(|| objects::member_of_base64(&line, "tree_b64"));
        let body = body.ok_or_else(|| self.odd(&metadata))?;
        let files = self.files([body.clone()])?;
        if self.copy(&files, &body)? { Ok(true) } else { Err(self.missing(&body)) }
    }

    fn item(&mut self) -> Result<bool> {
        let mut table = String::new();
        name::table_into(&self.one.name, &mut table);
        let schema = match self.packed {
            true => format!("dynamodb/{table}.schema.json"),
            false => format!("dynamodb/{table}/_schema.json"),
        };
        let Some(schema) = self.files([schema.clone().into_bytes()])?.whole(schema.as_bytes())? else {
            return Ok(false);
        };
        let asked = Asked::of(&schema, self.rest())
            .ok_or_else(|| wrong(self.path, "the schema of a table cannot be read".into()))?;
        let below = format!("dynamodb/{table}/").into_bytes();
        if self.packed {
            let path = format!("dynamodb/{table}.jsonl").into_bytes();
            let files = self.files([path.clone()])?;
            return self.item_line(&files, &path, &asked);
        }
        if self.item_file(&below, &asked)? {
            return Ok(true);
        }
        let prefix = Some([&*below, b"items/data-"].concat());
        let bundles = Files::open(self.path, &Wanted { prefix, ..Wanted::default() })?;
        for path in bundles.below(&below).iter().filter(|path| path.ends_with(b".jsonl")) {
            if self.item_line(&bundles, path, &asked)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes an item that is a line; as lines, all that the text can stand for.
    fn item_line(&mut self, files: &Files, path: &[u8], asked: &Asked) -> Result<bool> {
        let mut found: Vec<Vec<u8>> = Vec::new();
        scan(files, path, &[], &mut |line| {
            let is_it = objects::item_of(line).is_some_and(|item| asked.is(item));
            found.extend(is_it.then(|| line.to_vec()));
            Ok(())
        })?;
        found.truncate(if self.lines { usize::MAX } else { 1 });
        found.iter().try_fold(false, |any, line| Ok(self.put_lines("items", path, line)? || any))
    }

    /// Writes an item that is a file: under its own name, or another one where an equal name was taken.
    fn item_file(&mut self, below: &[u8], asked: &Asked) -> Result<bool> {
        let mut paths: Vec<Vec<u8>> = asked.paths().map(|path| [below, path.as_bytes()].concat()).collect();
        let keymap = [below, b"KEYMAP.jsonl"].concat();
        let renamed = self.files([keymap.clone()])?;
        scan(&renamed, &keymap, &[], &mut |line| {
            let encoded = objects::member(line, "encoded");
            let original = objects::member_of_base64url(line, "original");
            let is_it = original.is_some_and(|row| asked.is_row(&row));
            paths.extend(encoded.filter(|_| is_it).map(|path| [below, &path].concat()));
            Ok(())
        })?;
        let files = self.files(paths.clone())?;
        for path in paths {
            // Names tell neither types nor how numbers are written.
            if let Some(item) = files.whole(&path)?.filter(|item| asked.is(item)) {
                if self.lines {
                    return self.put_as_lines(&files, "items", b"", "", &path);
                }
                return self.put(&item).map(|()| true);
            }
        }
        Ok(false)
    }
}

/// The item that is asked for, by all that its text can stand for.
struct Asked {
    names: KeyNames,
    keys: Vec<Key>,
    /// The ends of their row keys, by the encodings of the table: as the server tells items apart.
    rows: BTreeSet<(u64, Vec<u8>)>,
    versions: Vec<u64>,
}

impl Asked {
    /// `None`: it is no schema.
    fn of(schema: &[u8], text: &[u8]) -> Option<Asked> {
        let names = objects::key_names(schema)?;
        let schema: serde_json::Value = serde_json::from_slice(schema).ok()?;
        let number = |name: &str| schema[name].as_u64().or_else(|| schema[name].as_str()?.parse().ok()).unwrap_or(0);
        let mut versions = vec![number("key_encoding_version")];
        // While a table migrates, items that were not moved yet have rows of the old encoding.
        versions.extend((number("migrating_from_generation") > 0).then_some(0));
        let keys = keys(text, names.range.is_some());
        Some(Asked { rows: rows(&keys, &versions), names, keys, versions })
    }

    /// Whether the JSON of an item is that of one of them.
    fn is(&self, item: &[u8]) -> bool {
        let key = objects::item_key(item, &self.names);
        key.is_some_and(|key| {
            self.versions
                .iter()
                .any(|version| key.row(*version).is_some_and(|row| self.rows.contains(&(*version, row))))
        })
    }

    /// Whether a whole row key is that of one of them.
    fn is_row(&self, row: &[u8]) -> bool {
        let parsed = ItemKey::parse(Family::DdbItem.suffix(row));
        parsed.is_ok_and(|row| self.rows.iter().any(|(_, asked)| asked == row.primary))
    }

    /// Where they stand below their table, if their names are free.
    fn paths(&self) -> impl Iterator<Item = String> {
        let paths = self.keys.iter().map(|key| {
            let mut path = String::new();
            name::item_into(key.primary(), &mut path);
            path
        });
        let mut seen = BTreeSet::new();
        paths.filter(move |path| seen.insert(path.clone()))
    }
}

fn bucket(name: &[u8]) -> String {
    match name {
        b"" => "%".into(),
        b"." => "%2E".into(),
        b".." => "%2E%2E".into(),
        _ => segment(name),
    }
}

/// Where a tree has the expiries of strings.
fn expiries(kind: Type) -> Vec<u8> {
    paths::file_of_expiries(kind).into_bytes()
}

/// The expiry of a string of a tree, which has a line for each string that expires.
fn expiry_of(files: &Files, key: &[u8], kind: Type) -> Result<String> {
    let mut expiry = "null".to_owned();
    if matches!(kind, Type::String | Type::Hll) {
        let mut head = b"{\"key\":".to_vec();
        json::string(&segment(key), Escape::Plain, &mut head);
        head.push(b',');
        scan(files, &expiries(kind), &[head], &mut |line| {
            expiry = objects::raw_member(line, "expire_at_ms").unwrap_or("null").to_owned();
            Ok(())
        })?;
    }
    Ok(expiry)
}

/// How the line of a key begins.
fn keyed(key: &[u8]) -> Vec<u8> {
    let mut head = b"{\"key\":".to_vec();
    json::bytes(key, Escape::Html, &mut head);
    head.push(b',');
    head
}

/// A path without what does not count in it.
fn resolved(path: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            _ => names.push(name),
        }
    }
    names.join(&b'/')
}

/// Gives the lines of a file that begin with one of `heads` (all, if there are none). Others are not held.
fn scan(files: &Files, path: &[u8], heads: &[Vec<u8>], each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
    let (mut line, mut skips) = (Vec::new(), false);
    let may_be = |line: &[u8]| {
        let agrees = |head: &Vec<u8>| head.iter().zip(line).all(|(want, got)| want == got);
        heads.is_empty() || heads.iter().any(agrees)
    };
    let is_it = |line: &[u8]| heads.is_empty() || heads.iter().any(|head| line.starts_with(head));
    files.read(path, &mut |bytes| {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !skips {
                line.extend_from_slice(piece);
                skips = !may_be(&line);
            }
            if skips {
                line.clear();
            }
            if piece.ends_with(b"\n") {
                if !skips && is_it(&line) {
                    each(&line)?;
                }
                line.clear();
                skips = false;
            }
        }
        Ok(())
    })
}
