#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""LAN discovery with real avahi-daemons on three hosts in network namespaces.

Takes about 40 s. Exit status 77 (skipped) where no such lab can be made; the reason is printed.
The program under test, lan_probe, comes from the environment: LAN_PROBE. Arguments: names of cases.
"""

import os
import signal
import subprocess
import sys
import threading
import time

import lanlab

PROBE = os.environ.get("LAN_PROBE", "lan_probe")
SKIPPED = 77
SLACK = float(os.environ.get("KITH_TEST_SLACK", "1"))  # of all limits, for slow machines
BLOCKED_MS = 100  # a close that waits for the daemon takes 500 or more


class Failed(Exception):
    """A test did not hold."""


class Probe:
    """A lan_probe on a host, and what it has told."""

    def __init__(self, lab, host, seed, *options, network, port=None):
        self.port = port or 4000 + seed
        self.name = f"probe {seed} on host {host}"
        self.process = lab.popen(host, [PROBE, *options, str(seed), str(self.port), network],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.started = time.monotonic()
        self.changed = threading.Condition()
        self.peers = {}  # instance: (key, [endpoints])
        self.state = ""
        self.lines = []
        self.closed_ms = None
        self.blocked_ms = None
        self.ignored = 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            words = line.split("\t") if "\t" in line else line.rstrip("\n").split(" ")
            with self.changed:
                self._take(words, line)
                self.changed.notify_all()

    def _take(self, words, line):
        self.lines.append((round(time.monotonic() - self.started, 3), line.rstrip("\n")))
        if words[0] == "state":
            self.state = words[1]
        elif words[0] == "closed":
            self.closed_ms = int(words[1])
            self.ignored = int(words[2])
            self.blocked_ms = int(words[3])
        elif words[0] == "gone":
            self.peers.pop(" ".join(words[1:]), None)
        elif words[0] == "peer":
            at = next(i for i in range(2, len(words)) if words[i] == "-" or len(words[i]) == 52)
            self.peers[" ".join(words[1:at])] = (words[at], words[at + 1:])

    def wait(self, seconds, what, condition):
        """Seconds it took."""
        begin = time.monotonic()
        end = begin + seconds * SLACK
        with self.changed:
            while not condition(self):
                left = end - time.monotonic()
                if left <= 0:
                    raise Failed(f"{self.name}: {what}: not within {seconds * SLACK:.1f} s; "
                                 f"it said {self.lines[-12:]}")
                self.changed.wait(left)
        return time.monotonic() - begin

    def sees(self, other, families=(4, 6)):
        """Does it know that probe by all these families?"""
        found = [e for _, endpoints in self.peers.values() for e in endpoints
                 if e.endswith(f":{other.port}")]
        return all(any(e.startswith("[") == (family == 6) for e in found) for family in families)

    def wait_sees(self, other, seconds, families=(4, 6)):
        return self.wait(seconds, f"see {other.name}", lambda p: p.sees(other, families))

    def wait_loses(self, other, seconds):
        return self.wait(seconds, f"lose {other.name}",
                         lambda p: not p.sees(other, (4,)) and not p.sees(other, (6,)))

    def wait_state(self, state, seconds):
        return self.wait(seconds, f"state {state}", lambda p: p.state == state)

    def instance_of(self, other):
        return next(name for name, (_, endpoints) in self.peers.items()
                    if any(e.endswith(f":{other.port}") for e in endpoints))

    def command(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def close(self, ended=True):
        """Gracefully; returns the milliseconds until the source was gone."""
        self.command("close")
        self.wait(3, "close", lambda p: p.closed_ms is not None)
        if ended:
            self.wait_end()
        return self.closed_ms

    def wait_end(self):
        if self.process.wait(10) != 0:
            raise Failed(f"{self.name}: exit status {self.process.returncode}")
        self.reader.join(5)
        if any(line == "late" for _, line in self.lines):
            raise Failed(f"{self.name}: a callback came after the close")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()


def check(condition, message):
    if not condition:
        raise Failed(message)


class Case:
    """One case's probes; they are gone when it ends, however it ends."""

    def __init__(self, lab, name):
        self.lab = lab
        self.network = "lan " + name  # goodbyes of the case before are not heard
        self.probes = []

    def probe(self, host, seed, *options, network=None, port=None):
        probe = Probe(self.lab, host, seed, *options, network=network or self.network, port=port)
        self.probes.append(probe)
        return probe

    def end(self):
        for probe in self.probes:
            probe.kill()


# ---- cases ----


