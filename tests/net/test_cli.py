#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""dht-cli and kithd as a script sees them: exit codes, JSON fields, messages. Against a swarm of five."""

import fcntl
import json
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

import kithtest as kt
from kithtest import check, expect, fields

PLACE = None
NODES = []
ABSENT = "y" * 52  # a key nobody has: 32 zero bytes

WALK = ("messages", "answered", "timeouts", "hops", "total_ms")


def node_cli(index, *args, **named):
    return kt.cli("--control", NODES[index].control_path, *args, **named)


# ---- without any node ----


def case_help():
    expect(kt.cli("--help"), 0)
    check("lookup" in kt.cli("--help").out, "no list of commands")
    check("--cas" in expect(kt.cli("help", "put"), 0).out, "no help of a command")
    check("--cas" in expect(kt.cli("put", "--help"), 0).out, "no --help of a command")
    for command in ("lookup", "get", "put", "watch"):
        check("--swarm" in expect(kt.cli("help", command), 0).out.splitlines()[0], f"{command}: an option is not told")
    check("--immutable" in expect(kt.cli("help", "trace"), 0).out.splitlines()[0], "trace: an option is not told")
    # 10 ms is the promise; in CPU time a busy machine does not count, sanitizers do. The best of five is the program's.
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        kt.cli("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    check(min(times) < 0.03, f"--help took {min(times) * 1e3:.0f} ms of CPU")


def case_usage():
    expect(kt.cli(), 2, "command is missing")
    expect(kt.cli("lokup", ABSENT), 2, "did you mean 'lookup'")
    expect(kt.cli("lookup"), 2, "argument is missing")
    expect(kt.cli("lookup", ABSENT, "more"), 2, "too many arguments")
    expect(kt.cli("--jsn", "id"), 2, "did you mean --json")
    expect(kt.cli("--salt", "x", "put", "y"), 2, "stands behind it")
    expect(kt.cli("--timeout", "soon", "id"), 2, "expected seconds")
    expect(kt.cli("--timeout"), 2, "missing")
    expect(kt.cli("put", "--seq", "-1", "x"), 2, "from 0")
    expect(kt.cli("find", "t", "-n", "0"), 2, "from 1 to 256")
    expect(kt.cli("ping", ABSENT, "-n", "1001"), 2, "from 1 to 1000")
    expect(kt.cli("--timeout", "1e99", "id"), 2, "from 0.001 to 1000000")
    expect(kt.cli("help", "foo"), 2, "unknown command 'foo'; see")
    for command in ("announce", "unannounce", "find"):
        expect(kt.cli(command, ""), 2, "TOPIC: it is empty")
    expect(kt.cli("ping", "192.0.2.1"), 2, "PEER: expected KEY, KEY@HOST:PORT or HOST:PORT, got '192.0.2.1'")
    expect(kt.cli("put", "--immutable", "--cas", "1", "x"), 2, "no --cas")
    expect(kt.cli("--ephemeral", "--control", "/x", "id"), 2, "exclude")
    for option in (["--peer", "127.0.0.1:1"], ["-n", "home"], ["--identity", "/x"], ["--mainline-bootstrap", "127.0.0.1:1"]):
        expect(kt.cli("--control", "/x", *option, "id"), 2, "--[a-z-]+ and --control exclude each other")
    expect(kt.cli("mainline"), 2, "a command is missing")


def case_bad_key():
    text = ABSENT[:16] + "l" + ABSENT[17:]  # l is not in the alphabet
    run = expect(kt.cli("--control", "/nowhere", "lookup", text), 2, "column 17")
    check(f"\n  {text}\n  {' ' * 16}^" in run.err, f"no caret under column 17: {run.err!r}")
    expect(kt.cli("lookup", "short"), 2, "52 characters")
    expect(kt.cli("ping", "127.0.0.1:99999"), 2, "PEER")
    expect(kt.cli("--peer", "nohost", "lookup", ABSENT), 2, "--peer")


def case_value_limits():
    expect(kt.cli("--control", "/nowhere", "put", "-", stdin="x" * 1001), 2, "standard input: .*at most 996 bytes")
    expect(kt.cli("--control", "/nowhere", "put", "x" * 1001), 2, "1001 bytes")
    path = PLACE.file("big")
    with open(path, "w", encoding="ascii") as file:
        file.write("x" * 5000)
    expect(kt.cli("--control", "/nowhere", "put", "@" + path), 2, "big: .*at most 996 bytes")
    expect(kt.cli("--control", "/nowhere", "put", "@/dev/zero"), 2, "/dev/zero: .*at most 996 bytes")  # has no end
    expect(kt.cli("--control", "/nowhere", "put", "@/nonexistent"), 2, "No such file")
    expect(kt.cli("--control", "/nowhere", "put", "--json-value", "{"), 2, "line 1")
    for command in (["put", "x"], ["get", ABSENT], ["watch", ABSENT], ["mainline", "get", ABSENT]):
        expect(kt.cli("--control", "/nowhere", *command, "--salt", "s" * 65), 2, "--salt: 65 bytes, at most 64")


def as_nobody(*args, env=None):
    """dht-cli as another user; None: not root, or he may not run what lies here."""
    if os.geteuid() != 0:
        return None
    try:
        done = subprocess.run([kt.DHT_CLI, *args], capture_output=True, text=True, check=False, timeout=30,
                              env=dict(os.environ, **(env or {})), preexec_fn=lambda: os.setuid(65534))
    except PermissionError:
        return None
    return kt.Run(done)


def case_unreachable():
    for command in (["id"], ["status"], ["lookup", ABSENT]):
        run = expect(kt.cli("--control", "/nowhere/control", *command), 5, "/nowhere/control")
        check("kithd" in run.err, "does not say how to start the daemon")
        check(run.out == "", f"{run.out!r}")
    for command in (["id"], ["watch", ABSENT], ["ban"]):
        data = fields(expect(kt.cli("--json", "--control", "/nowhere/control", *command), 5), "error", "message")
        check(data["error"] == "UNREACHABLE" and "/nowhere/control" in data["message"], f"{data}")
    expect(kt.cli("status", env={"XDG_RUNTIME_DIR": PLACE.path, "HOME": PLACE.path}), 5)
    expect(kt.cli("--control", "/" + "x" * 200, "id"), 2, "201 bytes")
    run = as_nobody("--control", NODES[0].control_path, "id")  # the daemon's directory is closed to him
    if run:
        expect(run, 5, "as the user that the daemon runs as")


def case_daemon_of_another():
    """Where anybody may make a directory, another user's daemon is not taken for one's own."""
    if os.geteuid() != 0:
        return
    with tempfile.TemporaryDirectory() as place, socket.socket(socket.AF_UNIX) as other:
        directory = os.path.join(place, "kith")
        os.mkdir(directory)
        for path in (place, directory):
            os.chmod(path, 0o777)
        os.seteuid(65533)
        try:
            other.bind(os.path.join(directory, "control"))
            other.listen()
        finally:
            os.seteuid(0)
        os.chmod(os.path.join(directory, "control"), 0o777)
        run = as_nobody("id", env={"XDG_RUNTIME_DIR": place})
        if run:
            expect(run, 5, "the daemon there is that of user 65533")


def case_no_network():
    home = {"XDG_STATE_HOME": PLACE.file("empty")}
    expect(kt.cli("--ephemeral", "lookup", ABSENT, env=home), 3, "no network")
    data = fields(expect(kt.cli("--ephemeral", "--json", "lookup", ABSENT, env=home), 3), "error", "message")
    check(data["error"] == "NO_NETWORK", f"{data}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        peer = f"127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        expect(kt.cli("--ephemeral", "-t", "1", "--peer", peer, "lookup", ABSENT, env=home), 3, "no network")
        check(time.monotonic() - start < 5, "did not give up in time")


def case_keygen():
    path = PLACE.file("identity")
    key = expect(kt.cli("keygen", path), 0).out.strip()
    check(len(key) == 52, f"key {key!r}")
    check(stat.S_IMODE(os.stat(path).st_mode) == 0o600, "mode is not 0600")
    check(expect(kt.cli("key", path), 0).out.strip() == key, "another key")
    check(fields(expect(kt.cli("--json", "key", path), 0), "key")["key"] == key, "another key in JSON")
    expect(kt.cli("keygen", path), 2)
    check(kt.cli("key", path).out.strip() == key, "overwritten")
    expect(kt.cli("key", path + "x"), 1)
    os.chmod(path, 0o644)
    expect(kt.cli("key", path), 2, "chmod|600|read")


def case_output_lost():
    """What cannot be written is an error, and is not written to another descriptor instead."""
    with open("/dev/full", "w", encoding="ascii") as full:
        for program, word in ((kt.DHT_CLI, "--help"), (kt.DHT_CLI, "--version"), (kt.KITHD, "--help"),
                              (kt.KITHD, "--print-config")):
            done = subprocess.run([program, word], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
            check(done.returncode == 70, f"{program} {word}: exit {done.returncode}")
            check("standard output: No space left" in done.stderr, f"{program} {word}: {done.stderr!r}")
    for command in (["id"], ["find", "nobody's topic"], ["--json", "book"], ["trace", NODES[1].key]):
        done = subprocess.run([kt.DHT_CLI, "--control", NODES[0].control_path, *command], stderr=subprocess.PIPE,
                              text=True, check=False, preexec_fn=lambda: os.close(1))
        check(done.returncode == (1 if command[0] == "find" else 70), f"{command}: exit {done.returncode}: {done.stderr}")
    expect(node_cli(0, "put", "--salt", "lost", "x"), 0)
    reader, writer = os.pipe()
    os.close(reader)  # the reader is gone before the first record comes
    watch = [kt.DHT_CLI, "--control", NODES[0].control_path, "watch", NODES[0].key, "--salt", "lost"]
    done = subprocess.run(watch, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    os.close(writer)
    check(done.returncode == 70 and done.stderr == "", f"watch: exit {done.returncode}: {done.stderr!r}")


def case_descriptors_closed():
    """A daemon that was started without standard descriptors keeps its lock and its database out of their numbers."""
    directory = PLACE.file("closed")
    control = PLACE.file("closed-control")
    process = subprocess.Popen([kt.KITHD, "-d", directory, "-l", "127.0.0.1:0", "--control", control, "--no-lan"],
                               preexec_fn=lambda: os.closerange(0, 3))
    try:
        kt.wait_until(lambda: kt.cli("--control", control, "id").code == 0, 10, "the daemon answers")
        places = [os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in range(3)]
        check(places == ["/dev/null"] * 3, f"{places}")
    finally:
        process.terminate()
        check(process.wait(10) == 0, f"exit {process.returncode}")


# ---- with the swarm ----


def case_id():
    data = fields(expect(node_cli(0, "--json", "id"), 0), "key", "network", "node_ids", "endpoints")
    check(data["key"] == NODES[0].key and data["network"] == "kith", "wrong identity")
    check(data["endpoints"]["bound"] == [NODES[0].endpoint], f"bound {data['endpoints']}")
    check(data["endpoints"]["reachable"] in ("yes", "no", "unknown"), "reachable")
    check(len(data["node_ids"]["kith"]) == 64, "node id")
    check(NODES[0].key in expect(node_cli(0, "id"), 0).out, "no key for people")


def case_status():
    data = fields(expect(node_cli(1, "status", "--json"), 0), "key", "network", "uptime_s", "ready", "reachable",
                  "nodes", "lan_peers", "book", "records", "sessions", "size_estimate")
    check(data["ready"] is True, "not ready")
    check(data["nodes"]["kith"]["v4"] >= 1, f"nodes {data['nodes']}")
    for name in ("new", "tried", "banned"):
        check(name in data["book"], f"book.{name}")
    check("joined" in expect(node_cli(1, "status"), 0).out, "status for people")
    stats = fields(expect(node_cli(1, "stats", "--json"), 0), "rx_datagrams", "drop_malformed")
    check(stats["rx_datagrams"] > 0, "nothing received")
    check("rx_datagrams" in expect(node_cli(1, "stats"), 0).out, "stats for people")


def case_long_timeout():
    expect(node_cli(1, "-t", "1000000", "lookup", NODES[0].key), 0)


def case_lookup():
    run = expect(node_cli(4, "--json", "lookup", NODES[2].key), 0)
    data = fields(run, "key", "found", "seq", "endpoints", "capabilities", "network", "sources", "first_ms", *WALK)
    check(data["found"] is True and data["key"] == NODES[2].key, "another peer")
    check(NODES[2].endpoint in data["endpoints"], f"endpoints {data['endpoints']}")
    check(data["network"] == "kith" and data["sources"], "network or sources")
    check(NODES[2].endpoint in expect(node_cli(4, "lookup", NODES[2].key), 0).out, "for people")
    data = fields(expect(node_cli(4, "--json", "lookup", ABSENT), 1), "found")
    check(data["found"] is False, "found a key nobody has")
    expect(node_cli(4, "lookup", ABSENT), 1, "not found")


def case_put_get():
    run = expect(node_cli(0, "--json", "put", "--salt", "s", "hello"), 0)
    data = fields(run, "point", "key", "salt", "seq", "acks", "asked", "swarm")
    check(data["key"] == NODES[0].key and data["salt"] == "s" and data["swarm"] == "kith", f"{data}")
    check(1 <= data["acks"] <= data["asked"], f"acks {data['acks']} of {data['asked']}")
    run = expect(node_cli(3, "get", NODES[0].key, "--salt", "s", "--json"), 0)
    got = fields(run, "found", "key", "salt", "seq", "value", "sig", "swarm", "holders")
    check(got["value"] == "hello" and got["seq"] == data["seq"], f"{got}")
    check(re.fullmatch("[0-9a-f]{128}", got["sig"]), "sig")
    own = fields(expect(node_cli(0, "get", NODES[0].key, "--salt", "s", "--json"), 0), "found")
    check(own["first_ms"] is not None and own["first_ms"] < 0.001, f"what is at hand has no time: {own}")
    check(expect(node_cli(3, "get", NODES[0].key, "--salt", "s"), 0).out == "hello\n", "for people")
    check(expect(node_cli(3, "get", NODES[0].key, "--salt", "s", "--raw"), 0).out == "hello", "raw")
    check(fields(expect(node_cli(3, "get", NODES[0].key, "--salt", "none", "--json"), 1), "found")["found"] is False,
          "found what was not put")


def case_put_json():
    document = {"name": "ä", "list": [1, -2, 3.5, None, True], "map": {}}
    expect(node_cli(0, "put", "--salt", "j", "--json-value", json.dumps(document)), 0)
    check(fields(expect(node_cli(2, "--json", "get", NODES[0].key, "--salt", "j"), 0), "value")["value"] == document,
          "another document")
    raw = subprocess.run([kt.DHT_CLI, "--control", NODES[2].control_path, "get", NODES[0].key, "--salt", "j", "--raw"],
                         capture_output=True, check=True, timeout=60).stdout
    unpacker = kt.Unpacker()
    unpacker.feed(raw)
    check(list(unpacker) == [document], f"raw is not the msgpack document: {raw!r}")


def case_put_bytes():
    path = PLACE.file("bytes")
    with open(path, "wb") as file:
        file.write(bytes(range(256)) * 3)
    expect(node_cli(0, "put", "--salt", "b", "@" + path), 0)
    data = fields(expect(node_cli(2, "--json", "get", NODES[0].key, "--salt", "b"), 0), "value_hex")
    check(bytes.fromhex(data["value_hex"]) == bytes(range(256)) * 3, "other bytes")
    with open(path, "wb") as file:
        file.write(b"abc\0def")
    expect(node_cli(0, "put", "--salt", "z", "@" + path), 0)
    check(expect(node_cli(2, "get", NODES[0].key, "--salt", "z"), 0).out == "abc\0def\n", "the text ends at its NUL")
    check(expect(node_cli(3, "talk", NODES[0].key, "echo", "@" + path), 0).out == "abc\0def\n", "the answer ends at its NUL")
    largest = "x" * 996
    expect(node_cli(0, "put", "--salt", "m", "-", stdin=largest), 0)
    check(expect(node_cli(1, "get", NODES[0].key, "--salt", "m", "--raw"), 0).out == largest, "the largest value")


def case_immutable():
    data = fields(expect(node_cli(0, "--json", "put", "--immutable", "fixed"), 0), "point", "acks")
    got = fields(expect(node_cli(3, "--json", "get", data["point"]), 0), "found", "value")
    check(got["value"] == "fixed", f"{got}")
    expect(node_cli(3, "get", "--immutable", "0" * 64), 1)


def case_hex_key():
    expect(node_cli(0, "put", "hello"), 0)
    value = 0
    for character in NODES[0].key:
        value = value * 32 + "ybndrfg8ejkmcpqxot1uwisza345h769".index(character)
    key = f"{value >> 4:064x}"
    check(expect(node_cli(1, "get", key, "--raw"), 0).out == "hello", "no value under the key in hex")
    # Only a swarm that has keys but no such hashes was named: it is a key.
    expect(node_cli(1, "get", key, "--swarm", "both"), 3, "takes no part in Mainline")
    expect(node_cli(1, "get", key, "--swarm", "both", "--immutable"), 2, "arg 'point'")


def case_conflict():
    args = ("put", "--salt", "c")
    expect(node_cli(0, *args, "--seq", "10", "ten"), 0)
    expect(node_cli(0, *args, "--seq", "9", "nine"), 6, "put: a record with a newer seq exists: seq 10; --seq takes a higher one")
    expect(node_cli(0, *args, "--cas", "4", "--seq", "11", "eleven"), 6, r"put: .*\(cas\): it is 10")
    run = expect(node_cli(0, *args, "--seq", "9", "nine", "--json"), 6)
    check(fields(run, "error", "message")["error"] == "OUTDATED", run.out)
    expect(node_cli(0, *args, "--cas", "10", "--seq", "11", "eleven"), 0)
    check(expect(node_cli(2, "get", NODES[0].key, "--salt", "c", "--all", "--raw"), 0).out == "eleven", "not the newest")


def case_topics():
    expect(node_cli(1, "announce", "chess"), 0)
    expect(node_cli(2, "--json", "announce", "chess"), 0)
    data = fields(expect(node_cli(4, "--json", "find", "chess"), 0), "topic", "found", "peers")
    check({p["key"] for p in data["peers"]} == {NODES[1].key, NODES[2].key}, f"{data}")
    check(all(p["endpoints"] for p in data["peers"]), "no endpoints")
    check(NODES[1].key in expect(node_cli(4, "find", "chess", "-n", "5"), 0).out, "for people")
    fields(expect(node_cli(4, "--json", "find", "go"), 1), "found")
    expect(node_cli(1, "unannounce", "chess"), 0)
    expect(node_cli(1, "unannounce", "chess"), 1, "unannounce chess: not found")


def case_ping():
    data = fields(expect(node_cli(3, "--json", "ping", NODES[0].key, "-n", "2"), 0), "peer", "sent", "received", "min_ms",
                  "pongs")
    check(data["received"] == 2 and len(data["pongs"]) == 2, f"{data}")
    expect(node_cli(3, "ping", NODES[0].endpoint), 0)
    expect(node_cli(3, "ping", NODES[0].contact), 0)
    expect(node_cli(3, "ping", NODES[3].key), 2, "that is this node's own key")
    expect(node_cli(3, "talk", NODES[3].key, "echo", "hi"), 2, "that is this node's own key")
    expect(node_cli(3, "-t", "0.2", "ping", "127.0.0.1:1"), 3, "ping 127.0.0.1:1: timed out; --timeout S waits longer")


def case_trace():
    lines = expect(node_cli(3, "--json", "trace", NODES[0].key), 0).lines
    check(lines[-1]["event"] == "done" and all(line["schema"] == 1 for line in lines), "stream")
    hops = [line for line in lines if line["event"] == "hop"]
    check(any(hop["outcome"] == "answered" for hop in hops), "nobody answered")
    for name in ("outcome", "endpoint", "distance_bits", "depth", "contacts", "at_ms"):
        check(name in hops[0], f"hop without {name}")
    expect(node_cli(3, "trace", NODES[0].key), 0)


def case_talk():
    data = fields(expect(node_cli(3, "--json", "talk", NODES[0].key, "echo", "hi"), 0), "peer", "bytes", "rtt_ms")
    check(data["bytes"] == "hi", f"{data}")
    check(expect(node_cli(3, "talk", NODES[0].key, "echo", "hi"), 0).out == "hi\n", "for people")
    expect(node_cli(3, "talk", NODES[0].key, "unheard-of", "hi"), 1)
    expect(node_cli(3, "talk", NODES[0].key, "echo", "x" * 961), 2, "961 bytes")


def fill_queue(path):
    queue = []
    while len(queue) < 1000:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.setblocking(False)
        queue.append(client)
        try:
            client.connect(path)
        except BlockingIOError:
            return queue
    raise kt.Failed("the queue has no end")


def case_hung_daemon():
    pid = node_cli(1, "--json", "status").json["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        expect(node_cli(1, "-t", "0.2", "id"), 3, "id: no answer of the node itself in time")
        queue = fill_queue(NODES[1].control_path)
        expect(node_cli(1, "-t", "0.2", "id"), 5, "it takes no connections: stopped, or hanging")
        waiting = subprocess.Popen([kt.DHT_CLI, "--control", NODES[1].control_path, "id"], stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        waiting.send_signal(signal.SIGINT)
        try:
            check(waiting.wait(5) == 130, f"exit {waiting.returncode}")
        finally:
            waiting.kill()
            waiting.wait()
            for client in queue:
                client.close()
    finally:
        os.kill(pid, signal.SIGCONT)
    expect(node_cli(1, "id"), 0)  # what waited in the queue is gone


def case_too_many_clients():
    clients = []
    try:
        for _ in range(64):
            clients.append(kt.Control(NODES[1].control_path))
            clients[-1].call("version")
        for _ in range(5):  # turned away before or after its request was sent
            expect(node_cli(1, "id"), 70, "id: too many clients are connected")
    finally:
        for client in clients:
            client.close()
    kt.wait_until(lambda: node_cli(1, "id").code == 0, 5, "served again")


def case_watch():
    expect(node_cli(1, "-t", "0.2", "watch", ABSENT), 3, "no record within 0.2 s")
    watcher = subprocess.Popen([kt.DHT_CLI, "--control", NODES[3].control_path, "--json", "watch", NODES[0].key,
                                "--salt", "w"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        expect(node_cli(0, "put", "--salt", "w", "--seq", "1", "one"), 0)
        first = json.loads(watcher.stdout.readline())
        check(first["value"] == "one" and first["schema"] == 1, f"{first}")
        watcher.send_signal(signal.SIGINT)
        check(watcher.wait(10) == 130, f"exit {watcher.returncode}")
    finally:
        watcher.kill()
        watcher.communicate()
    expect(node_cli(3, "watch", NODES[0].key, "--salt", "never", "--timeout", "0.3"), 3)


def case_metrics():
    """Names, types and units by the rules of the text format; every counter is there, none twice."""
    text = expect(node_cli(1, "metrics"), 0).out
    kinds, helped, values = {}, set(), {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, words = line[7:].split(" ", 1)
            check(name not in helped and words[0].isupper(), line)
            helped.add(name)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            check(name in helped and name not in kinds, f"{line}: no help, or twice")
            kinds[name] = kind
        else:
            sample, value = line.rsplit(" ", 1)
            name = sample.split("{")[0]
            check(re.fullmatch(r'kith_[a-z0-9_]+(\{[a-z]+="[a-z0-9]+"(,[a-z]+="[a-z0-9]+")*\})?', sample), line)
            check(name == list(kinds)[-1] and sample not in values, f"{line}: out of its group, or twice")
            check(name.endswith("_total") == (kinds[name] == "counter"), line)
            values[sample] = float(value)
    stats = node_cli(1, "--json", "stats").json
    for name in ("rx_datagrams", "requests_served", "drop_mac", "events_lost"):
        check(values[f"kith_{name}_total"] <= stats[name], f"{name}: {values}")
    check(values["kith_rx_datagrams_total"] > 0 and values["kith_ready"] == 1, f"{values}")
    check(values['kith_contacts{swarm="kith",family="ipv4"}'] >= 4, f"{values}")
    check(values["kith_rtt_seconds"] < 1, f"{values}")


def case_lists():
    for command in ("peers", "table", "records", "sessions"):
        data = fields(expect(node_cli(1, "--json", command), 0), command)
        expect(node_cli(1, command), 0)
        plain = expect(node_cli(1, command, "--plain"), 0).out.splitlines()
        check(len({line.count("\t") for line in plain}) <= 1, "ragged")
        check(abs(len(plain) - len(data[command])) <= 3, f"{command}: {len(plain)} lines, {len(data[command])} objects")
    with kt.Closing(kt.Control(NODES[1].control_path)) as control:
        control.call("put", salt=b"\xfe\t\xff", value=b"1:x")
    for form in ([], ["--plain"]):
        check(any(re.search(r"\sfe09ff$", line) for line in expect(node_cli(1, "records", *form), 0).out.splitlines()),
              f"{form}: the salt that is no text is not shown")
    peers = fields(node_cli(1, "--json", "peers"), "peers")["peers"]
    check({"key", "endpoint", "rtt_ms"} <= set(peers[0]), f"{peers[0]}")


def book_of(daemon):
    return fields(expect(kt.cli("--control", daemon.control_path, "--json", "book"), 0), "entries", "total", "new",
                  "tried", "pinned", "banned")


def case_book():
    kt.wait_until(lambda: book_of(NODES[1])["tried"] >= 1, 20, "somebody is in tried")
    data = book_of(NODES[1])
    check(data["total"] == len(data["entries"]) == data["new"] + data["tried"] + data["pinned"], f"{data}")
    entry = next(e for e in data["entries"] if e["table"] == "tried")
    check(entry["key"] in [node.key for node in NODES], f"{entry}")
    check(entry["endpoint"] in [node.endpoint for node in NODES], f"{entry}")
    for name in ("origin", "roles", "health", "attempts", "seen_s", "success_s"):
        check(name in entry, f"{name} is missing in {entry}")
    check(0 <= entry["health"] <= 1, f"{entry}")
    check(entry["key"] in expect(node_cli(1, "book"), 0).out, "for people")
    plain = expect(node_cli(1, "book", "--plain"), 0).out.splitlines()
    check({line.count("\t") for line in plain} == {8}, f"ragged: {plain}")
    stats = fields(expect(node_cli(1, "stats", "--json"), 0), "discovered", "connected", "coupling", "damping",
                   "discovery_exchange_ratio", "mean_reputation")
    check(abs(stats["coupling"] - 0.70710678) < 1e-6 and abs(stats["damping"] - 0.70710678) < 1e-6, f"{stats}")
    status = fields(expect(node_cli(1, "status", "--json"), 0), "book", "lan_peers", "lan")
    check(status["book"]["tried"] >= 1, f"{status['book']}")


def case_lan():
    data = fields(expect(node_cli(0, "--json", "lan"), 0), "peers", "state", "total")
    check(data["peers"] == [] and data["state"].startswith("off"), f"on loopback: {data}")
    expect(node_cli(0, "lan"), 0, "LAN: off")
    check(expect(node_cli(0, "lan", "--plain"), 0).out == "", "plain")


def case_add():
    daemon = PLACE.daemon()
    cli = lambda *args: kt.cli("--control", daemon.control_path, *args)  # noqa: E731
    data = fields(expect(cli("--json", "add", NODES[0].contact, "--private", "--persistent"), 0), "key", "endpoint",
                  "roles")
    check(data["key"] == NODES[0].key and sorted(data["roles"]) == ["persistent", "private"], f"{data}")
    kt.wait_ready([daemon], 10)  # it had nobody: this peer was tried at once
    entry = next(e for e in book_of(daemon)["entries"] if e["key"] == NODES[0].key)
    check(entry["table"] == "pinned" and sorted(entry["roles"]) == ["persistent", "private"], f"{entry}")
    port = NODES[1].endpoint.rsplit(":", 1)[1]
    expect(cli("add", f"localhost:{port}"), 0)  # names are resolved
    expect(cli("ping", f"localhost:{port}"), 0)
    expect(cli("add", "host.invalid:7700"), 3, "'host.invalid' has no address")
    expect(cli("add", daemon.contact), 2, "this node itself")
    expect(cli("add", NODES[1].key), 2, "a key alone")
    expect(cli("add"), 2, "argument is missing")
    expect(cli("add", "nonsense:"), 2, "PEER")
    expect(cli("add", NODES[1].contact, "--privat"), 2, "did you mean --private")
    expect(cli("book", "--private"), 2, "belongs to add")
    check(daemon.end() == 0, "exit")


def case_ban():
    daemon = PLACE.daemon("-p", NODES[0].contact)
    kt.wait_ready([daemon])
    cli = lambda *args: kt.cli("--control", daemon.control_path, *args)  # noqa: E731
    data = fields(expect(cli("--json", "ban", NODES[0].key), 0), "key", "left_s")
    check(data["key"] == NODES[0].key and data["left_s"] is None, f"{data}")
    data = fields(expect(cli("--json", "ban", "192.0.2.77/24", "--for", "2h"), 0), "prefix", "left_s")
    check(data["prefix"] == "192.0.2.0/24" and data["left_s"] == 7200, f"{data}")
    expect(cli("ban", "2001:db8::/32", "--for", "1s"), 0)

    def bans():
        return {b.get("key") or b["prefix"]: b["left_s"] for b in fields(cli("--json", "ban"), "bans", "total")["bans"]}

    kt.wait_until(lambda: "2001:db8::/32" not in bans(), 5, "the short ban ends")
    check(set(bans()) == {NODES[0].key, "192.0.2.0/24"} and bans()["192.0.2.0/24"] <= 7200, f"{bans()}")
    check(NODES[0].key in expect(cli("ban"), 0).out, "for people")
    check(len(expect(cli("ban", "--plain"), 0).out.splitlines()) == 2, "plain")
    expect(cli("add", NODES[0].contact), 1, "banned")
    expect(cli("ban", daemon.key), 2, "own")
    check(daemon.end() == 0, "exit")
    daemon.start()  # bans are kept
    check(set(bans()) == {NODES[0].key, "192.0.2.0/24"}, f"{bans()}")
    check(daemon.status()["book"]["banned"] == 2, "status")
    fields(expect(cli("--json", "unban", "192.0.2.1/24"), 0), "prefix")
    expect(cli("unban", "192.0.2.1/24"), 1, "no such ban")
    expect(cli("unban", NODES[0].key), 0)
    check(bans() == {}, f"{bans()}")
    expect(cli("add", NODES[0].contact), 0)
    check(daemon.end() == 0, "exit")


def case_ban_usage():
    none = ("--control", "/nowhere")
    expect(kt.cli(*none, "ban", "1.2.3"), 2, "expected KEY, ADDR or ADDR/BITS")
    expect(kt.cli(*none, "ban", "10.0.0.0/7"), 2, "8 to 32")
    expect(kt.cli(*none, "ban", "2001:db8::/129"), 2, "16 to 128")
    expect(kt.cli(*none, "ban", ABSENT[:-1] + "l"), 2, "column 52")
    expect(kt.cli(*none, "ban", ABSENT, "--for", "2"), 2, "a number and s, m, h or d")
    expect(kt.cli(*none, "ban", ABSENT, "--for", "0s"), 2, "a number and s, m, h or d")
    expect(kt.cli(*none, "ban", ABSENT, "--for", "99999999d"), 2, "a number and s, m, h or d")
    expect(kt.cli(*none, "ban", ABSENT, "--for", "49711d"), 2, "from 1s to 49710d")
    expect(kt.cli(*none, "ban", ABSENT, "--for", "49710d"), 5)
    expect(kt.cli(*none, "ban", "--for", "2s"), 2, "is missing")
    expect(kt.cli(*none, "unban"), 2, "argument is missing")


def case_book_restart():
    """A node comes back through its book alone; a killed one too, from a second after it joined."""
    daemon = PLACE.daemon("-p", NODES[0].contact)
    kt.wait_ready([daemon])
    kt.wait_until(lambda: book_of(daemon)["tried"] >= 2, 20, "two peers in tried")
    time.sleep(1.5)  # saved a second after joining
    daemon.extra = ()
    for number in (signal.SIGKILL, signal.SIGTERM):
        daemon.end(number)
        daemon.start()
        start = time.monotonic()
        kt.wait_ready([daemon], 10)
        check(time.monotonic() - start < 3, "took more than 3 s")
    check(daemon.end() == 0, "exit")


def case_ephemeral():
    base = ("--ephemeral", "--peer", NODES[1].contact, "--json")
    data = fields(expect(kt.cli(*base, "lookup", NODES[2].key), 0), "endpoints")
    check(NODES[2].endpoint in data["endpoints"], f"{data}")
    path = PLACE.file("eph")
    key = kt.cli("keygen", path).out.strip()
    data = fields(expect(kt.cli(*base, "--identity", path, "put", "--salt", "e", "mine"), 0), "acks", "key")
    check(data["key"] == key and data["acks"] >= 1, f"{data}")
    check(expect(node_cli(0, "get", key, "--salt", "e", "--raw"), 0).out == "mine", "not stored")
    expect(kt.cli(*base, "put", "x"), 0, "throwaway")
    expect(kt.cli("--ephemeral", "--peer", NODES[1].endpoint, "get", key, "--salt", "e"), 0)
    bad = ("--peer", NODES[1].contact, "--identity")
    expect(kt.cli(*bad, PLACE.file("nobody"), "lookup", NODES[2].key), 2, "does not exist")
    os.chmod(path, 0o644)
    expect(kt.cli(*bad, path, "lookup", NODES[2].key), 2, "chmod 600")
    expect(kt.cli("--peer", NODES[1].contact, "-n", "another", "-t", "2", "lookup", NODES[2].key), 3)


def case_interrupt_ephemeral():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        peer = f"127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen([kt.DHT_CLI, "--ephemeral", "--peer", peer, "lookup", ABSENT],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            silent.settimeout(5)
            silent.recv(2000)  # it is waiting for us
            process.send_signal(signal.SIGINT)
            check(process.wait(10) == 130, f"exit {process.returncode}")
        finally:
            process.kill()
            process.communicate()


# ---- kithd ----


def kithd(*args, env=None):
    done = subprocess.run([kt.KITHD, *args], capture_output=True, text=True, timeout=30, check=False,
                          env=dict(os.environ, **(env or {})))
    return kt.Run(done)


def case_kithd_usage():
    expect(kithd("--help"), 0)
    expect(kithd("--version"), 0)
    expect(kithd("--lisen", "x"), 2, "did you mean --listen")
    expect(kithd("stray"), 2, "stray")
    expect(kithd("-xn", "home"), 2, "unknown option '-x'")
    expect(kithd("--no-lan=x"), 2, "unknown option '--no-lan=x'")
    expect(kithd("--log-level", "loud"), 2, "error, warn, info or debug")
    expect(kithd("-d", PLACE.file("x"), "--control", "/tmp/" + "x" * 120), 2, "125 bytes")
    expect(kithd("-d", PLACE.file("x"), "--control", PLACE.file("xc"), "-l", "nonsense"), 2)


def write(name, text):
    path = PLACE.file(name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def case_config():
    path = write("a.conf", "[node]\nnetwork = home\nlisten = 127.0.0.1:0\nlisten = [::1]:0\n[limits]\nrecords = 10\n")
    out = expect(kithd("-c", path, "-n", "away", "--print-config"), 0).out
    for line in ("network = away", "listen = 127.0.0.1:0", "listen = [::1]:0", "records = 10", "# level = info"):
        check(line in out.splitlines(), f"{line!r} is missing in {out}")
    again = write("b.conf", out)
    check(expect(kithd("-c", again, "--print-config"), 0).out == out, "the printed file reads differently")
    expect(kithd("-c", write("c.conf", "[node]\n\nnetwrok = x\n")), 2, r"c\.conf:3: unknown key 'netwrok'.*'network'")
    expect(kithd("-c", write("d.conf", "[nodes]\nnetwork = x\n")), 2, r"d\.conf:2: unknown section \[nodes\].*\[node\]")
    expect(kithd("-c", write("e.conf", "[limits]\nrecords = many\n")), 2, r"e\.conf:2: .*a number")
    expect(kithd("-c", PLACE.file("missing.conf")), 2, "No such file")
    expect(kithd("-c", write("g.conf", "[node]\ncoupling = 0\n")), 2, r"g\.conf:2: .*from 0\.01 to 100")
    expect(kithd("-c", write("j.conf", "[node]\ncontrol = /" + 198 * "x" + "\n")), 2, r"j\.conf:2: .*longer than 198 bytes")
    out = expect(kithd("-c", write("l.conf", "  # " + 400 * "x" + "\n[node]\nnetwork = home\n"), "--print-config"), 0).out
    check("network = home" in out.splitlines(), f"a long comment: {out}")
    out = expect(kithd("-c", write("m.conf", "[node]\n  data_dir = /d\n\tnetwork = home\n"), "--print-config"), 0).out
    check({"data_dir = /d", "network = home"} <= set(out.splitlines()), f"indented keys: {out}")
    expect(kithd("-c", write("n.conf", "[bootstrap]\npeer = a:1\n b\n")), 2, r"n\.conf:3: expected .*key = value")
    expect(kithd("-c", write("k.conf", "[node]\nnetwork = a\0b\n")), 2, r"k\.conf:2: .*NUL")
    expect(kithd("-c", PLACE.file("")), 2, "Is a directory")
    lan = write("h.conf", "[node]\ndamping = 1.5\n[lan]\nhide_key = yes\ndeny = wg*\ndeny = eth1\n")
    out = expect(kithd("-c", lan, "--no-lan", "--print-config"), 0).out
    for line in ("damping = 1.5", "enabled = no", "hide_key = yes", "deny = wg*", "deny = eth1"):
        check(line in out.splitlines(), f"{line!r} is missing in {out}")
    again = write("i.conf", out)
    check(expect(kithd("-c", again, "--print-config"), 0).out == out, "the printed file reads differently")
    # From the command line comes what a file cannot say.
    for value in ("/a ;b", "/a\t;b", " /a", "/a ", "/a\n[log]", "/" + 200 * "a"):
        out = expect(kithd("-d", value, "--control", "/c", "--print-config"), 0).out
        check("# data_dir = (set, but a file cannot say it)" in out.splitlines(), f"{value!r}: {out}")
        expect(kithd("-c", write("o.conf", out), "--print-config"), 0)
    for value in (";b", "/a;b", "#b", "/" + 188 * "a"):
        out = expect(kithd("-d", value, "--control", "/c", "--print-config"), 0).out
        check(expect(kithd("-c", write("q.conf", out), "--print-config"), 0).out == out, f"{value!r} reads differently")
    secret = write("f.conf", "[node]\nnetwork_secret = " + "ab" * 32 + "\n")
    check("abab" not in expect(kithd("-c", secret, "--print-config"), 0).out, "the secret is printed")


def case_second_daemon():
    first = NODES[0]
    run = kithd("-d", os.path.join(first.directory, "d"), "-l", "127.0.0.1:0", "--control", PLACE.file("other"))
    expect(run, 73, "in use")
    check("data directory" in run.err, f"{run.err!r}")
    run = kithd("-d", PLACE.file("fresh"), "-l", "127.0.0.1:0", "--control", first.control_path)
    expect(run, 73, "control socket .* in use")
    run = kithd("-d", PLACE.file("fresh"), "-l", first.endpoint, "--control", PLACE.file("other"))
    expect(run, 73, first.endpoint + " is used by another program")
    expect(node_cli(0, "id"), 0)  # and the first one is unharmed


def case_daemon_life():
    seeds = write("seeds", f"# seeds\n{NODES[0].contact}\n  bad-line # x\n")
    notify_path = PLACE.file("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(notify_path)
        notify.settimeout(10)
        os.environ["NOTIFY_SOCKET"] = notify_path
        os.environ["WATCHDOG_USEC"] = "400000"
        try:
            daemon = PLACE.daemon("-s", seeds, "--log-format", "json")
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
        check(notify.recv(100) == b"READY=1", "no READY=1")
        for _ in range(2):
            check(notify.recv(100) == b"WATCHDOG=1", "no sign of life")
    log = [json.loads(line) for line in daemon.log().splitlines()]
    check({"key", "endpoints", "network", "control"} <= {line["message"] for line in log}, f"{log}")
    check(any("seeds:3:11" in line["message"] for line in log), f"no place of the bad seed: {log}")
    kt.wait_ready([daemon])
    mode = stat.S_IMODE(os.stat(daemon.control_path).st_mode)
    check(mode == 0o600, f"control socket has mode {mode:o}")
    daemon.process.send_signal(signal.SIGHUP)
    kt.wait_until(lambda: "read again" in daemon.log(), 5, "seeds read again")
    late = PLACE.daemon()
    write(os.path.join(late.directory, "d", "seeds"), NODES[0].contact + "\n")
    late.process.send_signal(signal.SIGHUP)
    kt.wait_ready([late])
    start = time.monotonic()
    for _ in range(20):  # an impatient service manager must not spoil the clean end
        daemon.process.send_signal(signal.SIGTERM)
    check(daemon.end() == 0, f"exit {daemon.process.returncode}: {daemon.log()}")
    check(time.monotonic() - start < 2, "took more than 2 s to stop")
    check(not os.path.exists(daemon.control_path), "the control socket is left behind")
    key = daemon.key
    daemon.start()
    check(daemon.key == key, "another key after the restart")
    with kt.Closing(kt.Control(daemon.control_path)) as control:
        control.call("stop")
    check(daemon.process.wait(5) == 0, "stop")


def case_file_size_limit():
    limited = write("limited", f'#!/bin/sh\nulimit -f 128\nexec {kt.KITHD} "$@"\n')
    os.chmod(limited, 0o755)
    program, kt.KITHD = kt.KITHD, limited
    try:
        daemon = PLACE.daemon("-p", NODES[0].contact)
    finally:
        kt.KITHD = program
    kt.wait_ready([daemon])
    for i in range(200):
        run = kt.cli("--control", daemon.control_path, "put", "--salt", str(i), "x" * 900)
        if run.code != 0:
            break
    expect(run, 70, "could not be kept on disk: no space left")
    expect(kt.cli("--control", daemon.control_path, "id"), 0)  # it lives
    check(daemon.end() == 0, f"exit {daemon.process.returncode}: {daemon.log()}")


def case_log_unread():
    """A pipe that nobody reads costs lines of the log, which are counted, and neither the work nor the end."""
    control_path = PLACE.file("unread-control")
    seeds = write("unread-seeds", "")
    process = subprocess.Popen([kt.KITHD, "-d", PLACE.file("unread"), "-l", "127.0.0.1:0", "--control", control_path,
                                "-s", seeds], stderr=subprocess.PIPE)

    def say_something():
        process.send_signal(signal.SIGHUP)
        with kt.Closing(kt.Control(control_path, timeout=5)) as control:
            control.call("version")

    try:
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 8192)
        kt.wait_until(lambda: os.path.exists(control_path), 10, "the daemon listens")
        for _ in range(300):
            say_something()
        log = os.read(process.stderr.fileno(), 65536)
        say_something()
        log += os.read(process.stderr.fileno(), 65536)
        lost = re.search(rb"\nwarn: (\d+) lines of the log were lost: nobody read them\n", log)
        check(lost and int(lost[1]) > 50, f"{log[-500:]!r}")
        check(set(log.splitlines()[4:]) <= {lost[0].strip(), b"info: " + seeds.encode() + b": 0 seeds read again"}, f"{log!r}")
        for _ in range(300):
            say_something()
        process.terminate()
        check(process.wait(10) == 0, f"exit {process.returncode}")
    finally:
        process.kill()
        process.communicate()


def case_log_of_any_bytes():
    """A name that is no UTF-8, or has a line's end in it, is one line of the log like any other."""
    for form in ("json", "text"):
        run = kithd("-d", PLACE.file("x"), "--control", PLACE.file("xc"), "--log-format", form, "-l", NODES[0].endpoint,
                    "-s", PLACE.path.encode() + b"/\xff\nerror: forged")
        expect(run, 73, r"/\?\?error: forged")
        check(len(run.err.splitlines()) == 2, f"{run.err!r}")
        if form == "json":
            check([json.loads(line)["level"] for line in run.err.splitlines()] == ["warn", "error"], f"{run.err!r}")


def case_private_network():
    secret = write("p.conf", "[node]\nnetwork_secret = " + "ab" * 32 + "\n")
    inside = PLACE.daemon("-c", secret)
    PLACE.daemon("-c", secret, "-p", inside.contact)
    kt.wait_ready(PLACE.daemons[-2:])
    stranger = PLACE.daemon("-p", inside.contact)
    time.sleep(1.5)  # nothing may happen: there is no condition to wait for
    check(not stranger.status()["ready"], "a stranger joined")


CASES = [(name[5:], function) for name, function in list(globals().items()) if name.startswith("case_")]


def main():
    global PLACE, NODES
    wanted = sys.argv[1:]
    with kt.Place() as PLACE:
        try:
            NODES = PLACE.swarm(5)
        except kt.Failed as error:
            print(f"FAIL  no swarm: {error}")
            return 1
        return kt.main([case for case in CASES if not wanted or case[0] in wanted])


if __name__ == "__main__":
    sys.exit(main())
