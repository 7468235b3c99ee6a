"""What the live server answered when a snapshot was taken, against Arrow tables and Python objects."""

import base64
import decimal
import json

import check_parquet
import duckdb
import pyarrow
import pytest

import ekvsnap

KINDS = ("keys", "strings", "hll", "hashes", "lists", "sets", "zsets", "streams")


def expected(folder, adapter):
    return json.loads((folder / f"expected.{adapter}.json").read_text())


def check(compare, *args):
    report = check_parquet.Report()
    compare(report, *args)
    assert report.checked > 0 and report.different == 0


def by_duckdb(rows):
    relation = duckdb.from_arrow(rows)
    return [dict(zip(relation.columns, row)) for row in relation.fetchall()]


def as_iterated(rows):
    """What DuckDB gives for pairs are dictionaries."""
    found = list(rows)
    for row in found:
        for name in ("fields", "user_metadata"):
            if name in row:
                row[name] = [{"name": name, "value": value} for name, value in row[name]]
    return found


@pytest.mark.parametrize("name", ["redis-small", "redis-nasty", "enc-mixed"])
@pytest.mark.parametrize("read", [by_duckdb, as_iterated])
def test_redis(corpus, name, read):
    folder = corpus(name)
    keys = {"kek": folder / "kek.bin", "keys_json": folder / "keys.json"} if name == "enc-mixed" else {}
    if keys:
        keys["kek"].chmod(0o600)
    snapshot = ekvsnap.open(folder / "snapshot.fsm", **keys)
    check(check_parquet.redis_rows, lambda kind: read(getattr(snapshot.redis, kind)()), expected(folder, "redis"))


@pytest.mark.parametrize("name", ["dynamodb-small", "dynamodb-nasty"])
def test_dynamodb_tables(corpus, name):
    folder = corpus(name)
    snapshot = ekvsnap.open(folder / "snapshot.fsm")
    tables = {}
    for table in snapshot.dynamodb.tables:
        rows = pyarrow.table(snapshot.dynamodb.table(table))
        tables[table] = sorted(check_parquet.item(row, set(rows.column_names)) for row in rows.to_pylist())
    check(check_parquet.dynamodb_items, tables, expected(folder, "dynamodb"))


def as_told(value):
    """An attribute as the server's JSON has it, from what an iterator gives."""
    if isinstance(value, bool):
        return ("BOOL", value)
    if isinstance(value, ekvsnap.NumberText) or isinstance(value, decimal.Decimal):
        return ("N", value)
    for kind, of in (("S", str), ("B", bytes)):
        if isinstance(value, of):
            return (kind, value)
    if value is None:
        return ("NULL", True)
    if isinstance(value, (set, list)):
        kinds = {as_told(member)[0] for member in value}
        members = [as_told(member)[1] for member in value]
        return (kinds.pop() + "S", tuple(sorted(members))) if isinstance(value, set) else ("L", tuple(map(as_told, value)))
    return ("M", tuple(sorted((name, as_told(inner)) for name, inner in value.items())))


def as_answered(value):
    (kind, inner), = value.items()
    one = {"N": decimal.Decimal, "B": lambda packed: base64.b64decode(packed["b64"])}
    if kind in ("SS", "NS", "BS"):
        return kind, tuple(sorted(map(one.get(kind[0], str), inner)))
    if kind == "L":
        return kind, tuple(map(as_answered, inner))
    if kind == "M":
        return kind, tuple(sorted((name, as_answered(member)) for name, member in inner.items()))
    return kind, one.get(kind, lambda same: same)(inner)


@pytest.mark.parametrize("name", ["dynamodb-small", "dynamodb-nasty"])
def test_dynamodb_items(corpus, name):
    folder = corpus(name)
    snapshot, asked = ekvsnap.open(folder / "snapshot.fsm"), expected(folder, "dynamodb")
    assert sorted(snapshot.dynamodb.tables) == sorted(asked)
    items = 0
    for table, wanted in asked.items():
        got = [as_told(item) for item in snapshot.dynamodb.table(table)]
        want = [as_answered({"M": item}) for item in wanted["items"]]
        assert sorted(map(repr, got)) == sorted(map(repr, want)), table
        items += len(got)
    assert items > 50


