#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Swarms of real kithd processes that know nobody: a LAN of 8 hosts in network namespaces, each with a
dbus-daemon and an avahi-daemon of its own. No seeds, no peers, no configuration.

Exit status 77 (skipped) where no such lab can be made; the reason is printed. The programs come from
the environment: KITHD and DHT_CLI. Arguments: --long for the cases of suite net-long instead of those
of suite net, or names of cases.
"""

import hashlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time

import kithtest as kt
import lanlab
from kithtest import Closing, Control, ControlError, Failed, check

SKIPPED = 77
SLACK = float(os.environ.get("KITH_TEST_SLACK", "1"))  # of all limits, for slow machines
HOSTS = 8
ALL = range(1, HOSTS + 1)
ROUNDS = 7  # newcomers measured
NEWCOMER_S = 0.5  # median, either way
GONE_S = 2
MISSED_S = 20  # a host that says no goodbye
STATUS_S = 0.1
FOUND_S = 5  # a true node among liars
BLOCKED_S = 1
LAN_MAX = 512  # peers followed
MEMORY_KIB = 64 * 1024


def wait_until(condition, seconds, what):
    return kt.wait_until(condition, seconds * SLACK, what)


class Host(kt.Daemon):
    """A kithd on a host. Its data directory starts with an identity, so its key is known before it."""

    def __init__(self, lab, host, directory, network, *extra, listen=()):
        super().__init__(directory, *extra)
        self.lab = lab
        self.host = host
        self.network = network
        self.listen = listen
        self.started = None
        data = os.path.join(directory, "d")
        os.makedirs(data, mode=0o700)
        self.key = json.loads(kt.cli("-j", "keygen", os.path.join(data, "identity.key")).out)["key"]

    def start(self, wait=True):
        listen = [word for where in self.listen for word in ("-l", where)]
        with open(self.log_path, "ab") as log:
            self.started = time.monotonic()
            self.process = self.lab.popen(
                self.host, [kt.KITHD, "-d", os.path.join(self.directory, "d"), *listen,
                            "--control", self.control_path, "-n", self.network, *self.extra],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if wait:
            self.wait_listening()
        return self

    def connect(self, seconds=10):
        """A connection as soon as there can be one."""
        def try_it():
            try:
                return Control(self.control_path)
            except OSError:
                return None
        end = time.monotonic() + seconds * SLACK
        while time.monotonic() < end and self.process.poll() is None:
            control = try_it()
            if control is not None:
                return control
            time.sleep(0.002)
        raise Failed(f"host {self.host}: no control socket: {self.log()}")

    def cli(self, *args):
        return kt.cli("-j", "--control", self.control_path, *args)

    def lookup(self, other):
        """By dht-cli; the answer or None."""
        run = self.cli("lookup", other.key)
        return run.json if run.code == 0 else None

    def lan(self):
        return self.cli("lan").json["peers"]

    def confirmed(self, other):
        return any(p["key"] == other.key and p["confirmed"] for p in self.lan())


class Case:
    """The daemons of one case; they are gone when it ends, however it ends."""

    def __init__(self, lab, place, name):
        self.lab = lab
        self.place = place
        self.network = "lanswarm " + name  # goodbyes of the case before are not heard
        self.daemons = []
        self.n = 0

    def host(self, number, *extra, network=None, start=True, **named):
        self.n += 1
        directory = self.place.file(f"{self.network.split()[1]}{self.n}")
        daemon = Host(self.lab, number, directory, network or self.network, *extra, **named)
        self.daemons.append(daemon)
        return daemon.start() if start else daemon

    def settled(self, numbers, *extra, **named):
        """Hosts of which each knows all others."""
        daemons = [self.host(n, *extra, **named) for n in numbers]
        wait_known(daemons)
        return daemons

    def run(self, number, *command, home):
        """A command on a host by a user who has nothing."""
        process = self.lab.popen(
            number, ["env", "-u", "XDG_RUNTIME_DIR", "-u", "XDG_DATA_HOME", f"HOME={home}", *command],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, err = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        process.stdout, process.stderr = out, err
        return kt.Run(process)

    def end(self):
        for daemon in self.daemons:
            if daemon.process and daemon.process.poll() is None:
                daemon.process.send_signal(signal.SIGTERM)
        bad = []
        for daemon in self.daemons:
            if daemon.process:
                try:
                    code = daemon.process.wait(10)
                except subprocess.TimeoutExpired:
                    daemon.process.kill()
                    code = daemon.process.wait()
                if code not in (0, -signal.SIGKILL) or "Sanitizer" in daemon.log():
                    bad.append(f"kithd on host {daemon.host} ended with {code}: {daemon.log()[-1500:]}")
        self.daemons.clear()
        check(not bad, "\n".join(bad))


def wait_known(daemons, seconds=15):
    for daemon in daemons:
        wait_until(lambda d=daemon: all(d.confirmed(o) for o in daemons if o is not d), seconds,
                   f"host {daemon.host} knows all others")


def check_lan(answer, what):
    check(answer is not None, f"{what}: not found")
    check("lan" in answer["sources"], f"{what}: from {answer['sources']}")
    check(answer["endpoints"], f"{what}: nowhere")
    check((answer["seq"] is None) == (answer["age_s"] is None) and (answer["age_s"] or 0) < 3600,
          f"{what}: {answer}")


def families(answer):
    return {6 if e.startswith("[") else 4 for e in answer["endpoints"]}


def lookup_until(control, key, end):
    """Asks every 25 ms, whether the answers before are there or not; returns when one had found it, or
    None."""
    control.socket.settimeout(0.005)
    open_ids = set()
    next_at = time.monotonic()
    while time.monotonic() < end:
        if time.monotonic() >= next_at:
            open_ids.add(control.start("lookup", key=key))
            next_at += 0.025
        try:
            control.pump()
        except TimeoutError:
            pass
        for number in [n for n in open_ids if n in control.ended]:
            open_ids.discard(number)
            message = control.ended.pop(number)
            if message[0] == 1 and message[2]["found"]:
                return time.monotonic()
    return None


def forward(newcomer, target):
    """Seconds from the newcomer's start until it has looked up the target."""
    newcomer.start(wait=False)
    with Closing(newcomer.connect()) as control:
        at = lookup_until(control, target.key, newcomer.started + 10 * SLACK)
    check(at is not None, f"host {newcomer.host} does not find host {target.host}: {newcomer.log()}")
    return at - newcomer.started


