#!/usr/bin/env python3
"""Runs deploy/ray/decode.py on a local Ray cluster of two workers, kills one of them in the middle, and compares the output with
that of one machine.

usage: ray_cluster.py EKVSNAP SNAPSHOT      SNAPSHOT is split to a cluster of four groups first
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from ray.cluster_utils import Cluster

DRIVER = Path(__file__).resolve().parents[2] / "deploy" / "ray" / "decode.py"
SHARDS = 8

# Tells of each shard that begins which process asked for it, and lets it take so long that its worker is killed meanwhile.
SLOW = """#!/bin/sh
[ "$1" = decode ] && echo $PPID >> {log} && sleep 1
exec {program} "$@"
"""


def four_groups(program, snapshot, work):
    """A data directory of a server with four groups, which have rows of every adapter."""
    ranges = ":!ddb|item|=1,!ddb|item|:!redis|=2,!redis|:!sqs|=3,!sqs|:=4"
    groups = ",".join(f"{n}=a:1" for n in range(1, 5))
    words = ["restore", str(snapshot), "-d", str(work / "data"), "--node", "n1=a:1"]
    subprocess.run([program, *words, "--groups", groups, "--shard-ranges", ranges, "--quiet"], check=True)
    return work / "data" / "n1"


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def parent(pid):
    """The parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def worker_at_work(log, done, workers):
    """The worker of the shard that began last, which is not done yet."""
    raylets = {worker.all_processes["raylet"][0].process.pid: worker for worker in workers}
    while len(begun := log.read_text().split()) <= done:
        time.sleep(0.02)
    pid = int(begun[-1])
    while pid not in raylets:
        pid = parent(pid)
    return raylets[pid]


def main():
    program, snapshot = (Path(word).resolve() for word in sys.argv[1:])
    work = Path(tempfile.mkdtemp())
    inputs = four_groups(str(program), snapshot, work)
    groups = len(list(inputs.rglob("*.fsm")))
    assert groups == 4, f"{groups} groups"
    subprocess.run([program, "decode", inputs, "-o", work / "one", "--layout", "jsonl", "--quiet"], check=True)
    slow, log = work / "slow", work / "log"
    slow.write_text(SLOW.format(log=log, program=program))
    slow.chmod(0o755)

    # No task runs on the head, so that losing a worker is all that happens.
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    workers = [cluster.add_node(num_cpus=1) for _ in range(2)]
    words = [sys.executable, DRIVER, "--out", work / "out", "--shards", str(SHARDS), "--cpus", "1", "--ekvsnap", slow]
    environment = {**os.environ, "RAY_ADDRESS": cluster.address, "PYTHONUNBUFFERED": "1"}
    driver = subprocess.Popen([*words, inputs, "--", "--layout", "jsonl"], env=environment, stdout=subprocess.PIPE, text=True)
    watch = threading.Timer(120, driver.kill)
    watch.start()
    try:
        done, killed = 0, False
        for line in driver.stdout:
            if not line.startswith("shard "):
                continue
            print(line, end="")
            done += 1
            if done > 1 and not killed:
                killed = True
                cluster.remove_node(worker_at_work(log, done, workers), allow_graceful=False)
                print("the worker of the shard that began last was killed")
        assert driver.wait() == 0, f"the driver ended with {driver.returncode}"
    finally:
        watch.cancel()
        driver.kill()
        cluster.shutdown()
    begun = len(log.read_text().splitlines())
    assert begun > SHARDS, f"the worker that was killed had no task: {begun} were begun"
    assert contents(work / "out") == contents(work / "one"), f"{work}: the outputs differ"
    subprocess.run(["rm", "-r", work], check=True)
    print(f"{groups} groups in {SHARDS} shards, {begun - SHARDS} of them again: the output is that of one machine")


if __name__ == "__main__":
    main()
