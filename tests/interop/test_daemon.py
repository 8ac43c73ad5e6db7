# SPDX-License-Identifier: MIT
"""kithd and dht-cli in a libtorrent swarm: two daemons that share nothing but their network's name meet, one
port serves both swarms, and dht-cli reads and writes what libtorrent does."""

import os
import shutil
import socket
import struct
import subprocess
import sys
import time

from mltest import (ADDRESSES, Key, Raw, bencode, check, record, target_of, torrents, wait_until)
from kithtest import Closing, Control, Place, cli, main


Z32 = "ybndrfg8ejkmcpqxot1uwisza345h769"


def encode_z32(key):
    number = int.from_bytes(key, "big") << 4
    return "".join(Z32[number >> shift & 31] for shift in range(255, -1, -5))


def decode_z32(text):
    number = 0
    for character in text:
        number = number << 5 | Z32.index(character)
    return (number >> 4).to_bytes(32, "big")


def bootstrap(swarm):
    """Three ways in, as command-line arguments."""
    return [word for torrent in swarm[:3] for word in ("--mainline-bootstrap", torrent.endpoint)]


def daemon(place, swarm, *extra, network=None, start=True):
    network = network or os.urandom(8).hex()
    return place.daemon("--mainline", "--no-lan", "-n", network, *bootstrap(swarm), *extra, start=start,
                        listen=f"{ADDRESSES.next()}:0")


def in_mainline(one):
    nodes = one.status()["nodes"]["mainline"]
    return nodes["v4"] >= 4


def meeting(place, swarm):
    """Rendezvous: neither knows an address or a key of the other."""
    network = os.urandom(8).hex()
    pair = [daemon(place, swarm, network=network, start=False) for _ in range(2)]
    start = time.monotonic()
    for one in pair:
        one.start(wait=False)
    for one in pair:
        one.wait_listening()
    for one in pair:
        wait_until(lambda d=one: d.status()["ready"], 60, "the two meet")
    together = time.monotonic() - start

    late = daemon(place, swarm, network=network, start=False)
    start = time.monotonic()
    late.start()
    wait_until(lambda: late.status()["ready"], 60, "a third finds them")
    record("two daemons meet", libtorrent_nodes=len(swarm), together_s=round(together, 2),
           a_third_s=round(time.monotonic() - start, 2))

    found = cli("--control", late.control_path, "--json", "lookup", pair[0].key)
    check(found.code == 0 and pair[0].endpoint in found.json["endpoints"], f"lookup: {found.out} {found.err}")


