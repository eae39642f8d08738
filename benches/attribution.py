"""Which stage of the path of a packet an instruction belongs to.

Inlining leaves few functions, so an instruction is placed by its source files: debug information says which line it was
made of, and into what that was inlined. The innermost file that is in the table below decides. What is of no file of ours
(the standard library, the C library) counts for who called it.
"""

import bisect
import collections
import re
import subprocess

import measure

STAGES = ["read", "decode", "defragment", "hash", "lookup", "update", "expire", "encode", "write", "engine", "other"]

# Beginnings of paths below crates/; the longest that fits decides. "" leaves it to the file it was inlined into.
FILES = {
    "capture/": "read",
    "engine/src/feed": "read",
    "wire/": "decode",
    "engine/src/front": "decode",
    "table/src/defrag": "defragment",
    "pbuf/": "",
    "model/": "",
    "kref/": "",
    "table/src/hash": "hash",
    "table/src/key": "hash",
    "table/src/lookup": "lookup",
    "table/src/bucket": "lookup",
    "table/src/prefetch": "lookup",
    "table/src/rows": "lookup",
    "table/src/storage": "lookup",
    "engine/src/pipeline": "lookup",
    "engine/src/vector": "lookup",
    "engine/src/ahead": "lookup",
    "table/src/account": "update",
    "table/src/flow": "update",
    "table/src/guard": "update",
    "table/src/tcp": "update",
    "table/src/side": "update",
    "table/src/counters": "update",
    "table/src/table": "expire",
    "table/src/forced": "expire",
    "table/src/pool": "expire",
    "table/src/storage/remaining": "expire",
    "table/src/sweep": "expire",
    "engine/src/manager": "expire",
    "table/src/record": "encode",
    "engine/src/recorder": "encode",
    "output/src/eve": "encode",
    "output/src/text": "encode",
    "output/src/summary": "encode",
    "output/src/eve/file": "write",
    "output/src/eve/writer": "write",
    "output/src/eve/rotation": "write",
    "output/src/spool": "write",
    "engine/": "engine",
    "table/": "lookup",
    "flumen/": "engine",
}


def stage_of(chain):
    """The stage of an instruction with these source files, innermost first; None when none of them is ours."""
    ours = [file.rpartition("/crates/")[2] for file in chain if "/crates/" in file]
    for file in ours:
        fitting = [start for start in FILES if file.startswith(start)]
        if fitting and FILES[max(fitting, key=len)]:
            return FILES[max(fitting, key=len)]
    return "other" if ours else None


def stages_of(program, addresses):
    """Address → stage, of addresses in a program."""
    asked = "".join(f"{address:#x}\n" for address in sorted(addresses))
    told = subprocess.run(["addr2line", "-a", "-i", "-e", str(program)], input=asked, capture_output=True, text=True)
    found, chain = {}, []
    for line in told.stdout.splitlines():
        if re.fullmatch(r"0x[0-9a-f]+", line):
            chain = found.setdefault(int(line, 16), [])
        else:
            chain.append(line)
    return {address: stage_of(chain) for address, chain in found.items()}


def instructions(profile, program):
    """Instructions a stage in a profile of callgrind."""
    program = str(program)
    inside = {address for (owner, _), own in profile.own.items() if owner == program for address in own}
    inside |= {address for callers in profile.calls.values() for ((owner, _), address) in callers if owner == program}
    stages = stages_of(program, inside)
    sums, pools = collections.Counter(), collections.Counter()
    for function, own in profile.own.items():
        for address, count in own.items():
            stage = stages.get(address) if function[0] == program else None
            if stage:
                sums[stage] += count
            else:
                pools[function] += count
    # What is nobody's goes to the callers, by how much each had it do; a library that calls itself takes a few rounds.
    for _ in range(100):
        rest = collections.Counter()
        for function, count in pools.items():
            callers = {place: cost for place, cost in profile.calls[function].items() if place[0] != function}
            whole = sum(callers.values())
            if not whole:
                sums["engine"] += count
            for (caller, address), cost in callers.items():
                stage = stages.get(address) if caller[0] == program else None
                if stage:
                    sums[stage] += count * cost / whole
                else:
                    rest[caller] += count * cost / whole
        pools = rest
    sums["other"] += sum(pools.values())
    return sums


def samples(program, command, scratch):
    """Part of the time of a command that each stage takes, by samples of its processor time; None without perf. What is in
    the kernel and in libraries has names of its own here: a sample does not say who called it."""
    data = scratch / "perf.data"
    record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "4000", "-o", data, *command]
    try:
        done = measure.run(record)
    except FileNotFoundError:
        return None
    script = ["perf", "script", "-i", data, "--show-mmap-events", "-F", "event,ip,dso"]
    told = subprocess.run([str(word) for word in script], capture_output=True, text=True, errors="replace")
    data.unlink(missing_ok=True)
    if done.status or told.returncode:
        return None
    return placed(str(program), told.stdout.splitlines())


def placed(program, lines):
    """Parts of the samples in what perf printed."""
    maps, sums, inside = [], collections.Counter(), collections.Counter()
    for line in lines:
        if (mapped := re.search(r"MMAP2? .*?\[(0x[0-9a-f]+)\((0x[0-9a-f]+)\) @ (0x[0-9a-f]+|0) .*: r.xp (.*)$", line)) is not None:
            start, size, offset, path = mapped.groups()
            if path == program:
                maps.append((int(start, 16), int(size, 16), int(offset, 16)))
        elif (sample := re.search(r"\s([0-9a-f]+) \((.*)\)$", line)) is not None:
            address, path = int(sample.group(1), 16), sample.group(2)
            if path == program:
                start, _, offset = next(((s, z, o) for s, z, o in maps if s <= address < s + z), (0, 0, 0))
                inside[address - start + offset] += 1
            elif path.startswith("[") and path != "[vdso]":
                sums["kernel"] += 1
            else:
                sums["libraries"] += 1
    shift = text_shift(program)
    stages = stages_of(program, {place + shift for place in inside})
    for place, count in inside.items():
        sums[stages.get(place + shift) or "other"] += count
    whole = sum(sums.values())
    return {stage: count / whole for stage, count in sums.items()} if whole else None


def text_shift(program):
    """Address of the code in the program less its place in the file."""
    told = subprocess.run(["readelf", "-W", "-l", program], capture_output=True, text=True).stdout
    for line in told.splitlines():
        words = line.split()
        if words[:1] == ["LOAD"] and "E" in words[6:-1]:
            return int(words[2], 16) - int(words[1], 16)
    return 0
