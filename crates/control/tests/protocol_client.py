#!/usr/bin/env python3
"""A client of the control socket, written from the description of Suricata's protocol alone.

    protocol_client.py SOCKET live|serve

Checks handshakes of both versions, every command, malformed input, and a hundred clients. Ends with 1 at the first answer
that is not as described; otherwise its last line is the number of checks. Other clients take its connection.
"""
import json
import socket
import sys

PATH, MODE = sys.argv[1], sys.argv[2]
checks = 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"not as described: {what}")


class Connection:
    """One connection in one version of the protocol."""

    def __init__(self, version):
        self.version = version
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(60)
        self.socket.connect(PATH)
        self.rest = b""
        self.send_raw(json.dumps({"version": version}).encode())
        answer = self.receive()
        check(answer == {"return": "OK"}, f"handshake {version}: {answer}")

    def send_raw(self, data):
        self.socket.sendall(data)

    def receive(self):
        """One answer: a line in 0.2, in 0.1 what parses."""
        while True:
            if self.version == "0.2":
                line, end, rest = self.rest.partition(b"\n")
                if end:
                    self.rest = rest
                    return json.loads(line)
            elif self.rest:
                try:
                    answer, used = json.JSONDecoder().raw_decode(self.rest.decode())
                    self.rest = self.rest[used:]
                    check(not self.rest.startswith(b"\n"), "no line feed in 0.1")
                    return answer
                except ValueError:
                    pass
            data = self.socket.recv(65536)
            if not data:
                sys.exit("the connection was closed")
            self.rest += data

    def send(self, command, **arguments):
        request = {"command": command}
        if arguments:
            request["arguments"] = {name.replace("_", "-") if name != "flow_id" else name: value
                                    for name, value in arguments.items()}
        self.send_raw(json.dumps(request).encode() + (b"\n" if self.version == "0.2" else b""))

    def call(self, command, **arguments):
        self.send(command, **arguments)
        return self.receive()


def ok(message):
    return {"message": message, "return": "OK"}


def nok(message):
    return {"message": message, "return": "NOK"}


def commands(connection):
    """Every command of a sensor that captures."""
    for request, expected in [
        (("version", {}), ok("0.1.0")),
        (("uptime", {}), ok(35264)),
        (("running-mode", {}), ok("workers")),
        (("capture-mode", {}), ok("AF_PACKET_DEV" if MODE == "live" else "UNIX_SOCKET")),
        (("conf-get", {"variable": "unix-command.enabled"}), ok("yes")),
        (("reopen-log-files", {}), ok("done")),
        (("iface-list", {}), ok({"count": 2, "ifaces": ["eth0", "eth1"]})),
        (("iface-stat", {"iface": "eth0"}), ok({"pkts": 378, "invalid-checksums": 1, "drop": 2, "bypassed": 3})),
        (("memcap-list", {}), ok([{"name": "flow", "value": "64mb"}, {"name": "defrag", "value": "unlimited"}])),
        (("memcap-show", {"config": "flow"}), ok({"value": "64mb"})),
        (("memcap-set", {"config": "flow", "memcap": "64mb"}), ok("memcap value for 'flow' updated: 67108864 ")),
        (("memcap-set", {"config": "flow", "memcap": 0}), nok("Unlimited value is not allowed for 'flow'")),
        (("get-flow-stats-by-id", {"flow_id": (1 << 60) + 1}),
         ok({"pkts_toclient": 3, "pkts_toserver": 5, "bytes_toclient": 162, "bytes_toserver": 273, "age": 10})),
        (("get-flow-stats-by-id", {"flow_id": 1}), nok("Not found")),
        (("no-such-command", {}), nok("Unknown command")),
    ]:
        (name, arguments) = request
        answer = connection.call(name, **arguments)
        check(answer == expected, f"{name} {arguments}: {answer}")
    counters = connection.call("dump-counters")
    check(counters["message"]["flow"]["end"]["state"]["new"] == 2**64 - 1, f"dump-counters: {counters}")
    listed = connection.call("command-list")["message"]
    check(listed["count"] == len(listed["commands"]), "command-list counts")
    check(connection.call("help")["message"] == listed, "help is command-list")
    wanted = {"version", "uptime", "running-mode", "capture-mode", "command-list", "help", "shutdown", "conf-get",
              "dump-counters", "iface-list", "iface-stat", "memcap-list", "memcap-show", "memcap-set",
              "get-flow-stats-by-id", "reopen-log-files"}
    serving = {"pcap-file", "pcap-file-continuous", "pcap-file-number", "pcap-file-list", "pcap-last-processed",
               "pcap-current", "pcap-interrupt"}
    wanted |= serving if MODE == "serve" else set()
    check(set(listed["commands"]) == wanted, f"command-list: {listed}")


