#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""dht-cli and kithd in Mainline, as a script sees them: six daemons on loopback that know one another through
the first one only. Every `mainline` command, bad input of every kind, values of others, restarts."""

import hashlib
import os
import re
import struct
import sys

import kithtest as kt
from kithtest import check, expect, fields

PLACE = None
NODES = []  # of different kith networks: what they find, they find in Mainline
N_NODES = 6
INFOHASH = "0123456789abcdef0123456789abcdef01234567"
Z32 = "ybndrfg8ejkmcpqxot1uwisza345h769"
WALK = ("messages", "answered", "timeouts", "hops", "total_ms")


def node_cli(index, *args, **named):
    return kt.cli("--control", NODES[index].control_path, *args, **named)


def key_bytes(text):
    number = 0
    for character in text:
        number = number << 5 | Z32.index(character)
    return (number >> 4).to_bytes(32, "big")


def target_of(key, salt=b""):
    return hashlib.sha1(key_bytes(key) + salt).hexdigest()


def mainline_of(daemon):
    return daemon.status()["mainline"]


def joined(daemon, n=1):
    family = mainline_of(daemon)["v4"]
    return family["ready"] and family["nodes"] >= n


def start_all():
    first = PLACE.daemon("--mainline", "--mainline-bootstrap", "127.0.0.1:9", "-n", "net0")
    NODES.append(first)
    for i in range(1, N_NODES):
        NODES.append(PLACE.daemon("--mainline", "--mainline-bootstrap", first.endpoint, "-n", f"net{i}"))
    for daemon in NODES:
        kt.wait_until(lambda d=daemon: joined(d, N_NODES - 1), 60, "all know all")


def bootstrap():
    return ("--mainline-bootstrap", NODES[0].endpoint)


# ---- status ----


def case_status():
    data = fields(expect(node_cli(1, "--json", "status"), 0), "mainline", "nodes")
    check(data["nodes"]["mainline"]["v4"] >= N_NODES - 1 and data["nodes"]["kith"]["v4"] == 0, f"{data['nodes']}")
    mainline = data["mainline"]
    check(mainline["on"] is True and mainline["v6"] is None, f"{mainline}")
    check({"id", "ready", "read_only", "nodes", "depth", "votes", "observed", "size_estimate", "size_error", "torrents",
           "peers"} <= set(mainline["v4"]), f"{mainline}")
    check(mainline["v4"]["observed"] == NODES[1].endpoint, f"{mainline['v4']['observed']}")
    ids = fields(expect(node_cli(1, "--json", "id"), 0), "node_ids")["node_ids"]
    check(ids["mainline4"] == mainline["v4"]["id"] and re.fullmatch("[0-9a-f]{40}", ids["mainline4"]), f"{ids}")
    out = expect(node_cli(1, "status"), 0).out
    check(re.search(r"over IPv4 +joined, [0-9]+ contacts? in [0-9]+ buckets?", out), out)
    check(re.search(r"Mainline +reachable: (yes|no|unknown)", out) and f"seen at {NODES[1].endpoint}, " in out, out)
    check(re.search("joined Mainline over IPv4: [0-9]+ contacts?", NODES[1].log()), NODES[1].log())


# ---- items ----


def case_put_get():
    run = expect(node_cli(2, "--json", "mainline", "put", "--salt", "s", "hello"), 0)
    data = fields(run, "point", "target", "key", "salt", "seq", "acks", "asked", "swarm", *WALK)
    check(data["key"] == NODES[2].key and data["swarm"] == "mainline" and data["salt"] == "s", f"{data}")
    check(data["target"] == target_of(NODES[2].key, b"s"), "target is not SHA-1(key || salt)")
    check(1 <= data["acks"] <= data["asked"], f"{data}")
    for place in (NODES[2].key, key_bytes(NODES[2].key).hex(), data["target"], data["target"].upper()):
        got = fields(expect(node_cli(4, "--json", "mainline", "get", place, "--salt", "s"), 0), "found", "key", "salt",
                     "seq", "value", "sig", "swarm", "holders", "target")
        check(got["value"] == "hello" and got["seq"] == data["seq"], f"{got}")
        check(got["swarm"] == "mainline" and got["target"] == data["target"], f"{got}")
    check(expect(node_cli(4, "mainline", "get", NODES[2].key, "--salt", "s"), 0).out == "hello\n", "for people")
    check(expect(node_cli(4, "mainline", "get", NODES[2].key, "--salt", "s", "--raw"), 0).out == "hello", "raw")
    fields(expect(node_cli(4, "--json", "mainline", "get", NODES[2].key), 1), "found")
    expect(node_cli(4, "mainline", "get", "0" * 40), 1, "not found")
    expect(node_cli(4, "mainline", "get", data["target"]), 1)  # without its salt it proves nothing


def case_immutable():
    data = fields(expect(node_cli(0, "--json", "mainline", "put", "--immutable", "fixed"), 0), "target", "acks")
    check(data["target"] == hashlib.sha1(b"5:fixed").hexdigest(), f"{data}")
    got = fields(expect(node_cli(3, "--json", "mainline", "get", data["target"]), 0), "value")
    check(got["value"] == "fixed" and got["key"] is None and got["seq"] is None, f"{got}")


def case_conflict():
    args = ("mainline", "put", "--salt", "c")
    expect(node_cli(0, *args, "--seq", "10", "ten"), 0)
    expect(node_cli(0, *args, "--seq", "9", "nine"), 6)
    expect(node_cli(0, *args, "--cas", "4", "--seq", "11", "eleven"), 6)
    expect(node_cli(0, *args, "--cas", "10", "--seq", "11", "eleven"), 0)
    got = expect(node_cli(2, "mainline", "get", NODES[0].key, "--salt", "c", "--all", "--raw"), 0)
    check(got.out == "eleven", f"not the newest: {got.out}")


def case_largest():
    expect(node_cli(0, "mainline", "put", "--salt", "l" * 64, "-", stdin="x" * 996), 0)
    got = expect(node_cli(1, "mainline", "get", NODES[0].key, "--salt", "l" * 64, "--raw"), 0)
    check(got.out == "x" * 996, "the largest value")
    expect(node_cli(0, "mainline", "put", "-", stdin="x" * 997), 2, "at most 996")


def case_swarms():
    """One record in both swarms, found in either; what names Mainline is not found in kith's."""
    data = fields(expect(node_cli(3, "--json", "put", "--swarm", "mainline", "--salt", "w", "v"), 0), "target")
    check(data["swarm"] == "mainline", f"{data}")
    got = fields(expect(node_cli(5, "--json", "get", NODES[3].key, "--salt", "w"), 0), "sources", "swarm")
    check(got["sources"] == ["mainline"] and got["swarm"] == "mainline", f"{got}")
    expect(node_cli(5, "-t", "1", "get", "--swarm", "kith", NODES[3].key, "--salt", "w"), 3)  # alone there
    expect(node_cli(5, "get", "--swarm", "mainline", NODES[3].key, "--salt", "w"), 0)
    expect(node_cli(5, "get", "--swarm", "public", NODES[3].key), 2, "kith, mainline or both")
    a = PLACE.daemon("--mainline", *bootstrap(), "-n", "pair")
    b = PLACE.daemon("--mainline", *bootstrap(), "-n", "pair", "-p", a.contact)
    kt.wait_ready([a, b])
    kt.wait_until(lambda: joined(a, 3) and joined(b, 3), 30, "both are in both")
    data = fields(expect(kt.cli("--control", b.control_path, "--json", "put", "--swarm", "both", "two"), 0), "acks",
                  "mainline_acks", "target", "swarm")
    check(data["acks"] >= 1 and data["mainline_acks"] >= 1 and data["swarm"] == "both", f"{data}")
    expect(kt.cli("--control", a.control_path, "get", "--swarm", "kith", b.key), 0)
    # Nobody else is in the kith network of this one: half of the job is not the job.
    run = expect(node_cli(4, "--json", "put", "--swarm", "both", "--salt", "h", "half"), 7, "kith's own swarm has no node")
    data = fields(run, "acks", "asked", "mainline_acks", "error")
    check(data["asked"] == 0 and data["mainline_acks"] >= 1 and data["error"] == "QUORUM", f"{data}")
    check("in Mainline" in expect(node_cli(4, "put", "--swarm", "both", "--salt", "h", "half"), 7).out, "for people")
    expect(node_cli(0, "mainline", "get", b.key), 0)
    for daemon in (a, b):
        check(daemon.end() == 0, "exit")


