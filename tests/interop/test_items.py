# SPDX-License-Identifier: MIT
"""kith and a swarm of libtorrent nodes: items and peers that one puts are what the other finds.

Time and messages of each side's operations stand side by side: same swarm, same minute, sequential
operations by random nodes. kith's put is done at its quorum (6 of 8), libtorrent's when all have answered.
"""

import argparse
import os
import random
import sys

from mltest import KithNodes, Key, OUTGOING, bencode, check, milliseconds, record, target_of, torrents, wait_until
from kithtest import main

def value_of(i):
    return b"%d-" % i + os.urandom(random.randrange(8, 450)).hex().encode()


class World:
    """The libtorrent swarm and kith's nodes in it."""

    def __init__(self, kith, n, n_kith):
        self.lt = torrents(n)
        self.kith = [kith.node() for _ in range(n_kith)]
        for node in self.kith:
            for torrent in random.sample(self.lt, 3):
                node.join(torrent.endpoint)
        for node in self.kith:
            node.settle(min(16, n // 2))

    def any_lt(self):
        return random.choice(self.lt)

    def any_kith(self):
        return random.choice(self.kith)


def messages(torrent, action):
    """What `action` returns, and the questions that the node sent for it: gets, puts and announces, which
    libtorrent does not send of itself."""
    names = [name for name in OUTGOING if name in ("dht_get_out", "dht_put_out")]
    before = torrent.stats()
    result = action()
    after = torrent.stats()
    return result, sum(after[name] - before[name] for name in names)


def mean(numbers):
    return round(sum(numbers) / len(numbers), 1) if numbers else 0.0


def kith_puts(world, n, immutable):
    """kith writes, libtorrent reads."""
    puts, gets, sent, asked = [], [], [], []
    for i in range(n):
        node, value, salt = world.any_kith(), value_of(i), b"" if immutable else b"item-%d" % i
        done = node.put(value, salt, *["immutable"] if immutable else [])
        check(done["status"] == 0 and done["acks"] >= done["quorum"] > 5, f"kith puts {i}: {done}")
        puts.append(done["seconds"])
        sent.append(done["messages"])
        reader = world.any_lt()
        if immutable:
            (found, seconds), n_sent = messages(reader, lambda: reader.get_immutable(bytes.fromhex(done["target"])))
        else:
            ((found, seq), seconds), n_sent = messages(reader, lambda: reader.get_mutable(node.public, salt))
            check(seq == done["seq"], f"libtorrent sees seq {seq}, kith put {done['seq']}")
        check(found == value, f"libtorrent reads what kith put: {i}")
        gets.append(seconds)
        asked.append(n_sent)
    return (puts, sent), (gets, asked)


def lt_puts(world, n, immutable):
    """libtorrent writes, kith reads."""
    puts, gets, sent, asked = [], [], [], []
    for i in range(n):
        writer, value, salt, key = world.any_lt(), value_of(i), b"" if immutable else b"item-%d" % i, Key()
        if immutable:
            (target, acks, seconds), n_sent = messages(writer, lambda: writer.put_immutable(value))
        else:
            (seq, acks, seconds), n_sent = messages(writer, lambda: writer.put_mutable(key, value, salt))
            target = target_of(key.public, salt)
        check(acks > 0, f"libtorrent puts {i}")
        puts.append(seconds)
        sent.append(n_sent)
        got = world.any_kith().get(target, salt)
        check(got["status"] == 0 and bytes.fromhex(got["value"]) == bencode(value), f"kith reads {i}: {got}")
        if not immutable:
            check(got["held_seq"] == seq and got["key"] == key.public.hex(), "key and seq are libtorrent's")
        gets.append(got["seconds"])
        asked.append(got["messages"])
    return (puts, sent), (gets, asked)


def exchange(world, n, immutable):
    kith_put, lt_get = kith_puts(world, n, immutable)
    lt_put, kith_get = lt_puts(world, n, immutable)
    for operation, kith, other in (("put", kith_put, lt_put), ("get", kith_get, lt_get)):
        record(f"{'immutable' if immutable else 'mutable'} {operation}", found="100%",
               kith=dict(milliseconds(kith[0]), messages=mean(kith[1])),
               libtorrent=dict(milliseconds(other[0]), messages=mean(other[1])))


def updates(world):
    """Newer values replace older ones on both sides; older ones and wrong cas are refused by libtorrent."""
    node, salt = world.any_kith(), b"updates"
    first = node.put(b"one", salt, "seq=10")
    check(first["status"] == 0, f"put: {first}")
    check(node.put(b"two", salt, "seq=11", "cas=10")["status"] == 0, "the right cas")
    for reader in random.sample(world.lt, 5):
        (found, seq), _ = reader.get_mutable(node.public, salt, authoritative=True)
        check((found, seq) == (b"two", 11), f"libtorrent reads the newer: {found} {seq}")
    wrong = node.put(b"three", salt, "seq=12", "cas=10")
    check(wrong["status"] not in (0, -1) and wrong["seq"] == 11, f"a wrong cas: {wrong}")
    older = node.put(b"three", salt, "seq=5")
    check(older["status"] not in (0, -1) and older["seq"] == 11, f"an older seq: {older}")
    record("cas and seq", wrong_cas=wrong["status"], older_seq=older["status"])

    key, writer = Key(), world.any_lt()
    for i in range(1, 6):
        seq, acks, _ = writer.put_mutable(key, b"version %d" % i, salt)
        check((seq, acks > 0) == (i, True), f"libtorrent updates: {seq} {acks}")
        got = world.any_kith().get(target_of(key.public, salt), salt, "newest")
        check(got["status"] == 0 and got["held_seq"] == i, f"kith reads version {i}: {got}")


def peers(world, n):
    """Announced by one, found by the other."""
    found, first, asked = [], [], []
    for _ in range(n):
        info_hash, node = os.urandom(20), world.any_kith()
        done = node.announce(info_hash, 4000)
        check(done["status"] == 0 and done["acks"] > 5, f"kith announces: {done}")
        got, seconds = world.any_lt().get_peers(info_hash)
        check(got == [(node.host, 4000)], f"libtorrent finds kith: {got}")
        found.append(seconds)
    theirs = []
    for _ in range(n):
        info_hash, torrent = os.urandom(20), world.any_lt()
        torrent.announce(info_hash)
        got = world.any_kith().get_peers(info_hash)
        check(got["peers"] == [torrent.endpoint], f"kith finds libtorrent: {got}")
        theirs.append(got["seconds"])
        first.append(got["first_ns"] / 1e9)
        asked.append(got["messages"])
    # libtorrent tells the first peers it hears of, kith's questions go on to the end and count the peers too.
    record("peers", found="100%", kith=dict(milliseconds(theirs), messages=mean(asked), first=milliseconds(first)),
           libtorrent=milliseconds(found))


def others(world):
    """Pings and samples."""
    node = world.any_kith()
    check(node.ping(world.any_lt().endpoint)["acks"] == 1, "libtorrent answers a ping")
    sample = node.sample(os.urandom(20))
    check(sample["status"] == 0 and sample["samples"] > 0, f"libtorrent gives samples: {sample}")
    status = node.status()
    check(status["observed"] == node.endpoint, "libtorrent tells kith its address")
    wait_until(lambda: node.status()["reachable"] == 1 and not node.status()["read_only"], 10,
               "kith knows that it is reachable")
    bad = {name: status["stats"][name] for name in ("bad_records", "drop_unmatched", "errors_received")}
    record("one kith node", nodes=status["nodes"], **bad)


def stock(n, operations):
    """Against libtorrent's own limits (which ban who asks too much), with kith's own: it stays welcome."""
    with KithNodes() as kith:
        swarm = torrents(n, dht_upload_rate_limit=8000, dht_block_ratelimit=5, dht_block_timeout=300)
        node = kith.node("limited")
        for torrent in swarm[:3]:
            node.join(torrent.endpoint)
        node.settle(n - 1)
        timeouts = sum(node.get(os.urandom(20))["timeouts"] for _ in range(operations))
        stats = node.status()["stats"]
        record("stock limits", gets=operations, questions=stats["requests_sent"], timeouts=timeouts)
        check(timeouts == 0 and node.status()["nodes"] >= n - 1, f"{timeouts} questions were not answered")


def six():
    """A small swarm on ::1, where all have one address."""
    with KithNodes() as kith:
        world = World.__new__(World)
        world.lt = torrents(8, address="::1")
        world.kith = [kith.node(address="::1") for _ in range(2)]
        for node in world.kith:
            node.join(world.lt[0].endpoint)
        for node in world.kith:
            node.settle(6)
        exchange(world, 5, False)
        exchange(world, 5, True)
        peers(world, 3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=60)
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--stock", action="store_true", help="also with all limits in force; 30 s")
    options = parser.parse_args()
    with KithNodes() as all_kith:
        the_world = World(all_kith, options.nodes, 4)
        status = main([
            ("mutable items", lambda: exchange(the_world, options.items, False)),
            ("immutable items", lambda: exchange(the_world, options.items, True)),
            ("updates and cas", lambda: updates(the_world)),
            ("peers", lambda: peers(the_world, options.items)),
            ("pings, samples, our address", lambda: others(the_world)),
        ])
    more = [("IPv6", six)] + ([("stock limits", lambda: stock(8, 60))] if options.stock else [])
    status |= main(more)
    sys.exit(status)
