//! S3 buckets and objects (`s3.md`, `rules.md` §1, §3, §6).

mod names;
mod render;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::json::{Html, Json};
use super::names::segment;
use super::{Ask, Damage, Rows, Set, Tree, escaped, of};

/// The byte after a zero at the end of a string in a key (§1).
const END: u8 = 1;

/// Bucket, generation and key.
type ObjectId = (Vec<u8>, u64, Vec<u8>);

/// Upload, part, chunk, version, and whether the key has an explicit version of 0.
type ChunkId = (Vec<u8>, u64, u64, u64, bool);

/// The rows of one object.
#[derive(Default)]
struct Object {
    manifest: Option<Vec<u8>>,
    blobs: BTreeMap<ChunkId, Vec<u8>>,
    /// Digests of offloaded chunks.
    references: BTreeMap<ChunkId, Vec<u8>>,
}

#[derive(Default)]
struct Store {
    /// Bucket records.
    buckets: BTreeMap<Vec<u8>, Value>,
    objects: BTreeMap<ObjectId, Object>,
    /// Payloads by digest.
    payloads: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Writes everything below `s3/`.
pub fn decode(set: &Set, ask: &Ask, tree: &mut Tree) -> Result<(), Damage> {
    let mut store = gather(&set.live)?;
    // They stay on their node, and their timestamps mean nothing (§1.2).
    for (digest, body) in payloads(&set.later)? {
        store.payloads.entry(digest).or_insert(body);
    }
    for (name, record) in &store.buckets {
        let folder = folder(name);
        tree.insert(
            format!("{folder}/_bucket.json").into(),
            render::bucket(name, record).indented(Html::Escaped).into(),
        );
        if ask.packed {
            tree.insert(format!("{folder}/_index.jsonl").into(), Vec::new());
        }
        live_objects(&store, name, generation(&store, name), ask, tree)?;
    }
    if ask.orphans {
        store.objects.iter().for_each(|(id, object)| orphans(&store, id, object, tree));
    }
    if ask.incomplete_uploads {
        incomplete_uploads(&set.live, tree)?;
    }
    Ok(())
}

/// The generation of a bucket whose objects are live. Generation 0, which no server writes, is that of the newest object.
fn generation(store: &Store, bucket: &[u8]) -> u64 {
    let manifests = store.objects.iter().filter(|((name, ..), object)| name == bucket && object.manifest.is_some());
    match store.buckets.get(bucket).and_then(|record| record["generation"].as_u64()) {
        None | Some(0) => manifests.map(|((_, generation, _), _)| *generation).max().unwrap_or(0),
        Some(generation) => generation,
    }
}

fn folder(bucket: &[u8]) -> String {
    format!("s3/{}", segment(bucket).0)
}

fn number(rest: &[u8]) -> Result<(u64, &[u8]), Damage> {
    let (n, rest) = rest.split_first_chunk::<8>().ok_or("a key without a number")?;
    Ok((u64::from_be_bytes(*n), rest))
}

fn object_id(rest: &[u8]) -> Result<(ObjectId, &[u8]), Damage> {
    let (bucket, rest) = escaped(rest, END)?;
    let (generation, rest) = number(rest)?;
    let (key, rest) = escaped(rest, END)?;
    Ok(((bucket, generation, key), rest))
}

fn chunk_id(rest: &[u8]) -> Result<ChunkId, Damage> {
    let (upload, rest) = escaped(rest, END)?;
    let (part, rest) = number(rest)?;
    let (chunk, rest) = number(rest)?;
    let version = if rest.is_empty() { 0 } else { number(rest)?.0 };
    Ok((upload, part, chunk, version, version == 0 && !rest.is_empty()))
}

fn gather(rows: &Rows) -> Result<Store, Damage> {
    let mut store = Store::default();
    for (rest, body) in of(rows, "!s3|bucket|meta|") {
        let record = serde_json::from_slice(body).map_err(|e| e.to_string())?;
        store.buckets.insert(escaped(rest, END)?.0, record);
    }
    for (rest, body) in of(rows, "!s3|obj|head|") {
        store.objects.entry(object_id(rest)?.0).or_default().manifest = Some(body.clone());
    }
    for (rest, body) in of(rows, "!s3|blob|") {
        let (id, rest) = object_id(rest)?;
        store.objects.entry(id).or_default().blobs.insert(chunk_id(rest)?, body.clone());
    }
    for (rest, body) in of(rows, "!s3|chunkref|") {
        let (id, rest) = object_id(rest)?;
        store.objects.entry(id).or_default().references.insert(chunk_id(rest)?, body[1..33].to_vec());
    }
    store.payloads = payloads(rows)?;
    Ok(store)
}

/// Offloaded payloads by digest; keys have digits of either case.
fn payloads(rows: &Rows) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Damage> {
    let mut all = BTreeMap::new();
    for (digest, body) in of(rows, "!s3|chunkblob|") {
        let hex = std::str::from_utf8(digest).map_err(|e| e.to_string())?;
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).map_err(|e| e.to_string());
        all.insert((0..hex.len()).step_by(2).map(byte).collect::<Result<_, _>>()?, body.clone());
    }
    Ok(all)
}

/// A part as the manifest declares it.
#[derive(Clone)]
struct Part {
    number: u64,
    version: u64,
    offloaded: bool,
    chunks: u64,
    value: Value,
}

/// The parts in order, with the last declaration of each.
fn parts(manifest: &Value) -> Vec<Part> {
    let mut parts = BTreeMap::new();
    for value in manifest["parts"].as_array().into_iter().flatten() {
        let number = |member: &str| value[member].as_u64().unwrap_or(0);
        let offloaded = value["offloaded"] == true;
        let version = number(if offloaded { "chunk_ref_version" } else { "part_version" });
        let part =
            Part { number: number("part_no"), version, offloaded, chunks: number("chunk_count"), value: value.clone() };
        parts.insert((part.number, version, offloaded), part);
    }
    parts.into_values().collect()
}