# ---- what others store ----


def put_raw(index, value, salt):
    with kt.Closing(kt.Control(NODES[index].control_path)) as control:
        return control.call("put", value=value, salt=salt, swarm="mainline")


def case_bencode():
    put_raw(1, b"d1:ai-5e1:bl1:x2:\xff\xfeee", b"b")
    got = fields(expect(node_cli(2, "--json", "mainline", "get", NODES[1].key, "--salt", "b"), 0), "value")
    check(got["value"] == {"a": -5, "b": ["x", "fffe"]}, f"{got}")
    check('"a": -5' in expect(node_cli(2, "mainline", "get", NODES[1].key, "--salt", "b"), 0).out, "for people")


def case_magnet():
    infohash = bytes(range(236, 256))
    put_raw(1, b"d2:ih20:" + infohash + b"e", b"n\0")
    link = f"magnet:?xs=urn:btpk:{key_bytes(NODES[1].key).hex()}&s=6e00"
    got = fields(expect(node_cli(2, "--json", "mainline", "get", link), 0), "infohash")
    check(got["infohash"] == infohash.hex(), f"{got}")
    check(infohash.hex() in expect(node_cli(2, "mainline", "get", link), 0).out, "for people")
    expect(node_cli(2, "mainline", "get", link.replace("&s=6e00", "&s=6")), 2, "hex digits")
    expect(node_cli(2, "mainline", "get", link, "--salt", "x"), 2, "names one already")
    expect(node_cli(2, "mainline", "get", "magnet:?xt=urn:btih:" + INFOHASH), 2, "urn:btpk")
    expect(node_cli(2, "mainline", "get", link + "0" * 300), 2)


