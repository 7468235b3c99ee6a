//! Names that only a foreign writer makes, and names that no target can store unchanged: all stay inside, and are read back.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ekvsnap::decode::Options;
use ekvsnap::format::fs::ROOT;
use serde_json::Value;

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fs::{Fs, base, decoded, dir, file, inode, name, put, run, run_with};

/// The names in the root, from the paths of the output and KEYMAP.jsonl alone.
fn recovered(fs: &Fs) -> Vec<Vec<u8>> {
    let keymap: Vec<Value> = match fs.tree.get(&b"fs/KEYMAP.jsonl"[..]) {
        Some(text) => {
            text.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect()
        }
        None => Vec::new(),
    };
    let original = |path: &str| {
        let line = keymap.iter().find(|line| line["encoded"] == path)?;
        Some(URL_SAFE_NO_PAD.decode(line["original"].as_str().unwrap()).unwrap())
    };
    let decode = |path: &str| {
        let (mut out, mut rest) = (Vec::new(), path.strip_prefix("tree/").unwrap().as_bytes());
        while let Some((b, after)) = rest.split_first() {
            let hex = (*b == b'%').then(|| std::str::from_utf8(&after[..2]).unwrap());
            out.push(hex.map_or(*b, |hex| u8::from_str_radix(hex, 16).unwrap()));
            rest = &after[if *b == b'%' { 2 } else { 0 }..];
        }
        out
    };
    fs.paths().iter().map(|path| original(path).unwrap_or_else(|| decode(path))).collect()
}

#[test]
fn every_name_comes_back() {
    let long = |n| vec![b'n'; n];
    let names: Vec<Vec<u8>> = [
        &b""[..],
        b".",
        b"..",
        b"...",
        b"/",
        b"a/b",
        b"../x",
        b"/etc/passwd",
        b"\0",
        b"a\0b",
        b"\xff\xfe",
        b"d/\xff",
        b"%",
        b"%2F",
        b"%2E",
        b"a%",
        b"\\",
        b"a\\b",
        b"new\nline",
        b"cr\r",
        b"\x01\x7f",
        b" ",
        b"trail ",
        b"trail.",
        b"A",
        b"a",
        b"AA",
        b"Aa",
        b"aA",
        b"\xc3\xa9",
        b"e\xcc\x81",
        b"CON",
        b"-dash",
        b"b64.x",
        b"~",
        b"\"quoted\"",
        b"*?<>:|",
        b"0123456789abcdef0123456789abcdef__x",
        &long(240),
        &long(241),
        &long(255),
        &long(256),
        &long(1024),
        &long(60_000),
    ]
    .iter()
    .map(|name| name.to_vec())
    .collect();
    let mut s = base(0);
    for (n, name) in names.iter().enumerate() {
        s = file(s, name, 100 + n as u64, format!("body {n}").as_bytes());
    }
    let fs = decoded(&s);
    let mut got = recovered(&fs);
    let mut want = names.clone();
    got.sort();
    want.sort();
    assert_eq!(got, want);
    assert!(
        fs.paths().iter().all(|path| path.starts_with("tree/") && path.len() < 260 && path.matches('/').count() == 1)
    );
    let bad =
        names.iter().filter(|n| matches!(&n[..], b"" | b"." | b"..") || n.contains(&0) || n.contains(&b'/')).count();
    assert_eq!(fs.warnings(), [("bad_name", bad as u64)]);
    // The metadata has each with its path, in the order of the names' bytes.
    let lines: Vec<Value> = fs.lines().into_iter().skip(1).collect();
    assert_eq!(whole_paths(&fs)[1..], want);
    for line in &lines {
        let n: usize = line["ino"].as_str().unwrap().parse::<usize>().unwrap() - 100;
        assert_eq!(fs.tree[line["tree"].as_str().unwrap().as_bytes()], format!("body {n}").as_bytes());
    }
}

/// Directories with such names keep their content.
#[test]
fn directories_of_hostile_names() {
    let names = [&b""[..], b".", b"..", b"../..", b"a\0", b"\xff"];
    let mut s = base(names.len() as u64);
    for (n, dir_name) in names.iter().enumerate() {
        let (d, f) = (100 + n as u64, 200 + n as u64);
        s = name(dir(s, d, 0), ROOT, dir_name, d, "directory");
        s = name(put(s, f, &inode(f, 0)), d, "..", f, "file");
    }
    let fs = decoded(&s);
    let segments = ["%", "%2E", "%2E%2E", "..%2F..", "a%00", "%FF"];
    let mut want: Vec<String> = segments.iter().map(|segment| format!("tree/{segment}/%2E%2E")).collect();
    want.sort();
    assert_eq!(fs.paths(), want);
}

/// Complete paths from the lines: for long ones from the line of the directory and the name.
fn whole_paths(fs: &Fs) -> Vec<Vec<u8>> {
    let bytes = |line: &Value, name: &str| match line[name].as_str() {
        Some(text) => Some(text.as_bytes().to_vec()),
        None => Some(STANDARD.decode(line[&format!("{name}_b64")].as_str()?).unwrap()),
    };
    let mut by_ino = std::collections::HashMap::new();
    let mut all = Vec::new();
    for line in fs.lines() {
        let path = bytes(&line, "path").unwrap_or_else(|| {
            let above: &Vec<u8> = &by_ino[line["parent_ino"].as_str().unwrap()];
            [above, &b"/"[..], &bytes(&line, "name").unwrap()].concat()
        });
        let is_short = line.get("parent_ino").is_none();
        assert!(is_short == (path.len() <= 4096) || is_short && !path.contains(&b'/'), "{} bytes", path.len());
        by_ino.insert(line["ino"].as_str().unwrap().to_owned(), path.clone());
        all.push(path);
    }
    all
}

