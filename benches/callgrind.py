"""Runs Flumen under callgrind, and reads what it counted: instructions by address, and who called whom.

Only what a run adds over a run with one packet is given out, so that starting and stopping do not count.
"""

import collections
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import measure

# A fixed seed: the same rows are hit in every run.
SETTINGS = ["--set", "flumen.hash-seed=1", "--set", "flow.memcap=1gb"]


@dataclass
class Profile:
    """Instructions, by function (object, name) and address; and calls, by function that was called."""

    own: dict = field(default_factory=lambda: collections.defaultdict(lambda: collections.Counter()))
    # Callee → (caller, address of the call) → instructions that the callee and all it called took.
    calls: dict = field(default_factory=lambda: collections.defaultdict(lambda: collections.Counter()))

    def of_object(self, program):
        """Instructions in the program itself. What libraries take depends on the processor: they choose their copying and
        searching by what it can do."""
        return sum(sum(own.values()) for (owner, _), own in self.own.items() if owner == program)


def profile(program, capture, options):
    """Runs `flumen read` over a capture under callgrind."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "callgrind.out"
        command = [
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--dump-instr=yes", "--dump-line=no",
            program, "read", "-q", "--threads", "1", *options, *SETTINGS, "-l", Path(scratch) / "log", capture,
        ]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"callgrind on {capture.name} ended with {done.returncode}:\n{done.stderr[-1000:]}")
        return parse(out.read_text().splitlines())


def parse(lines):
    """Reads callgrind's format (its manual, "Callgrind Format Specification"): names are given once with a number,
    addresses relative to the last."""
    result = Profile()
    names = {"ob": {}, "fn": {}}
    now = {"ob": "", "fn": "", "cob": None, "cfn": None}
    address, is_call = 0, False
    for line in lines:
        if (named := re.match(r"(c?(?:ob|fn))=\((\d+)\)(?: (.*))?", line)) is not None:
            kind, number, name = named.groups()
            known = names[kind.removeprefix("c")]
            if name is not None:
                known[number] = name
            now[kind] = known[number]
        elif line.startswith("calls="):
            is_call = True
        elif (cost := re.match(r"(0x[0-9a-f]+|\+\d+|-\d+|\*) (\d+)$", line)) is not None:
            position, count = cost.groups()
            address = moved(address, position)
            caller = (now["ob"], now["fn"])
            if is_call:
                callee = (now["cob"] or now["ob"], now["cfn"])
                result.calls[callee][(caller, address)] += int(count)
                now["cob"] = None
                is_call = False
            else:
                result.own[caller][address] += int(count)
    return result


def moved(address, position):
    if position == "*":
        return address
    return address + int(position) if position[0] in "+-" else int(position, 16)


def features():
    """What the processor can do that programs ask for at run time."""
    flags = set(re.findall(r"\w+", Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0]))
    return " ".join(word for word in ("sse4_2", "avx2", "aes", "vaes", "pclmulqdq", "bmi2") if word in flags)


def compiler():
    return subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip()


# Scenario → (arguments of the generator, options of flumen); small, since callgrind is fifty times slower.
ENGINE = ["-c", measure.ROOT / "benches" / "engine-only.yaml"]
SCENARIOS = {
    "heavy-tailed": (["zipf"], ENGINE),
    "heavy-tailed, EVE": (["zipf"], []),
    "uniform": (["uniform"], ENGINE),
    "syn-flood, EVE": (["syn-flood"], []),
    "elephant": (["elephant"], ENGINE),
    "fragments": (["fragment-flood"], ENGINE),
    "imix": (["imix"], ENGINE),
}


def scenario(name, packets):
    """The capture of a scenario, and the options of flumen for it."""
    words, options = SCENARIOS[name]
    return measure.capture(*words, "--seed", 1, "--packets", packets), options


def available():
    return any((Path(directory) / "valgrind").exists() for directory in os.environ["PATH"].split(os.pathsep))