def captures(connection, before):
    """Every command of a queue of captures."""
    answer = connection.call("pcap-file", filename="/x.pcap", output_dir="/out")
    if MODE == "live":
        check(answer == nok("Unknown command"), f"pcap-file: {answer}")
        return
    check(answer == ok("Successfully added file to list"), f"pcap-file: {answer}")
    answer = connection.call("pcap-file-continuous", filename="/d", output_dir="/out", tenant=0, delete_when_done=True)
    check(answer == ok("Successfully added file to list"), f"pcap-file-continuous: {answer}")
    check(connection.call("pcap-file-number") == ok(before + 2), "pcap-file-number")
    check(connection.call("pcap-file-list")["message"]["count"] == before + 2, "pcap-file-list")
    check(connection.call("pcap-last-processed") == ok(1509138964000), "pcap-last-processed")
    check(connection.call("pcap-current") == ok("None"), "pcap-current")
    check(connection.call("pcap-interrupt")["return"] == "NOK", "pcap-interrupt with nothing to interrupt")


def malformed(connection):
    """Each is answered with an error, and the connection lives on."""
    end = b"\n" if connection.version == "0.2" else b""
    for data in [b"{]}", b'{"command"}', b'{"command":7}', b'{"command":null}', b"{}", b'{"command":"conf-get"}',
                 b'{"command":"conf-get","arguments":{}}', b'{"command":"conf-get","arguments":[1]}',
                 b'{"command":"conf-get","arguments":{"variable":{}}}', b'{"command":"iface-stat","arguments":"eth0"}',
                 b'{"command":"memcap-set","arguments":{"config":"flow"}}',
                 b'{"command":"memcap-set","arguments":{"config":"flow","memcap":"much"}}',
                 b'{"command":"get-flow-stats-by-id","arguments":{"flow_id":-1}}',
                 b'{"command":"get-flow-stats-by-id","arguments":{"flow_id":1e400}}',
                 b'{"command":"\xff\xfe"}', b'{"command":"version","arguments":7}', b"nonsense",
                 b'{"command":"' + b"v" * 5000 + b'"}', b'{"a":' * 300 + b"1" + b"}" * 300]:
        connection.send_raw(data + end)
        answer = connection.receive()
        check(answer["return"] == "NOK" and answer["message"], f"{data[:40]}: {answer}")
        check(connection.call("uptime") == ok(35264), f"alive after {data[:40]}")


def cut_up(connection):
    """Requests in single bytes, and several in one piece."""
    end = b"\n" if connection.version == "0.2" else b""
    for byte in b'{"command": "uptime"}' + end:
        connection.send_raw(bytes([byte]))
    check(connection.receive() == ok(35264), "byte by byte")
    connection.send_raw((b'{"command": "uptime"}' + end + b'{"command": "version"}' + end) * 20)
    for _ in range(20):
        check(connection.receive() == ok(35264), "pipelined")
        check(connection.receive() == ok("0.1.0"), "pipelined")


def hundred():
    """A hundred at once, each with a request on its way."""
    crowd = [Connection("0.1" if n % 2 else "0.2") for n in range(100)]
    for n, connection in enumerate(crowd):
        connection.send("uptime" if n % 3 else "dump-counters")
    for n, connection in reversed(list(enumerate(crowd))):
        answer = connection.receive()
        check(answer["return"] == "OK" and (answer["message"] == 35264) == bool(n % 3), f"client {n}: {answer}")


def main():
    for turn, version in enumerate(["0.2", "0.1"]):
        connection = Connection(version)
        commands(connection)
        captures(connection, 2 * turn)
        malformed(connection)
        cut_up(connection)
    hundred()
    last = Connection("0.2")
    check(last.call("shutdown")["return"] == "OK", "shutdown")
    print(checks, "checks")


if __name__ == "__main__":
    main()
