#!/usr/bin/env python3
"""Who keeps up with a cable, and for how much: `flumen capture` beside softflowd, nfpcapd and tcpdump.

    benches/live.py [--tools NAME,…] [--seconds 3] [--rounds 3] [--flumen PATH] [--no-result]

Root, `ip`, `unshare` and `taskset`. In a network namespace of its own a sender (`dev/sender`) puts UDP packets of 60 bytes in
4,096 flows on one end of a virtual cable, and the tool listens at the other. The sender, and with it what the kernel does
for each packet until it lies in the tool's ring, has one core; the tool has another, all its threads.

First the highest rate at which no packet is lost is looked for by halving, then, at a rate that all tools manage, CPU time
is taken in rounds in which the tools have turns. Results go to the terminal and to benches/runs/<date>-<commit>-live.md.
"""

import argparse
import datetime
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import measure

INSIDE = "FLUMEN_BENCH_INSIDE"
SENDER_CORE, TOOL_CORE = 0, 1
RING_MIB = 8
LOWEST_RATE = 50_000
# The search ends when it knows the rate to this part.
EXACT = 0.06
# Of the rates that were found, the part of the lowest at which CPU time is compared.
COMPARED_AT = 0.5
COLLECTOR_PORT = 9995


def main():
    args = arguments()
    if os.environ.get(INSIDE) is None:
        missing = [name for name in ("ip", "unshare", "taskset") if shutil.which(name) is None]
        if missing or os.geteuid() != 0:
            sys.exit(f"needs root, and {', '.join(missing) or 'nothing else'}")
        if os.cpu_count() < 2:
            sys.exit("needs two cores")
        more = [] if args.flumen else ["--flumen", str(measure.build("flumen"))]
        given = ["--is-given"] if args.flumen else []
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv, *more, *given])
    sender = measure.build("sender")
    cable()
    # What softflowd exports is taken and left.
    collector = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    collector.bind(("127.0.0.1", COLLECTOR_PORT))
    bench = Bench(sender, args.seconds)
    tools = [tool for tool in all_tools(args.flumen) if tool.name in args.tools.split(",")]
    for absent in [tool for tool in tools if shutil.which(tool.program) is None]:
        print(f"left out, as it is not installed: {absent.name}")
        tools.remove(absent)
    if not tools:
        sys.exit("no tool is left")
    highest = {}
    for tool in tools:
        highest[tool.name] = bench.highest(tool)
        print(f"{tool.name}: {highest[tool.name].text()} packets a second", flush=True)
    rate = max(LOWEST_RATE // 2, int(min(found.rate for found in highest.values()) * COMPARED_AT))
    idle = {tool.name: bench.run(tool, 1_000, 1).cpu_s for tool in tools}
    rounds = {tool.name: [] for tool in tools}
    for _ in range(args.rounds):
        for tool in tools:
            rounds[tool.name].append(bench.run(tool, rate, 2 * args.seconds))
    report = render(args, tools, highest, rate, idle, rounds)
    print(report)
    if not args.no_result:
        path = measure.ROOT / "benches" / "runs" / f"{datetime.date.today()}-{measure.commit()}-live.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(report)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", default="flumen,softflowd,nfpcapd,tcpdump")
    parser.add_argument("--seconds", type=float, default=3, help="of sending at each rate (default 3)")
    parser.add_argument("--rounds", type=int, default=3, help="of taking CPU time (default 3)")
    parser.add_argument("--flumen", help="path of the flumen program; built when not given")
    parser.add_argument("--no-result", action="store_true", help="write no file into benches/runs")
    parser.add_argument("--is-given", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def cable():
    Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
    for words in ("link add name a type veth peer name b", "link set dev a up", "link set dev b up", "link set dev lo up"):
        subprocess.run(["ip", *words.split()], check=True)


@dataclass
class Tool:
    """A program that listens on `b`."""

    name: str
    # OUT in its words is a directory, empty at the start.
    command: list
    # What finds, in all that was said, the packets that its socket had no room for. All four ask the kernel.
    dropped: str
    # Asked for that before it is told to end, when it does not say it by itself.
    ask: list = None

    @property
    def program(self):
        return self.command[0]


OUT = measure.target() / "bench" / "live"


def all_tools(flumen):
    """Each with a ring of the same size, and otherwise as it comes."""
    ring = RING_MIB << 20
    softflowd = ["softflowd", "-d", "-i", "b", "-B", str(ring), "-v", "9", "-n", f"127.0.0.1:{COLLECTOR_PORT}"]
    return [
        Tool("flumen", [str(flumen), "capture", "-i", "b", "-l", str(OUT)], r"(\d+) dropped by the kernel"),
        Tool(
            "softflowd",
            [*softflowd, "-c", f"{OUT}/control", "-p", f"{OUT}/pid"],
            r"Packets dropped by libpcap: (\d+)",
            ["softflowctl", "-c", f"{OUT}/control", "statistics"],
        ),
        Tool("nfpcapd", ["nfpcapd", "-i", "b", "-b", str(RING_MIB), "-w", str(OUT)], r"dropped by OS/Buffer: (\d+)"),
        Tool("tcpdump", ["tcpdump", "-i", "b", "-n", "-B", str(ring >> 10), "-w", "/dev/null"], r"(\d+) packets dropped by kernel"),
    ]


@dataclass
class Run:
    """What came of one run of one tool."""

    # Packets a second that were sent, and how many in all.
    rate: float
    sent: int
    lost: int
    cpu_s: float


@dataclass
class Highest:
    """The highest rate without a loss."""

    rate: float
    # Whether the sender could do no more.
    is_senders: bool

    def text(self):
        return f"{'at least ' if self.is_senders else ''}{self.rate:,.0f}"


class Bench:
    """Sends, and watches who listens."""

    def __init__(self, sender, seconds):
        self.sender, self.seconds = sender, seconds

    def highest(self, tool):
        """By halving, on a scale on which equal steps are equal factors. A rate at which something was lost is tried
        again once: the tool may have been kept from its core."""
        fastest = self.run(tool, None, self.seconds)
        print(f"  {tool.name}: {fastest.rate:,.0f} a second, as fast as it goes: {fastest.lost:,} of {fastest.sent:,} lost")
        if fastest.lost == 0:
            return Highest(fastest.rate, True)
        good, bad = 0, fastest.rate
        rate = bad / 2
        while bad > (good or LOWEST_RATE) * (1 + EXACT):
            runs = [self.run(tool, int(rate), self.seconds)]
            if runs[0].lost:
                runs.append(self.run(tool, int(rate), self.seconds))
            print(f"  {tool.name}: {rate:,.0f} a second: lost {', '.join(f'{run.lost:,}' for run in runs)}", flush=True)
            if runs[-1].lost == 0:
                good = runs[-1].rate
            else:
                bad = rate
            rate = (good * bad) ** 0.5 if good else bad / 2
        return Highest(good, False)

    def run(self, tool, rate, seconds):
        """Sends for so long at this rate, or as fast as it goes, to one that has just begun to listen."""
        measure.emptied(OUT)
        said = tempfile.TemporaryFile()
        command = ["taskset", "--cpu-list", str(TOOL_CORE), *tool.command]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: listens() or child.poll() is not None, f"{tool.name} does not listen")
            time.sleep(0.3)
            sent = self.send(rate, seconds)
            # What lies in its ring is looked at before it is told to end.
            wait_until(lambda: is_idle(child.pid), f"{tool.name} does not come to rest")
            if tool.ask:
                subprocess.run(tool.ask, stdout=said, stderr=subprocess.STDOUT, check=True)
        finally:
            child.send_signal(signal.SIGTERM)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode(errors="replace")
        found = re.findall(tool.dropped, text)
        if not found:
            sys.exit(f"{tool.name} does not say how many packets were dropped:\n{text[-2000:]}")
        return Run(sent["sent"] / sent["seconds"], sent["sent"], int(found[-1]), usage.ru_utime + usage.ru_stime)

    def send(self, rate, seconds):
        pace = ["--rate", str(rate)] if rate else []
        words = ["taskset", "--cpu-list", str(SENDER_CORE), str(self.sender), "-i", "a", "--seconds", str(seconds), *pace]
        return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)


