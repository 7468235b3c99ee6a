"""What the machine is, what it does, and the record of a run."""

import datetime
import hashlib
import mmap
import os
import pathlib
import platform
import subprocess
import sys
import time


def check(holds, words):
    if not holds:
        sys.exit(f"benches/ratios: wrong answer: {words}")


def peak_anonymous(pid):
    """The largest RssAnon in bytes until the process ends, looked at every 2 ms."""
    peak = 0
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            while True:
                status.seek(0)
                lines = [line for line in status if line.startswith("RssAnon:")]
                if not lines:
                    return peak
                peak = max(peak, int(lines[0].split()[1]) * 1024)
                time.sleep(0.002)
    except (OSError, ValueError):
        return peak


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def count_lines(root):
    """Lines of all JSONL files below a folder."""
    total = 0
    for path in pathlib.Path(root).rglob("*.jsonl"):
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                total += piece.count(b"\n")
    return total


def wait_until_quiet():
    """Waits, up to a minute, until nothing is written to any disk for two seconds."""
    def written():
        return sum(int(line.split()[9]) for line in pathlib.Path("/proc/diskstats").read_text().splitlines())
    for _ in range(30):
        before = written()
        time.sleep(2)
        if written() == before:
            return


def warm_memory(most):
    """Touches free memory. Under a hypervisor a page's first use costs microseconds, which are nobody's work."""
    free = next(int(line.split()[1]) * 1024 for line in open("/proc/meminfo", encoding="ascii")
                if line.startswith("MemAvailable"))
    size = min(most, free // 2) // mmap.PAGESIZE * mmap.PAGESIZE
    if size == 0:
        return
    with mmap.mmap(-1, size) as memory:
        for at in range(0, size, mmap.PAGESIZE):
            memory[at] = 1


def describe(folder, repo):
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="ascii")
                  if line.startswith("model name")), platform.machine())
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo", encoding="ascii"))
    kind = subprocess.run(["df", "--output=fstype", folder], check=True, stdout=subprocess.PIPE, text=True).stdout
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=repo, stdout=subprocess.PIPE, text=True)
    return {
        "CPU": f"{model}, {os.cpu_count()} cores",
        "memory": f"{memory / 2**20:.0f} GiB",
        "kernel": platform.release().split("-")[0],
        "file system": kind.split()[-1],
        "commit": commit.stdout.strip(),
        "load at the start": f"{os.getloadavg()[0]:.1f}",
    }


def report(about, bench):
    about["runs of each side"] = f"{bench.runs}, the least time counts"
    if bench.cleared:
        about["earlier outputs removed before"] = ", ".join(bench.cleared)
    facts = "\n".join(f"* {name}: {value}" for name, value in about.items())
    titles = ("work", "measured", "limit", "ratio", "goal", "met")
    cells = [titles, tuple("---" for _ in titles), *bench.lines]
    table = "\n".join(f"| {' | '.join(line)} |" for line in cells)
    return f"{facts}\n\n{table}\n"


def write_record(repo, text):
    today = datetime.date.today().isoformat()
    folder = repo / "benches" / "records"
    folder.mkdir(exist_ok=True)
    names = [today] + [f"{today}-{n}" for n in range(2, 100)]
    name = next(name for name in names if not (folder / f"{name}.md").exists())
    (folder / f"{name}.md").write_text(f"# benches/ratios, {name}\n\n{text}")
    return f"benches/records/{name}.md"
