#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real daemons and their address books: coming back without a seed, networks that do not mix, bans, and bad
input in the book, the seeds file and names."""

import argparse
import os
import signal
import socket
import sys
import time

import kithtest as kt

LIMIT_S = 3.0  # until a restarted node is ready from its book alone
QUIET = ("--log-level", "warn")
DEAD_NAME = "no-such-host.invalid:7700"


def wait_book(daemon, n, seconds=60):
    """Until `n` entries have answered it, and a moment longer: the book is saved when it ends."""
    kt.wait_until(lambda: daemon.status()["book"]["tried"] >= n, seconds, f"{n} tried entries")


def table_keys(daemon):
    with kt.Closing(kt.Control(daemon.control_path)) as control:
        return {peer["key"] for peer in control.call("table")["table"]}


def look_up(asker, wanted):
    with kt.Closing(kt.Control(asker.control_path)) as control:
        return control.call("lookup", key=wanted.key)


def ready_after(daemon, limit):
    """Starts it; seconds until it is ready."""
    start = time.monotonic()
    daemon.start(wait=False)
    daemon.wait_listening()
    kt.wait_until(lambda: daemon.status()["ready"], limit, "ready from its book alone")
    return time.monotonic() - start


# ---- coming back, and going on, without seeds ----


def case_restart(nodes):
    """Restarted with every seed dead, half of its book dead too."""
    def run():
        with kt.Place() as place:
            swarm = place.swarm(nodes, *QUIET)
            back = swarm[-1]
            wait_book(back, nodes // 2)
            check_end(back)
            for daemon in swarm[:nodes // 2]:  # the seed is the first
                daemon.end(signal.SIGKILL)
            took = ready_after(back, LIMIT_S)
            print(f"      ready after {took:.2f} s, {nodes // 2} of {nodes} dead", flush=True)
            kt.check(look_up(back, swarm[-2])["found"], "a peer that is alive is not found")
    return run


def check_end(daemon):
    status = daemon.end()
    kt.check(status == 0, f"exit status {status}: {daemon.log()}")


def case_newcomer(nodes):
    """The swarm's only seed is dead: any member will do."""
    def run():
        with kt.Place() as place:
            swarm = place.swarm(nodes, *QUIET)
            swarm[0].end(signal.SIGKILL)
            for member in (swarm[1], swarm[nodes // 2], swarm[-1]):
                newcomer = place.daemon("-p", member.contact, *QUIET)
                kt.wait_ready([newcomer], 10)
                kt.check(look_up(newcomer, swarm[2])["found"], "the newcomer does not find a member")
                kt.check(look_up(swarm[3], newcomer)["found"], "a member does not find the newcomer")
    return run


# ---- networks ----


def case_networks():
    """Two networks with one set of seeds: each joins its own, and nothing of the other is in its tables."""
    with kt.Place() as place:
        seeds = {name: place.daemon("-n", name, *QUIET) for name in ("red", "blue")}
        peers = [arg for seed in seeds.values() for arg in ("-p", seed.contact)]
        nodes = {name: [place.daemon("-n", name, *peers, *QUIET) for _ in range(3)] for name in seeds}
        for members in nodes.values():
            kt.wait_ready(members, 20)
        time.sleep(2)
        for name, members in nodes.items():
            own = {d.key for d in members} | {seeds[name].key}
            for daemon in members + [seeds[name]]:
                kt.check(table_keys(daemon) <= own, f"{name} knows others")
                kt.check(table_keys(daemon), f"{name} knows nobody")
        try:
            found = look_up(nodes["red"][0], nodes["blue"][0])["found"]
        except kt.ControlError:
            found = False
        kt.check(not found, "a peer of another network was found")


def case_secret():
    """A private network: without its secret, or with another, nobody gets in."""
    with kt.Place() as place:
        def config(name, secret):
            path = place.file(name)
            with open(path, "w", encoding="ascii") as file:
                file.write(f"[node]\nnetwork_secret = {secret}\n")
            os.chmod(path, 0o600)
            return ("-c", path)

        member = config("member", "11" * 32)
        seed = place.daemon(*member, *QUIET)
        inside = place.daemon(*member, "-p", seed.contact, *QUIET)
        kt.wait_ready([inside], 20)
        outside = [place.daemon("-p", seed.contact, *QUIET),
                   place.daemon(*config("other", "22" * 32), "-p", seed.contact, *QUIET)]
        time.sleep(5)
        for daemon in outside:
            kt.check(not daemon.status()["ready"], "joined without the secret")
            kt.check(not table_keys(daemon), "has contacts without the secret")
        kt.check(table_keys(seed) == {inside.key}, "the private network has a stranger in its tables")
        kt.check(seed.stats()["drop_mac"] + seed.stats()["drop_handshake"] > 0, "no drop was counted")


# ---- bans ----


def case_ban():
    with kt.Place() as place:
        a, b, c = place.swarm(3, *QUIET)
        kt.wait_until(lambda: c.key in table_keys(a), 20, "the first knows the last")

        def cli(*args):
            run = kt.cli("--control", a.control_path, *args)
            kt.check(run.code == 0, f"dht-cli {args}: {run.code} {run.err}")
            return run

        cli("ban", c.key)
        kt.check(c.key not in table_keys(a), "banned, and in the table")
        with kt.Closing(kt.Control(c.control_path)) as control:
            try:
                control.call("ping", key=a.key, count=1)
            except kt.ControlError:
                pass
        kt.wait_until(lambda: a.stats()["drop_banned"] > 0, 10, "what it sends is dropped")
        kt.check(c.key in cli("ban", "--plain").out, "not listed")
        cli("unban", c.key)
        kt.check(c.key not in cli("ban", "--plain").out, "still listed")
        kt.wait_until(lambda: look_up(a, c)["found"], 10, "found again")
        kt.check(b.status()["ready"], "the third one is none the worse")


# ---- bad input ----


def case_corrupt():
    """A database that is garbage is set aside, by a name that the log says; the node starts and joins."""
    with kt.Place() as place:
        seed = place.daemon(*QUIET)
        node = place.daemon("-p", seed.contact, *QUIET)
        kt.wait_ready([node], 20)
        check_end(node)
        database = os.path.join(node.directory, "d", "db")
        garbage = b"\xa5" * 65536
        with open(os.path.join(database, "data.mdb"), "wb") as file:
            file.write(garbage)
        node.start()
        kt.wait_ready([node], 20)
        aside = database + ".set-aside-1"
        kt.check(f"{database} is not usable" in node.log() and aside in node.log(), f"log: {node.log()}")
        with open(os.path.join(aside, "data.mdb"), "rb") as file:
            kt.check(file.read() == garbage, "what was there is not kept")


def case_seeds_file():
    """An error in line 7: named by file, line and column; the other lines count."""
    with kt.Place() as place:
        seed = place.daemon(*QUIET)
        path = place.file("seeds.txt")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"# seeds\n\n{seed.contact}\n\n# more\n127.0.0.1:9\n  127.0.0.1:99999\n{DEAD_NAME}\n")
        node = place.daemon("-s", path, *QUIET)
        kt.check(f"{path}:7:" in node.log(), f"file, line and column are not named: {node.log()}")
        kt.check("the line is skipped" in node.log(), f"what becomes of it is not said: {node.log()}")
        kt.wait_ready([node], 20)


def case_names():
    """Names that do not resolve: told, tried again, in nobody's way."""
    with kt.Place() as place:
        seed = place.daemon(*QUIET)
        node = place.daemon("-p", DEAD_NAME, "-p", seed.contact, "--log-level", "info")
        kt.wait_ready([node], 20)
        kt.wait_until(lambda: "no-such-host.invalid" in node.log(), 20, "the failing name is told")
        alone = place.daemon("-p", DEAD_NAME, *QUIET)
        time.sleep(1)
        kt.check(not alone.status()["ready"], "ready without anybody")
        check_end(alone)  # ends in time while the name is being resolved


def case_dead_seed_address():
    """A seed's port that somebody else listens on, and never answers."""
    with kt.Place() as place, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        seed = place.daemon(*QUIET)
        node = place.daemon("-p", f"127.0.0.1:{silent.getsockname()[1]}", "-p", seed.contact, *QUIET)
        kt.wait_ready([node], 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=12)
    parser.add_argument("--only", help="cases whose name contains this")
    options = parser.parse_args()
    cases = [
        ("restart", case_restart(options.nodes)),
        ("newcomer", case_newcomer(options.nodes)),
        ("networks", case_networks),
        ("secret", case_secret),
        ("ban", case_ban),
        ("corrupt", case_corrupt),
        ("seeds-file", case_seeds_file),
        ("names", case_names),
        ("silent-seed", case_dead_seed_address),
    ]
    return kt.main([c for c in cases if not options.only or options.only in c[0]])


if __name__ == "__main__":
    sys.exit(main())