def case_dns():
    name = b"\x04_foo\x07example\0"
    records = [(1, b"\xc0\0\x02\x07"), (28, b"\x20\x01\x0d\xb8" + bytes(11) + b"\1"), (16, b"\x05k=v w"),
               (5, b"\x01a\xc0\x0c"), (65, b"\0\1\0\0\1\0\3\2h2")]
    packet = struct.pack(">HHHHHH", 0, 0x8400, 0, len(records), 0, 0)
    for i, (kind, data) in enumerate(records):
        packet += (b"\xc0\x0c" if i else name) + struct.pack(">HHIH", kind, 1, 300, len(data)) + data
    path = PLACE.file("packet")
    with open(path, "wb") as file:
        file.write(packet)
    expect(node_cli(3, "mainline", "put", "@" + path), 0)
    got = fields(expect(node_cli(4, "--json", "mainline", "get", NODES[3].key), 0), "dns", "value_hex")
    check([(r["type"], r["data"]) for r in got["dns"]] == [
        ("A", "192.0.2.7"), ("AAAA", "2001:db8::1"), ("TXT", '"k=v w"'), ("CNAME", "a._foo.example"),
        ("HTTPS", "1 . alpn=h2")], f"{got['dns']}")
    check(all(r["name"] == "_foo.example" and r["ttl"] == 300 for r in got["dns"]), f"{got['dns']}")
    out = expect(node_cli(4, "mainline", "get", NODES[3].key), 0).out
    check("_foo.example\t300\tA\t192.0.2.7" in out, out)


