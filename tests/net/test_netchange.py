#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The network changes under running nodes: hosts in network namespaces get other addresses, their
interfaces go down and come up, a process is stopped and goes on. Who looks a node up finds its new
address within seconds.

Exit status 77 (skipped) where no such lab can be made; the reason is printed. The programs come from
the environment: KITHD and DHT_CLI. Arguments: names of cases.
"""

import signal
import statistics
import subprocess
import sys
import time

import kithtest as kt
import lanlab
from kithtest import Closing, Control, ControlError, Failed, check
from test_lanswarm import SKIPPED, SLACK, Case

HOSTS = 4
MOVER, ASKER = 3, 2
ROUNDS = 5
FOUND_S = 5
READY_S = 3
STOPPED_S = 9  # longer than the detector needs (src/shell/away.h)


def at(last):
    return f"{lanlab.NET}.0.{last}:7700"


def swarm(case):
    """One node on each host; the first is everybody's seed. By host, from 1."""
    daemons = {1: case.host(1, "--no-lan", listen=("0.0.0.0:7700",))}
    for number in range(2, HOSTS + 1):
        daemons[number] = case.host(number, "--no-lan", "-p", f"{daemons[1].key}@{at(1)}",
                                    listen=("0.0.0.0:7700",))
    kt.wait_ready(daemons.values(), 20 * SLACK)
    for daemon in daemons.values():
        wait_found(daemons[ASKER if daemon.host != ASKER else 1], daemon, daemon.host, 20)
    return daemons


def wait_found(asker, daemon, last, seconds=FOUND_S):
    """Seconds until a lookup gives this address and no other."""
    begin = time.monotonic()
    with Closing(Control(asker.control_path)) as control:
        kt.wait_until(lambda: control.call("lookup", key=daemon.key).get("endpoints") == [at(last)],
                      seconds * SLACK, f"host {asker.host} finds host {daemon.host} at {at(last)}")
    return time.monotonic() - begin


def changes(daemon):
    return daemon.stats()["network_changes"]


def case_address(case):
    """A host gets another address, several times."""
    daemons = swarm(case)
    old, times = (MOVER, 16), []
    for i in range(ROUNDS):
        new = (100 + i, 17 + i)
        before = changes(daemons[MOVER])
        case.lab.address(MOVER, old, new)
        times.append(wait_found(daemons[ASKER], daemons[MOVER], new[0]))
        check(changes(daemons[MOVER]) == before + 1, "a change is dealt with once")
        old = new
    case.lab.address(MOVER, old, (MOVER, 16))
    wait_found(daemons[ASKER], daemons[MOVER], MOVER)
    text = " ".join(f"{t:.2f}" for t in times)
    check(max(times) < FOUND_S * SLACK, text)
    return f"found after {text} s, median {statistics.median(times):.2f} s"


def case_interface(case):
    """An interface goes down, and comes up with another address."""
    daemons = swarm(case)
    before = changes(daemons[MOVER])
    case.lab.interface(MOVER, "down")
    time.sleep(1)  # the burst is over
    check(changes(daemons[MOVER]) == before, "nothing is done while there is no network")
    case.lab.address(MOVER, (MOVER, 16), (100, 17))
    case.lab.interface(MOVER, "up")
    took = wait_found(daemons[ASKER], daemons[MOVER], 100)
    with Closing(Control(daemons[MOVER].control_path)) as control:
        check(control.call("lookup", key=daemons[ASKER].key)["found"], "it finds others")
    case.lab.interface(MOVER, "down")
    case.lab.address(MOVER, (100, 17), (MOVER, 16))
    case.lab.interface(MOVER, "up")
    wait_found(daemons[ASKER], daemons[MOVER], MOVER)
    return f"found after {took:.2f} s"


