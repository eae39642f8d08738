#!/usr/bin/env python3
"""Flumen under attack: `flumen read` over flood captures, beside the same engine without a flood.

    benches/flood.py [--floods NAME,…] [--scale PERCENT] [--memcap SIZE] [--flumen PATH]

For each flood: CPU seconds with records written and of the engine alone, packets a CPU second of the engine relative to
the calm capture, peak memory, `flow.memuse` at the end against its start value, forced and refused flows, whether the
ledger closed, and, where the capture has established flows that keep talking, how many of them came through in one piece.
The floods are also run at half their size, since time must grow no faster than packets.

The engine alone (engine-only.yaml: no record is encoded or written) is what is held against the calm capture: a flood of
flows of one packet each writes eleven times the records a packet, and what that costs is the price of the records.

Ends with 1 when a bound of BOUNDS is broken. Results go to the terminal and to benches/runs/<date>-<commit>-flood.md.
"""

import argparse
import datetime
import json
import sys
from dataclasses import dataclass

import measure

ESTABLISHED = 1_000

# Name → arguments of the generator; `size` is what --scale and the half run change.
FLOODS = {
    "syn-flood": {"size": ("--packets", 20_000_000), "more": ["--established", str(ESTABLISHED), "--tail", "90"]},
    "hash-flood": {"size": ("--flows", 200_000), "more": []},
    "hash-flood-sum": {"size": ("--flows", 200_000), "more": []},
    "timer-storm": {"size": ("--flows", 200_000), "more": []},
    "esp-spis": {"size": ("--flows", 100_000), "more": []},
    "sctp-ports": {"size": ("--flows", 100_000), "more": []},
    "icmp-sweep": {"size": ("--flows", 65_536), "more": []},
}
CALM = "zipf"
ROUNDS = 3

BOUNDS = {
    "survivors_percent_min": 99,
    "throughput_ratio_min": 0.5,
    # CPU seconds of the whole flood over twice those of half of it.
    "growth_max": 1.25,
    "memuse_end_ratio_max": 1.2,
}


@dataclass
class Outcome:
    """What the runs over one capture gave."""

    usage: measure.Usage
    engine_cpu_s: float
    packets: int
    stats: dict
    survivors: int


def main():
    args = arguments()
    names = args.floods.split(",")
    if unknown := [name for name in names if name not in FLOODS]:
        sys.exit(f"no such flood: {', '.join(unknown)}; there are {', '.join(FLOODS)}")
    flumen = args.flumen or measure.build("flumen")
    traffic = measure.build("traffic")
    command = [str(flumen), "read", "--audit"]
    command += ["--set", f"flow.memcap={args.memcap}"] if args.memcap else []

    idle = run(command, measure.capture(traffic, CALM, "--packets", "1"), False)
    start_memuse = dig(idle.stats, "flow", "memuse")
    calm = run(command, measure.capture(traffic, CALM, "--packets", str(scaled(4_000_000, args.scale))), False)
    calm_speed = calm.packets / net_cpu_s(calm, idle)
    lines, broken = [row("calm", calm, "–", 1.0, "–")], judge_ledger("calm", calm)
    for name in names:
        whole, half = (run_flood(command, traffic, name, scaled(part, args.scale)) for part in (100, 50))
        growth = net_cpu_s(whole, idle) / (2 * net_cpu_s(half, idle))
        ratio = whole.packets / net_cpu_s(whole, idle) / calm_speed
        lines.append(row(name, whole, f"{growth:.2f}", ratio, survivors_text(name, whole)))
        broken += judge(name, whole, growth, ratio, start_memuse)
    report = render(lines, broken, command, args, start_memuse)
    print(report)
    if not args.no_result:
        path = measure.ROOT / "benches" / "runs" / f"{datetime.date.today()}-{measure.commit()}-flood.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(report)
    sys.exit(1 if broken else 0)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--floods", default=",".join(FLOODS))
    parser.add_argument("--scale", type=int, default=100, help="size of the captures in percent (default 100)")
    parser.add_argument("--memcap", default="64mb", help="flow.memcap (default 64mb); empty for the configuration's")
    parser.add_argument("--flumen", help="path of the flumen program; built when not given")
    parser.add_argument("--no-result", action="store_true", help="write no file into benches/runs")
    return parser.parse_args()


def net_cpu_s(outcome, idle):
    """CPU seconds of the engine without what starting and stopping takes; at least the hundredth that the kernel can tell."""
    return max(0.01, outcome.engine_cpu_s - idle.engine_cpu_s)