@pytest.mark.parametrize("name", ["s3-small", "s3-nasty"])
@pytest.mark.parametrize("read", [by_duckdb, as_iterated])
def test_s3(corpus, name, read):
    folder = corpus(name)
    snapshot = ekvsnap.open(folder / "snapshot.fsm")
    buckets = {bucket: {row["key"]: row for row in read(snapshot.s3.objects(bucket))} for bucket in snapshot.s3.buckets}
    check(check_parquet.s3_objects, buckets, expected(folder, "s3"))
    together = [(row["bucket"], row["key"]) for row in snapshot.s3.objects()]
    assert together == [(bucket, key) for bucket in sorted(buckets) for key in buckets[bucket]]


@pytest.mark.parametrize("name", ["sqs-small", "sqs-nasty"])
@pytest.mark.parametrize("read", [by_duckdb, as_iterated])
def test_sqs(corpus, name, read):
    folder = corpus(name)
    snapshot = ekvsnap.open(folder / "snapshot.fsm")
    queues = {queue: read(snapshot.sqs.queue(queue)) for queue in snapshot.sqs.queues}
    check(check_parquet.sqs_messages, queues, expected(folder, "sqs"))


@pytest.mark.parametrize("moment", [0, 1, 2])
def test_as_of(corpus, moment):
    folder = corpus("enc-mixed")
    told = folder / f"asof{moment}"
    at = json.loads((told / "at.json").read_text())["ts"]
    (folder / "kek.bin").chmod(0o600)
    snapshot = ekvsnap.open(
        [folder / "snapshot.fsm"], kek=folder / "kek.bin", keys_json=[folder / "keys.json"], as_of=at
    )
    check(check_parquet.redis_rows, lambda kind: by_duckdb(getattr(snapshot.redis, kind)()), expected(told, "redis"))



def told_path(entry):
    return entry["path"].encode() if "path" in entry else base64.b64decode(entry["path_b64"])


@pytest.mark.parametrize("read", [by_duckdb, as_iterated])
def test_fs(corpus, read):
    folder = corpus("fs-small")
    asked = expected(folder, "fs")
    rows = read(ekvsnap.open(folder / "snapshot.fsm").fs.files())
    got = {row["path"]: row for row in rows}
    want = {told_path(entry): entry for entry in asked["entries"]}
    assert set(got) == set(want) and len(got) > 50
    kinds = {"dir": "directory", "file": "file"}
    for path, entry in want.items():
        row = got[path]
        assert (row["inode"], row["type"], row["mode"]) == (entry["ino"], kinds[entry["type"]], int(entry["mode"], 8)), path
        for name in ("uid", "gid", "nlink", "mtime_ns", "ctime_ns", "size"):
            # A client that asks for a time before 1970 is told 0.
            if name in entry:
                assert (max(row[name], 0) if name.endswith("_ns") else row[name]) == entry[name], (path, name)
        assert row["mtime"].timestamp() == pytest.approx(row["mtime_ns"] / 1e9, abs=0.001)
        assert row["name"] == (path.rsplit(b"/", 1)[-1] if path else None)
        assert row["parent"] == (got[path.rpartition(b"/")[0]]["inode"] if path else None)
    first = {}
    for row in rows:
        if row["type"] == "file":
            assert row["hardlink_to"] == first.get(row["inode"])
            first.setdefault(row["inode"], row["path"])
    below = [row["path"] for row in ekvsnap.open(folder / "snapshot.fsm").fs.files(match="docs")]
    assert below and all(path == b"docs" or path.startswith(b"docs/") for path in below)