def case_particular(case):
    """A node bound to one address does not publish it while the host does not have it."""
    daemons = swarm(case)
    where = (f"{lanlab.NET}.0.200:7700", "[::]:7700")
    case.lab.address(HOSTS, (HOSTS, 16), (200, 17))
    daemons[HOSTS].end()
    daemon = case.host(HOSTS, "--no-lan", "-p", f"{daemons[1].key}@{at(1)}", listen=where)

    def bound():
        with Closing(Control(daemon.control_path)) as control:
            return control.call("id")["endpoints"]["bound"]
    check(where[0] in bound(), f"{bound()}")
    case.lab.address(HOSTS, (200, 17), (HOSTS, 16))
    kt.wait_until(lambda: where[0] not in bound(), FOUND_S * SLACK, "the address is gone")
    case.lab.address(HOSTS, (HOSTS, 16), (200, 17))
    kt.wait_until(lambda: where[0] in bound(), FOUND_S * SLACK, "the address is back")
    wait_found(daemons[ASKER], daemon, 200)
    case.lab.address(HOSTS, (200, 17), (HOSTS, 16))


def case_stopped(case):
    """A process that was stopped for long goes on as if nothing had been; meanwhile its host moved."""
    daemons = swarm(case)
    mover = daemons[MOVER]
    before = changes(mover)
    mover.process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(STOPPED_S)
        case.lab.address(MOVER, (MOVER, 16), (100, 17))
    finally:
        mover.process.send_signal(signal.SIGCONT)
    begin = time.monotonic()
    kt.wait_until(lambda: changes(mover) > before, READY_S * SLACK, "the stop is noticed")
    kt.wait_until(lambda: mover.status()["ready"], READY_S * SLACK, "ready again")
    with Closing(Control(mover.control_path)) as control:
        check(control.call("lookup", key=daemons[ASKER].key)["found"], "it finds others")
    ready = time.monotonic() - begin
    found = wait_found(daemons[ASKER], mover, 100)
    check("did not run for" in mover.log(), "the log says so")
    case.lab.address(MOVER, (100, 17), (MOVER, 16))
    wait_found(daemons[ASKER], mover, MOVER)
    return f"finds others after {ready:.2f} s, found {found:.2f} s later"


class OwnHosts:
    """A lab whose processes have another /etc/hosts."""

    def __init__(self, lab, path):
        self.lab = lab
        self.path = path

    def popen(self, host, command, **kwargs):
        return self.lab.popen(host, ["sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"',
                                     self.path, *command], **kwargs)


def case_names(case):
    """A peer's name that did not resolve is asked for again when the network has changed."""
    seed = case.host(1, "--no-lan", listen=("0.0.0.0:7700",))
    path = case.place.file("hosts")
    with open(path, "w", encoding="ascii") as hosts:
        hosts.write("127.0.0.1 localhost\n")
    daemon = case.host(2, "--no-lan", "-p", f"{seed.key}@seed.kith.invalid:7700", start=False,
                       listen=("0.0.0.0:7700",))
    daemon.lab = OwnHosts(case.lab, path)
    daemon.start()
    kt.wait_until(lambda: "trying again" in daemon.log(), 20 * SLACK, "the name does not resolve")
    with open(path, "a", encoding="ascii") as hosts:
        hosts.write(f"{lanlab.NET}.0.1 seed.kith.invalid\n")
    begin = time.monotonic()
    case.lab.address(2, (2, 16), (100, 17))
    kt.wait_until(lambda: daemon.status()["ready"], FOUND_S * SLACK, "it joins")
    took = time.monotonic() - begin
    check(daemon.status()["network_changes"] == 1, "status counts it")
    return f"joined after {took:.2f} s"


CASES = {name[len("case_"):]: function for name, function in globals().items()
         if name.startswith("case_")}


def run(place, name):
    begin = time.monotonic()
    ok = False
    try:
        with lanlab.Lab(HOSTS, avahi=False) as lab:
            case = Case(lab, place, name)
            try:
                note = CASES[name](case) or ""
            except lanlab.Unavailable as failure:  # there was a lab: no reason to skip
                raise Failed(str(failure)) from None
            finally:
                case.end()
        ok = True
    except (Failed, ControlError, OSError, ValueError, KeyError, TypeError,
            subprocess.SubprocessError) as failure:
        note = f"{type(failure).__name__}: {failure}"
    print(f"{'ok' if ok else 'FAILED':6} {name:12} {time.monotonic() - begin:5.1f} s  {note}",
          flush=True)
    return ok


def main():
    try:
        with kt.Place() as place:
            results = [run(place, name) for name in sys.argv[1:] or CASES]
    except lanlab.Unavailable as reason:
        print(f"skipped: {reason}")
        return SKIPPED
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
