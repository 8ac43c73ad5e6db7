#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Seeds of a running node: a file that is read again, names that point elsewhere by now, a DNS that
does not answer. Real kithd processes on loopback.

What is about names needs a mount namespace with a hosts file of its own (root); without it these cases
are skipped, and say so. The programs come from the environment: KITHD and DHT_CLI. Arguments: --long for
the cases of suite net-long, or names of cases.
"""

import os
import signal
import socket
import subprocess
import sys
import time

import kithtest as kt
from kithtest import Closing, Control, check, wait_until

PLACE = None
NAME = "seed.kith.test"
LOST_S = 120  # until a node has noticed that its only contact is dead
AGAIN_S = 60  # a node that has not joined asks for names again after 24 to 36 s

# Own hosts and resolver files, then the command.
MOUNTED = ("mount --bind \"$1\" /etc/hosts && mount --bind \"$2\" /etc/resolv.conf && "
           "shift 2 && exec \"$@\"")


def can_mount():
    run = subprocess.run(["unshare", "-mn", "sh", "-c", "mount --bind /etc/hosts /etc/hosts"],
                         stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return run.returncode == 0


def write(name, text):
    """In place: a file that is mounted somewhere stays the same file."""
    path = PLACE.file(name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


class Named(kt.Daemon):
    """A kithd with a hosts file of its own."""

    def start(self, wait=True):
        os.makedirs(self.directory, exist_ok=True)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "-m", "sh", "-c", MOUNTED, "sh", PLACE.file("hosts"),
                 PLACE.file("resolv"), kt.KITHD, "-d", os.path.join(self.directory, "d"),
                 "-l", self.listen, "--control", self.control_path, *self.extra],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if wait:
            self.wait_listening()
        return self


def named(*extra):
    daemon = Named(PLACE.file(f"n{len(PLACE.daemons)}"), *extra)
    PLACE.daemons.append(daemon)
    return daemon.start()


def knows(daemon, other):
    peers = kt.cli("-j", "--control", daemon.control_path, "peers").json["peers"]
    return any(peer["key"] == other.key for peer in peers)


def port_of(daemon):
    return daemon.endpoint.rsplit(":", 1)[1]


def hosts(*addresses):
    write("hosts", "127.0.0.1 localhost\n" + "".join(f"{a} {NAME}\n" for a in addresses))
    write("resolv", "")


def case_file():
    """The old seed is dead and the file names another one, that is dead too when the file is read: the
    node joins as soon as it is there."""
    old, new = PLACE.daemon(), PLACE.daemon()
    new.end()
    seeds = write("seeds", f"{old.contact}\n")
    node = PLACE.daemon("-s", seeds)
    kt.wait_ready([node])
    check(knows(node, old), "joined through the seed of the file")
    old.end(signal.SIGKILL)
    write("seeds", f"{new.contact}\n")
    node.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "1 seeds read again" in node.log(), 5, "the file is read")
    wait_until(lambda: not node.status()["ready"], LOST_S, "the old seed is missed")
    new.listen = new.endpoint
    new.start()
    wait_until(lambda: knows(node, new), AGAIN_S, "joins through the new seed")
    os.unlink(seeds)
    node.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "No such file" in node.log(), 5, "the missing file is said")
    check(node.status()["ready"], "no longer joined")
    check(node.end() == 0, "exit status")


def case_name_moved():
    """The host behind a seed's name is dead and the name points to another one."""
    old = PLACE.daemon(listen="127.0.0.2:0")
    hosts("127.0.0.2")
    node = named("-s", write("seeds", f"{NAME}:{port_of(old)}\n"))
    kt.wait_ready([node])
    new = PLACE.daemon(listen=f"127.0.0.3:{port_of(old)}")
    old.end(signal.SIGKILL)
    hosts("127.0.0.3", "127.0.0.4")
    wait_until(lambda: knows(node, new), LOST_S, "joins where the name points to now")


def case_every_address():
    """Of several addresses of a name one is alive."""
    seed = PLACE.daemon(listen="127.0.0.9:0")
    hosts(*(f"127.0.0.{n}" for n in range(2, 10)))
    node = named("-s", write("seeds", f"{NAME}:{port_of(seed)}\n"))
    kt.wait_ready([node])
    check(knows(node, seed), "joined through another")