# ---- torrents ----


def case_peers():
    fields(expect(node_cli(4, "--json", "mainline", "peers", INFOHASH), 1), "found")
    data = fields(expect(node_cli(3, "--json", "mainline", "announce", INFOHASH), 0), "infohash", "acks", "asked",
                  "quorum", *WALK)
    check(data["infohash"] == INFOHASH and 1 <= data["acks"] <= data["asked"], f"{data}")
    check("announced" in expect(node_cli(2, "mainline", "announce", INFOHASH, "--port", "51413"), 0).out, "for people")
    found = fields(expect(node_cli(4, "--json", "mainline", "peers", INFOHASH), 0), "infohash", "found", "peers",
                   "seeds", "downloaders", *WALK)
    # Peers are known by their address: here all have the same one, so the later may have replaced the earlier.
    check(set(found["peers"]) <= {NODES[3].endpoint, "127.0.0.1:51413"} and found["peers"], f"{found}")
    check("127.0.0.1:51413" in found["peers"] and found["found"] == len(found["peers"]), f"{found}")
    check("127.0.0.1:51413" in expect(node_cli(5, "mainline", "peers", INFOHASH, "-n", "5"), 0).out, "for people")


def case_sample():
    expect(node_cli(3, "mainline", "announce", INFOHASH), 0)
    data = fields(expect(node_cli(4, "--json", "mainline", "sample"), 0), "target", "found", "infohashes", "nodes", *WALK)
    check(INFOHASH in data["infohashes"] and len(set(data["infohashes"])) == len(data["infohashes"]), f"{data}")
    check(all({"endpoint", "num"} <= set(node) for node in data["nodes"]), f"{data}")
    check(INFOHASH in expect(node_cli(5, "mainline", "sample", INFOHASH), 0).out, "for people")


def case_ping():
    data = fields(expect(node_cli(3, "--json", "mainline", "ping", NODES[0].endpoint, "-n", "2"), 0), "sent", "received",
                  "pongs")
    check(data["received"] == 2 and data["pongs"][0]["key"] is None, f"{data}")
    port = NODES[0].endpoint.rsplit(":", 1)[1]
    expect(node_cli(3, "mainline", "ping", f"localhost:{port}"), 0)  # names are resolved
    expect(node_cli(3, "mainline", "ping", "127.0.0.1:9", "-t", "3"), 3)


def case_trace():
    for place in (NODES[0].key, INFOHASH):
        lines = expect(node_cli(3, "--json", "mainline", "trace", place), 0).lines
        check(lines[-1]["event"] == "done", "stream")
        hops = [line for line in lines if line["event"] == "hop"]
        check(any(hop["outcome"] == "answered" and hop["distance_bits"] <= 160 for hop in hops), f"{hops}")
    check(lines[-1]["target"] == INFOHASH, f"{lines[-1]}")
    expect(node_cli(3, "mainline", "trace", INFOHASH), 0)


# ---- input that is wrong ----


