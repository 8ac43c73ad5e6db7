# SPDX-License-Identifier: MIT
"""A LAN of "hosts" in network namespaces, each with its own dbus-daemon and avahi-daemon.

Nothing of the root namespace is changed: the bridge has a namespace of its own, the daemons run
inside the hosts' namespaces and in private mount namespaces (avahi-daemon's run directory is
compiled in).
Needs root and iproute2, and for the daemons dbus-daemon and avahi-daemon; no systemd.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time

NET = "10.78"
AVAHI_CONF = """[server]
host-name={name}
use-ipv4=yes
use-ipv6=yes
deny-interfaces=lo
[wide-area]
enable-wide-area=no
[publish]
publish-workstation=no
publish-hinfo=no
"""


class Unavailable(Exception):
    """This machine cannot have a lab; the text says why."""


def _ip(*args, batch=None):
    done = subprocess.run(["ip", *args], input=batch, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"ip {' '.join(args)}: {done.stderr.strip()}")


def require(avahi=True):
    if os.geteuid() != 0:
        raise Unavailable("network namespaces need root")
    for program in ("ip", "dbus-daemon", "avahi-daemon") if avahi else ("ip",):
        if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            raise Unavailable(f"{program} is not installed")


class Lab:
    """`with Lab(3) as lab:` gives hosts 1 to 3. Ends every process it started, by its handle.
    `avahi` False: hosts without daemons."""

    def __init__(self, n, avahi=True):
        require(avahi)
        self.avahi = avahi
        self.prefix = f"kl{os.getpid()}"
        self.dir = tempfile.mkdtemp(prefix="kithlab")
        os.chmod(self.dir, 0o755)
        self.n = n
        self.namespaces = []
        self.daemons = {}

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _namespace(self, name):
        _ip("netns", "add", name)
        self.namespaces.append(name)
        _ip("-n", name, "link", "set", "lo", "up")

    def _build(self):
        self.switch = f"{self.prefix}sw"
        self._namespace(self.switch)
        _ip("-n", self.switch, "-b", "-", batch="link add br0 type bridge forward_delay 0 "
            "stp_state 0 mcast_snooping 0\nlink set br0 up\n")
        for host in range(1, self.n + 1):
            self._add_host(host)
        if not self.avahi:
            return
        for host in range(1, self.n + 1):
            self.start(host, "dbus")
            self.start(host, "avahi", wait=False)
        for host in range(1, self.n + 1):
            self._wait_avahi(host)

    def _add_host(self, host):
        name = self.ns(host)
        self._namespace(name)
        # No duplicate address detection: link-local addresses at once instead of after 1 to 2 s.
        subprocess.run(["ip", "netns", "exec", name, "sh", "-c",
                        "echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad; "
                        "echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad"], check=False)
        _ip("-n", self.switch, "-b", "-", batch=f"link add p{host} type veth peer name eth0 netns "
            f"{name}\nlink set p{host} master br0\nlink set p{host} up\n")
        _ip("-n", name, "addr", "add", f"{NET}.0.{host}/16", "brd", "+", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        os.mkdir(self._path(host))
        with open(self._path(host, "avahi.conf"), "w", encoding="ascii") as conf:
            conf.write(AVAHI_CONF.format(name=name))

    def ns(self, host):
        return f"{self.prefix}h{host}"

    def _path(self, host, *names):
        return os.path.join(self.dir, str(host), *names)

    def bus(self, host):
        return "unix:path=" + self._path(host, "bus")

    def popen(self, host, command, **kwargs):
        """Runs a command on a host. `ip` execs it: the handle is the command's own."""
        env = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.bus(host))
        return subprocess.Popen(["ip", "netns", "exec", self.ns(host), *command], env=env, **kwargs)

    def start(self, host, what, wait=True):
        log = open(self._path(host, what + ".log"), "w", encoding="ascii")
        if what == "dbus":
            if os.path.exists(self._path(host, "bus")):
                os.unlink(self._path(host, "bus"))
            command = ["dbus-daemon", "--system", "--nofork", "--nopidfile", "--nosyslog",
                       "--address=" + self.bus(host)]
        else:
            command = ["sh", "-c", "mount -t tmpfs -o mode=755 lab /run && exec avahi-daemon -f "
                       "\"$0\" --no-rlimits --no-drop-root --no-chroot --no-proc-title",
                       self._path(host, "avahi.conf")]
        with log:
            self.daemons[host, what] = self.popen(host, command, stdin=subprocess.DEVNULL,
                                                  stdout=log, stderr=log)
        if what == "dbus":
            self._wait(lambda: os.path.exists(self._path(host, "bus")), host, what)
        elif wait:
            self._wait_avahi(host)

    def _wait_avahi(self, host):
        def ready():
            with open(self._path(host, "avahi.log"), encoding="utf-8", errors="replace") as log:
                return "Server startup complete" in log.read()
        self._wait(ready, host, "avahi")

    def _wait(self, ready, host, what):
        end = time.monotonic() + 15
        while not ready():
            if time.monotonic() > end or self.daemons[host, what].poll() is not None:
                with open(self._path(host, what + ".log"), encoding="utf-8",
                          errors="replace") as log:
                    raise Unavailable(f"{what} of host {host} did not start: {log.read()[-400:]}")
            time.sleep(0.01)

    def signal(self, host, what, number):
        self.daemons[host, what].send_signal(number)

    def kill(self, host, what):
        """SIGKILL; also the way to collect a daemon that ended by itself."""
        self.daemons[host, what].kill()
        self.daemons.pop((host, what)).wait()

    def interface(self, host, state):
        _ip("-n", self.ns(host), "link", "set", "eth0", state)

    def ipv4(self, host, on):
        """Adds or removes the host's IPv4 address."""
        more = ("brd", "+") if on else ()
        _ip("-n", self.ns(host), "addr", "add" if on else "del", f"{NET}.0.{host}/16", *more,
            "dev", "eth0")

    def address(self, host, old, new):
        """Another IPv4 address, without a moment of none: the interface stays in use. Each has a
        prefix length of its own, so that it is not the other's secondary and goes with it."""
        device = ("dev", "eth0")
        new = f"{NET}.0.{new[0]}/{new[1]}"
        _ip("-n", self.ns(host), "addr", "add", new, "brd", "+", *device)
        _ip("-n", self.ns(host), "addr", "del", f"{NET}.0.{old[0]}/{old[1]}", *device)

    def close(self):
        for daemon in self.daemons.values():
            daemon.send_signal(signal.SIGCONT)
            daemon.kill()
        for daemon in self.daemons.values():
            daemon.wait()
        self.daemons.clear()
        for name in self.namespaces:
            subprocess.run(["ip", "netns", "del", name], check=False)
        self.namespaces.clear()
        shutil.rmtree(self.dir, ignore_errors=True)
