use super::*;

const HELLO: &str = "5d41402abc4b2a76b9719d911017c592";
const EMPTY: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// Parts as (declared size, ETag, chunks); chunks are stored unchanged.
fn report(etag: &str, size_bytes: i64, parts: &[(i64, &str, &[&str])]) -> BodyReport {
    let number = |(at, &(size_bytes, etag, chunks)): (usize, &(i64, _, &[&str]))| Part {
        part_no: at as u64 + 1,
        etag,
        size_bytes,
        chunk_count: chunks.len() as u64,
        ..Part::default()
    };
    let declared: Vec<_> = parts.iter().enumerate().map(number).collect();
    let manifest = Manifest { etag, size_bytes, parts: &declared, ..Manifest::default() };
    let plan = Plan::new(&manifest);
    let mut check = BodyCheck::new(&manifest, &plan);
    for (chunk, bytes) in plan.chunks().zip(parts.iter().flat_map(|part| part.2)) {
        check.feed(&chunk, bytes.as_bytes());
    }
    check.finish()
}

#[test]
fn single_puts() {
    assert!(report(HELLO, 5, &[(5, HELLO, &["he", "llo"])]).is_clean());
    assert!(report(&HELLO.to_uppercase(), 5, &[(5, "", &["hello"])]).is_clean());
    assert!(report(EMPTY, 0, &[]).is_clean());
    let bad = report(EMPTY, 5, &[(5, EMPTY, &["hello"])]);
    assert_eq!(bad.etag, Verdict::Mismatch { want: EMPTY.into(), got: HELLO.into() });
    assert!(!bad.is_clean());
    let other = report("x", 5, &[(5, "", &["hello"])]);
    assert_eq!((&other.etag, other.is_clean()), (&Verdict::NotCheckable, true));
}

#[test]
fn multipart() {
    // MD5 over the two digests, computed elsewhere.
    let etag = "a169f9255cc30bf56198c64ae2a09832-2";
    let parts: &[(i64, &str, &[&str])] = &[(5, HELLO, &["he", "llo"]), (0, EMPTY, &[])];
    assert_eq!(report(etag, 5, parts).etag, Verdict::Match);
    assert!(report(etag, 5, parts).is_clean());
    let wrong: &[(i64, &str, &[&str])] = &[(5, HELLO, &["jello"]), (0, EMPTY, &[])];
    let bad = report(etag, 5, wrong);
    assert!(matches!(bad.etag, Verdict::Mismatch { .. }));
    assert!(matches!(bad.part, Some(PartDiffers::Etag { part_no: 1, .. })), "{bad:?}");
    let restored = report(&etag.replace("-2", "-3"), 5, parts);
    assert_eq!(restored.etag, Verdict::NotCheckable);
}

#[test]
fn sizes() {
    let bad = report(HELLO, 9, &[(7, "", &["hello"])]);
    assert_eq!((bad.size, bad.size_matches, &bad.etag), (5, false, &Verdict::Match));
    assert_eq!(bad.part, Some(PartDiffers::Size { part_no: 1, want: 7, got: 5 }));
    assert!(!report(HELLO, -5, &[(5, "", &["hello"])]).size_matches);
}

#[test]
fn chunk_sizes() {
    let part = Part { part_no: 1, size_bytes: 5, chunk_count: 1, chunk_sizes: &[6], ..Part::default() };
    let parts = [part];
    let manifest = Manifest { size_bytes: 5, parts: &parts, ..Manifest::default() };
    let plan = Plan::new(&manifest);
    let mut check = BodyCheck::new(&manifest, &plan);
    let chunk = plan.chunks().next().unwrap();
    check.feed(&chunk, b"hello");
    assert_eq!(check.finish().chunk, Some(ChunkDiffers { id: chunk.id, want: 6, got: 5 }));
}
