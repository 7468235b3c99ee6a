"""Converts lines of ekvsnap to Parquet with DuckDB: `convert.py MACROS THREADS (QUERY OUT)…`; the seconds without the import, by the
clock and of processors, and the rows."""

import json
import sys
import time

import duckdb


def main():
    macros, threads, *work = sys.argv[1:]
    database = duckdb.connect()
    database.execute(f"SET threads = {int(threads)}")
    with open(macros, encoding="utf-8") as script:
        database.execute(script.read())
    begun, busy = time.perf_counter(), time.process_time()
    for query, out in zip(work[::2], work[1::2]):
        database.execute(f"COPY ({query}) TO '{out}' (FORMAT parquet)")
    seconds, processor = time.perf_counter() - begun, time.process_time() - busy
    rows = [database.execute(f"SELECT count(*) FROM '{out}'").fetchone()[0] for out in work[1::2]]
    print(json.dumps({"seconds": seconds, "processor": processor, "rows": rows}))


if __name__ == "__main__":
    main()