def backward(newcomer, watcher):
    """Seconds from the newcomer's start until the watcher has looked it up."""
    with Closing(Control(watcher.control_path)) as control:
        newcomer.start(wait=False)
        at = lookup_until(control, newcomer.key, newcomer.started + 10 * SLACK)
    check(at is not None, f"host {watcher.host} does not find host {newcomer.host}: {watcher.log()}")
    return at - newcomer.started


# ---- suite net ----


def case_everybody(case):
    """Any host finds any other, from the LAN; nobody was given a seed."""
    daemons = case.settled(ALL)
    slowest = 0
    for i, daemon in enumerate(daemons):
        for step in (1, 3):  # 16 of 56 pairs; --long asks them all
            other = daemons[(i + step) % HOSTS]
            begin = time.monotonic()
            check_lan(daemon.lookup(other), f"host {daemon.host} for host {other.host}")
            slowest = max(slowest, time.monotonic() - begin)
    return f"slowest dht-cli lookup {slowest * 1e3:.0f} ms"


def case_newcomer(case):
    """How long a newcomer takes to find a settled peer, and a settled peer to find it."""
    settled = case.settled(range(1, HOSTS))
    times = {forward: [], backward: []}
    for i in range(ROUNDS):
        for measure, results in times.items():
            newcomer = case.host(HOSTS, start=False)
            results.append(measure(newcomer, settled[i % len(settled)]))
            newcomer.end()
    texts = []
    for measure, results in times.items():
        median = statistics.median(results)
        texts.append(f"{measure.__name__} {' '.join(f'{t:.2f}' for t in sorted(results))}, "
                     f"median {median:.3f} s")
        check(median < NEWCOMER_S * SLACK, "; ".join(texts))
    return "; ".join(texts)


