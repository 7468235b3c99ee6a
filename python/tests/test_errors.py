"""Errors are exceptions that tell the place."""

import pyarrow
import pytest

import ekvsnap


def test_damage_tells_the_place(corpus):
    file = corpus("damaged") / "hash-meta-len-15.fsm"
    rows = ekvsnap.open(file).redis.hashes()
    with pytest.raises(ekvsnap.DamageError) as raised:
        list(rows)
    error = raised.value
    assert isinstance(error, ekvsnap.Error)
    assert error.family == "!hs|meta|" and error.key.startswith(b"!hs|meta|") and error.offset > 0
    assert error.input == file or str(error.input) == str(file)
    assert error.reason == "invalid value: its length is 15, not 8 or 16" and str(error.offset) in str(error)
    # Another library raises its own exception with the same text; ours is kept.
    with pytest.raises(Exception, match="DamageError.*hs.meta") as foreign:
        pyarrow.table(rows)
    assert not isinstance(foreign.value, ekvsnap.Error)
    assert isinstance(rows.error, ekvsnap.DamageError) and rows.error.offset == error.offset


def test_what_is_no_snapshot(corpus):
    with pytest.raises(ekvsnap.DamageError) as raised:
        list(ekvsnap.open(corpus("damaged") / "bad-magic.fsm").redis.keys())
    assert raised.value.family is None and raised.value.key is None
    with pytest.raises(ekvsnap.InputOutputError, match="No such file"):
        ekvsnap.open("/no/such/file.fsm")
    with pytest.raises(TypeError):
        ekvsnap.open(7)


def test_every_damaged_file_gives_rows_or_an_exception(corpus):
    outcomes = {"rows": 0, "error": 0}
    for file in sorted(corpus("damaged").glob("*.fsm")):
        snapshot = ekvsnap.open(file)
        for rows in (snapshot.redis.keys(), snapshot.s3.objects()):
            try:
                list(rows)
                outcomes["rows"] += 1
            except ekvsnap.Error as error:
                assert error.reason
                outcomes["error"] += 1
        try:
            for table in snapshot.dynamodb.tables:
                list(snapshot.dynamodb.table(table))
        except ekvsnap.DamageError:
            outcomes["error"] += 1
    assert min(outcomes.values()) > 20, outcomes


def test_keys(corpus):
    folder = corpus("enc-mixed")
    with pytest.raises(ekvsnap.KeysError, match="keys are missing"):
        list(ekvsnap.open(folder / "snapshot.fsm").redis.keys())
    (folder / "kek.bin").chmod(0o600)
    with pytest.raises(ekvsnap.KeysError):
        list(ekvsnap.open(folder / "snapshot.fsm", kek=folder / "keys.json").redis.keys())


def test_names_that_are_not_there(corpus):
    snapshot = ekvsnap.open(corpus("redis-small") / "snapshot.fsm")
    for rows in (snapshot.dynamodb.table("t"), snapshot.s3.objects("b"), snapshot.sqs.queue("q")):
        for read in (list, pyarrow.table):
            with pytest.raises(ValueError, match="the snapshot has no"):
                read(rows)
