#!/usr/bin/env python3
"""`flumen capture` under load for half an hour: memory stays flat, every packet is accounted for, no line is lost.

    dev/soak.py [--minutes 30] [--rate 3000] [--flumen PATH] [--into DIR]

Needs root, `ip` and `tcpreplay`. In a network namespace of its own, one end of a virtual cable gets, at once:

- a mix of generated captures (an office, tunnels, fragments, heavy-tailed flows), over and over, with other addresses each
  time, at `--rate` packets a second;
- every minute a flood of SYNs five times as fast, for ten seconds;
- every five minutes a cable that is pulled out and put in again.

The sensor on the other end begins a new log every 8 MB; every 20 seconds its log is moved away and SIGHUP sent, every 30
seconds SIGUSR1; four clients ask its socket without a pause, one of them in words that it must refuse. Logs are read,
counted and removed as they are finished, so little disk is needed.

Every few seconds a sample is taken; they stand in samples.csv in `--into`. What is judged, from a warm-up of a fifth of
the time on, is at the top of `judge`. Ends with 0 when all of it held, with 1 when not, with 2 when it could not run.
"""

import argparse
import csv
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field, fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benches"))
import measure  # noqa: E402

INSIDE = "FLUMEN_SOAK_INSIDE"
CLIENTS = 4
WARM_UP = 0.2
TICK_S, SAMPLE_S = 0.5, 5
ROTATE_BYTES = 8_000_000
# Seconds between two of each.
FLOOD_S, FLOOD_FOR_S, OUTAGE_S, HUP_S, USR1_S = 60, 10, 300, 20, 30

# What the mix is made of; frames must fit the cable.
MIX = [
    ("office",),
    ("tunnels",),
    ("fragments",),
    ("zipf", "--packets", "20000"),
    ("reuse",),
    ("e7",),
]
FLOOD = ("syn-flood", "--packets", "150000", "--established", "50")
MTU = 9000

CONFIGURATION = """%YAML 1.1
---
af-packet:
  - {{interface: b, threads: 2, defrag: no}}
flow: {{memcap: 64mb}}
flow-timeouts:
  tcp: {{new: 20, established: 60, closed: 10}}
  udp: {{new: 20, established: 60}}
  icmp: {{new: 20, established: 60}}
  default: {{new: 20, established: 60, closed: 0}}
stats: {{interval: 10}}
unix-command: {{enabled: yes, filename: {socket}}}
outputs:
  - eve-log: {{filename: eve.json, rotate-size: {rotate}, types: [flow, stats]}}
  - stats: {{enabled: yes}}
"""


def main():
    args = arguments()
    if os.environ.get(INSIDE) is None:
        missing = [tool for tool in ("ip", "tcpreplay", "unshare") if shutil.which(tool) is None]
        if missing or os.geteuid() != 0:
            print(f"cannot run: needs root, and {', '.join(missing) or 'nothing else'}", file=sys.stderr)
            sys.exit(2)
        flumen = args.flumen or measure.build("flumen")
        command = ["unshare", "--net", sys.executable, *sys.argv, "--flumen", str(flumen)]
        os.execvpe("unshare", command, {**os.environ, INSIDE: "1"})
    sys.exit(soak(args))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=int, default=3000, help="packets a second of the mix (default 3000)")
    parser.add_argument("--flumen", help="path of the flumen program; built when not given")
    parser.add_argument("--into", type=Path, help="directory for samples.csv and logs; a temporary one when not given")
    return parser.parse_args()