def case_appear_and_goodbye(case):
    """Two hosts find each other by both families; a goodbye is heard; another network is not."""
    a = case.probe(1, 1)
    stranger = case.probe(3, 3, network="two")
    a.wait_state("running", 2)
    b = case.probe(2, 2)
    took = a.wait_sees(b, 1.5)
    b.wait_sees(a, 1.5)
    keys = {key for key, _ in a.peers.values()}
    check(len(a.peers) == 1 and "-" not in keys, f"one peer with a key expected: {a.peers}")
    scoped = [e for _, endpoints in a.peers.values() for e in endpoints if e.startswith("[fe80")]
    check(all("%" in e for e in scoped), f"link-local endpoints without a scope: {scoped}")
    closing = b.close()
    check(closing < 500, f"close took {closing} ms")
    gone = a.wait_loses(b, 2)
    check(not stranger.peers, f"another network was seen: {stranger.peers}")
    check(a.ignored == 0, "something was ignored")
    return f"seen after {took:.2f} s, gone after {gone:.2f} s"


def case_crash(case):
    """A process that is killed: its daemon says goodbye for it."""
    a = case.probe(1, 1)
    b = case.probe(2, 2)
    a.wait_sees(b, 3)
    b.kill()
    return f"gone after {a.wait_loses(b, 2):.2f} s"


def case_one_host(case):
    """Two nodes on one host see each other, and neither itself; a client only looks."""
    a = case.probe(1, 1)
    b = case.probe(1, 2)
    client = case.probe(1, 3, "-b")
    a.wait_sees(b, 3)
    b.wait_sees(a, 3)
    client.wait_sees(a, 3)
    client.wait_sees(b, 3)
    check(len(a.peers) == 1 and len(b.peers) == 1, f"too many: {a.peers} {b.peers}")


def case_private(case):
    """A hidden key, and sockets with a port per family."""
    a = case.probe(1, 1)
    b = case.probe(2, 2, "-k", "-6", "4992")
    a.wait(3, "both ports", lambda p: any(
        any(e.endswith(f":{b.port}") and e[0] != "[" for e in endpoints) and
        any(e.endswith(":4992") and e[0] == "[" for e in endpoints)
        for _, endpoints in p.peers.values()))
    check([key for key, _ in a.peers.values()] == ["-"], f"a key was told: {a.peers}")
    check(not b.wait_sees(a, 2) > 2 and len(b.peers) == 1, f"it sees itself: {b.peers}")


def case_daemon_killed(case):
    """avahi-daemon dies by SIGKILL and comes back: all is forgotten, then found again."""
    a = case.probe(1, 1)
    b = case.probe(2, 2)
    b.wait_sees(a, 3)
    a.wait_sees(b, 3)
    case.lab.kill(2, "avahi")
    b.wait_state("waiting", 1)
    b.wait_loses(a, 1)
    case.lab.start(2, "avahi")
    took = b.wait_sees(a, 5)
    a.wait_sees(b, 5)
    return f"found again after {took:.2f} s"


def case_bus_killed(case):
    """dbus-daemon dies, avahi-daemon with it; both come back."""
    a = case.probe(1, 1)
    b = case.probe(2, 2)
    a.wait_sees(b, 3)
    b.wait_sees(a, 3)
    case.lab.kill(2, "dbus")
    b.wait_state("waiting", 1)
    b.wait_loses(a, 1)
    a.wait_loses(b, 3)
    case.lab.daemons[2, "avahi"].wait(5)
    case.lab.kill(2, "avahi")
    case.lab.start(2, "dbus")
    case.lab.start(2, "avahi")
    took = b.wait_sees(a, 8)
    a.wait_sees(b, 8)
    return f"found again after {took:.2f} s"


def case_no_daemon(case):
    """Started before the daemons are there."""
    case.lab.kill(3, "avahi")
    case.lab.kill(3, "dbus")
    try:
        a = case.probe(1, 1)
        c = case.probe(3, 3)
        c.wait_state("waiting", 2)
    finally:
        case.lab.start(3, "dbus")
        case.lab.start(3, "avahi")
    c.wait_sees(a, 5)
    check(c.close() < 500, "slow close")


def case_interface(case):
    """An interface goes down and comes back."""
    a = case.probe(1, 1)
    b = case.probe(2, 2)
    a.wait_sees(b, 3)
    b.wait_sees(a, 3)
    case.lab.interface(2, "down")
    b.wait_loses(a, 1)
    case.lab.interface(2, "up")
    took = b.wait_sees(a, 5)
    a.wait_sees(b, 5)
    return f"found again after {took:.2f} s"