/// The chunks of a body in order: whether each is offloaded, and which it is.
fn chunks_of(manifest: &Value) -> Vec<(bool, ChunkId)> {
    let upload = manifest["upload_id"].as_str().unwrap_or("").as_bytes().to_vec();
    let of_part = |part: Part| (0..part.chunks).map(move |chunk| (part.offloaded, (part.number, chunk, part.version)));
    let all = parts(manifest).into_iter().flat_map(of_part);
    all.map(|(offloaded, (part, chunk, version))| (offloaded, (upload.clone(), part, chunk, version, false))).collect()
}

fn live_objects(store: &Store, bucket: &[u8], generation: u64, ask: &Ask, tree: &mut Tree) -> Result<(), Damage> {
    let is_live = |((b, g, _), _): &(&ObjectId, &Object)| b == bucket && *g == generation;
    let all = store.objects.iter().filter(is_live);
    let live: Vec<_> = all.filter_map(|((.., key), object)| Some((key, object, object.manifest.as_ref()?))).collect();
    let names = names::of(&live.iter().map(|(key, ..)| key.as_slice()).collect::<Vec<_>>(), ask.packed);
    let folder = folder(bucket);
    for ((key, object, manifest), name) in live.into_iter().zip(names) {
        let manifest: Value = serde_json::from_slice(manifest).map_err(|e| e.to_string())?;
        let mut body = Vec::new();
        for (offloaded, chunk) in chunks_of(&manifest) {
            let stored = if offloaded {
                find(&object.references, &chunk).and_then(|digest| store.payloads.get(digest))
            } else {
                find(&object.blobs, &chunk)
            };
            body.extend(stored.ok_or_else(|| format!("{chunk:?} is missing"))?);
        }
        let path = [folder.as_bytes(), b"/", &name.path].concat();
        if ask.packed {
            let line = render::index_line(key, &name.path, &manifest).line(Html::Escaped) + "\n";
            tree.entry(format!("{folder}/_index.jsonl").into()).or_default().extend(line.into_bytes());
        } else {
            let sidecar = render::sidecar(&manifest).indented(Html::Escaped);
            tree.insert([&path[..], b".elastickv-meta.json"].concat(), sidecar.into());
            if let Some(kind) = name.kind {
                let line = super::names::keymap(&String::from_utf8_lossy(&name.path), key, kind);
                tree.entry(format!("{folder}/KEYMAP.jsonl").into()).or_default().extend(line.into_bytes());
            }
        }
        tree.insert(path, body);
    }
    Ok(())
}

/// Whether a chunk is the one that a manifest means. An empty upload ID means any (§6).
fn is_meant(meant: &ChunkId, id: &ChunkId) -> bool {
    (meant.0.is_empty() || meant.0 == id.0) && (meant.1, meant.2, meant.3) == (id.1, id.2, id.3)
}

fn find<'m, T>(map: &'m BTreeMap<ChunkId, T>, meant: &ChunkId) -> Option<&'m T> {
    map.iter().find(|(id, _)| is_meant(meant, id)).map(|(_, stored)| stored)
}

/// Chunks that are in no live body.
fn orphans(store: &Store, (bucket, generation, key): &ObjectId, object: &Object, tree: &mut Tree) {
    let is_live = store.buckets.contains_key(bucket) && self::generation(store, bucket) == *generation;
    let place = format!("{}/_orphans/{}/gen-{generation}", folder(bucket), names::safe(key, 240));
    let used = match &object.manifest {
        Some(manifest) if is_live => chunks_of(&serde_json::from_slice(manifest).unwrap_or(Value::Null)),
        Some(manifest) => {
            tree.insert(format!("{place}/manifest.json").into(), manifest.clone());
            Vec::new()
        }
        None => Vec::new(),
    };
    let blobs = object.blobs.iter().map(|(id, body)| (false, id, Some(body)));
    let references = object.references.iter().map(|(id, digest)| (true, id, store.payloads.get(digest)));
    let is_used = |offloaded, id| used.iter().any(|(kind, meant)| *kind == offloaded && is_meant(meant, id));
    for (offloaded, id, body) in blobs.chain(references).filter(|(offloaded, id, _)| !is_used(*offloaded, id)) {
        let (upload, part, chunk, version, written) = id;
        let name = format!("{}_{part:016x}_{chunk:016x}_{version:016x}", segment(upload).0);
        let kind = if offloaded { ".ref" } else { "" };
        let zero = if *written { ".v0" } else { "" };
        if let Some(body) = body {
            tree.insert(format!("{place}/{name}{kind}{zero}.bin").into(), body.clone());
        }
    }
}

/// Rows of unfinished uploads, unchanged (§7).
fn incomplete_uploads(rows: &Rows, tree: &mut Tree) -> Result<(), Damage> {
    for prefix in ["!s3|upload|meta|", "!s3|upload|part|"] {
        for (rest, body) in of(rows, prefix) {
            let key = [prefix.as_bytes(), rest].concat();
            let line = Json::object([
                ("prefix", Json::text(prefix)),
                ("key", Json::text(STANDARD.encode(key))),
                ("value", Json::text(STANDARD.encode(body))),
            ]);
            let path = format!("{}/_incomplete_uploads/records.jsonl", folder(&escaped(rest, END)?.0));
            tree.entry(path.into()).or_default().extend((line.line(Html::Plain) + "\n").into_bytes());
        }
    }
    Ok(())
}
