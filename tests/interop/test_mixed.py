# SPDX-License-Identifier: MIT
"""kith nodes as part of a libtorrent swarm: they serve it like libtorrent's own nodes, hold it together as its
only bootstrap node, and nodes of a kith network meet through it."""

import argparse
import os
import random
import sys
import time

from mltest import (KithNodes, Key, Torrent, check, introduce, milliseconds, record, torrents, wait_until)
from kithtest import main


def workload(nodes, n):
    """libtorrent's own operations between libtorrent nodes; counts what was found, and how fast."""
    found = {"mutable": 0, "immutable": 0, "peers": 0}
    seconds, stored = [], []
    for i in range(n):
        writer, reader = random.sample(nodes, 2)
        value, key = os.urandom(100).hex().encode(), Key()
        _, acks, _ = writer.put_mutable(key, value, b"salt")
        (got, _), took = reader.get_mutable(key.public, b"salt")
        found["mutable"] += got == value
        seconds.append(took)
        stored.append(acks)
        target, acks, _ = writer.put_immutable(value)
        got, took = reader.get_immutable(target)
        found["immutable"] += got == value
        seconds.append(took)
        stored.append(acks)
        info_hash = os.urandom(20)
        writer.announce(info_hash)
        got, took = reader.get_peers(info_hash)
        found["peers"] += got == [(writer.host, writer.port)]
        seconds.append(took)
    return dict(found, of=n, copies=round(sum(stored) / len(stored), 2), get=milliseconds(seconds))


def mixed(n, operations):
    """Half and half, beside libtorrent alone."""
    alone = workload(torrents(2 * n), operations)
    with KithNodes() as kith:
        ours = [kith.node() for _ in range(n)]
        theirs = [Torrent() for _ in range(n)]
        endpoints = [node.endpoint for node in ours + theirs]
        introduce(theirs, endpoints)
        for node in ours:
            for endpoint in random.sample([e for e in endpoints if e != node.endpoint], 5):
                node.join(endpoint)
        for node in ours:
            node.settle(min(16, n))
        wait_until(lambda: min(node.nodes() for node in theirs) >= min(8, n), 20, "libtorrent's tables fill")
        both = workload(theirs, operations)
        served = [node.status() for node in ours]
        stats = {name: sum(status["stats"][name] for status in served)
                 for name in ("requests_served", "errors_sent", "bad_records")}
        record("libtorrent's operations", alone=alone, with_kith=both,
               kith_items=sum(status["items"] for status in served), **stats)
        check(stats["requests_served"] > operations, "libtorrent asks kith's nodes")
        check(sum(status["items"] for status in served) > operations, "kith's nodes hold items")
        for what in ("mutable", "immutable", "peers"):
            check(alone[what] == operations, f"libtorrent alone: {what} {alone[what]} of {operations}")
            check(both[what] == operations, f"with kith: {what} {both[what]} of {operations}")


def tables(nodes):
    """The smallest and the median table."""
    sizes = sorted(node.nodes() for node in nodes)
    return sizes[0], sizes[len(sizes) // 2]


def bootstrap(n, operations):
    """A libtorrent swarm whose only way in is one kith node. The first to ask it learn of nobody and ask again
    only with libtorrent's next rounds, 5 s apart."""
    with KithNodes() as kith:
        node = kith.node()
        start = time.monotonic()
        nodes = [Torrent(bootstrap=[node.endpoint]) for _ in range(n)]
        wait_until(lambda: tables(nodes)[1] >= min(8, n // 2), 60, "half of libtorrent's tables fill")
        half = time.monotonic() - start
        wait_until(lambda: tables(nodes)[0] >= 2, 60, "every libtorrent node knows others")
        seconds = time.monotonic() - start
        done = workload(nodes, operations)
        smallest, median = tables(nodes)
        record("bootstrap", nodes=n, half_s=round(half, 2), all_s=round(seconds, 2), table_min=smallest,
               table_median=median, kith_table=node.status()["nodes"], operations=done)
        for what in ("mutable", "immutable", "peers"):
            check(done[what] == operations, f"{what}: {done[what]} of {operations}")


def bootstrap_beside(n):
    """The same with a libtorrent node as the only way in, for comparison: it names nobody whom it has not
    itself asked before, and it asks one node in 5 s."""
    first = Torrent()
    nodes = [Torrent(bootstrap=[first.endpoint]) for _ in range(n)]
    time.sleep(20)
    smallest, median = tables(nodes)
    record("libtorrent as the bootstrap node", nodes=n, after_s=20, table_min=smallest, table_median=median)


def rendezvous(n):
    """Two nodes that share nothing but their network's name, in a libtorrent swarm."""
    nodes = torrents(n)
    with KithNodes() as kith:
        network = os.urandom(8).hex()
        start = time.monotonic()
        pair = [kith.node(network=network) for _ in range(2)]
        for node in pair:
            node.join(random.choice(nodes).endpoint, "router")
        wait_until(lambda: all(node.status()["kith_ready"] for node in pair), 60, "the two meet")
        record("rendezvous", libtorrent_nodes=n, seconds=round(time.monotonic() - start, 3))
        third = kith.node(network=os.urandom(8).hex())
        third.join(random.choice(nodes).endpoint, "router")
        third.settle(4)
        check(third.status()["kith_nodes"] == 0, "another network is not met")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=30)
    parser.add_argument("--operations", type=int, default=30)
    parser.add_argument("--beside", action="store_true", help="also what libtorrent does as a bootstrap node")
    options = parser.parse_args()
    cases = [
        ("a mixed swarm", lambda: mixed(options.nodes, options.operations)),
        ("the only bootstrap node", lambda: bootstrap(options.nodes, options.operations)),
        ("rendezvous", lambda: rendezvous(options.nodes)),
    ]
    if options.beside:
        cases.append(("libtorrent as the only bootstrap node", lambda: bootstrap_beside(options.nodes)))
    sys.exit(main(cases))
