#!/usr/bin/env python3
"""Flumen beside its peers on one generated capture, in one run: CPU seconds, peak memory, and what each counted.

    benches/compare.py [--tools flumen,nfpcapd,softflowd,argus] [--rounds N] [--packets N]

Builds Flumen and the traffic generator, makes the capture once, then lets the tools take turns (A B C D A B C D …), so
that what else the machine does hits all alike. Medians go to the terminal and to benches/runs/<date>-<commit>.md.
The peers are Debian's; nothing is installed from here:

    apt-get install nfdump softflowd argus-server argus-client

How each figure is got: benches/README.md.
"""

import argparse
import datetime
import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
from pathlib import Path

import measure


class Tool:
    """A program that makes flow records of a capture."""

    name = ""
    binary = ""
    package = ""

    def available(self):
        """Where its program is, or None."""
        return shutil.which(self.binary) or next(
            (str(path) for path in [Path("/usr/sbin") / self.binary, Path("/usr/bin") / self.binary] if path.exists()), None
        )

    def version(self):
        raise NotImplementedError

    def command(self, capture, out):
        raise NotImplementedError

    def counted(self, usage, out):
        """(packets, records) by the tool's own account, with None for what it does not say. Not timed."""
        raise NotImplementedError


class Flumen(Tool):
    name = "flumen"

    def __init__(self, path, more):
        self.path, self.more = path, more

    def available(self):
        return self.path if self.path and Path(self.path).exists() else None

    def version(self):
        return first_line([self.path, "--version"])

    def command(self, capture, out):
        return [str(self.path), "read", "-l", str(out), *self.more, str(capture)]

    def counted(self, usage, out):
        flows, packets = 0, None
        with open(out / "eve.json", "rb") as records:
            for line in records:
                flows += b'"event_type":"flow"' in line
                if b'"event_type":"stats"' in line:
                    packets = json.loads(line)["stats"]["decoder"]["pkts"]
        return packets, flows


class Nfpcapd(Tool):
    name, binary, package = "nfpcapd", "nfpcapd", "nfdump"

    def version(self):
        return first_line([self.available(), "-V"])

    def command(self, capture, out):
        return [self.available(), "-r", str(capture), "-l", str(out)]

    def counted(self, usage, out):
        return number(r"Processed: (\d+)", usage.text), number(r"Flows: (\d+)", usage.text)


class Softflowd(Tool):
    """Export goes to a socket of this script on the loopback, which nobody reads. No `-c`: with a control socket
    softflowd waits for someone to connect to it before it reads a file."""

    name, binary, package = "softflowd", "softflowd", "softflowd"

    def __init__(self):
        self.collector = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.collector.bind(("127.0.0.1", 0))

    def version(self):
        text = subprocess.run([self.available(), "-h"], capture_output=True, text=True).stdout
        found = re.search(r"version ([\d.]+)", text)
        return f"softflowd {found.group(1)}" if found else "softflowd"

    def command(self, capture, out):
        port = self.collector.getsockname()[1]
        return [self.available(), "-d", "-r", str(capture), "-n", f"127.0.0.1:{port}", "-v", "9", "-m", "4000000"]

    def counted(self, usage, out):
        return number(r"Packets processed: (\d+)", usage.text), number(r"Flows expired: (\d+)", usage.text)


class Argus(Tool):
    """Status records every 60 seconds, so that a flow of the capture gets one; no configuration file."""

    name, binary, package = "argus", "argus", "argus-server"

    def version(self):
        return first_line([self.available(), "-h"])

    def command(self, capture, out):
        return [self.available(), "-X", "-S", "60", "-r", str(capture), "-w", str(out / "argus.out")]

    def counted(self, usage, out):
        racount = shutil.which("racount")
        if not racount:
            return None, None
        text = subprocess.run([racount, "-r", str(out / "argus.out")], capture_output=True, text=True).stdout
        found = re.search(r"^\s*sum\s+(\d+)\s+(\d+)", text, re.M)
        return (int(found.group(2)), int(found.group(1))) if found else (None, None)


def first_line(command):
    done = subprocess.run(command, capture_output=True, text=True)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines else command[0]


def number(pattern, text):
    found = re.search(pattern, text)
    return int(found.group(1)) if found else None


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", default="flumen,nfpcapd,softflowd,argus", help="which, comma-separated, in this order")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--packets", type=int, default=4_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--flumen", help="path of the flumen program; built when not given")
    parser.add_argument("--flumen-arg", action="append", default=[], help="more arguments of `flumen read`, one each")
    parser.add_argument("--no-result", action="store_true", help="write no file into benches/runs")
    return parser.parse_args()