def case_usage():
    none = ("--control", "/nowhere")
    expect(kt.cli(*none, "mainline"), 2, "a command is missing")
    expect(kt.cli(*none, "mainline", "peeers", INFOHASH), 2, "did you mean 'mainline peers'")
    expect(kt.cli(*none, "mainline", "get"), 2, "argument is missing")
    expect(kt.cli(*none, "mainline", "get", INFOHASH[1:]), 2, "got 39 hex digits")
    expect(kt.cli(*none, "mainline", "get", "l" * 52), 2, "KEY: column 1")
    expect(kt.cli(*none, "mainline", "get", INFOHASH, "--salt", "s" * 65), 2, "at most 64")
    expect(kt.cli(*none, "mainline", "put", "--salt", "s" * 65, "v"), 2, "at most 64")
    expect(kt.cli(*none, "mainline", "put", "v" * 1001), 2, "at most 996")
    expect(kt.cli(*none, "mainline", "put", "--immutable", "--salt", "s", "v"), 2, "no --salt")
    for command in ("peers", "announce"):
        expect(kt.cli(*none, "mainline", command, INFOHASH[1:]), 2, "INFOHASH: column 40")
        expect(kt.cli(*none, "mainline", command, INFOHASH + "0"), 2, "INFOHASH: column 41")
        expect(kt.cli(*none, "mainline", command, INFOHASH[:-1] + "g"), 2, "INFOHASH: column 40")
    for port in ("0", "65536", "-1", "ssh"):
        expect(kt.cli(*none, "mainline", "announce", INFOHASH, "--port", port), 2, "--port")
    expect(kt.cli(*none, "mainline", "sample", "x"), 2, "TARGET")
    expect(kt.cli(*none, "mainline", "ping", "127.0.0.1"), 2, "HOST:PORT expected")
    expect(kt.cli(*none, "mainline", "ping", "y" * 52 + "@127.0.0.1:1"), 2, "HOST:PORT expected")
    expect(kt.cli(*none, "mainline", "ping", "127.0.0.1:0"), 2, "PEER")
    expect(kt.cli(*none, "mainline", "trace", "zz"), 2, "KEY")
    expect(kt.cli("--mainline-bootstrap", "y" * 52 + "@127.0.0.1:1", "mainline", "sample"), 2, "without a key")
    expect(kt.cli("--mainline-bootstrap", "nonsense", "mainline", "sample"), 2, "mainline-bootstrap")
    expect(kt.cli("peers", "--port", "1"), 2, "belongs to mainline announce")
    expect(kt.cli(*none, "mainline", "sample"), 5, "no daemon")
    out = expect(kt.cli("help", "mainline"), 0).out
    check(all(f"mainline {c} " in out for c in ("get", "put", "peers", "announce", "sample", "ping", "trace")), out)


def case_off():
    daemon = PLACE.daemon()
    cli = lambda *args: kt.cli("--control", daemon.control_path, *args)  # noqa: E731
    for args in (("peers", INFOHASH), ("announce", INFOHASH), ("sample",), ("get", INFOHASH), ("put", "v"),
                 ("trace", INFOHASH), ("ping", "127.0.0.1:9")):
        expect(cli("mainline", *args), 3, "takes no part in Mainline")
    expect(cli("put", "--swarm", "both", "v"), 3, "takes no part")
    data = fields(expect(cli("--json", "status"), 0), "mainline")
    check(data["mainline"]["on"] is False and data["own_records"] <= 1, f"{data}")
    check(re.search("Mainline +off", expect(cli("status"), 0).out), "for people")
    check(daemon.end() == 0, "exit")


# ---- without a daemon ----


def case_ephemeral():
    base = (*bootstrap(), "--json")
    path = PLACE.file("eph")
    key = kt.cli("keygen", path).out.strip()
    data = fields(expect(kt.cli(*base, "--identity", path, "mainline", "put", "mine"), 0), "acks", "target")
    check(data["acks"] >= 1 and data["target"] == target_of(key), f"{data}")
    check(expect(kt.cli(*bootstrap(), "mainline", "get", key, "--raw"), 0).out == "mine", "not stored")
    check(expect(kt.cli(*bootstrap(), "get", "--swarm", "mainline", key), 0).out == "mine\n", "get --swarm")
    expect(kt.cli(*base, "mainline", "announce", INFOHASH, "--port", "7"), 0)
    expect(kt.cli(*base, "mainline", "peers", INFOHASH), 0)
    expect(kt.cli(*base, "mainline", "sample"), 0)
    expect(kt.cli(*base, "mainline", "ping", NODES[1].endpoint), 0)
    expect(kt.cli(*base, "mainline", "trace", key), 0)
    expect(kt.cli("--mainline-bootstrap", "127.0.0.1:9", "-t", "1", "mainline", "sample"), 3, "no node of Mainline")


# ---- over restarts ----


