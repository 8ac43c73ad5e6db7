#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kill -9 in the middle of 1,000 puts: every record whose put was acknowledged is there after the restart.

The daemon under test has peers, so a put is acknowledged by others too; what is checked is its own
disk: the list of its own records, with seq, after the next start.
"""

import argparse
import random
import signal
import sys
import time

import kithtest as kt

IN_FLIGHT = 32  # of one client; the daemon allows 64


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--puts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    return parser.parse_args()


class Load:
    """Keeps puts running and notes which were acknowledged."""

    def __init__(self, daemon, name, puts):
        self.daemon = daemon
        self.control = kt.Control(daemon.control_path)
        self.name = name
        self.left = puts
        self.running = {}  # request -> salt
        self.acknowledged = {}  # salt -> seq

    def run(self, stop_after):
        """Until `stop_after` puts were acknowledged; the rest are still running."""
        while len(self.acknowledged) < stop_after:
            while self.left and len(self.running) < IN_FLIGHT:
                salt = f"{self.name}-{self.left}"
                request = self.control.start("put", value=kt.bencoded(salt.encode() * 8), salt=salt.encode())
                self.running[request] = salt
                self.left -= 1
            self.control.pump()
            self.take()

    def take(self):
        for request in list(self.control.ended):
            message = self.control.ended.pop(request)
            salt = self.running.pop(request)
            # -12, stored on fewer nodes than the quorum: still ours, still on our disk.
            if message[0] == 1:
                self.acknowledged[salt] = message[2]["seq"]
            elif message[2] == -12 and len(message) > 4:
                self.acknowledged[salt] = message[4]["seq"]
            else:
                raise kt.Failed(f"put failed: {message[2:4]}")


def own_records(daemon):
    with kt.Closing(kt.Control(daemon.control_path)) as control:
        records = control.call("records")["records"]
    return {r["salt"].decode(errors="replace"): r["seq"] for r in records if r["own"]}


def one_round(daemon, number, options, dice):
    load = Load(daemon, f"r{number}", options.puts)
    load.run(dice.randrange(1, max(2, options.puts - IN_FLIGHT)))
    daemon.end(signal.SIGKILL)
    load.control.close()
    daemon.start()
    held = own_records(daemon)
    for salt, seq in load.acknowledged.items():
        kt.check(salt in held, f"round {number}: {salt} was acknowledged and is lost")
        kt.check(held[salt] >= seq, f"round {number}: {salt} went back from seq {seq} to {held[salt]}")
    print(f"ok    round {number}: killed after {len(load.acknowledged)} puts, {len(held)} own records held",
          flush=True)


def main():
    options = arguments()
    dice = random.Random(options.seed)
    print(f"seed {options.seed}")
    try:
        with kt.Place() as place:
            peers = place.swarm(3, "--log-level", "warn", "--unlimited")
            for number in range(options.rounds):
                # A fresh daemon for each round: own records are kept for ever, and 50,000 are another test.
                daemon = place.daemon("-p", peers[0].contact, "--log-level", "warn", "--unlimited")
                kt.wait_ready([daemon])
                one_round(daemon, number, options, dice)
                kt.check(daemon.end() == 0, f"a clean end after the round: {daemon.log()}")
    except (kt.Failed, OSError) as error:
        print(f"FAIL  {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