def with_silent_dns(path, control):
    hosts()
    write("resolv", "nameserver 127.0.0.1\n")
    return subprocess.Popen(
        ["unshare", "-mn", sys.executable, os.path.abspath(__file__), "--silent-dns",
         "sh", "-c", MOUNTED, "sh", PLACE.file("hosts"), PLACE.file("resolv"), kt.KITHD,
         "-d", path, "-l", "127.0.0.1:0", "--control", control,
         "-s", write("seeds", "nowhere.kith.test:7700\n")],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def case_silent_dns_failed_start():
    """A start that fails while a name is asked for: at once, and with its own exit status."""
    other = PLACE.daemon()
    begin = time.monotonic()
    failed = with_silent_dns(PLACE.file("refused"), other.control_path)
    try:
        code = failed.wait(10)
        took = time.monotonic() - begin
    finally:
        failed.kill()
        failed.wait()
        failed.stdout.close()
    check(code == 73, f"exit status {code}")
    check(took < 3, f"took {took:.2f} s to end")


def case_silent_dns():
    """A name server that does not answer delays neither the node nor its end."""
    path = PLACE.file("silent")
    asked = with_silent_dns(path, os.path.join(path, "control"))
    try:
        check(asked.stdout.readline() == "asked\n", "the name server is asked")
        with Closing(Control(os.path.join(path, "control"))) as control:
            control.call("status")
            begin = time.monotonic()
            control.call("stop")
        code = asked.wait(10)
        took = time.monotonic() - begin
    finally:
        asked.kill()
        asked.wait()
        asked.stdout.close()
    check(code == 0, f"exit status {code}")
    check(took < 2, f"took {took:.2f} s to end")


def long_mainline_name():
    """What a bootstrap name of Mainline no longer stands for is asked no more, where it points to now is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as old, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as new:
        old.bind(("127.0.0.5", 0))
        new.bind(("127.0.0.6", old.getsockname()[1]))
        for one in (old, new):
            one.setblocking(False)

        def received(one):
            try:
                return len(one.recv(2048))
            except BlockingIOError:
                return 0

        hosts("127.0.0.5")
        named("--mainline", "--mainline-bootstrap", f"{NAME}:{old.getsockname()[1]}")
        wait_until(lambda: received(old), 10, "the node is asked")
        hosts("127.0.0.6")
        wait_until(lambda: received(new), AGAIN_S, "where the name points to now is asked")
        while received(old):
            pass
        time.sleep(75)  # questions that are not answered come every 48 to 72 s at the latest
        check(not received(old), "the old address is still asked")
        check(received(new), "the new one is not asked again")


def long_never_joined():
    """A node that never joined asks again; so does one whose new seed is a name."""
    new = PLACE.daemon(listen="127.0.0.3:0")
    hosts("127.0.0.2")
    node = named("-s", write("name", f"{NAME}:{port_of(new)}\n"))
    seeds = write("seeds", "127.0.0.2:1\n")
    other = named("-s", seeds)
    write("seeds", f"{NAME}:{port_of(new)}\n")
    other.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "read again" in other.log(), 5, "the file is read")
    time.sleep(1)  # the first answers came
    hosts("127.0.0.3")
    wait_until(lambda: knows(node, new) and knows(other, new), AGAIN_S, "join at the new address")


def silent_dns(command):
    """In a network namespace of its own: a name server that says nothing, and a program."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        program = subprocess.Popen(command)
        server.settimeout(0.05)
        try:
            while program.poll() is None:
                try:
                    server.recv(512)
                    print("asked", flush=True)
                except TimeoutError:
                    pass
            return program.returncode
        finally:
            program.kill()
            program.wait()


def main():
    global PLACE
    names = sys.argv[1:]
    if names[:1] == ["--silent-dns"]:
        return silent_dns(names[1:])
    prefix = "long_" if names == ["--long"] else "case_"
    cases = [(name[5:], function) for name, function in list(globals().items())
             if name.startswith(prefix)]
    if not can_mount():
        print("no mount namespaces here: skipped what is about names")
        cases = [case for case in cases if case[0] == "file"]
    with kt.Place() as PLACE:
        return kt.main([c for c in cases if prefix == "long_" or not names or c[0] in names])


if __name__ == "__main__":
    sys.exit(main())
