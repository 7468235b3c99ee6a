"""The rows of the table: what is measured, against what, and the goal."""

from collections import namedtuple

import machine
from machine import check

MIB = 1 << 20
Needs = namedtuple("Needs", "bytes files")
#: Bytes that a small file takes on a disk, with its inode.
SMALL_FILE = 4096 + 256


def least(answers):
    return min(answer["seconds"] for answer in answers)


class Row:
    """A workload at some scale; --quick takes a hundredth of it, large objects included."""

    #: Bytes of each of the twelve large objects of "s3-both".
    LARGE = 100 << 20
    #: Features of the program that it needs, besides the default ones.
    features = ""

    def __init__(self, workload, scale):
        self.workload, self.full = workload, scale

    def scale(self, bench):
        return max(self.full // 100, 1200) if bench.quick else self.full

    def large(self, bench):
        """Bytes of large objects, or nothing for workloads without them."""
        if self.workload != "s3-both":
            return None
        return self.LARGE // 100 if bench.quick else self.LARGE

    def snapshot(self, bench):
        return bench.snapshot(self.workload, self.scale(bench), self.large(bench))


class Index(Row):
    """Index with checksum, against reading the map."""

    def needs(self, bench):
        return Needs(400 * self.scale(bench), 10)

    def measure(self, bench):
        fsm, rows = self.snapshot(bench)
        runs = {(command, threads): [] for command in ("index", "read") for threads in (1, 2)}
        bench.raw("read", fsm)
        for _ in range(bench.runs):
            for (command, threads), answers in runs.items():
                answers.append(bench.raw(command, fsm, "--threads", threads))
        sha = bench.raw("sha", fsm)
        counted = {answer["sum"] for threads in (1, 2) for answer in runs["index", threads]}
        check(counted == {rows}, f"{counted} rows indexed, {rows} generated")
        check(len({answer["sum"] for threads in (1, 2) for answer in runs["read", threads]}) == 1, "sums differ")
        size = sha["bytes"] / 1e9
        rate = {run: size / least(answers) for run, answers in runs.items()}
        for threads in (1, 2):
            index, read = rate["index", threads], rate["read", threads]
            bench.row(f"index + CRC, {threads} thread{'s' if threads > 1 else ''}", f"{index:.2f} GB/s", f"read {read:.2f} GB/s",
                      f"{index / read:.2f}", "5 GB/s or 0.6", index >= 5 or index / read >= 0.6)
        bench.row("(SHA-256, one thread)", f"{size / sha['seconds']:.2f} GB/s", "", "", "", True)


class Jsonl(Row):
    """Packed lines, against reading the map and writing the same bytes to one file."""

    def __init__(self, workload, scale, lines):
        super().__init__(workload, scale)
        self.lines = lines

    def needs(self, bench):
        return Needs((3 * bench.runs + 3) * 1000 * self.scale(bench), 1000)

    def measure(self, bench):
        scale = self.scale(bench)
        fsm, rows = self.snapshot(bench)
        first = bench.decode(fsm, "jsonl", 2, watch=True)
        check(first["counters"]["entries"] == rows, "rows are missing")
        lines = machine.count_lines(first["out"])
        check(lines == self.lines(scale), f"{lines} lines, {self.lines(scale)} expected")
        two, one, raw = [], [], []
        for _ in range(bench.runs):
            two.append(bench.decode(fsm, "jsonl", 2))
            raw.append(bench.raw("pack", fsm, first["out"], bench.fresh("packed"), "--threads", 2))
            one.append(bench.decode(fsm, "jsonl", 1))
        check({run["digest"] for run in two + one} == {first["digest"]}, "outputs differ")
        check({run["bytes"] for run in raw} == {first["bytes"]}, "the raw side wrote other bytes")
        self.rows(bench, first, least(two), least(one), least(raw))

    def rows(self, bench, first, two, one, raw):
        size = first["input_bytes"] / 1e9
        name = f"JSONL, {self.workload}"
        bench.row(f"{name}, 2 threads", f"{size / two:.2f} GB/s", f"read + write {size / raw:.2f} GB/s",
                  f"{two / raw:.2f}x", "1 GB/s or 2x", size / two >= 1 or two / raw <= 2)
        bench.row(f"{name}, speed-up", f"{size / one:.2f} GB/s on 1", "", f"{one / two:.2f}x", "1.7x", one / two >= 1.7)
        peak = first["peak"] / MIB
        bench.row(f"{name}, memory", f"{peak:.0f} MiB", "", "", "256 MiB", peak < 256)


class Tree(Row):
    """A tree, against making the same files below the same directories."""

    def __init__(self, name, workload, scale, files, goal, sha=False, per_second=False):
        super().__init__(workload, scale)
        self.name, self.files, self.goal, self.sha, self.per_second = name, files, goal, sha, per_second

    def needs(self, bench):
        files = self.files(self.scale(bench)) * (3 * bench.runs + 1)
        large = 12 * (self.large(bench) or 0)
        return Needs(files * SMALL_FILE * 11 // 10 + large * (3 * bench.runs + 2), files + 10_000)

    def measure(self, bench):
        scale = self.scale(bench)
        fsm, rows = self.snapshot(bench)
        first = bench.decode(fsm, "tree", 2, watch=True)
        check(first["counters"]["entries"] == rows, "rows are missing")
        check(first["files"] == self.files(scale), f"{first['files']} files, {self.files(scale)} expected")
        ours, raw = [], {1: [], 2: []}
        for _ in range(bench.runs):
            ours.append(bench.decode(fsm, "tree", 2))
            for threads, answers in raw.items():
                answers.append(self.create(bench, first["out"], threads))
        check({run["digest"] for run in ours} == {first["digest"]}, "outputs differ")
        for answer in raw[1] + raw[2]:
            check((answer["files"], answer["bytes"]) == (first["files"], first["bytes"]), "the raw side wrote others")
        bench.raw("same", first["out"], raw[2][-1]["out"])
        self.row(bench, first, least(ours), {threads: least(answers) for threads, answers in raw.items()})

    def create(self, bench, model, threads):
        out = bench.fresh(f"raw-{threads}")
        answer = bench.raw("create", model, out, "--threads", threads, *(["--sha"] if self.sha else []))
        return {**answer, "out": out}

    def row(self, bench, first, ours, raw):
        best = min(raw, key=raw.get)
        limit = raw[best]
        files = first["files"]
        measured, allowed = f"{files / ours:,.0f} files/s", f"{files / limit:,.0f} files/s on {best}"
        if self.per_second:
            ratio, goal, met = f"{limit / ours:.2f}", f"{self.goal}", limit / ours >= self.goal
        else:
            ratio, goal, met = f"{ours / limit:.2f}x", f"{self.goal}x", ours / limit <= self.goal
        bench.row(f"tree, {self.name}", measured, allowed, ratio, goal, met)
        peak = first["peak"] / MIB
        bench.row(f"tree, {self.name}, memory", f"{peak:.0f} MiB", "", "", "256 MiB", peak < 256)


class Commands(Row):
    """verify, inspect, diff with itself, and get of one message: against a dry run of a decode to lines, which hashes them."""

    #: Maximum time of a command, as a share of a dry run.
    GOALS = {"verify": 1.5, "inspect": 1.0, "diff": 2.0, "get": 0.3}

    def needs(self, bench):
        return Needs(1000 * self.scale(bench), 10)

    def measure(self, bench):
        fsm, rows = self.snapshot(bench)
        runs = {name: [] for name in ("dry", "verify", "inspect", "diff") + (("get",) if self.workload == "sqs" else ())}
        for _ in range(bench.runs):
            for name, answers in runs.items():
                answers.append(getattr(self, name)(bench, fsm, rows))
        size = fsm.stat().st_size / 1e9
        dry = least(runs.pop("dry"))
        for name, answers in runs.items():
            ratio, goal = least(answers) / dry, self.GOALS[name]
            bench.row(f"{name}, {self.workload}", f"{least(answers):.2f} s, {size / least(answers):.2f} GB/s",
                      f"dry run {dry:.2f} s", f"{ratio:.2f}x", f"{goal}x", ratio <= goal)

    def dry(self, bench, fsm, rows):
        told = bench.command("decode", fsm, "--dry-run", "--layout", "jsonl", "--json")
        check(told["last"]["counters"]["entries"] == rows, "rows are missing")
        return told

    def verify(self, bench, fsm, rows):
        told = bench.command("verify", fsm, "--json")
        check(told["last"]["intact"] and told["last"]["inputs"][0]["rows"] == rows, "it is not intact")
        return told

    def inspect(self, bench, fsm, rows):
        told = bench.command("inspect", fsm, "--json")
        check(told["first"]["rows"] == rows, "rows are missing")
        return told

    def diff(self, bench, fsm, _):
        told = bench.command("diff", fsm, fsm, "--json")
        check(told["last"]["equal"] and told["last"]["scopes"], "it differs from itself")
        return told

    def get(self, bench, fsm, _):
        if bench.message is None:
            largest = bench.command("inspect", fsm, "--json")["first"]["objects"]["largest"][0]
            bench.message = f"sqs:{largest['scope']}/{largest['key']}"
        told = bench.command("get", fsm, bench.message)
        check(bench.message.endswith("/" + told["last"]["message_id"]), "it is another message")
        return told


def hundredth(scale):
    return -(-scale // 100)


def itself(scale):
    return scale


ROWS = {
    "index": Index("mixed", 6_000_000),
    "strings-jsonl": Jsonl("strings", 2_500_000, itself),
    "streams-jsonl": Jsonl("streams", 2_400_000, lambda scale: scale + -(-scale // 1000)),
    "hashes-jsonl": Jsonl("hashes", 3_500_000, hundredth),
    "one-hash-jsonl": Jsonl("one-hash", 3_500_000, lambda scale: 1),
    "zsets-jsonl": Jsonl("zsets", 2_700_000, hundredth),
    "dynamodb-jsonl": Jsonl("dynamodb", 2_000_000, itself),
    "sqs-jsonl": Jsonl("sqs", 800_000, itself),
    "strings-commands": Commands("strings", 6_000_000),
    "dynamodb-commands": Commands("dynamodb", 3_000_000),
    "sqs-commands": Commands("sqs", 2_000_000),
    "hashes-tree": Tree("20,000 hashes of 100 fields", "hashes", 2_000_000, hundredth, 2.5, sha=True),
    "strings-tree": Tree("1 M strings", "strings", 1_000_000, itself, 0.8, per_second=True),
    "dynamodb-tree": Tree("1 M items", "dynamodb", 1_000_000, lambda scale: scale + 1, 0.7, per_second=True),
    "s3-tree": Tree("2 GiB of objects", "s3-both", 200_000, lambda scale: 2 * scale + 1, 1.5),
}
