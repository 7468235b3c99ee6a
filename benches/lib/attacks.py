"""The kinds of hostile snapshots, and how large each is made."""

import gzip
import tarfile
from collections import namedtuple

#: name: of examples/gen_snapshot, after hostile/. most: the largest size of a full run; a tenth and a hundredth of it show how time grows.
#: quick: the largest size of a quick run. files: whether a tree has one file per unit of size. archive: the function that makes it, if it is
#: an archive to verify and not a snapshot.
Attack = namedtuple("Attack", "name most quick files archive", defaults=(False, None))


def long_name(path, n):
    """A member whose name has so many bytes, which compress to next to nothing."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, n
    with gzip.open(path, "wb", compresslevel=1) as archive:
        archive.write(header.tobuf(tarfile.GNU_FORMAT))
        for start in range(0, n, 1 << 20):
            archive.write(b"a" * min(1 << 20, n - start))
        archive.write(bytes(-n % 512) + tarfile.TarInfo("a").tobuf() + bytes(1024))


ATTACKS = [
    # One large value.
    Attack("string-control", 30_000_000, 15_000_000),
    Attack("strings-control", 30_000_000, 10_000_000),
    Attack("strings-ascii", 30_000_000, 10_000_000),
    # Many small elements in one value.
    Attack("set-blob-empty", 8_000_000, 2_000_000),
    Attack("zset-blob-empty", 8_000_000, 2_000_000),
    Attack("hash-blob-empty", 8_000_000, 2_000_000),
    Attack("stream-blob", 8_000_000, 2_000_000),
    Attack("set-blob", 2_000_000, 500_000),
    Attack("zset-blob", 2_000_000, 500_000),
    Attack("hash-blob", 2_000_000, 500_000),
    Attack("stream-fields", 4_000_000, 1_000_000),
    Attack("attributes", 2_000_000, 500_000),
    Attack("attributes-empty", 8_000_000, 2_000_000),
    Attack("list-empty", 8_000_000, 2_000_000),
    Attack("map-empty", 8_000_000, 2_000_000),
    Attack("string-set-empty", 8_000_000, 2_000_000),
    Attack("indexes", 1_000_000, 300_000),
    Attack("parts-empty", 4_000_000, 1_000_000),
    Attack("parts-unknown", 8_000_000, 2_000_000),
    Attack("chunk-sizes", 8_000_000, 2_000_000),
    Attack("user-metadata", 1_000_000, 300_000),
    Attack("unknown-members", 8_000_000, 2_000_000),
    Attack("queue-unknown", 8_000_000, 2_000_000),
    Attack("queue-tags", 1_000_000, 300_000),
    Attack("message-unknown", 8_000_000, 2_000_000),
    Attack("message-attributes", 1_000_000, 300_000),
    # Deeply nested values.
    Attack("deep-item", 1_000_000, 100_000),
    Attack("deep-manifest", 4_000_000, 100_000),
    Attack("queue-deep", 4_000_000, 100_000),
    Attack("message-deep", 4_000_000, 100_000),
    Attack("deep", 10_000, 1_000),
    # Many scopes, each with its own state.
    Attack("tables", 100_000, 20_000, True),
    Attack("tables-items", 100_000, 10_000, True),
    Attack("buckets", 100_000, 10_000, True),
    Attack("buckets-gone", 100_000, 10_000, True),
    Attack("queues", 100_000, 10_000, True),
    Attack("objects", 1_000_000, 30_000, True),
    Attack("long-directories", 100_000, 10_000, True),
    Attack("prefix-stack", 100_000, 10_000, True),
    Attack("nul-keys", 100, 30),
    Attack("parts", 1_000_000, 30_000),
    Attack("one-payload", 10_000, 1_000),
    # Rows that accumulate.
    Attack("nested-keys", 4_000, 1_000, True),
    Attack("long-keys", 1_000, 300, True),
    Attack("long-hash", 1_000, 300),
    Attack("one-key", 1_000_000, 100_000),
    Attack("deltas", 1_000_000, 100_000),
    Attack("ttl-alone", 1_000_000, 100_000),
    Attack("damaged-metas", 1_000_000, 20_000),
    Attack("damaged-long", 100, 30),
    Attack("damaged-keys", 1_000_000, 100_000, True),
    Attack("damaged-frames", 1_000_000, 100_000, True),
    Attack("unknown", 1_000_000, 100_000),
    Attack("intents", 300_000, 30_000, True),
    Attack("equal-numbers", 1_000, 300, True),
    Attack("equal-short", 10_000, 3_000, True),
    Attack("same-id", 100_000, 10_000, True),
    Attack("wide", 1_000_000, 30_000, True),
    Attack("links", 1_000_000, 30_000, True),
    Attack("holes", 100_000, 10_000, True),
    # Outputs.
    Attack("long-name", 4_000_000_000, 400_000_000, archive=long_name),
]