def main():
    args = arguments()
    wanted = args.tools.split(",")
    flumen = args.flumen or (measure.build("flumen") if "flumen" in wanted else None)
    known = {tool.name: tool for tool in (Flumen(flumen, args.flumen_arg), Nfpcapd(), Softflowd(), Argus())}
    if unknown := [name for name in wanted if name not in known]:
        sys.exit(f"no such tool: {', '.join(unknown)}; there are {', '.join(known)}")
    tools = [known[name] for name in wanted]
    if missing := [tool for tool in tools if not tool.available()]:
        sys.exit(f"not installed: {', '.join(t.name for t in missing)}; try apt-get install "
                 f"{' '.join(t.package for t in missing)}, or leave them out with --tools")

    traffic = measure.build("traffic")
    capture = measure.capture(traffic, "zipf", "--seed", str(args.seed), "--packets", str(args.packets))
    results = take_turns(tools, capture, args.rounds)
    report = render(tools, results, capture, args)
    print(report)
    agreed = {packets for packets, _ in (result["counted"] for result in results.values()) if packets is not None}
    if not args.no_result:
        path = measure.ROOT / "benches" / "runs" / f"{datetime.date.today()}-{measure.commit()}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(report)
        print(f"written to {path.relative_to(measure.ROOT)}")
    if agreed - {args.packets}:
        sys.exit(f"not all tools counted {args.packets} packets: {sorted(agreed)}")


def take_turns(tools, capture, rounds):
    results = {tool.name: {"usages": [], "counted": (None, None)} for tool in tools}
    for turn in range(rounds):
        for tool in tools:
            out = measure.emptied(measure.target() / "bench" / "out")
            usage = measure.run(tool.command(capture, out))
            if usage.status:
                sys.exit(f"{tool.name} ended with {usage.status}:\n{usage.text[-2000:]}")
            results[tool.name]["usages"].append(usage)
            if turn == 0:
                results[tool.name]["counted"] = tool.counted(usage, out)
            print(f"round {turn + 1}: {tool.name:<10} {usage.cpu_s:6.2f} CPU s {usage.wall_s:6.2f} s {usage.peak_mib:5.0f} MiB, own {usage.own_mib:5.0f}", flush=True)
    measure.emptied(measure.target() / "bench" / "out")
    return results


def render(tools, results, capture, args):
    """The result as a page of Markdown."""
    median = {name: statistics.median(u.cpu_s for u in result["usages"]) for name, result in results.items()}
    base = median.get("flumen")
    size = capture.stat().st_size
    lines = [
        f"# Flow records of a capture of {args.packets:,} packets",
        "",
        f"{datetime.date.today()}, commit {measure.commit()}; {measure.machine()}.",
        f"Capture: `traffic zipf --seed {args.seed} --packets {args.packets}`, {size:,} bytes, in the page cache.",
        *(["Flumen was given as a program, so the commit is not known to be its own."] if args.flumen else []),
        f"{args.rounds} rounds in which the tools took turns; medians, with the range of CPU seconds (user and system).",
        "",
        "| tool | CPU s | range | ratio | wall s | peak MiB | own MiB | Mpps a CPU s | packets | records |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for tool in tools:
        usages = results[tool.name]["usages"]
        cpu = [u.cpu_s for u in usages]
        wall = statistics.median(u.wall_s for u in usages)
        peak, own = max(u.peak_mib for u in usages), max(u.own_mib for u in usages)
        counts = [f"{count:,}" if count is not None else "–" for count in results[tool.name]["counted"]]
        ratio = f"{median[tool.name] / base:.2f}" if base else "–"
        speed = args.packets / median[tool.name] / 1e6
        lines.append(
            f"| {tool.name} | {median[tool.name]:.2f} | {min(cpu):.2f}–{max(cpu):.2f} | {ratio} | {wall:.2f} | {peak:.0f} | {own:.0f} "
            f"| {speed:.2f} | {' | '.join(counts)} |"
        )
    lines += ["", "Records: biflows of flumen, softflowd and argus, uniflows of nfpcapd.", ""]
    for tool in tools:
        command = " ".join(tool.command(Path("FILE"), Path("DIR"))).replace(str(tool.available()), tool.name)
        command = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", command)
        lines.append(f"- {tool.version().removeprefix('/usr/bin/')}: `{command}`")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
