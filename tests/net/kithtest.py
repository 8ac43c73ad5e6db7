# SPDX-License-Identifier: MIT
"""What the net tests share: real kithd processes on loopback, and a client of the control protocol.

Only the standard library. Every wait has a condition and a limit; every process started here is ended
here, by its own handle; every file is in one temporary directory with a short name (a Unix socket's
path holds 107 bytes). The programs come from the environment: KITHD and DHT_CLI.
"""

import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

KITHD = os.environ.get("KITHD", "kithd")
DHT_CLI = os.environ.get("DHT_CLI", "dht-cli")


class Failed(Exception):
    """A test did not hold."""


def check(condition, message):
    if not condition:
        raise Failed(message)


def wait_until(condition, seconds, what):
    """Polls until `condition()` is true; returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.02)


# ---- msgpack, as much of it as the control protocol uses ----


def pack(value):
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _pack_int(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        raw = value.encode()
        return _head(len(raw), 0xA0, 32, b"\xd9", b"\xda") + raw
    if isinstance(value, bytes):
        return _head(len(value), None, 0, b"\xc4", b"\xc5") + value
    if isinstance(value, (list, tuple)):
        return _head(len(value), 0x90, 16, None, b"\xdc") + b"".join(map(pack, value))
    if isinstance(value, dict):
        body = b"".join(pack(k) + pack(v) for k, v in value.items())
        return _head(len(value), 0x80, 16, None, b"\xde") + body
    raise TypeError(type(value))


def _pack_int(value):
    if 0 <= value < 128:
        return bytes([value])
    if -32 <= value < 0:
        return struct.pack(">b", value)
    return b"\xcf" + struct.pack(">Q", value) if value > 0 else b"\xd3" + struct.pack(">q", value)


def _head(length, fix, fix_max, byte, short):
    if length < fix_max:
        return bytes([fix | length])
    if byte and length < 256:
        return byte + bytes([length])
    return short + struct.pack(">H", length)


class Short(Exception):
    """More bytes are needed."""


class Unpacker:
    """Takes values off a stream."""

    SIZED = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I", 0xD9: ">B", 0xDA: ">H", 0xDB: ">I",
             0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"}
    NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
               0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}

    def __init__(self):
        self.buffer = b""
        self.at = 0

    def feed(self, data):
        self.buffer = self.buffer[self.at:] + data
        self.at = 0

    def __iter__(self):
        while True:
            start = self.at
            try:
                value = self._value()
            except Short:
                self.at = start
                return
            yield value

    def _take(self, n):
        if self.at + n > len(self.buffer):
            raise Short
        self.at += n
        return self.buffer[self.at - n:self.at]

    def _number(self, form):
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _value(self):
        head = self._take(1)[0]
        if head < 0x80:
            return head
        if head >= 0xE0:
            return head - 256
        if head < 0x90:
            return self._map(head & 15)
        if head < 0xA0:
            return self._list(head & 15)
        if head < 0xC0:
            return self._take(head & 31).decode()
        if head in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[head]
        if head in self.NUMBERS:
            return self._number(self.NUMBERS[head])
        size = self._number(self.SIZED[head])
        if head <= 0xC6:
            return self._take(size)
        if head <= 0xDB:
            return self._take(size).decode()
        return self._list(size) if head <= 0xDD else self._map(size)

    def _list(self, n):
        return [self._value() for _ in range(n)]

    def _map(self, n):
        return {self._value(): self._value() for _ in range(n)}


def bencoded(raw):
    return str(len(raw)).encode() + b":" + raw


class ControlError(Exception):
    def __init__(self, code, text, result):
        super().__init__(f"{text} ({code})")
        self.code = code
        self.text = text
        self.result = result


class Control:
    """One connection to a daemon."""

    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.unpacker = Unpacker()
        self.last_id = 0
        self.ended = {}  # id -> last message

    def start(self, method, **args):
        self.last_id += 1
        self.socket.sendall(pack([0, self.last_id, method, args]))
        return self.last_id

    def finish(self, number):
        while number not in self.ended:
            self.pump()
        message = self.ended.pop(number)
        if message[0] == 2:
            raise ControlError(message[2], message[3], message[4] if len(message) > 4 else None)
        return message[2]

    def pump(self):
        """Reads once; fills `ended`."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the daemon closed the connection")
        self.unpacker.feed(data)
        for message in self.unpacker:
            if message[0] in (1, 2):
                self.ended[message[1]] = message

    def call(self, method, **args):
        return self.finish(self.start(method, **args))

    def close(self):
        self.socket.close()


# ---- processes ----