def soak(args):
    # Whoever ends it early leaves nothing running behind.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(1))
    own = None if args.into else tempfile.TemporaryDirectory(prefix="flumen-soak-")
    directory = measure.emptied(args.into or Path(own.name))
    traffic = measure.build("traffic")
    mix = [measure.capture(traffic, *words) for words in MIX]
    flood = measure.capture(traffic, *FLOOD)
    cable()
    with Sensor(args.flumen, directory) as sensor:
        load = Load(mix, flood, args.rate)
        clients = [Client(sensor.socket, number) for number in range(CLIENTS)]
        try:
            samples = watch(sensor, load, args.minutes * 60)
        finally:
            load.stop()
            answers = sum(client.stop() for client in clients)
        status = sensor.end()
        sensor.log.collect(finished=True)
    with open(directory / "samples.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([name.name for name in fields(Sample)])
        rows.writerows([getattr(sample, name.name) for name in fields(Sample)] for sample in samples)
    failures = [failure for client in clients for failure in client.failures]
    return report(args, sensor, load, samples, status, answers, failures)


def cable():
    Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
    ip("link add name a type veth peer name b")
    for end in "ab":
        ip(f"link set dev {end} up mtu {MTU}")


def ip(words):
    subprocess.run(["ip", *words.split()], check=True)


def watch(sensor, load, seconds):
    """Keeps everything going until the time is over; returns the samples."""
    samples = []
    due = {"sample": SAMPLE_S, "flood": FLOOD_S / 2, "outage": OUTAGE_S * 0.7, "hup": HUP_S, "usr1": USR1_S}
    actions = {
        "sample": (SAMPLE_S, lambda: samples.append(sensor.sample(time.monotonic() - begin))),
        "flood": (FLOOD_S, load.flood),
        "outage": (OUTAGE_S, load.outage),
        "hup": (HUP_S, sensor.hup),
        "usr1": (USR1_S, lambda: sensor.child.send_signal(signal.SIGUSR1)),
    }
    begin = time.monotonic()
    while (now := time.monotonic() - begin) < seconds and sensor.child.poll() is None:
        load.keep_up()
        for name, (every, action) in actions.items():
            if now >= due[name]:
                action()
                due[name] += every
        sensor.log.collect()
        time.sleep(TICK_S)
    return samples


class Load:
    """What is sent on the cable."""

    def __init__(self, mix, flood, rate):
        self.mix = [(path, max(1, rate // len(mix))) for path in mix]
        self.flood_path, self.flood_rate = flood, rate * 5
        self.running, self.floods, self.outages, self.restarts = {}, 0, 0, 0
        self.keep_up()

    def keep_up(self):
        """A replay that has ended, by its loops or since the cable was out, begins again."""
        for path, rate in self.mix:
            if path not in self.running or self.running[path].poll() is not None:
                self.restarts += path in self.running
                self.running[path] = self.replay(path, rate, "--preload-pcap", "--loop=1000000", "--unique-ip")

    def flood(self):
        self.floods += 1
        more = [f"--limit={self.flood_rate * FLOOD_FOR_S}", "--loop=100", "--unique-ip"]
        self.running["flood"] = self.replay(self.flood_path, self.flood_rate, *more)

    def outage(self):
        self.outages += 1
        ip("link set dev b down")
        ip("link set dev b up")

    def replay(self, path, rate, *more):
        # Statistics of flows would take memory without bound in tcpreplay itself.
        command = ["tcpreplay", "--quiet", "--no-flow-stats", "--intf1=a", f"--pps={rate}", *more, str(path)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        for replay in self.running.values():
            replay.kill()
            replay.wait()


@dataclass
class Sample:
    """The sensor at one moment."""

    at_s: float
    anonymous_kib: int
    resident_kib: int
    descriptors: int
    threads: int
    memuse: int
    active: int
    packets: int
    dropped: int


class Sensor:
    """The program that is watched."""

    def __init__(self, flumen, directory):
        self.directory, self.log = directory, Log(directory)
        # A path of a socket must be short.
        self.sockets = tempfile.TemporaryDirectory(prefix="flumen-")
        self.socket = Path(self.sockets.name) / "socket"
        config = directory / "soak.yaml"
        config.write_text(CONFIGURATION.format(socket=self.socket, rotate=ROTATE_BYTES))
        command = [flumen, "capture", "-c", str(config), "-l", str(directory), "--audit"]
        self.messages = directory / "messages"
        with open(self.messages, "wb") as messages:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=messages)

    def __enter__(self):
        begin = time.monotonic()
        while "capturing" not in self.messages.read_text():
            if self.child.poll() is not None or time.monotonic() - begin > 60:
                sys.exit(f"flumen did not begin:\n{self.messages.read_text()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
        self.sockets.cleanup()

    def sample(self, at_s):
        proc = Path(f"/proc/{self.child.pid}")
        status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        number = lambda name: int(status[name].split()[0])  # noqa: E731
        with Connection(self.socket) as connection:
            counters = connection.ask("dump-counters")["message"]
        return Sample(
            round(at_s, 1),
            number("RssAnon"),
            number("VmRSS"),
            len(os.listdir(proc / "fd")),
            number("Threads"),
            counters["flow"]["memuse"],
            counters["flow"]["active"],
            counters["capture"]["kernel_packets"],
            counters["capture"]["kernel_drops"],
        )

    def hup(self):
        """As a log rotation does it."""
        self.log.move_away()
        self.child.send_signal(signal.SIGHUP)

    def end(self):
        """Ends it while packets wait in its rings; its exit code, None when it took longer than a minute."""
        self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(60)
        except subprocess.TimeoutExpired:
            return None


@dataclass
class Log:
    """All lines that were written, in whatever file."""

    directory: Path
    flows: int = 0
    packets: int = 0
    bytes: int = 0
    broken: list = field(default_factory=list)
    files: int = 0
    moved: int = 0
    stats_events: int = 0
    unaccounted: list = field(default_factory=list)
    stats: dict = field(default_factory=dict)

    def move_away(self):
        self.moved += 1
        try:
            (self.directory / "eve.json").rename(self.directory / f"eve.json.moved-{self.moved}")
        except FileNotFoundError:
            # The sensor is between moving it away itself and beginning the next.
            pass

    def collect(self, finished=False):
        """Reads and removes files; while the sensor runs not those that it may still write: the current and the two
        that were moved away last."""
        aside = sorted(self.directory.glob("eve.json.*"), key=lambda path: path.stat().st_mtime_ns)
        paths = [*aside, self.directory / "eve.json"] if finished else aside[:-2]
        for path in paths:
            if path.exists():
                self.read(path)
                path.unlink()

    def read(self, path):
        self.files += 1
        with open(path, "rb") as lines:
            for line in lines:
                try:
                    event = json.loads(line)
                    complete = line.endswith(b"\n")
                except ValueError:
                    complete = False
                if not complete:
                    self.broken.append(line[:200])
                elif event["event_type"] == "flow":
                    flow = event["flow"]
                    self.flows += 1
                    self.packets += flow["pkts_toserver"] + flow["pkts_toclient"]
                    self.bytes += flow["bytes_toserver"] + flow["bytes_toclient"]
                elif event["event_type"] == "stats":
                    self.stats_events += 1
                    unaccounted = event["stats"]["flumen"]["ledger"]["unaccounted"]
                    if any(unaccounted.values()):
                        self.unaccounted.append(unaccounted)
                    # The last file read need not be the last one written.
                    if event["stats"]["capture"]["kernel_packets"] >= self.stats.get("capture", {}).get("kernel_packets", 0):
                        self.stats = event["stats"]


class Connection:
    """The sensor's socket, spoken to in version 0.2 of its protocol."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("rb")
        if self.send(b'{"version":"0.2"}\n')["return"] != "OK":
            raise ValueError("the version is refused")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.socket.close()

    def send(self, request):
        self.socket.sendall(request)
        return json.loads(self.lines.readline())

    def ask(self, command, **arguments):
        request = {"command": command, **({"arguments": arguments} if arguments else {})}
        return self.send(json.dumps(request).encode() + b"\n")


class Client:
    """One that asks without a pause until it is stopped, on a new connection every hundred questions."""

    def __init__(self, path, number):
        self.path, self.refused = path, number == 0
        self.stopping, self.answers, self.failures = threading.Event(), 0, []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        questions = [("dump-counters", {}), ("iface-stat", {"iface": "b"}), ("memcap-list", {}), ("uptime", {})]
        while not self.stopping.is_set():
            try:
                with Connection(self.path) as connection:
                    for turn in range(100):
                        command, arguments = questions[turn % len(questions)]
                        answer = connection.send(b'{"command":\n') if self.refused else connection.ask(command, **arguments)
                        if answer["return"] != ("NOK" if self.refused else "OK"):
                            raise ValueError(f"{command}: {answer}")
                        self.answers += 1
                        # Some hundreds a second from all; more would measure this script.
                        if self.stopping.wait(0.02):
                            break
            except (OSError, ValueError, KeyError) as error:
                self.failures.append(repr(error))
                self.stopping.wait(1)

    def stop(self):
        self.stopping.set()
        self.thread.join()
        return self.answers


def report(args, sensor, load, samples, status, answers, failures):
    log, stats = sensor.log, sensor.log.stats
    warm = [sample for sample in samples if sample.at_s >= args.minutes * 60 * WARM_UP]
    if len(warm) < 4 or not stats:
        print(f"it ended early, with {status}:\n{sensor.messages.read_text()}")
        return 1
    print(f"# Soak of {args.minutes:g} minutes\n\ncommit {measure.commit()}; {measure.machine()}\n")
    print(f"{len(samples)} samples; {len(warm)} after the warm-up of {args.minutes * WARM_UP:g} minutes:\n")
    print("| | median | min | max | slope an hour |\n|---|---|---|---|---|")
    for name in ("anonymous_kib", "resident_kib", "descriptors", "threads", "memuse", "active"):
        values = [getattr(sample, name) for sample in warm]
        print(f"| {name} | {statistics.median(values):,.0f} | {min(values):,} | {max(values):,} | {slope(warm, name) * 3600:,.0f} |")
    ledger = stats["flumen"]["ledger"]
    kernel = ledger["kernel"]
    print(
        f"\npackets {kernel['packets']:,}, dropped by the kernel {kernel['dropped']:,}, lost in rings {kernel['lost']:,}, "
        f"read {ledger['read']['packets']:,}; floods {load.floods}, outages {load.outages}, replays begun again {load.restarts}"
    )
    print(
        f"flows {stats['flow']['total']:,}, records {log.flows:,} in {log.files} files ({log.moved} moved away by hand); "
        f"stats events {log.stats_events}; answers of the socket {answers:,}"
    )
    broken = judge(warm, log, status, failures)
    print(f"messages:\n{sensor.messages.read_text()}")
    print("\n".join(f"- broken: {line}" for line in broken) if broken else "All of it held.")
    return 1 if broken else 0


def judge(warm, log, status, failures):
    """What does not hold."""
    ledger, flow = log.stats["flumen"]["ledger"], log.stats["flow"]
    kernel = ledger["kernel"]
    span_s = warm[-1].at_s - warm[0].at_s
    anonymous = [sample.anonymous_kib for sample in warm]
    grown = slope(warm, "anonymous_kib") * span_s / statistics.median(anonymous)
    claims = {
        f"exit code 0: {status}": status == 0,
        f"anonymous memory does not grow by more than 3 % from warm-up to end: {100 * grown:+.2f} %": grown <= 0.03,
        f"nor does it swing by more than 15 %: {min(anonymous):,} to {max(anonymous):,} KiB": max(anonymous)
        <= 1.15 * min(anonymous),
        "as many threads all the time": len({sample.threads for sample in warm}) == 1,
        "no more descriptors at any time than one for each client beyond the least": max(s.descriptors for s in warm)
        - min(s.descriptors for s in warm)
        <= CLIENTS + 1,
        f"nothing unaccounted for in any stats event: {log.unaccounted[:3]}": not log.unaccounted,
        f"the kernel's packets are those dropped, lost and read: {kernel}": kernel["packets"]
        == kernel["dropped"] + kernel["lost"] + ledger["read"]["packets"],
        f"a record for every flow: {log.flows:,} of {flow['total']:,}": log.flows == flow["total"],
        f"all packets in records: {log.packets:,} of {ledger['in_flows']['packets']:,}": log.packets
        == ledger["in_flows"]["packets"],
        f"all bytes in records: {log.bytes:,} of {ledger['in_flows']['bytes']:,}": log.bytes == ledger["in_flows"]["bytes"],
        f"every line whole: {log.broken[:3]}": not log.broken,
        f"every client answered as it should be: {failures[:3]}": not failures,
    }
    return [claim for claim, holds in claims.items() if not holds]


def slope(samples, name):
    """Of the straight line through a figure, by least squares, per second."""
    return statistics.linear_regression([s.at_s for s in samples], [getattr(s, name) for s in samples]).slope


if __name__ == "__main__":
    main()
