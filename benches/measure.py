"""What the benchmarks share: building, making captures, running commands and taking their resource usage."""

import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Usage:
    """What one run took."""

    cpu_s: float
    wall_s: float
    peak_mib: float
    own_mib: float
    status: int
    text: str


LIMIT_S = 900


class Child:
    """A command that runs, until `wait`, or until it is killed after LIMIT_S. User and system time and peak memory are
    the kernel's (wait4). Memory of its own (not of mapped files) is looked at every few milliseconds, since the kernel
    keeps no peak of it."""

    def __init__(self, command, stdin=subprocess.DEVNULL):
        self.output = tempfile.TemporaryFile()
        self.begin = time.monotonic()
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=stdin, stdout=self.output, stderr=subprocess.STDOUT
        )
        self.limit = threading.Timer(LIMIT_S, self.process.kill)
        self.limit.start()
        self.ended, self.own_kib = threading.Event(), 0
        self.watcher = threading.Thread(target=self.watch_own_memory)
        self.watcher.start()

    def watch_own_memory(self):
        """Keeps the largest anonymous resident set until the process has ended."""
        while not self.ended.wait(0.005):
            try:
                with open(f"/proc/{self.process.pid}/status") as status:
                    own = [int(line.split()[1]) for line in status if line.startswith("RssAnon:")]
            except (OSError, ValueError):
                return
            self.own_kib = max([self.own_kib, *own])

    def wait(self):
        _, status, usage = os.wait4(self.process.pid, 0)
        wall_s = time.monotonic() - self.begin
        self.limit.cancel()
        self.ended.set()
        self.watcher.join()
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.output.seek(0)
        text = self.output.read().decode(errors="replace")
        self.output.close()
        cpu_s = usage.ru_utime + usage.ru_stime
        return Usage(cpu_s, wall_s, usage.ru_maxrss / 1024, self.own_kib / 1024, self.process.returncode, text)


def run(command):
    """Runs a command to its end."""
    return Child(command).wait()


def run_together(commands):
    """Runs commands side by side: CPU seconds and memory of all, wall seconds until the last has ended."""
    begin = time.monotonic()
    usages = [child.wait() for child in [Child(command) for command in commands]]
    return Usage(
        sum(usage.cpu_s for usage in usages),
        time.monotonic() - begin if len(usages) > 1 else usages[0].wall_s,
        sum(usage.peak_mib for usage in usages),
        sum(usage.own_mib for usage in usages),
        next((usage.status for usage in usages if usage.status), 0),
        "\n".join(usage.text for usage in usages),
    )


def target():
    """Cargo's build directory."""
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


@functools.cache
def build(package):
    """Builds a binary of the workspace in release mode and returns its path."""
    built = subprocess.run(["cargo", "build", "--release", "-q", "-p", package], cwd=ROOT)
    if built.returncode:
        sys.exit(f"{package} does not build")
    return target() / "release" / package


@functools.cache
def generator():
    """A name for what `traffic` makes of the same arguments: it changes with its sources."""
    sources = sorted((ROOT / "dev" / "traffic" / "src").rglob("*.rs"))
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()[:8]


def capture(*arguments):
    """The capture that `traffic` makes of these arguments, in the page cache. It is kept in the build directory, or in
    the directory that CAPTURES names, and made again when its generator changes."""
    directory = Path(os.environ.get("CAPTURES", target() / "bench"))
    arguments = [str(argument) for argument in arguments]
    stem = f"{arguments[0]}-{hashlib.sha256(' '.join(arguments).encode()).hexdigest()[:8]}"
    path = directory / f"{stem}-{generator()}.pcap"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        for old in directory.glob(f"{stem}-*"):
            old.unlink()
        unfinished = path.with_suffix(".part")
        made = run([build("traffic"), *arguments, "-o", unfinished])
        if made.status:
            sys.exit(f"traffic {' '.join(arguments)}: {made.text}")
        unfinished.rename(path)
        print(f"made {path.name}: {made.text.split(': ', 1)[-1].strip()}, in {made.wall_s:.1f} s", flush=True)
    warm(path)
    return path


def warm(path):
    """Reads a file once, so that every run after finds it in the page cache."""
    with open(path, "rb", buffering=0) as file:
        buffer = bytearray(1 << 22)
        while file.readinto(buffer):
            pass


WARMING = """
import ctypes, mmap, sys
memory = mmap.mmap(-1, int(sys.argv[1]) << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_HUGEPAGE)
ctypes.memset((ctypes.c_char * len(memory)).from_buffer(memory), 1, len(memory))
"""


def warm_memory(flows, directory):
    """Touches memory and gives it back, right before a run: half a gigabyte and what table and records need for each flow, and
    then what the records need by a file in `directory`, whose pages come from other lists of the kernel. Where a host takes free pages from its guests the
    first touch of a page costs up to ten times as much when it was free for some seconds: without this a run is charged for what ran
    before it. (Of the SYN flood, with records in a file: 1.2 to 1.7 CPU s without the file here, 1.2 to 1.35 with it.) A process of
    its own does the first part, since what runs next would inherit the peak of this one."""
    mib = 512 + flows * 700 // 2**20
    subprocess.run([sys.executable, "-S", "-c", WARMING, str(mib)], check=True)
    piece = bytes(1 << 19)
    path = directory / "warm"
    with open(path, "wb", buffering=0) as file:
        for _ in range(flows * 640 // len(piece)):
            file.write(piece)
    path.unlink()


def emptied(path):
    """The directory, there and empty."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def commit():
    """Short name of the commit, with `-changed` when there is more than it."""
    name = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True)
    return (name.stdout.strip() or "unknown") + ("-changed" if changed.stdout.strip() else "")


def processor():
    """Model of the processor as the kernel has it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def machine():
    """Size of the machine; nothing that names it."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {processor()}, {gib:.0f} GiB, Linux {platform.release().split('-')[0]}"


def host():
    """The same as part of a file's name: processor and number of cores."""
    return f"{re.sub('[^a-z0-9]+', '-', processor().lower()).strip('-')}-{os.cpu_count()}-cores"