def scaled(value, percent):
    return max(1, value * percent // 100)


def run_flood(command, traffic, name, percent):
    option, size = FLOODS[name]["size"]
    capture = measure.capture(traffic, name, option, str(scaled(size, percent)), *FLOODS[name]["more"])
    return run(command, capture, name == "syn-flood")


def run(command, capture, with_survivors):
    """ROUNDS runs with records written and ROUNDS of the engine alone, in turn; medians of CPU seconds count. Exit code 5
    says that the audit failed, and is judged later."""
    usages, engine = [], []
    for _ in range(ROUNDS):
        engine.append(run_once(command, capture, ["-c", str(measure.ROOT / "benches" / "engine-only.yaml")])[0].cpu_s)
        usage, out = run_once(command, capture, [])
        usages.append(usage)
    usage = sorted(usages, key=lambda usage: usage.cpu_s)[ROUNDS // 2]
    stats, survivors = read_records(out / "eve.json", with_survivors)
    measure.emptied(out)
    packets = dig(stats, "decoder", "pkts") or 0
    engine_cpu_s = sorted(engine)[ROUNDS // 2]
    print(
        f"{capture.name}: {packets:,} packets, {usage.cpu_s:.2f} CPU s, engine {engine_cpu_s:.2f}, "
        f"{usage.peak_mib:.0f} MiB, own {usage.own_mib:.0f}",
        flush=True,
    )
    return Outcome(usage, engine_cpu_s, packets, stats, survivors)


def run_once(command, capture, more):
    out = measure.emptied(measure.target() / "bench" / "out")
    usage = measure.run([*command, *more, "-l", str(out), str(capture)])
    if usage.status not in (0, 5):
        sys.exit(f"flumen ended with {usage.status} on {capture.name}:\n{usage.text[-2000:]}")
    return usage, out


def read_records(path, with_survivors):
    """Counters of the last stats event, and how many of the established flows have one record that spans it all."""
    stats, records = {}, {}
    with open(path, "rb") as lines:
        for line in lines:
            if b'"event_type":"stats"' in line:
                stats = json.loads(line)["stats"]
            elif with_survivors and b'"event_type":"flow"' in line and b'"192.168.' in line:
                flow = json.loads(line)
                if flow["src_ip"].startswith("192.168.") and flow.get("dest_port") == 443:
                    records.setdefault((flow["src_ip"], flow["src_port"], flow["dest_ip"]), []).append(flow["flow"])
    whole = [flows[0] for flows in records.values() if len(flows) == 1]
    if not whole:
        return stats, 0
    # All talk equally often; one that was cut has lost packets, or has a second record.
    most = max(flow["pkts_toserver"] + flow["pkts_toclient"] for flow in whole)
    return stats, sum(flow["pkts_toserver"] + flow["pkts_toclient"] >= most - 1 for flow in whole)


def dig(stats, *names):
    """A counter, or None when it is not there."""
    for name in names:
        stats = stats.get(name) if isinstance(stats, dict) else None
    return stats


def unaccounted(stats):
    """What the ledger in the stats event says is unaccounted, wherever in it that stands; None when it says nothing."""
    if not isinstance(stats, dict):
        return None
    if "unaccounted" in stats:
        return stats["unaccounted"]
    return next((found for value in stats.values() if (found := unaccounted(value)) is not None), None)


def is_closed(outcome):
    left = unaccounted(outcome.stats)
    zero = all(value == 0 for value in left.values()) if isinstance(left, dict) else left == 0
    return outcome.usage.status == 0 and left is not None and zero


def judge_ledger(name, outcome):
    return [] if is_closed(outcome) else [f"{name}: the ledger is open ({unaccounted(outcome.stats)})"]


def judge(name, outcome, growth, ratio, start_memuse):
    broken = judge_ledger(name, outcome)
    memuse = dig(outcome.stats, "flow", "memuse")
    if name == "syn-flood":
        percent = 100 * outcome.survivors / ESTABLISHED
        if percent < BOUNDS["survivors_percent_min"]:
            broken.append(f"{name}: {percent:.1f} % of established flows came through")
        # Behind this flood lies a quiet phase, in which memory has to come back.
        if memuse is None or start_memuse is None:
            broken.append(f"{name}: no flow.memuse in the stats event")
        elif memuse > start_memuse * BOUNDS["memuse_end_ratio_max"]:
            broken.append(f"{name}: flow.memuse {memuse:,} at the end, {start_memuse:,} at the start")
    if ratio < BOUNDS["throughput_ratio_min"]:
        broken.append(f"{name}: {ratio:.2f} of the calm throughput")
    if growth > BOUNDS["growth_max"]:
        broken.append(f"{name}: twice the packets take {2 * growth:.2f} times the time")
    return broken


def survivors_text(name, outcome):
    return f"{outcome.survivors} of {ESTABLISHED}" if name == "syn-flood" else "–"


def row(name, outcome, growth, ratio, survivors):
    flow = outcome.stats.get("flow", {})
    counters = [flow.get(key) for key in ("total", "get_used", "memcap", "emerg_mode_entered", "memuse")]
    shown = " | ".join(f"{counter:,}" if counter is not None else "–" for counter in counters)
    usage = outcome.usage
    ledger = "closed" if is_closed(outcome) else "open"
    return (
        f"| {name} | {outcome.packets:,} | {usage.cpu_s:.2f} | {outcome.engine_cpu_s:.2f} | {growth} | {ratio:.2f} | {usage.peak_mib:.0f} | {usage.own_mib:.0f} "
        f"| {shown} | {survivors} | {ledger} |"
    )


def render(lines, broken, command, args, start_memuse):
    header = [
        "# Flumen under floods",
        "",
        f"{datetime.date.today()}, commit {measure.commit()}; {measure.machine()}; captures at {args.scale} % of their size.",
        *(["Flumen was given as a program, so the commit is not known to be its own."] if args.flumen else []),
        f"`{' '.join(['flumen', *command[1:]])} -l DIR FILE`; flow.memuse of an idle run {start_memuse}.",
        "",
        "| capture | packets | CPU s | engine CPU s | growth | throughput | peak MiB | own MiB | flows | forced | refused | emergencies | memuse at end "
        "| survivors | ledger |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    verdict = ["", *(f"- broken: {line}" for line in broken)] if broken else ["", "No bound is broken."]
    return "\n".join([*header, *lines, *verdict]) + "\n"


if __name__ == "__main__":
    main()