def case_flap(case):
    """An interface flaps while our name is being probed, which leaves Avahi's group stuck."""
    a = case.probe(1, 1)
    b = case.probe(2, 2)
    b.wait_state("running", 2)
    time.sleep(0.2)
    case.lab.interface(2, "down")
    time.sleep(0.1)
    case.lab.interface(2, "up")
    return f"seen after {a.wait_sees(b, 8):.2f} s"


def case_address(case):
    """An address changes under the same name, of which no browser tells: asking anew finds it."""
    a = case.probe(1, 1)
    b = case.probe(2, 2)
    a.wait_sees(b, 3)
    old, new = (2, 16), (77, 17)
    expected = f"{lanlab.NET}.0.77:{b.port}"
    case.lab.address(2, old, new)
    try:
        time.sleep(2)  # announced; caches flush the old one
        a.command("refresh " + a.instance_of(b))
        took = a.wait(6, "the new address",
                      lambda p: any(expected in e for _, e in p.peers.values()))
        return f"{took:.2f} s after asking"
    finally:
        case.lab.address(2, new, old)


def case_hung(case):
    """avahi-daemon hangs: neither an idle source nor one in the middle of a call delays a close, and
    the loop does not stand still meanwhile."""
    idle = case.probe(3, 1)
    witness = case.probe(1, 3)
    witness.wait_sees(idle, 3)  # announced,
    idle.wait_sees(witness, 3)  # and done with resolving: it has nothing more to ask the daemon
    case.lab.signal(3, "avahi", signal.SIGSTOP)
    try:
        caught = case.probe(3, 2, "-w")
        time.sleep(0.5)  # it is now inside avahi_client_new()
        times = idle.close(), caught.close(ended=False)
    finally:
        case.lab.signal(3, "avahi", signal.SIGCONT)
    time.sleep(1)  # the thread that was left behind ends; the sanitizers look on
    caught.process.stdin.close()
    caught.wait_end()
    check(max(times) < 1000, f"close took {times} ms")
    check(times[0] < 300, f"an idle source took {times[0]} ms to close")
    stood = idle.blocked_ms, caught.blocked_ms
    check(max(stood) < BLOCKED_MS * SLACK, f"the loop stood still for {stood} ms")
    return f"gone after {times[0]} and {times[1]} ms, the loop stood still for {stood} ms"


def case_collision(case):
    """One name: on two hosts, and twice on one host. Everybody is found, under another name."""
    first = case.probe(1, 1, "-n", "same")
    watcher = case.probe(3, 9, "-b")
    watcher.wait_sees(first, 3)
    second = case.probe(2, 2, "-n", "same")
    third = case.probe(2, 3, "-n", "same")
    for other in (first, second, third):
        watcher.wait_sees(other, 8)
    first.wait_sees(second, 8)
    second.wait_sees(first, 8)
    third.wait_sees(second, 8)
    return "names " + ", ".join(sorted(watcher.peers))


def case_filter(case):
    """An interface that is denied is neither announced on nor listened to."""
    a = case.probe(1, 1)
    denied = case.probe(2, 2, "-d", "eth*")
    allowed = case.probe(3, 3, "-a", "eth0")
    a.wait_sees(allowed, 3)
    allowed.wait_sees(a, 3)
    time.sleep(1.2)
    check(not a.sees(denied, (4,)) and not denied.peers, "a denied interface was used")


def case_same_key(case):
    """Who claims our key is not reported."""
    a = case.probe(1, 1)
    twin = case.probe(2, 1, port=4999)
    watcher = case.probe(3, 3)
    watcher.wait_sees(twin, 3)
    check(not a.peers or not a.sees(twin, (4,)), f"our own key was reported: {a.peers}")


CASES = {name[len("case_"):]: function for name, function in list(globals().items())
         if name.startswith("case_")}


def run(lab, name):
    case = Case(lab, name)
    begin = time.monotonic()
    try:
        note = CASES[name](case) or ""
        ok = True
    except (Failed, lanlab.Unavailable, subprocess.TimeoutExpired) as failure:
        note = str(failure)
        ok = False
    finally:
        case.end()
    print(f"{'ok' if ok else 'FAILED':6} {name:20} {time.monotonic() - begin:5.1f} s  {note}",
          flush=True)
    return ok


def main():
    try:
        with lanlab.Lab(3) as lab:
            results = [run(lab, name) for name in sys.argv[1:] or CASES]
    except lanlab.Unavailable as reason:
        print(f"skipped: {reason}")
        return SKIPPED
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
