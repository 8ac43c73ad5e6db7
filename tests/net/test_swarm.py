#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A swarm of real daemons on loopback: lookups, puts and gets between random nodes, measured.

Once all have joined, the seed everybody started from is killed: nothing may depend on it. Then
  lookups   a random node finds another's endpoints by its key
  puts      a random node stores a record of its own
  gets      another node reads it and compares the value
"""

import argparse
import random
import signal
import sys
import time

import kithtest as kt


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--lookups", type=int, default=30)
    parser.add_argument("--puts", type=int, default=10)
    parser.add_argument("--value-size", type=int, default=500)
    parser.add_argument("--keep-seed", action="store_true")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    return parser.parse_args()


class Series:
    def __init__(self, name):
        self.name = name
        self.times, self.messages, self.errors = [], [], []
        self.n = 0

    def measure(self, function):
        """`function` returns the result's fields, or raises."""
        self.n += 1
        start = time.monotonic()
        try:
            result = function()
        except (kt.ControlError, kt.Failed) as error:
            self.errors.append(str(error))
            return None
        self.times.append((time.monotonic() - start) * 1e3)
        self.messages.append(result.get("messages", 0))
        return result

    def print(self):
        mean = sum(self.messages) / len(self.messages) if self.messages else 0
        print(f"{self.name:<10}{len(self.times):>5} of {self.n:<5}"
              f"{kt.percentile(self.times, 0.5):>9.1f}{kt.percentile(self.times, 0.99):>9.1f}{mean:>11.1f}")
        for error in self.errors[:3]:
            print(f"          {error}")


def look_up(asker, wanted):
    result = asker["control"].call("lookup", key=wanted["daemon"].key)
    kt.check(result["found"], "peer not found")
    kt.check(wanted["daemon"].endpoint in result["endpoints"],
             f"{wanted['daemon'].endpoint} is not among {result['endpoints']}")
    return result


def get(asker, key, salt, value):
    result = asker["control"].call("get", key=key, salt=salt)
    kt.check(result["found"], "record not found")
    kt.check(result["value"] == kt.bencoded(value), "another value")
    return result


def put(asker, salt, value):
    return asker["control"].call("put", value=kt.bencoded(value), salt=salt)


def run(options, place, dice):
    start = time.monotonic()
    daemons = place.swarm(options.nodes, "--log-level", "warn")
    print(f"{options.nodes} nodes joined in {time.monotonic() - start:.1f} s (seed {options.seed})")
    if not options.keep_seed:
        daemons.pop(0).end(signal.SIGKILL)
        print("the seed is dead")
    nodes = [{"daemon": d, "control": kt.Control(d.control_path)} for d in daemons]

    lookups, puts, gets = Series("lookups"), Series("puts"), Series("gets")
    cpu = sum(d.cpu_seconds() for d in daemons)
    for _ in range(options.lookups):
        asker, wanted = dice.sample(nodes, 2)
        lookups.measure(lambda a=asker, w=wanted: look_up(a, w))
    cpu = sum(d.cpu_seconds() for d in daemons) - cpu
    stored = []
    for number in range(options.puts):
        owner, value, salt = dice.choice(nodes), dice.randbytes(options.value_size), str(number).encode()
        if puts.measure(lambda o=owner, s=salt, v=value: put(o, s, v)):
            stored.append((owner, salt, value))
    for owner, salt, value in stored:
        reader = dice.choice([node for node in nodes if node is not owner])
        gets.measure(lambda r=reader, o=owner, s=salt, v=value: get(r, o["daemon"].key, s, v))

    print("           success    median ms   p99 ms   messages")
    for series in (lookups, puts, gets):
        series.print()
    rss = [d.rss_kib() / 1024 for d in daemons]
    print(f"memory of a daemon: median {kt.percentile(rss, 0.5):.1f} MiB, most {max(rss):.1f} MiB; "
          f"CPU of all daemons per lookup: {cpu / max(1, options.lookups) * 1e3:.1f} ms")
    dead = [d for d in daemons if d.process.poll() is not None]
    kt.check(not dead, f"{len(dead)} daemons died: {dead[0].log() if dead else ''}")
    for series in (lookups, puts, gets):
        kt.check(not series.errors, f"{series.name}: {len(series.errors)} of {series.n} failed")
    kt.check(gets.n == options.puts, "not every put succeeded")


def end_all(daemons):
    start = time.monotonic()
    for daemon in daemons:
        daemon.process.send_signal(signal.SIGTERM)
    for daemon in daemons:
        status = daemon.end()
        kt.check(status == 0, f"exit status {status}: {daemon.log()}")
    print(f"all stopped in {time.monotonic() - start:.1f} s")


def main():
    options = arguments()
    dice = random.Random(options.seed)
    try:
        with kt.Place() as place:
            run(options, place, dice)
            end_all([d for d in place.daemons if d.process.poll() is None])
    except kt.Failed as error:
        print(f"FAIL  {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