def case_ipv4(case):
    a, b, _ = case.settled((1, 2, 3), listen=("0.0.0.0:7700",))
    answer = a.lookup(b)
    check_lan(answer, "IPv4 only")
    check(families(answer) == {4}, f"IPv4 only: {answer}")


def case_ipv6(case):
    """Hosts with nothing but link-local addresses."""
    for host in (1, 2, 3):
        case.lab.ipv4(host, False)
    try:
        a, b, _ = case.settled((1, 2, 3))
        answer = a.lookup(b)
        check_lan(answer, "link-local only")
        check(families(answer) == {6}, f"link-local only: {answer}")
        check(all("fe80" in e and "%" in e for e in answer["endpoints"]), f"without a link: {answer}")
        check(any("%" in p["endpoint"] for p in a.lan()), f"no scope: {a.lan()}")
    finally:
        for host in (1, 2, 3):
            case.lab.ipv4(host, True)


def case_avahi_killed(case):
    """avahi-daemon dies by SIGKILL and comes back; in between the swarm goes on by itself."""
    a, b, c = case.settled((1, 2, 3))
    case.lab.kill(2, "avahi")
    wait_until(lambda: not b.lan(), 2, "what the dead daemon told is forgotten")
    check(b.lookup(a) is not None and a.lookup(b) is not None, "lookups without avahi-daemon")
    case.lab.start(2, "avahi")
    begin = time.monotonic()
    wait_known([a, b, c], 10)
    took = time.monotonic() - begin
    check_lan(b.lookup(a), "after the restart")
    check_lan(a.lookup(b), "after the restart")
    return f"all known again after {took:.2f} s"


def case_interface(case):
    a, b, c = case.settled((1, 2, 3))
    case.lab.interface(2, "down")
    wait_until(lambda: not b.lan(), 2, "the peers behind the interface are gone")
    time.sleep(0.5)
    case.lab.interface(2, "up")
    begin = time.monotonic()
    wait_known([a, b, c], 15)
    took = time.monotonic() - begin
    check_lan(b.lookup(a), "after up")
    check_lan(a.lookup(b), "after up")
    return f"all known again after {took:.2f} s"


def case_exit(case):
    """A clean exit is known on the LAN within 2 s."""
    a, b, c = case.settled((1, 2, 3))
    begin = time.monotonic()
    check(b.end() == 0, "exit status")
    exited = time.monotonic() - begin
    for daemon in (a, c):
        wait_until(lambda d=daemon: all(p["key"] != b.key for p in d.lan()), GONE_S, "gone")
    return f"ended in {exited:.2f} s, gone after {time.monotonic() - begin:.2f} s"


def case_one_host(case):
    """One machine, one avahi-daemon, two nodes."""
    a, b = case.settled((1, 1), listen=("0.0.0.0:0", "[::]:0"))
    check_lan(a.lookup(b), "one host")
    check_lan(b.lookup(a), "one host")


def case_ephemeral(case):
    """dht-cli without a daemon and without configuration, on a host of the LAN."""
    a, _ = case.settled((1, 2), network="kith")  # what is asked for without any option
    home = case.place.file("home")
    os.makedirs(home, exist_ok=True)
    times = []
    for _ in range(3):
        begin = time.monotonic()
        run = case.run(3, kt.DHT_CLI, "-j", "--ephemeral", "lookup", a.key, home=home)
        times.append(time.monotonic() - begin)
        check(run.code == 0, f"exit {run.code}: {run.err}")
        check(run.json["found"] and "lan" in run.json["sources"], f"{run.out}")
    return "dht-cli took " + " ".join(f"{t:.2f}" for t in times) + " s"


