#!/usr/bin/env python3
"""Decodes elastickv snapshots in shards on a Ray cluster whose nodes see the same files.

usage: decode.py --out OUT --shards N [--cpus C] [--ekvsnap PROGRAM] INPUT... [-- OPTIONS OF ekvsnap plan]
"""

import argparse
import os
import subprocess
import sys
import time

import ray


def ekvsnap(program, *words):
    """Runs a command; an error has what it said."""
    done = subprocess.run([program, *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ekvsnap {words[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stderr


# A worker that is lost (a spot machine, a node that is drained) is tried on another one: a shard that is run again ends the same.
@ray.remote(max_retries=8)
def shard(program, plan, index, count, shards, cpus):
    start = time.monotonic()
    ekvsnap(program, "decode", "--plan", plan, "--shard", f"{index}/{count}", "-o", shards, "--threads", str(cpus))
    return index, time.monotonic() - start


def main():
    words, options = sys.argv[1:], []
    if "--" in words:
        at = words.index("--")
        words, options = words[:at], words[at + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("--out", required=True)
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--ekvsnap", default="ekvsnap")
    args = parser.parse_args(words)
    out, inputs = os.path.abspath(args.out), [os.path.abspath(path) for path in args.inputs]
    work = out + ".work"
    plan, shards = os.path.join(work, "PLAN"), os.path.join(work, "shards")
    os.makedirs(work, exist_ok=True)
    # Of a driver that is started again, shards of the same plan are complete already.
    if not os.path.exists(plan):
        ekvsnap(args.ekvsnap, "plan", *inputs, "-o", plan, *options)
    ray.init(ignore_reinit_error=True)
    task = shard.options(num_cpus=args.cpus)
    waiting = [task.remote(args.ekvsnap, plan, i, args.shards, shards, args.cpus) for i in range(args.shards)]
    done = 0
    while waiting:
        ready, waiting = ray.wait(waiting)
        index, seconds = ray.get(ready[0])
        done += 1
        print(f"shard {index}: {seconds:.1f} s ({done} of {args.shards})", flush=True)
    print(ekvsnap(args.ekvsnap, "merge", "--plan", plan, shards, "-o", out), end="")


if __name__ == "__main__":
    main()
