#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A data directory that a newer version of kith has used. Nothing of it may be lost: whoever installs the
newer version again finds it as it was.

The programs come from the environment: KITHD, DHT_CLI and DISK_PROBE.
"""

import os
import subprocess
import sys

import kithtest as kt
from kithtest import check

DISK_PROBE = os.environ.get("DISK_PROBE", "disk_probe")
SCHEMA, BOOK = 1, 1  # the versions of this kith
PLACE = None


def data_of(daemon):
    return os.path.join(daemon.directory, "d")


def probe(daemon, *args):
    run = subprocess.run([DISK_PROBE, data_of(daemon), *args], capture_output=True, text=True,
                         timeout=30, check=False)
    check(run.returncode == 0, f"disk_probe {args}: {run.stderr}")
    return sorted(run.stdout.splitlines())


def tree(path):
    """Every file below, but for the locks, and what is in it."""
    files = {}
    for directory, _, names in os.walk(path):
        for name in names:
            with open(os.path.join(directory, name), "rb") as file:
                files[os.path.relpath(os.path.join(directory, name), path)] = file.read()
    return {name: content for name, content in files.items() if "lock" not in name}


def used_node():
    """A node that has been in a swarm and has stopped: its book holds the others."""
    swarm = PLACE.swarm(3)
    node = swarm[-1]
    kt.wait_until(lambda: node.status()["book"]["tried"] >= 2, 30, "the others are in the book")
    check(node.end() == 0, f"exit status: {node.log()}")
    return swarm, node


def case_database():
    """A newer schema: kithd does not start, says what to do, and touches nothing."""
    _, node = used_node()
    blobs = probe(node, "blobs")
    probe(node, "schema", str(SCHEMA + 1))
    before = tree(data_of(node))
    node.start(wait=False)
    code = node.process.wait(20)
    check(code != 0, "it started")
    check("made by a newer version of kith" in node.log(), f"not said: {node.log()}")
    check("install that version" in node.log() and "-d" in node.log(), f"no cure: {node.log()}")
    check(tree(data_of(node)) == before, "something was touched")
    elsewhere = PLACE.daemon()
    check(elsewhere.status() is not None, "another data directory does not help")
    # The newer version came back, so to speak.
    probe(node, "schema", str(SCHEMA))
    check(probe(node, "blobs") == blobs, "the book has lost something")
    node.start()
    kt.wait_ready([node])
    check(node.end() == 0, f"exit status: {node.log()}")


def case_book():
    """A newer book: the node starts and joins without it, and leaves it alone."""
    swarm, node = used_node()
    probe(node, "book", str(BOOK + 1))
    before = probe(node, "blobs")
    node.start()
    check("the address book was written by a newer version" in node.log(), f"{node.log()}")
    kt.wait_ready([node])
    kt.wait_until(lambda: node.status()["book"]["tried"] >= 2, 30, "a book in memory")
    # What would be saved at once.
    run = kt.cli("--control", node.control_path, "ban", "192.0.2.0/24")
    check(run.code == 0, f"ban: {run.err}")
    check(node.end() == 0, f"exit status: {node.log()}")
    check(probe(node, "blobs") == before, "the newer version's book was changed")
    probe(node, "book", str(BOOK))
    swarm[0].end()
    node.extra = ()  # from its book alone
    node.start()
    kt.wait_ready([node])
    check(node.end() == 0, f"exit status: {node.log()}")


def main():
    global PLACE
    cases = [(name[5:], function) for name, function in list(globals().items())
             if name.startswith("case_")]
    with kt.Place() as PLACE:
        return kt.main([case for case in cases if not sys.argv[1:] or case[0] in sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
