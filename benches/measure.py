"""What compare.py and flood.py share: building, making captures, running a command and taking its resource usage."""

import hashlib
import os
import platform
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
    """What one run of one command took."""

    cpu_s: float
    wall_s: float
    peak_mib: float
    own_mib: float
    status: int
    text: str


LIMIT_S = 900


def run(command):
    """Runs a command to its end, or kills it after LIMIT_S; user and system time and peak memory are the kernel's (wait4).
    Memory of its own (not of mapped files) is looked at every few milliseconds, since the kernel keeps no peak of it."""
    with tempfile.TemporaryFile() as output:
        begin = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        limit = threading.Timer(LIMIT_S, child.kill)
        limit.start()
        ended, peaks = threading.Event(), [0]
        watcher = threading.Thread(target=watch_own_memory, args=(child.pid, ended, peaks))
        watcher.start()
        _, status, usage = os.wait4(child.pid, 0)
        limit.cancel()
        ended.set()
        wall_s = time.monotonic() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    watcher.join()
    cpu_s = usage.ru_utime + usage.ru_stime
    return Usage(cpu_s, wall_s, usage.ru_maxrss / 1024, max(peaks) / 1024, child.returncode, text)


def watch_own_memory(pid, ended, peaks):
    """Keeps the largest anonymous resident set of a process, in KiB, until it has ended."""
    while not ended.wait(0.005):
        try:
            with open(f"/proc/{pid}/status") as status:
                own = [int(line.split()[1]) for line in status if line.startswith("RssAnon:")]
        except (OSError, ValueError):
            return
        peaks[0] = max([peaks[0], *own])


def target():
    """Cargo's build directory."""
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def build(package):
    """Builds a binary of the workspace in release mode and returns its path."""
    built = subprocess.run(["cargo", "build", "--release", "-p", package], cwd=ROOT)
    if built.returncode:
        sys.exit(f"{package} does not build")
    return target() / "release" / package


def capture(traffic, *arguments):
    """The capture that `traffic` makes of these arguments; kept in the build directory under a name that depends on
    them and on the generator, so that it is made again when either changes."""
    generator = hashlib.sha256(Path(traffic).read_bytes())
    name = hashlib.sha256("\0".join([generator.hexdigest(), *arguments]).encode()).hexdigest()[:16]
    path = target() / "bench" / f"{arguments[0]}-{name}.pcap"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        made = run([str(traffic), *arguments, "-o", str(unfinished)])
        if made.status:
            sys.exit(f"traffic {' '.join(arguments)}: {made.text}")
        print(f"made {made.text.strip()} in {made.wall_s:.1f} s")
        unfinished.rename(path)
    warm(path)
    return path


def warm(path):
    """Reads a file once, so that every run after finds it in the page cache."""
    with open(path, "rb", buffering=0) as file:
        buffer = bytearray(1 << 22)
        while file.readinto(buffer):
            pass


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


def machine():
    """Size of the machine; nothing that names it."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = ", " + line.split(":", 1)[1].strip()
            break
    return f"{os.cpu_count()} cores{model}, {gib:.0f} GiB, Linux {platform.release().split('-')[0]}"