def case_hung(case):
    """avahi-daemon stands still: the node does not."""
    a, b = case.settled((1, 2))
    case.lab.signal(2, "avahi", signal.SIGSTOP)
    try:
        caught = case.host(2, listen=("0.0.0.0:0",))  # inside its first call to the daemon
        late = []
        for daemon in (b, caught):
            for _ in range(10):
                with Closing(Control(daemon.control_path)) as control:
                    begin = time.monotonic()
                    control.call("status")
                    late.append(time.monotonic() - begin)
        check(max(late) < STATUS_S * SLACK, f"status took {max(late) * 1e3:.0f} ms")
        shown = []
        for _ in range(5):
            begin = time.monotonic()
            check(b.cli("status").code == 0, "dht-cli status")
            shown.append(time.monotonic() - begin)
        check(statistics.median(shown) < STATUS_S * SLACK, f"dht-cli status took {shown}")
        check(b.lookup(a) is not None, "lookup")
        ends = []
        for daemon in (b, caught):
            begin = time.monotonic()
            check(daemon.end() == 0, "exit status")
            ends.append(time.monotonic() - begin)
        check(max(ends) < 2 * SLACK, f"kithd took {max(ends):.2f} s to end")
    finally:
        case.lab.signal(2, "avahi", signal.SIGCONT)
    return f"status {max(late) * 1e3:.1f} ms, dht-cli {max(shown) * 1e3:.0f} ms, ended in {ends[0]:.2f} and {ends[1]:.2f} s"


def case_networks(case):
    """Two networks on one LAN do not see each other."""
    ours = [case.host(n) for n in (1, 2)]
    theirs = [case.host(n, network="other " + case.network, listen=("0.0.0.0:0", "[::]:0"))
              for n in (1, 2, 3)]
    wait_known(ours)
    wait_known(theirs)
    time.sleep(1.2)  # a publication
    for daemon, own in [(d, ours) for d in ours] + [(d, theirs) for d in theirs]:
        known = {p["key"] for p in daemon.lan()}
        check(known == {o.key for o in own if o is not daemon}, f"it sees {known}")
        peers = {p["key"] for p in daemon.cli("peers").json["peers"]}
        check(peers == known, f"its contacts are {peers}")
    check(ours[0].lookup(theirs[0]) is None and theirs[1].lookup(ours[1]) is None, "they mix")


def case_hidden_key(case):
    """A node that hides its key from mDNS is found by it none the less."""
    path = case.place.file("hide.conf")
    with open(path, "w", encoding="ascii") as config:
        config.write("[lan]\nhide_key = yes\n")
    a = case.host(1)
    b = case.host(2, "-c", path)
    c = case.host(3, "-c", path)
    wait_known([a, b, c])
    for one, other in ((a, b), (b, a), (b, c)):
        check_lan(one.lookup(other), f"host {one.host} for host {other.host}")


def liar_on(case, number, victim, true_one, n):
    """A liar on a host in place of its avahi-daemon, when it has told everything once."""
    port = victim.endpoint.rsplit(":", 1)[1]
    digest = hashlib.blake2b(b"kith-lan-1" + case.network.encode(), digest_size=32).hexdigest()
    case.lab.kill(number, "avahi")
    liar = case.lab.popen(
        number, [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lanflood.py"),
                 f"_{digest[:16]}._sub._kith._udp", victim.key, true_one.key,
                 f"{lanlab.NET}.0.{victim.host}:{port}", f"{lanlab.NET}.0.{number}", str(n)],
        stdout=subprocess.PIPE, text=True)
    check(liar.stdout.readline() == "announced\n", "the liar does not tell")
    return liar


def slowest_status(daemon):
    with Closing(Control(daemon.control_path)) as control:
        begin = time.monotonic()
        control.call("status")
        return time.monotonic() - begin


def among_liars(case, n, seconds):
    """`n` hostile services and one true node, that comes last."""
    victim = case.host(1)
    true_one = case.host(3, start=False)
    rss = victim.rss_kib()
    liar = liar_on(case, 2, victim, true_one, n)
    try:
        wait_until(lambda: all(victim.stats()[c] for c in ("lan_malformed", "lan_astray", "lan_self")),
                   10, f"the lies are counted: {victim.stats()}")
        true_one.start()
        begin = time.monotonic()
        late = []

        def found():
            late.append(slowest_status(victim))
            return victim.confirmed(true_one) and true_one.confirmed(victim)
        wait_until(found, seconds, "the true node and the victim know each other")
        took = time.monotonic() - begin
        check_lan(victim.lookup(true_one), "among liars")
        for _ in range(50):
            late.append(slowest_status(victim))
        check(max(late) < BLOCKED_S * SLACK, f"status took {max(late) * 1e3:.0f} ms")
        peers = victim.lan()
        check(len(peers) <= LAN_MAX, f"{len(peers)} LAN peers")
        check([p["key"] for p in peers if p["confirmed"]] == [true_one.key], "somebody else is confirmed")
        said = {e for p in peers for e in p["endpoints"]}
        check(not any(e.startswith(("203.0.113.", "0.0.0.0", "127.", "224.", "255.")) for e in said),
              f"it would go there: {said}")
        more = victim.rss_kib() - rss
        check(more < MEMORY_KIB, f"{more} KiB more memory")
        stats = victim.stats()
        counts = " ".join(f"{c}={stats[c]}" for c in sorted(stats) if c.startswith("lan_"))
        return (f"found after {took:.2f} s, {len(peers)} peers, {more} KiB more, status at most "
                f"{max(late) * 1e3:.1f} ms, {counts}")
    finally:
        liar.kill()
        liar.wait()
        liar.stdout.close()
        case.lab.start(2, "avahi")


