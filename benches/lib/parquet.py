"""Rows about Parquet: a decode to tables, against one to lines, and against DuckDB converting these lines."""

import json
import os
import pathlib
import subprocess

from machine import check
from rows import MIB, Needs, Row, least

LIB = pathlib.Path(__file__).parent
#: A Python that has DuckDB.
PYTHON = os.environ.get("PARQUET_PYTHON", "python3")


class Parquet(Row):
    """A decode to Parquet. `tables`: the data sets, and queries that make the same rows of lines."""

    #: Features of the program that it needs.
    features = "parquet"

    def __init__(self, workload, scale, tables):
        super().__init__(workload, scale)
        self.tables = tables

    def needs(self, bench):
        return Needs((3 * bench.runs + 3) * 2000 * self.scale(bench), 4 * self.scale(bench) * (bench.runs + 1) + 1000)

    def measure(self, bench):
        fsm, rows = self.snapshot(bench)
        first = bench.decode(fsm, "parquet", 2, watch=True)
        check(first["counters"]["entries"] == rows, "rows are missing")
        check(bench.decode(fsm, "parquet", 1)["digest"] == first["digest"], "one thread writes other bytes")
        ours, lines, theirs = [], [], []
        for _ in range(bench.runs):
            ours.append(bench.decode(fsm, "parquet", 2))
            lines.append(bench.decode(fsm, "jsonl", 2))
            theirs.append(self.convert(bench, lines[-1]["out"], first["out"]))
        check({run["digest"] for run in ours} == {first["digest"]}, "outputs differ")
        size, name = first["input_bytes"] / 1e9, f"Parquet, {self.workload}"
        own, of_lines, duckdb = least(ours), least(lines), least(theirs)
        bench.row(name, f"{size / own:.2f} GB/s", f"lines {size / of_lines:.2f} GB/s", f"{of_lines / own:.2f}", "0.6",
                  of_lines / own >= 0.6)
        bench.row(f"{name}, DuckDB", f"{own:.2f} s", f"lines to Parquet {duckdb:.2f} s", f"{duckdb / own:.1f}x", "3x",
                  duckdb / own >= 3)
        peak = first["peak"] / MIB
        bench.row(f"{name}, memory", f"{peak:.0f} MiB", "", "", "256 MiB", peak < 256)

    def convert(self, bench, lines, ours):
        """DuckDB makes the same tables of lines, on as many threads; its rows are counted against ours."""
        bench.settle()
        work, counted = [], []
        for number, (folder, query) in enumerate(self.tables):
            work += [query.format(lines=lines), bench.fresh(f"duckdb-{number}.parquet")]
            counted += [f"FROM '{ours}/{folder}/part-*.parquet'", bench.fresh("counted.parquet")]
        answer = self.duckdb(work)
        check(answer["rows"] == self.duckdb(counted)["rows"], "DuckDB has other rows")
        return answer

    @staticmethod
    def duckdb(work):
        macros = LIB.parent.parent / "src" / "layouts" / "jsonl" / "beside" / "load.duckdb.sql"
        command = [str(part) for part in (PYTHON, LIB / "convert.py", macros, 2, *work)]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def redis(kind):
    """The elements of a kind, and their keys."""
    path = "{lines}/redis/db_0/" + kind + ".jsonl"
    elements = (f"redis/db_0/{kind}", f"FROM redis_{kind}('{path}')")
    if kind == "strings":
        return [elements]
    keys = "redis_stream_keys" if kind == "streams" else "redis_keys"
    return [elements, ("redis/db_0/keys", f"FROM {keys}('{path}')")]


#: The columns are told, which is the fastest form for DuckDB.
ITEMS = """SELECT item.pk.S AS pk, CAST(item.n.N AS DECIMAL(38, 0)) AS n, item.text.S AS text
    FROM read_json('{lines}/dynamodb/bench.jsonl', format = 'newline_delimited',
        columns = {{Item: 'STRUCT(pk STRUCT(S VARCHAR), n STRUCT(N VARCHAR), "text" STRUCT(S VARCHAR))'}})"""

ROWS = {
    "strings-parquet": Parquet("strings", 6_000_000, redis("strings")),
    "hashes-parquet": Parquet("hashes", 8_000_000, redis("hashes")),
    "lists-parquet": Parquet("lists", 8_000_000, redis("lists")),
    "sets-parquet": Parquet("sets", 10_000_000, redis("sets")),
    "zsets-parquet": Parquet("zsets", 6_000_000, redis("zsets")),
    "streams-parquet": Parquet("streams", 6_000_000, redis("streams")),
    "dynamodb-parquet": Parquet("dynamodb", 5_000_000, [("dynamodb/bench", ITEMS)]),
    "sqs-parquet": Parquet("sqs", 2_000_000, [("sqs/bench", "FROM sqs_messages('{lines}/sqs/bench.jsonl')")]),
    "s3-parquet": Parquet("s3", 200_000, [("s3/bench", "FROM s3_objects('{lines}/s3/bench/_index.jsonl')")]),
    "fs-parquet": Parquet("fs", 200_000, [("fs/files", "FROM fs_files('{lines}/fs/metadata.jsonl')")]),
}
