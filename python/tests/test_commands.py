"""get, inspect, diff and decode do what the program does."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time

import pyarrow
import pyarrow.parquet
import pytest

import ekvsnap


@pytest.fixture(scope="module")
def redis(corpus):
    return ekvsnap.open(corpus("redis-small") / "snapshot.fsm")


def test_get(corpus, redis):
    string = next(row for row in redis.redis.strings() if row["key"].startswith(b"str:"))
    assert redis.get(b"redis:" + string["key"]) == string["value"]
    assert json.loads(redis.get("redis:.h"))["fields"] == [{"name": "a", "value": "b"}]
    assert redis.get("redis:no such key") is None
    objects = ekvsnap.open(corpus("s3-small") / "snapshot.fsm")
    row = next(row for row in objects.s3.objects("bucket.two") if row["key"] == b"x/y")
    assert len(objects.get("s3:bucket.two/x/y")) == row["size"] == 2
    with pytest.raises(ValueError, match="unknown adapter"):
        redis.get("x:y")


def test_inspect(redis):
    found = redis.inspect()
    assert found["live"] == 1491 and found["objects"]["scopes"]
    assert redis.inspect(objects=False)["objects"] is None
    assert json.dumps(redis.inspect(scope=["redis:h*"])) != json.dumps(found)


def test_diff(corpus):
    small, nasty = (corpus(name) / "snapshot.fsm" for name in ("redis-small", "redis-nasty"))
    rows = ekvsnap.diff(ekvsnap.open(small), nasty)
    table = pyarrow.table(rows)
    assert set(table["change"].to_pylist()) == {"added", "removed", "changed"}
    keys = [{row["key"] for row in ekvsnap.open(file).redis.keys()} for file in (small, nasty)]
    for change, wanted in (("added", keys[1] - keys[0]), ("removed", keys[0] - keys[1])):
        assert {row["key"] for row in rows if row["change"] == change} == wanted
    assert list(ekvsnap.diff(small, small)) == []


def test_decode(redis, tmp_path):
    heard = []
    done = redis.decode(tmp_path / "out", layout="jsonl", progress=lambda *state: heard.append(state))
    assert done["files"] > 5 and done["manifest"]["counters"]["live"] == 1491 and done["skipped"] == 0
    assert (tmp_path / "out" / "MANIFEST.json").is_file() and (tmp_path / "out" / "redis" / "db_0" / "hashes.jsonl").is_file()
    assert all(isinstance(stage, str) and written <= done["bytes"] for stage, _, _, written in heard) and heard
    redis.decode(str(tmp_path / "out.tar.gz"), scope=["redis:h*"])
    with tarfile.open(tmp_path / "out.tar.gz") as archive:
        assert any(name.endswith("MANIFEST.json") for name in archive.getnames())
    with pytest.raises(ekvsnap.Error, match="out"):
        redis.decode(tmp_path / "out")
    redis.decode(tmp_path / "out", force=True, layout="parquet")
    keys = pyarrow.parquet.read_table(tmp_path / "out" / "redis" / "db_0" / "keys")
    assert keys.num_rows == pyarrow.table(redis.redis.keys()).num_rows
    for wrong in ({"layout": "xml"}, {"format": "zip"}, {"on_error": "ask"}, {"adapters": ["ftp"]}, {"scope": ["redis"]}):
        with pytest.raises(ValueError):
            redis.decode(tmp_path / "none", **wrong)
    assert not (tmp_path / "none").exists()


def test_decode_of_damage(corpus, tmp_path):
    damaged = ekvsnap.open(corpus("damaged") / "hash-meta-len-15.fsm")
    with pytest.raises(ekvsnap.DamageError) as raised:
        damaged.decode(tmp_path / "out")
    assert raised.value.family == "!hs|meta|" and raised.value.offset and os.listdir(tmp_path) == []
    assert damaged.decode(tmp_path / "out", on_error="skip")["skipped"] > 0


class Stop(Exception):
    """What a callback raises."""


def test_a_callback_ends_a_decode(generate, tmp_path):
    def stop(stage, done, steps, written):
        if written:
            raise Stop

    snapshot, began = ekvsnap.open(generate("hashes", 400_000)), time.monotonic()
    with pytest.raises(Stop):
        snapshot.decode(tmp_path / "out", progress=stop)
    assert os.listdir(tmp_path) == [] and time.monotonic() - began < 30


DECODE = """
import sys
import ekvsnap
try:
    ekvsnap.open(sys.argv[1]).decode(sys.argv[2], progress=lambda *state: print(*state, flush=True))
except KeyboardInterrupt:
    print('interrupted', flush=True)
"""


def test_ctrl_c_ends_a_decode(generate, tmp_path):
    command = [sys.executable, "-c", DECODE, str(generate("hashes", 400_000)), str(tmp_path / "out")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    # Something is written when the signal comes.
    while (line := child.stdout.readline()) and int(line.split()[-1]) == 0:
        pass
    assert line and os.listdir(tmp_path) != []
    child.send_signal(signal.SIGINT)
    rest, _ = child.communicate(timeout=60)
    assert rest.splitlines()[-1] == "interrupted" and child.returncode == 0
    assert os.listdir(tmp_path) == []