/// Fifty nested directories, each with a file before the next one and one after; `mode` is that of the last.
fn nested(mode: u32) -> Snapshot {
    let mut s = base(150);
    for n in 0..50 {
        let (number, parent) = (1000 + n, if n == 0 { ROOT } else { 999 + n });
        s = name(dir(s, number, u64::from(n < 49)), parent, [b'd'; 120], number, "directory");
        for (at, file) in [(2000 + n, &b"!"[..]), (3000 + n, b"~\xff")] {
            let mut inode = inode(at, 0);
            if at == 2049 {
                inode["mode"] = mode.into();
            }
            s = name(put(s, at, &inode), number, file, at, "file");
        }
    }
    s
}

/// Lines do not grow with the depth, and every reader finds its way.
#[test]
fn lines_of_deep_directories() {
    let fs = decoded(&nested(0o600));
    let (mut path, mut want, mut behind) = (Vec::new(), vec![Vec::new()], Vec::new());
    for n in 0..50 {
        path.extend_from_slice(if n == 0 { b"" } else { b"/" });
        path.extend_from_slice(&[b'd'; 120]);
        want.extend([path.clone(), [&path[..], b"/!"].concat()]);
        behind.push([&path[..], b"/~\xff"].concat());
    }
    want.extend(behind.into_iter().rev());
    assert!(whole_paths(&fs) == want);
    // The place in the output has at most 3,000 bytes and a name.
    let longest = fs.lines().iter().map(|line| line.to_string().len()).max().unwrap();
    assert!(longest < 7700, "{longest}");
}

#[test]
fn deep_directories_are_read_back() {
    let tmp = tempfile::tempdir().unwrap();
    let run = |args: &[&str], want: i32| {
        let out = ekvsnap(tmp.path(), args);
        assert_eq!(code(&out), want, "{args:?}: {}", stderr(&out));
        String::from_utf8(out.stdout).unwrap()
    };
    for (file, mode) in [("a.fsm", 0o600), ("b.fsm", 0o644)] {
        std::fs::write(tmp.path().join(file), nested(mode).build()).unwrap();
    }
    run(&["decode", "a.fsm", "-o", "a"], 0);
    run(&["decode", "a.fsm", "-o", "a.tar", "--layout", "jsonl"], 0);
    run(&["verify", "a", "--against", "a.fsm"], 0);
    for (a, b) in [("a.fsm", "a.fsm"), ("a", "a.fsm"), ("a.tar", "a.fsm")] {
        assert!(run(&["diff", a, b], 0).contains("151 the same"));
        let said = run(&["diff", a, "b.fsm"], 1);
        let changed: Vec<&str> = said.lines().filter(|line| line.starts_with('~')).collect();
        assert!(matches!(changed[..], [line] if line.contains("/! (files) attributes")), "{said}");
    }
    assert!(run(&["inspect", "a.fsm", "--json"], 0).contains(r#""objects":151"#));
}

/// There is an end to how long a path may be.
#[test]
fn paths_that_are_too_long() {
    let mut s = base(1);
    for n in 0..6u64 {
        let (number, parent) = (100 + n, if n == 0 { ROOT } else { 99 + n });
        s = name(dir(s, number, u64::from(n < 5)), parent, vec![b'd'; 60_000], number, "directory");
    }
    let s = name(put(s, 5, &inode(5, 0)), 105, "bottom", 5, "file").build();
    let error = run(std::slice::from_ref(&s)).err().unwrap();
    assert!(
        error.is_damage() && error.to_string().contains("more than 262144: the directory was not read"),
        "{error:.300}"
    );
    // Everything below it is lost, not deleted.
    let fs = run_with(&[s], &Options { skip_damage: true, ..Options::default() }).unwrap();
    assert_eq!(fs.outcome.manifest.skipped, 1);
    let bottom: Vec<String> = fs.paths().into_iter().filter(|path| path.ends_with("/bottom")).collect();
    assert!(bottom.len() == 1 && bottom[0].starts_with("lost+found/104/"), "{bottom:?}");
}

/// Deeper than any system call can name: no recursion, and no path of the output is too long for one.
#[test]
fn deep_trees() {
    for (levels, component) in [(1_600u64, "d"), (40, &*"long".repeat(50))] {
        let mut s = base(1);
        for n in 0..levels {
            let last = n + 1 == levels;
            let (number, parent) = (1_000_000 - n, if n == 0 { ROOT } else { 1_000_000 - n + 1 });
            s = name(dir(s, number, u64::from(!last)), parent, component, number, "directory");
        }
        let deepest = 1_000_000 - levels + 1;
        let s = name(put(s, 5, &inode(5, 0)), deepest, "bottom", 5, "file");
        let fs = decoded(&s);
        assert_eq!(fs.warnings(), []);
        assert!(fs.noted().iter().any(|(code, _)| *code == "apart"));
        let lines = fs.lines();
        assert_eq!(lines.len() as u64, levels + 2);
        let paths = whole_paths(&fs);
        let path = format!("{}/bottom", vec![component; levels as usize].join("/"));
        assert!(*paths.last().unwrap() == path.as_bytes());
        assert!(fs.sizes.keys().all(|path| path.len() < 4_096));
        assert!(fs.paths().iter().any(|path| path.starts_with("apart/") && path.ends_with("/bottom")));
    }
}