def case_liars(case):
    """300 hostile services on the LAN."""
    return among_liars(case, 300, FOUND_S)


# ---- suite net-long ----


def long_all_pairs(case):
    """Every pair of 8 hosts that started at the same moment."""
    daemons = [case.host(n, start=False) for n in ALL]
    begin = time.monotonic()
    for daemon in daemons:
        daemon.start(wait=False)
    for daemon in daemons:
        daemon.wait_listening()
    wait_known(daemons, 30)
    took = time.monotonic() - begin
    for daemon in daemons:
        for other in daemons:
            if other is not daemon:
                check_lan(daemon.lookup(other), f"host {daemon.host} for host {other.host}")
    return f"all knew all {took:.2f} s after the start"


def long_avahi_restarts(case):
    """avahi-daemon of one host after the other is killed and restarted."""
    daemons = case.settled(ALL)
    for host in ALL:
        case.lab.kill(host, "avahi")
        case.lab.start(host, "avahi")
    begin = time.monotonic()
    wait_known(daemons, 30)
    return f"all knew all {time.monotonic() - begin:.2f} s after the last"


def long_interfaces(case):
    """Interfaces of half of the hosts flap."""
    daemons = case.settled(ALL)
    for _ in range(3):
        for host in ALL[:4]:
            case.lab.interface(host, "down")
        time.sleep(0.3)
        for host in ALL[:4]:
            case.lab.interface(host, "up")
        time.sleep(0.3)
    begin = time.monotonic()
    wait_known(daemons, 60)
    return f"all knew all {time.monotonic() - begin:.2f} s after the last"


def long_power_cut(case):
    """A host that vanishes without a goodbye stays in mDNS for an hour, but is no live peer of ours."""
    a, b, c = case.settled((1, 2, 3))
    case.lab.interface(2, "down")
    b.end(signal.SIGKILL)
    try:
        wait_until(lambda: not a.confirmed(b) and not c.confirmed(b), MISSED_S, "no longer confirmed")
        check(a.confirmed(c), "the others stay")
    finally:
        case.lab.interface(2, "up")


def named(prefix):
    return {name[len(prefix):]: function for name, function in globals().items()
            if name.startswith(prefix)}


QUICK = named("case_")
LONG = named("long_")


def run(lab, place, name):
    case = Case(lab, place, name)
    begin = time.monotonic()
    ok = False
    try:
        try:
            note = (QUICK.get(name) or LONG[name])(case) or ""
        finally:
            case.end()
        ok = True
    except (Failed, ControlError, lanlab.Unavailable, OSError, ValueError, KeyError, TypeError,
            subprocess.SubprocessError) as failure:
        note = f"{type(failure).__name__}: {failure}"
    print(f"{'ok' if ok else 'FAILED':6} {name:16} {time.monotonic() - begin:5.1f} s  {note}",
          flush=True)
    return ok


def main():
    names = sys.argv[1:] or list(QUICK)
    names = list(LONG) if names == ["--long"] else names
    try:
        with lanlab.Lab(HOSTS) as lab, kt.Place() as place:
            results = [run(lab, place, name) for name in names]
    except lanlab.Unavailable as reason:
        print(f"skipped: {reason}")
        return SKIPPED
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