class Daemon:
    """One kithd with a directory of its own."""

    def __init__(self, directory, *extra, listen="127.0.0.1:0"):
        self.directory = directory
        self.control_path = os.path.join(directory, "c", "control")
        self.log_path = os.path.join(directory, "log")
        self.extra = extra
        self.listen = listen
        self.process = None
        self.key = self.endpoint = None

    def start(self, wait=True):
        os.makedirs(self.directory, exist_ok=True)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [KITHD, "-d", os.path.join(self.directory, "d"), "-l", self.listen,
                 "--control", self.control_path, *self.extra],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if wait:
            self.wait_listening()
        return self

    def wait_listening(self):
        def listening():
            if self.process.poll() is not None:
                raise Failed(f"kithd ended with {self.process.returncode}: {self.log()}")
            try:
                with Closing(Control(self.control_path)) as control:
                    return control.call("id")
            except OSError:
                return None

        identity = wait_until(listening, 20, "kithd listens")
        self.key = identity["key"]
        self.endpoint = identity["endpoints"]["bound"][0]

    @property
    def contact(self):
        return f"{self.key}@{self.endpoint}"

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()[-2000:]

    def status(self):
        with Closing(Control(self.control_path)) as control:
            return control.call("status")

    def stats(self):
        with Closing(Control(self.control_path)) as control:
            return control.call("stats")

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        return 0

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self, number=signal.SIGTERM, seconds=10):
        """Ends the process; returns its exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise Failed(f"kithd did not end within {seconds} s: {self.log()}") from None


class Closing:
    def __init__(self, thing):
        self.thing = thing

    def __enter__(self):
        return self.thing

    def __exit__(self, *_):
        self.thing.close()


class Place:
    """A temporary directory and the daemons in it; ends and removes everything on the way out."""

    def __init__(self, keep=False):
        self.path = tempfile.mkdtemp(prefix="kt-", dir="/tmp")
        self.daemons = []
        self.keep = keep

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for daemon in self.daemons:
            if daemon.process and daemon.process.poll() is None:
                daemon.process.kill()
        for daemon in self.daemons:
            if daemon.process:
                daemon.process.wait(10)
        if not self.keep:
            shutil.rmtree(self.path, ignore_errors=True)

    def file(self, name):
        return os.path.join(self.path, name)

    def daemon(self, *extra, start=True, **named):
        daemon = Daemon(self.file(f"n{len(self.daemons)}"), *extra, **named)
        self.daemons.append(daemon)
        return daemon.start() if start else daemon

    def swarm(self, n, *extra):
        """n daemons; the first is everybody's only seed. Returns them when all have joined."""
        seed = self.daemon(*extra)
        for _ in range(n - 1):
            self.daemon("-p", seed.contact, *extra)
        wait_ready(self.daemons[-n:])
        return self.daemons[-n:]


def wait_ready(daemons, seconds=60):
    for daemon in daemons:
        wait_until(lambda d=daemon: d.status()["ready"], seconds, f"{daemon.directory} joins")


# ---- dht-cli ----


class Run:
    """A finished dht-cli."""

    def __init__(self, process):
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


def cli(*args, stdin=None, env=None, timeout=60):
    environment = dict(os.environ, **(env or {}))
    return Run(subprocess.run([DHT_CLI, *args], input=stdin, capture_output=True, text=True,
                              timeout=timeout, env=environment, check=False))


# ---- running tests ----


def expect(run, code, err=None):
    """The exit status of a command, what its standard error says, and no word of a sanitizer."""
    check(run.code == code, f"exit {run.code}, not {code}; stdout {run.out[-300:]!r} stderr {run.err[-500:]!r}")
    if err:
        check(re.search(err, run.err), f"stderr {run.err!r} does not match {err!r}")
    check("Sanitizer" not in run.err, run.err)
    return run


def fields(run, *names):
    """The one JSON object that a command printed, which has these fields."""
    data = run.json
    check(data["schema"] == 1, "schema is not 1")
    check(next(iter(data)) == "schema", "schema is not first")
    for name in names:
        check(name in data, f"{name} is missing in {sorted(data)}")
    return data


def main(cases):
    """Runs (name, function) pairs; each prints a line. Returns the exit status."""
    failed = 0
    for name, function in cases:
        start = time.monotonic()
        try:
            function()
            print(f"ok    {name} ({time.monotonic() - start:.2f} s)", flush=True)
        except (Failed, ControlError, OSError, ValueError, KeyError, TypeError,
                subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAIL  {name}: {type(error).__name__}: {error}", flush=True)
    print(f"{len(cases) - failed} of {len(cases)} passed")
    return 1 if failed else 0


def percentile(numbers, share):
    """The smallest number that at least `share` of them do not exceed."""
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))] if ordered else 0.0


if __name__ == "__main__":
    sys.exit("a module; run the test_*.py beside it")
