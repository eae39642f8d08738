"""The goals of speed, each as a comparison of two figures of one run of `benches/peers`."""

from dataclasses import dataclass

FLUMEN, EVE, BOUND = "flumen", "flumen, EVE", "lower bound"
EVE_NULL = "flumen, EVE, to /dev/null"
NFPCAPD = ("nfpcapd, newer", "nfpcapd")
SURICATA, SURICATA_EVE = "suricata", "suricata, EVE"


@dataclass
class Goal:
    """Flumen's CPU seconds are to be at most `most` times those of `other`."""

    capture: str
    row: str
    most: float
    other: tuple
    words: str


# Of several others the first that is there counts, or with `best` the fastest.
FIRST, BEST = "first", "best"
PEERS = (*NFPCAPD, "softflowd, no export", "softflowd", "argus", SURICATA, SURICATA_EVE)

GOALS = [
    Goal("heavy-tailed", FLUMEN, 2.5, (FIRST, BOUND), "2.5 × the lower bound"),
    Goal("heavy-tailed", FLUMEN, 1 / 10, (FIRST, SURICATA), "1/10 of Suricata without output"),
    Goal("heavy-tailed", FLUMEN, 1 / 5, (FIRST, *NFPCAPD), "1/5 of the newest nfpcapd"),
    Goal("heavy-tailed", EVE, 1 / 10, (FIRST, SURICATA_EVE), "1/10 of Suricata with records"),
    Goal("uniform", FLUMEN, 2.5, (FIRST, BOUND), "2.5 × the lower bound"),
    Goal("uniform", FLUMEN, 1 / 10, (BEST, *PEERS), "1/10 of every peer"),
    Goal("syn-flood", EVE, 1 / 15, (FIRST, SURICATA_EVE), "1/15 of Suricata with records"),
    Goal("syn-flood", EVE, 1 / 4, (FIRST, *NFPCAPD), "1/4 of the newest nfpcapd"),
    Goal("elephant", FLUMEN, 1 / 2, (FIRST, "softflowd"), "1/2 of softflowd"),
    Goal("fragments", FLUMEN, 1 / 6, (BEST, *PEERS), "1/6 of the best peer"),
]

SPEED_UP_PART = 0.95
BYTES_A_FLOW = 192
RECORDS_A_SECOND = 4e6


def table(results):
    """Lines of Markdown: each goal, what was measured, and whether it is reached."""
    lines = ["| capture | goal | measured | reached |", "|---|---|---|---|"]
    lines += [line(goal, results.get(goal.capture, {})) for goal in GOALS]
    lines += [workers(results.get("heavy-tailed", {})), memory(results), records(results.get("syn-flood", {}))]
    return lines


def line(goal, rows):
    mode = "with records" if goal.row == EVE else "no output"
    head = f"| {goal.capture}, {mode} | ≤ {goal.words} "
    there = [rows[name] for name in goal.other[1:] if name in rows and rows[name].usages]
    row = rows.get(goal.row)
    if not there or not row or not row.usages:
        return head + "| – | not measured |"
    other = min(there, key=lambda one: one.cpu_a_packet()) if goal.other[0] == BEST else there[0]
    if not row.median() or not other.median():
        return head + "| too short to tell | not measured |"
    measured = row.cpu_a_packet() / other.cpu_a_packet()
    # A factor above 1 is said as such, one below as a part.
    said = f"{measured:.2f} ×" if goal.most >= 1 else f"1/{1 / measured:.1f}"
    return head + f"| {said} ({row.median():.2f} s; {other.contender.name} {other.median():.2f} s) | {verdict(measured / goal.most)} |"


def workers(rows):
    """Wall seconds of one worker over two, beside one over two engines that share nothing; and over two that have half of
    the flows each in a capture of their own."""
    head = f"| heavy-tailed, no output | two workers: ≥ {SPEED_UP_PART} × the speed-up of two that share nothing "
    names = (FLUMEN, "flumen, 2 workers", "flumen, two that share nothing", "flumen, halves side by side")
    wanted = [rows.get(name) for name in names]
    if not all(row and row.usages for row in wanted):
        return head + "| – | not measured |"
    one, two, apart, halves = (row.median("wall_s") for row in wanted)
    shared, apart = one / two, one / apart
    said = f"{shared:.2f} of {apart:.2f}; {one / halves:.2f} where the capture was split before"
    return head + f"| {said} | {verdict(SPEED_UP_PART * apart / shared)} |"


def memory(results):
    """Anonymous memory at the end of the SYN flood, when records are made, less that of a run with one flow, over flows."""
    head = f"| syn-flood, EVE to /dev/null | ≤ {BYTES_A_FLOW} bytes a tracked IPv4 flow, all included "
    full, idle = results.get("syn-flood", {}).get(EVE_NULL), results.get("elephant", {}).get(FLUMEN)
    if not full or not idle or not full.usages or not idle.usages or not full.counted[1]:
        return head + "| – | not measured |"
    bytes_a_flow = (full.most("own_mib") - idle.most("own_mib")) * 2**20 / full.counted[1]
    return head + f"| {bytes_a_flow:.0f} at {full.counted[1]:,} flows | {verdict(bytes_a_flow / BYTES_A_FLOW)} |"


def records(rows):
    """What records cost: CPU seconds with records into /dev/null less those without."""
    head = f"| syn-flood, EVE to /dev/null | ≥ {RECORDS_A_SECOND / 1e6:g} M records a second a core "
    without, null = rows.get(FLUMEN), rows.get(EVE_NULL)
    if not without or not null or not without.usages or not null.usages or not without.counted[1]:
        return head + "| – | not measured |"
    cost_s = null.median() - without.median()
    if cost_s <= 0:
        return head + "| too short to tell | not measured |"
    a_second = without.counted[1] / cost_s
    return head + f"| {a_second / 1e6:.2f} M | {verdict(RECORDS_A_SECOND / a_second)} |"


def verdict(factor):
    """Reached when what was measured is at most once the goal."""
    return "yes" if factor <= 1 else f"no, {factor:.2f} × that"
