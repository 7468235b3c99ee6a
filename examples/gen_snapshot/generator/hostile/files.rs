//! File systems: deep, wide, with many names of one file, and with files of holes.

use super::{Kind, Pile, each};

pub const KINDS: &[Kind] =
    &[("deep", deep), ("wide", |n| flat(n, 0)), ("links", links), ("holes", |n| flat(n, 1 << 40))];

const ROOT: u64 = 1;
/// The first inode that is assigned.
const FIRST: u64 = 1000;

fn name(pile: &mut Pile, parent: u64, name: &str, inode: u64, kind: &str) {
    let key = [b"!fs|dir|", &parent.to_be_bytes()[..], name.as_bytes(), &[0, 0]].concat();
    pile.put(key, format!("{{\"inode\":{inode},\"type\":\"{kind}\"}}"));
}

fn inode(pile: &mut Pile, number: u64, kind: &str, size: u64, links: u64) {
    let mode = if kind == "directory" { 0o755 } else { 0o600 };
    let value = format!(
        "{{\"inode\":{number},\"parent\":1,\"type\":\"{kind}\",\"mode\":{mode},\"uid\":0,\"gid\":0,\"size\":{size},\
         \"atime_nsec\":0,\"mtime_nsec\":0,\"ctime_nsec\":0,\"chunk_size\":4194304,\"home_slot\":{number},\"epoch\":1,\
         \"nlink\":{links},\"generation\":1}}"
    );
    pile.put([b"!fs|ino|", &number.to_be_bytes()[..]].concat(), value);
    let home = format!("{{\"home_slot\":{number},\"state\":\"active\",\"epoch\":1}}");
    pile.put([b"!fs|home|", &number.to_be_bytes()[..]].concat(), home);
}

/// Nested directories.
fn deep(n: u64) -> Pile {
    let mut pile = each(n, |pile, i| {
        let parent = if i == 0 { ROOT } else { FIRST + i - 1 };
        name(pile, parent, "d", FIRST + i, "directory");
        inode(pile, FIRST + i, "directory", 0, if i + 1 < n { 3 } else { 2 });
    });
    inode(&mut pile, ROOT, "directory", 0, 3);
    pile
}

/// Files of one directory, without data.
fn flat(n: u64, size: u64) -> Pile {
    let mut pile = each(n, |pile, i| {
        name(pile, ROOT, &format!("f{i:07}"), FIRST + i, "file");
        inode(pile, FIRST + i, "file", size, 1);
    });
    inode(&mut pile, ROOT, "directory", 0, 2);
    pile
}

/// Names of one file.
fn links(n: u64) -> Pile {
    let mut pile = each(n, |pile, i| name(pile, ROOT, &format!("link{i:07}"), FIRST, "file"));
    inode(&mut pile, ROOT, "directory", 0, 2);
    inode(&mut pile, FIRST, "file", 0, n);
    pile
}
