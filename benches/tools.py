"""Who takes part in `benches/peers`: how each is run, what its options are for, and how its counts are read.

A contender is a program in one mode. Each is told how many flows to expect, as far as it can be told: none has to grow,
or to force a flow out, for a size that was left at a default meant for something else.
"""

import json
import re
import shutil
import socket
import subprocess
from pathlib import Path

from measure import ROOT, build, warm

NONE, RECORDS = "none", "records"
MEMCAP = "4gb"
# Without `netflow` events, which repeat what `flow` events say, a direction each: Suricata's are off as well.
FLOW_RECORDS = "outputs.eve-log.types.netflow=no"


class Contender:
    """A program in one mode."""

    # What the row is called, and which of the two modes it is in.
    name, mode = "", RECORDS
    # Ours runs in every round, a peer in the first few.
    ours = False
    # Captures that it is run on; None for all. Part of the packets of a capture that it is given.
    captures, part = None, 1

    def path(self):
        """Where its program is, or None."""
        raise NotImplementedError

    def version(self):
        return first_line([self.path(), "-V"])

    def prepare(self, capture, out):
        """What has to be there before a run. Not timed."""

    def commands(self, capture, out, flows):
        """The commands of a run, which run side by side."""
        return [[str(word) for word in self.command(capture, out, flows)]]

    def command(self, capture, out, flows):
        raise NotImplementedError

    def counted(self, usage, out):
        """(packets, flows or records) by its own account, None for what it does not say. Not timed."""
        return None, None


class Bound(Contender):
    """Our own loop that does the least: dev/bound."""

    ours, mode = True, NONE

    def __init__(self, threads):
        self.threads = threads
        self.name = "lower bound" if threads == 1 else f"lower bound, {threads} threads"
        self.captures = None if threads == 1 else ["heavy-tailed", "uniform"]

    def path(self):
        return build("bound")

    def version(self):
        return "bound"

    def command(self, capture, out, flows):
        return [self.path(), "--threads", self.threads, "--flows", max(1_024, flows), capture]

    def counted(self, usage, out):
        other, packets = number(r"other (\d+)", usage.text), number(r"packets (\d+)", usage.text)
        return (packets or 0) + (other or 0), number(r"flows (\d+)", usage.text)