def case_restart():
    """Back through the nodes it knew, whatever became of its bootstrap; what it published there goes on."""
    daemon = PLACE.daemon("--mainline", *bootstrap(), "-n", "restart")
    kt.wait_until(lambda: joined(daemon, 4), 30, "joined")
    expect(kt.cli("--control", daemon.control_path, "mainline", "put", "kept"), 0)
    check(daemon.end() == 0, "exit")
    daemon.extra = ("--mainline", "--mainline-bootstrap", "127.0.0.1:9", "-n", "restart")
    daemon.start()
    kt.wait_until(lambda: joined(daemon, 4), 10, "joined by itself")
    check("nodes known from before" in daemon.log(), daemon.log())
    check(daemon.status()["own_records"] >= 1, "the record is gone")
    check(daemon.end() == 0, "exit")
    daemon.start()  # at once again: a short run forgets nobody
    check(daemon.end() == 0, "exit")
    daemon.start()
    kt.wait_until(lambda: joined(daemon, 4), 10, "joined after a short run")
    check(daemon.end() == 0, "exit")


def case_rendezvous():
    """Two nodes of a network that know nobody of it meet in Mainline, and none of another does."""
    pair = [PLACE.daemon("--mainline", *bootstrap(), "-n", "meeting") for _ in range(2)]
    kt.wait_ready(pair, 60)
    check(all(d.status()["nodes"]["kith"]["v4"] == 1 for d in pair), "somebody of another network")
    for daemon in pair:
        check(daemon.end() == 0, "exit")


def case_config():
    path = PLACE.file("conf")
    with open(path, "w", encoding="ascii") as file:
        file.write("[mainline]\nenabled = yes\nbootstrap = 127.0.0.1:9\nrendezvous = no\nenforce_ids = yes\n"
                   "queries_per_s = 7\n")

    def printed(*args):
        run = kt.subprocess.run([kt.KITHD, "-c", path, "--print-config", *args], capture_output=True, text=True,
                                timeout=20, check=False)
        check(run.returncode == 0, run.stderr)
        return run.stdout.split("[mainline]")[1].split("[limits]")[0]

    lines = printed().splitlines()
    for line in ("enabled = yes", "bootstrap = 127.0.0.1:9", "rendezvous = no", "enforce_ids = yes", "queries_per_s = 7"):
        check(line in lines, f"{line}: {lines}")
    lines = printed("--no-mainline", "--mainline-bootstrap", "127.0.0.1:8").splitlines()
    check("# enabled = no" in lines and "bootstrap = 127.0.0.1:8" in lines, f"{lines}")
    check("bootstrap = 127.0.0.1:9" not in lines, "a flag replaces the file's nodes")
    for bad in ("y" * 52 + "@127.0.0.1:1", "host"):
        daemon = PLACE.daemon("--mainline", "--mainline-bootstrap", bad, start=False).start(wait=False)
        check(daemon.process.wait(20) == 2 and "Mainline node" in daemon.log(), daemon.log())
        PLACE.daemons.remove(daemon)


def case_end():
    for daemon in NODES:
        check(daemon.end() == 0, f"exit: {daemon.log()}")
        check("Sanitizer" not in daemon.log(), daemon.log())


def main():
    global PLACE
    with kt.Place(keep="KEEP" in os.environ) as PLACE:
        cases = [("start", start_all), ("usage", case_usage), ("status", case_status), ("put, get", case_put_get),
                 ("immutable", case_immutable), ("conflict", case_conflict), ("largest", case_largest),
                 ("swarms", case_swarms), ("bencode", case_bencode), ("magnet", case_magnet), ("dns", case_dns),
                 ("peers", case_peers), ("sample", case_sample), ("ping", case_ping), ("trace", case_trace),
                 ("off", case_off), ("ephemeral", case_ephemeral), ("restart", case_restart),
                 ("rendezvous", case_rendezvous), ("config", case_config), ("end", case_end)]
        return kt.main(cases)


if __name__ == "__main__":
    sys.exit(main())