def listens():
    """Whether a packet socket is there; the sender's is not yet."""
    return len(Path("/proc/self/net/packet").read_text().splitlines()) > 1


def is_idle(pid):
    """Whether a process uses next to no CPU time for a while, and does not just wait for some."""
    before, _ = busy(pid)
    time.sleep(0.3)
    after, waits = busy(pid)
    return after - before < 15_000_000 and not waits


def busy(pid):
    """Nanoseconds of CPU time of a process, and whether any of its threads runs or could."""
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    ns = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
    return ns, any("R (running)" in (task / "status").read_text() for task in tasks)


def wait_until(holds, otherwise):
    begin = time.monotonic()
    while not holds():
        if time.monotonic() - begin > 60:
            raise RuntimeError(otherwise)
        time.sleep(0.01)


def render(args, tools, highest, rate, idle, rounds):
    lines = [
        "# Live capture beside others",
        "",
        f"{datetime.date.today()}, commit {measure.commit()}; {measure.machine()}; {args.seconds:g} s a rate, {args.rounds} rounds.",
        *(["Flumen was given as a program, so the commit is not known to be its own."] if args.is_given else []),
        f"Packets of 60 bytes in 4,096 flows, a ring of {RING_MIB} MiB; sender on core {SENDER_CORE}, tool on core {TOOL_CORE}.",
        "",
        f"| tool | packets a second without loss | CPU ns a packet at {rate:,} a second | range | lost then |",
        "|---|---|---|---|---|",
    ]
    for tool in tools:
        runs = rounds[tool.name]
        costs = sorted(max(0.0, run.cpu_s - idle[tool.name]) * 1e9 / run.sent for run in runs)
        lost = sum(run.lost for run in runs)
        lines.append(
            f"| {tool.name} | {highest[tool.name].text()} | {statistics.median(costs):,.0f} "
            f"| {costs[0]:,.0f} to {costs[-1]:,.0f} | {lost:,} of {sum(run.sent for run in runs):,} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