def sockets_of(pid):
    """Local endpoints of a process's UDP sockets, by family, from /proc."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            inodes.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            continue
    found = {}
    for family in ("udp", "udp6"):
        with open(f"/proc/net/{family}", encoding="ascii") as table:
            rows = [line.split() for line in list(table)[1:]]
        found[family] = [int(row[1].rsplit(":", 1)[1], 16) for row in rows if f"socket:[{row[9]}]" in inodes]
    return found


def one_port(place, swarm):
    """Both swarms over one socket a family."""
    network = os.urandom(8).hex()
    one = daemon(place, swarm, "-l", "[::1]:0", network=network)
    peer = daemon(place, swarm, network=network)
    wait_until(lambda: in_mainline(one), 30, "Mainline is joined")
    pid = one.process.pid
    found = sockets_of(pid)
    check([len(found["udp"]), len(found["udp6"])] == [1, 1], f"one socket a family: {found}")
    port = int(one.endpoint.rsplit(":", 1)[1])
    check(found["udp"] == [port], f"its port: {found} {port}")
    if shutil.which("ss"):
        lines = subprocess.run(["ss", "-ulnpH"], capture_output=True, text=True, check=True).stdout.splitlines()
        mine = [line for line in lines if f"pid={pid}," in line]
        check(len(mine) == 2, f"ss shows two sockets: {mine}")
        print("\n".join(mine))

    with Closing(Raw()) as raw:
        answer = raw.ask(one.endpoint, b"ping", {})
        check(answer and answer[b"y"] == b"r", "a ping of Mainline is answered on it")
        asker = raw.socket.getsockname()
        check(answer[b"ip"] == socket.inet_aton(asker[0]) + struct.pack(">H", asker[1]), "and says who asked")
    pong = cli("--control", peer.control_path, "--json", "ping", one.endpoint)
    check(pong.code == 0, f"a ping of kith too: {pong.out} {pong.err}")


# ---- a DNS packet as pkarr publishes it ----


def dns_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def dns_packet(records):
    answers = b"".join(dns_name(name) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data
                       for name, kind, ttl, data in records)
    return struct.pack(">HHHHHH", 0, 0x8400, 0, len(records), 0, 0) + answers


DNS = [
    ("example", 1, 300, bytes([192, 0, 2, 7])),
    ("example", 28, 300, socket.inet_pton(socket.AF_INET6, "2001:db8::7")),
    ("_text.example", 16, 7200, b"\x0bhello pkarr"),
]
DNS_SHOWN = [("A", "192.0.2.7"), ("AAAA", "2001:db8::7"), ("TXT", '"hello pkarr"')]


def pkarr(place, swarm):
    """What a pkarr client publishes is shown as DNS records, by key alone."""
    key = Key()
    seq, acks, _ = swarm[-1].put_mutable(key, dns_packet(DNS))
    check((seq, acks) == (1, 8), f"libtorrent stores it: {seq} {acks}")
    one = daemon(place, swarm)
    wait_until(lambda: in_mainline(one), 30, "Mainline is joined")
    name = encode_z32(key.public)
    got = cli("--control", one.control_path, "--json", "get", name)
    check(got.code == 0, f"dht-cli get: {got.code} {got.out} {got.err}")
    shown = [(answer["type"], answer["data"]) for answer in got.json["dns"]]
    check(shown == DNS_SHOWN, f"decoded: {shown}")
    check(got.json["swarm"] == "mainline" and got.json["seq"] == 1, f"where from: {got.out}")
    text = cli("--control", one.control_path, "get", name)
    print(text.out, end="")
    check("192.0.2.7" in text.out and "hello pkarr" in text.out, f"as text: {text.out}")
    record("pkarr", total_ms=got.json.get("total_ms"), dns=got.json["dns"])

    alone = cli("--ephemeral", *bootstrap(swarm), "--json", "mainline", "get", key.public.hex(),
                env={"XDG_STATE_HOME": place.file("state"), "XDG_RUNTIME_DIR": place.file("run")})
    check(alone.code == 0 and alone.json["dns"], f"without a daemon: {alone.code} {alone.out} {alone.err}")


def both_ways(place, swarm):
    """dht-cli mainline ..., against libtorrent."""
    one = daemon(place, swarm)
    wait_until(lambda: in_mainline(one), 30, "Mainline is joined")

    def mainline(*words, code=0):
        run = cli("--control", one.control_path, "--json", "mainline", *words)
        check(run.code == code, f"dht-cli mainline {words}: {run.code} {run.out} {run.err}")
        return run.json

    done = mainline("put", "--salt", "cli", "hello from kith")
    public = decode_z32(one.key)
    check(target_of(public, b"cli").hex() == done["target"], "the target is BEP 44's")
    (value, seq), _ = swarm[5].get_mutable(public, b"cli")
    check((value, seq) == (b"hello from kith", done["seq"]), f"libtorrent reads it: {value} {seq}")
    mainline("put", "--salt", "cli", "--cas", str(done["seq"] - 1), "no", code=6)

    done = mainline("put", "--immutable", "immutable from kith")
    value, _ = swarm[6].get_immutable(bytes.fromhex(done["target"]))
    check(value == b"immutable from kith", f"libtorrent reads it: {value}")
    mainline("get", os.urandom(20).hex(), code=1)

    info_hash = os.urandom(20)
    mainline("announce", info_hash.hex(), "--port", "4001")
    peers, _ = swarm[7].get_peers(info_hash)
    check(peers == [(one.endpoint.rsplit(":", 1)[0], 4001)], f"libtorrent finds it: {peers}")
    info_hash = os.urandom(20)
    swarm[8].announce(info_hash)
    run = cli("--control", one.control_path, "--json", "mainline", "peers", info_hash.hex())
    check(run.code == 0 and swarm[8].endpoint in run.out, f"peers: {run.out} {run.err}")
    mainline("ping", swarm[9].endpoint)
    check(cli("--control", one.control_path, "mainline", "sample", info_hash.hex()).code == 0, "samples")
    check(cli("--control", one.control_path, "mainline", "trace", info_hash.hex()).code == 0, "a trace")


if __name__ == "__main__":
    the_swarm = torrents(30)
    # The daemons of all cases live to the end: libtorrent waits 15 s for each that is gone.
    with Place() as the_place:
        sys.exit(main([
            ("two daemons meet through libtorrent", lambda: meeting(the_place, the_swarm)),
            ("one port", lambda: one_port(the_place, the_swarm)),
            ("a DNS packet", lambda: pkarr(the_place, the_swarm)),
            ("dht-cli mainline", lambda: both_ways(the_place, the_swarm)),
        ]))
