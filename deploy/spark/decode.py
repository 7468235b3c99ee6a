#!/usr/bin/env python3
"""Decodes elastickv snapshots in shards on a Spark cluster whose executors see the same files.

usage: spark-submit --conf spark.task.cpus=4 --conf spark.task.maxFailures=8 decode.py PLAN SHARDS OUT N

PLAN is a file that `ekvsnap plan` has made; SHARDS is a directory for the shards, OUT the output. Spark runs a task again that
failed: a shard that is run again ends the same.
"""

import os
import subprocess
import sys

from pyspark.sql import SparkSession

plan, shards, out, count = (*map(os.path.abspath, sys.argv[1:4]), int(sys.argv[4]))


def ekvsnap(*words):
    done = subprocess.run(["ekvsnap", *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ekvsnap {words[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stderr


def run(numbers, cpus):
    for index in numbers:
        ekvsnap("decode", "--plan", plan, "--shard", f"{index}/{count}", "-o", shards, "--threads", cpus)
        yield index


spark = SparkSession.builder.appName("ekvsnap").getOrCreate()
cpus = spark.conf.get("spark.task.cpus", "1")
done = spark.sparkContext.parallelize(range(count), count).mapPartitions(lambda numbers: run(numbers, cpus)).collect()
assert sorted(done) == list(range(count))
print(ekvsnap("merge", "--plan", plan, shards, "-o", out), end="")
# From here on the output is data: spark.read.json(out + "/dynamodb/TABLE.jsonl"), or of --layout parquet
# spark.read.parquet(out + "/dynamodb/TABLE").