def rows_for(flows):
    """Rows of the table: one holds eight flows in its cache line, and one for four is what the table's own bench has."""
    return max(65_536, flows // 4)


class Flumen(Contender):
    ours = True

    def __init__(self, program, mode, workers=1, null=False):
        self.program, self.mode, self.workers, self.null = program, mode, workers, null
        self.name = ", ".join(
            ["flumen"] + ["EVE"] * (mode == RECORDS) + ["to /dev/null"] * null + [f"{workers} workers"] * (workers > 1)
        )
        self.captures = ["syn-flood"] if null else None

    def path(self):
        return self.program or build("flumen")

    def version(self):
        return first_line([self.path(), "--version"])

    def command(self, capture, out, flows):
        config = "engine-only" if self.mode == NONE else "records-to-null" if self.null else None
        output = ["-c", ROOT / "benches" / f"{config}.yaml"] if config else ["--set", FLOW_RECORDS]
        return [
            self.path(), "read", "-q", "--threads", self.workers, *output,
            "--set", f"flow.memcap={MEMCAP}", "--set", f"flow.hash-size={rows_for(flows)}", "-l", out, capture,
        ]

    def counted(self, usage, out):
        packets = flows = None
        records = 0
        with open(out / "eve.json", "rb") as lines:
            for line in lines:
                records += b'"event_type":"flow"' in line
                if b'"event_type":"stats"' in line:
                    stats = json.loads(line)["stats"]
                    packets, flows = stats["decoder"]["pkts"], stats["flow"]["total"]
        return packets, flows if self.mode == NONE or self.null else records


class Apart(Contender):
    """Two of Flumen's engine, each with a table of its own: they read the same capture, and each goes on with its own flows. What
    two workers are held against: dev/apart."""

    ours, mode = True, NONE
    name, captures = "flumen, two that share nothing", ["heavy-tailed"]

    def path(self):
        return build("apart")

    def version(self):
        return "apart"

    def command(self, capture, out, flows):
        return [self.path(), "--engines", 2, "--rows", rows_for(flows), capture]

    def counted(self, usage, out):
        return number(r"packets (\d+)", usage.text), number(r"flows (\d+)", usage.text)


class Halves(Flumen):
    """Two of Flumen side by side, each with half of the flows in a capture of its own, so that nobody has to split it: the
    most that two cores could give. Made by `bound --split`."""

    def __init__(self, program):
        super().__init__(program, NONE)
        self.name, self.captures = "flumen, halves side by side", ["heavy-tailed"]

    def commands(self, capture, out, flows):
        halves = [capture.with_suffix(f".{half}") for half in "ab"]
        return [[str(word) for word in self.command(half, out / half.suffix[1:], flows // 2)] for half in halves]

    def prepare(self, capture, out):
        halves = [capture.with_suffix(f".{half}") for half in "ab"]
        if not all(half.exists() for half in halves):
            unfinished = [half.with_suffix(half.suffix + ".part") for half in halves]
            subprocess.run([build("bound"), capture, "--split", *unfinished], check=True, stdout=subprocess.DEVNULL)
            for done, half in zip(unfinished, halves):
                done.rename(half)
        for half in halves:
            (out / half.suffix[1:]).mkdir()
            warm(half)

    def counted(self, usage, out):
        counts = [super(Halves, self).counted(usage, out / half) for half in "ab"]
        return tuple(sum(count) for count in zip(*counts))


class Peer(Contender):
    binary, package = "", ""

    def __init__(self, program=None):
        self.program = program

    def path(self):
        if self.program:
            return self.program
        places = [Path(directory) / self.binary for directory in ("/usr/sbin", "/usr/bin")]
        return shutil.which(self.binary) or next((str(path) for path in places if path.exists()), None)


class Nfpcapd(Peer):
    """`-B`: nodes that are made ready; a node is one direction of a flow, and more are made when they are needed."""

    name, binary, package = "nfpcapd", "nfpcapd", "nfdump"

    def command(self, capture, out, flows):
        return [self.path(), "-r", capture, "-l", out, "-B", max(524_288, flows)]

    def counted(self, usage, out):
        return number(r"Processed: (\d+)", usage.text), number(r"Flows: (\d+)", usage.text)


class NewerNfpcapd(Nfpcapd):
    """A newer one (`benches/newer-peers` has that of Debian unstable), whose table grows by itself. Its flows come with every
    five minutes of packet time."""

    name = "nfpcapd, newer"

    def path(self):
        return self.program

    def command(self, capture, out, flows):
        return [self.path(), "-r", capture, "-w", out]

    def counted(self, usage, out):
        flows = re.findall(r"^Ident: .* Flows: (\d+)", usage.text, re.M)
        return number(r"Processed packets: (\d+)", usage.text), sum(map(int, flows)) if flows else None


class Softflowd(Peer):
    """Export goes to a socket of this script on the loopback, which nobody reads; without `-n` there is none. No `-c`:
    with a control socket softflowd waits for someone to connect to it before it reads a file. `-m`: by default it keeps
    8,192 flows and forces the others out."""

    binary, package = "softflowd", "softflowd"

    def __init__(self, mode):
        super().__init__()
        self.mode = mode
        self.name = "softflowd" if mode == RECORDS else "softflowd, no export"
        self.collector = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.collector.bind(("127.0.0.1", 0))

    def version(self):
        said = subprocess.run([self.path(), "-h"], capture_output=True, text=True)
        found = re.search(r"version ([\d.]+\d)", said.stdout + said.stderr)
        return f"softflowd {found.group(1)}" if found else "softflowd"

    def command(self, capture, out, flows):
        export = ["-n", f"127.0.0.1:{self.collector.getsockname()[1]}"] if self.mode == RECORDS else []
        return [self.path(), "-d", "-r", capture, *export, "-v", "9", "-6", "-m", max(4_000_000, power_of_two(flows))]

    def counted(self, usage, out):
        return number(r"Packets processed: (\d+)", usage.text), number(r"Flows expired: (\d+)", usage.text)


class Argus(Peer):
    """Status records every 60 seconds, so that a flow of the captures gets one; no configuration file."""

    name, binary, package = "argus", "argus", "argus-server"

    def version(self):
        return first_line([self.path(), "-h"])

    def command(self, capture, out, flows):
        return [self.path(), "-X", "-S", "60", "-r", capture, "-w", out / "argus.out"]

    def counted(self, usage, out):
        racount = shutil.which("racount")
        if not racount:
            return None, None
        text = subprocess.run([racount, "-r", out / "argus.out"], capture_output=True, text=True).stdout
        found = re.search(r"^\s*sum\s+(\d+)\s+(\d+)", text, re.M)
        return (int(found.group(2)), int(found.group(1))) if found else (None, None)


class Tshark(Peer):
    """Conversations of TCP and UDP. A fortieth of the packets: it takes a tenth of a millisecond for each."""

    name, binary, package = "tshark, 1/40 of the packets", "tshark", "tshark"
    mode, captures, part = NONE, ["heavy-tailed"], 40

    def version(self):
        return first_line([self.path(), "-v"])

    def command(self, capture, out, flows):
        return [self.path(), "-n", "-q", "-r", capture, "-z", "conv,tcp", "-z", "conv,udp"]


class Suricata(Peer):
    """One thread, no rules, no application layer (suricata.yaml here), a row for each flow."""

    binary, package = "suricata", "suricata"

    def __init__(self, program, mode):
        super().__init__(program)
        self.mode = mode
        self.name = "suricata, EVE" if mode == RECORDS else "suricata"

    def command(self, capture, out, flows):
        switch = "yes" if self.mode == RECORDS else "no"
        settings = {
            "flow.memcap": MEMCAP,
            "stream.memcap": MEMCAP,
            "flow.hash-size": max(65_536, power_of_two(flows)),
            "outputs.0.eve-log.enabled": switch,
        }
        sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        configuration = ROOT / "benches" / "suricata.yaml"
        return [
            self.path(), "-c", configuration, "-S", "/dev/null", "-k", "none", "--runmode", "single", *sets,
            "-l", out, "-r", capture,
        ]

    def counted(self, usage, out):
        records = None
        if self.mode == RECORDS:
            with open(out / "eve.json", "rb") as lines:
                records = sum(b'"event_type":"flow"' in line for line in lines)
        return number(r"read \d+ files?, (\d+) packets", usage.text), records


def power_of_two(least):
    """The smallest power of two that is at least this."""
    return 1 << max(0, int(least) - 1).bit_length()


def first_line(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].split(": ", 1)[-1] if lines else Path(command[0]).name


def number(pattern, text):
    found = re.search(pattern, text)
    return int(found.group(1)) if found else None
