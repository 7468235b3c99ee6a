"""What the process sees: import time, memory, signals, threads."""

import os
import signal
import subprocess
import sys
import threading
import time

import pyarrow

import ekvsnap

WAIT_S = 60


def run(code, *args, **more):
    return subprocess.run([sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, timeout=WAIT_S, **more)


def test_import_is_quick():
    code = "import time; began = time.perf_counter(); import ekvsnap; print(time.perf_counter() - began)"
    assert min(float(run(code).stdout) for _ in range(5)) < 0.1


PEAK = """
import sys, threading, time
import ekvsnap

def anonymous():
    for line in open('/proc/self/status'):
        if line.startswith('RssAnon'):
            return int(line.split()[1])

peak, done = 0, False
def watch():
    global peak
    while not done:
        peak = max(peak, anonymous())
        time.sleep(0.002)

rows = eval('ekvsnap.open(sys.argv[1]).' + sys.argv[2])
before = anonymous()
watcher = threading.Thread(target=watch)
watcher.start()
if sys.argv[3] == 'arrow':
    import pyarrow
    before = anonymous()
    taken = sum(batch.num_rows for batch in pyarrow.RecordBatchReader.from_stream(rows))
else:
    taken = sum(1 for _ in rows)
done = True
watcher.join()
print(taken, peak - before)
"""


def test_memory_is_flat(generate):
    for workload, rows in (("hashes", "redis.hashes()"), ("one-hash", "redis.hashes()"), ("dynamodb", "dynamodb.table('bench')")):
        peaks = []
        for scale in (50_000, 200_000):
            ran = run(PEAK, generate(workload, scale), rows, "arrow")
            assert not ran.stderr, ran.stderr
            taken, peak = map(int, ran.stdout.split())
            assert taken == scale
            peaks.append(peak)
        assert max(peaks) < 96 << 10 and peaks[1] - peaks[0] < 12 << 10, (workload, peaks)


INTERRUPTED = """
import sys
import time
import ekvsnap
rows = ekvsnap.open(sys.argv[1]).redis.hashes()
print('begun', flush=True)
ended = False
try:
    try:
        for _ in range(1000):
            if sys.argv[2] == 'iterate':
                for row in rows:
                    pass
            else:
                import pyarrow
                pyarrow.RecordBatchReader.from_stream(rows).read_all()
    except Exception:
        # A library raises an exception of its own, and the interrupt comes behind it.
        ended = True
    time.sleep(0.1)
except KeyboardInterrupt:
    ended = True
print('interrupted' if ended else 'went on', flush=True)
"""


def test_ctrl_c(generate):
    file = generate("hashes", 200_000)
    for how in ("iterate", "arrow"):
        child = subprocess.Popen([sys.executable, "-c", INTERRUPTED, str(file), how], stdout=subprocess.PIPE, text=True)
        assert child.stdout.readline() == "begun\n"
        time.sleep(0.2)
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        rest, _ = child.communicate(timeout=WAIT_S)
        assert rest.startswith("interrupted") and time.monotonic() - began < 10, (how, rest)


def test_other_threads_go_on(generate):
    """While a stream is read in one thread, Python runs in others: the interpreter's lock is free."""
    rows, counted, done = ekvsnap.open(generate("hashes", 200_000)).redis.hashes(), 0, False

    def count():
        nonlocal counted
        while not done:
            counted += 1
            time.sleep(0.001)

    counter = threading.Thread(target=count)
    counter.start()
    took = time.monotonic()
    pyarrow.table(rows)
    took = time.monotonic() - took
    done = True
    counter.join()
    assert counted > took * 100


def test_one_iterator_in_several_threads(generate):
    """Each row comes once, or the thread is told that another one is at work."""
    rows, seen, refused = iter(ekvsnap.open(generate("dynamodb", 50_000)).dynamodb.table("bench")), [], []

    def take():
        while True:
            try:
                seen.append(next(rows)["pk"])
            except StopIteration:
                return
            except RuntimeError:
                refused.append(1)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 50_000


def test_streams_that_are_left(generate):
    """A stream that nobody reads to its end leaves no thread behind."""
    snapshot, before = ekvsnap.open(generate("hashes", 200_000)), threads()
    for _ in range(10):
        next(iter(snapshot.redis.hashes()))
        pyarrow.RecordBatchReader.from_stream(snapshot.redis.hashes()).read_next_batch()
    deadline = time.monotonic() + 10
    while threads() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threads() <= before


def threads():
    """Threads of ours."""
    tasks = (f"/proc/self/task/{task}/comm" for task in os.listdir("/proc/self/task"))
    return sum(open(task).read().strip() == "ekvsnap" for task in tasks if os.path.exists(task))
