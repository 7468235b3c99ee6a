"""pyarrow, polars, DuckDB and pandas take the streams as they are."""

import datetime
import decimal

import duckdb
import pandas
import polars
import pyarrow
import pytest

import ekvsnap

TIME = pyarrow.timestamp("ms", tz="UTC")
PAIRS = pyarrow.list_(
    pyarrow.field(
        "element",
        pyarrow.struct([pyarrow.field("name", pyarrow.binary(), False), pyarrow.field("value", pyarrow.binary(), False)]),
        False,
    )
)
COLUMNS = {
    "keys": "key:binary type:string expire_at:time? expire_at_ms:uint64? elements:uint64 bytes:uint64 stream_length:int64? "
    "stream_last_ms:uint64? stream_last_seq:uint64? bare:bool commit_ts:uint64?",
    "strings": "key:binary value:binary expire_at:time? expire_at_ms:uint64? commit_ts:uint64",
    "hll": "key:binary value:binary expire_at:time? expire_at_ms:uint64? commit_ts:uint64",
    "hashes": "key:binary field:binary value:binary commit_ts:uint64",
    "lists": "key:binary position:uint64 item:binary commit_ts:uint64",
    "sets": "key:binary member:binary commit_ts:uint64",
    "zsets": "key:binary member:binary score:double commit_ts:uint64",
    "streams": "key:binary id:string id_ms:uint64 id_seq:uint64 time:time? fields:pairs commit_ts:uint64",
}


def schema(words):
    def field(word):
        name, kind = word.rstrip("?").split(":")
        known = {"time": TIME, "pairs": PAIRS, "bool": pyarrow.bool_(), "double": pyarrow.float64()}
        return pyarrow.field(name, known.get(kind) or getattr(pyarrow, kind)(), word.endswith("?"))

    return pyarrow.schema(list(map(field, words.split())))


@pytest.fixture(scope="module")
def redis(corpus):
    return ekvsnap.open(corpus("redis-small") / "snapshot.fsm").redis


@pytest.mark.parametrize("kind", COLUMNS)
def test_every_library_takes_a_stream(redis, kind):
    rows = getattr(redis, kind)()
    table = pyarrow.table(rows)
    table.validate(full=True)
    assert table.schema == schema(COLUMNS[kind]) and table.num_rows > 0
    assert rows.columns == table.column_names
    assert pyarrow.RecordBatchReader.from_stream(rows).read_all() == table
    frame = polars.DataFrame(rows)
    assert frame.to_arrow().to_pylist() == table.to_pylist()
    assert duckdb.sql("SELECT count(*), count(DISTINCT key) FROM rows").fetchall() == [
        (table.num_rows, len(set(table["key"].to_pylist())))
    ]
    assert pandas.DataFrame.from_arrow(rows).equals(table.to_pandas())


def test_rows_are_objects_of_python(corpus, redis):
    string = next(row for row in redis.strings() if row["expire_at"])
    assert isinstance(string["key"], bytes) and isinstance(string["value"], bytes)
    moment = datetime.datetime.fromtimestamp(string["expire_at_ms"] / 1000, datetime.timezone.utc)
    assert abs(string["expire_at"] - moment) < datetime.timedelta(milliseconds=1)
    entry = next(iter(redis.streams()))
    assert entry["id"] == f"{entry['id_ms']}-{entry['id_seq']}" and isinstance(entry["fields"][0], tuple)
    for kind in COLUMNS:
        iterated, table = list(getattr(redis, kind)()), pyarrow.table(getattr(redis, kind)()).to_pylist()
        if kind == "streams":
            table = [{**row, "fields": [tuple(pair.values()) for pair in row["fields"]]} for row in table]
        assert repr(iterated) == repr(table).replace("zoneinfo.ZoneInfo(key='UTC')", "datetime.timezone.utc")
    item = next(iter(ekvsnap.open(corpus("dynamodb-small") / "snapshot.fsm").dynamodb.table("numkeys")))
    assert isinstance(item["pk"], decimal.Decimal)


def test_patterns_choose_keys(redis):
    every = [row["key"] for row in redis.keys()]
    assert [row["key"] for row in redis.keys(match="h*")] == [key for key in every if key.startswith(b"h")] != []
    assert list(redis.strings(match="no such key")) == []
    with pytest.raises(ValueError, match="has no"):
        redis.keys(match="[")


def test_decimals(corpus):
    rows = ekvsnap.open(corpus("dynamodb-small") / "snapshot.fsm").dynamodb.table("hashonly")
    table = pyarrow.table(rows)
    assert table.schema.field("nneg").type == pyarrow.decimal128(18, 11)
    assert table.schema.field("nbig").type == pyarrow.decimal128(38, 0)
    assert table.schema.names[-2:] == ["_rest", "_commit_ts"]
    frame = polars.DataFrame(rows)
    assert frame["nneg"].drop_nulls().to_list() == [value for value in table["nneg"].to_pylist() if value is not None] != []


def test_an_empty_table_has_columns(corpus):
    rows = ekvsnap.open(corpus("dynamodb-small") / "snapshot.fsm").dynamodb.table("empty.table-1_x")
    assert pyarrow.table(rows).schema.names == ["_rest", "_commit_ts"] and list(rows) == []


def test_other_adapters_are_empty(corpus):
    snapshot = ekvsnap.open(str(corpus("dynamodb-small") / "snapshot.fsm"))
    assert pyarrow.table(snapshot.redis.hashes()).schema == schema(COLUMNS["hashes"])
    assert list(snapshot.redis.hashes()) == [] and snapshot.s3.buckets == [] and snapshot.sqs.queues == []
    assert pyarrow.table(snapshot.s3.objects()).num_rows == 0


def test_several_streams_at_once(redis):
    one, other = iter(redis.hashes()), iter(redis.sets())
    together = [(next(one), next(other)) for _ in range(50)]
    assert [pair[0] for pair in together] + list(one) == list(redis.hashes())
    assert [pair[1] for pair in together] + list(other) == list(redis.sets())
