#!/usr/bin/env python3
"""A client that has captures read, written from the description of Suricata's protocol alone.

    client.py SOCKET serve DIRECTORY

In the directory are a.pcap, b.pcap and broken.pcap, and directories out-a, out-b and out-broken. Returns when they have been
read; ends with 1 at the first answer that is not as described.
"""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "control" / "tests"))
from protocol_client import Connection, check, nok, ok  # noqa: E402

directory = pathlib.Path(sys.argv[3])


def path(name):
    return str(directory / name)


connection = Connection("0.2")
check(connection.call("running-mode")["return"] == "OK", "running-mode")
check(connection.call("capture-mode") == ok("UNIX_SOCKET"), "capture-mode")
check(connection.call("pcap-current") == ok("None"), "nothing is read yet")
check(connection.call("pcap-last-processed") == ok(0), "nothing was read yet")
check(connection.call("dump-counters")["return"] == "NOK", "no counters without a capture")
check(connection.call("memcap-list")["return"] == "OK", "memcap-list while idle")
check(connection.call("get-flow-stats-by-id", flow_id=1)["return"] == "NOK", "no flows while idle")
check(connection.call("iface-list") == ok({"count": 0, "ifaces": []}), "iface-list")
check(connection.call("reopen-log-files") == ok("done"), "reopen-log-files while idle")
check(connection.call("pcap-interrupt")["return"] == "NOK", "nothing to interrupt")
for arguments in [{"filename": path("nowhere.pcap"), "output_dir": path("out-a")},
                  {"filename": path("a.pcap"), "output_dir": path("nowhere")},
                  {"filename": path("a.pcap"), "output_dir": path("a.pcap")},
                  {"filename": path("a.pcap")},
                  {"filename": "/dev/zero", "output_dir": path("out-a")}]:
    answer = connection.call("pcap-file", **arguments)
    check(answer["return"] == "NOK" and answer["message"], f"{arguments}: {answer}")
added = ok("Successfully added file to list")
check(connection.call("pcap-file", filename=path("a.pcap"), output_dir=path("out-a"), tenant=5) == added, "a.pcap")
check(connection.call("pcap-file", filename=path("broken.pcap"), output_dir=path("out-broken")) == added, "broken.pcap")
check(connection.call("pcap-file", filename=path("b.pcap"), output_dir=path("out-b")) == added, "b.pcap")
while True:
    waiting = connection.call("pcap-file-list")["message"]
    check(waiting["count"] == len(waiting["files"]), f"pcap-file-list: {waiting}")
    current = connection.call("pcap-current")["message"]
    check(current in ["None", path("a.pcap"), path("b.pcap"), path("broken.pcap")], f"pcap-current: {current}")
    if waiting["count"] == 0 and current == "None":
        break
check(connection.call("pcap-file-number") == ok(0), "pcap-file-number")
modified = os.stat(path("b.pcap")).st_mtime_ns // 1_000_000
check(connection.call("pcap-last-processed") == ok(modified), f"pcap-last-processed is {modified}")
check(connection.call("no-such-command") == nok("Unknown command"), "unknown command")
check(connection.call("shutdown")["return"] == "OK", "shutdown")
