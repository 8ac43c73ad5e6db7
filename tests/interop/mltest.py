# SPDX-License-Identifier: MIT
"""What the interop tests share: libtorrent nodes in this process, kith nodes in another.

Every node has a loopback address of its own, as nodes of a real swarm have: libtorrent keeps one table
entry per address. The limits that hold back a swarm on one host are lifted on both sides. Only
processes started here are ended here.
"""

import ctypes
import ctypes.util
import hashlib
import json
import os
import random
import select
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net"))
from kithtest import Failed, check, percentile, wait_until  # noqa: E402,F401

SKIPPED = 77  # meson's exit status of a skipped test
SYSTEM_PYTHON = "/usr/bin/python3"

try:
    import libtorrent as lt
except ImportError:
    # Debian's module belongs to Debian's Python, which need not be the first in PATH.
    if os.path.realpath(sys.executable) != os.path.realpath(SYSTEM_PYTHON) and os.path.exists(SYSTEM_PYTHON):
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, *sys.argv])
    print("skipped: no Python here can import libtorrent (apt-get install python3-libtorrent)")
    sys.exit(SKIPPED)

SETTINGS = {
    "enable_dht": True,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "dht_bootstrap_nodes": "",
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_enforce_node_id": False,
    "dht_ignore_dark_internet": False,
    "dht_prefer_verified_node_ids": False,
    "dht_upload_rate_limit": 2000000000,
    "dht_block_ratelimit": 100000000,
    "dht_block_timeout": 0,
    "aio_threads": 1,
    "alert_queue_size": 100000,
    "alert_mask": (lt.alert.category_t.dht_notification | lt.alert.category_t.dht_operation_notification
                   | lt.alert.category_t.status_notification | lt.alert.category_t.error_notification),
}
METRICS = {m.name.removeprefix("dht."): m.value_index for m in lt.session_stats_metrics() if m.name.startswith("dht.")}
OUTGOING = [name for name in METRICS if name.endswith("_out") and not name.startswith("dht_messages")]


class Addresses:
    """Loopback addresses that no other test process uses at the same time: 127.x.y.z, and more than 254 of them."""

    def __init__(self):
        self.x = 16 + os.getpid() % 200
        self.n = 0

    def next(self):
        self.n += 1
        return f"127.{self.x}.{self.n // 250}.{self.n % 250 + 1}"


ADDRESSES = Addresses()


# ---- keys ----

sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")


class Key:
    """An Ed25519 key in the forms that the two sides want."""

    def __init__(self, seed=None):
        self.seed = seed or os.urandom(32)
        public, secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
        sodium.crypto_sign_seed_keypair(public, secret, self.seed)
        self.public = public.raw
        self.secret = secret.raw
        expanded = bytearray(hashlib.sha512(self.seed).digest())
        expanded[0] &= 248
        expanded[31] = expanded[31] & 63 | 64
        self.expanded = bytes(expanded)  # libtorrent's secret key

    def sign(self, text):
        signature = ctypes.create_string_buffer(64)
        sodium.crypto_sign_detached(signature, None, text, ctypes.c_ulonglong(len(text)), self.secret)
        return signature.raw


def target_of(public, salt=b""):
    return hashlib.sha1(public + salt).digest()


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, (list, tuple)):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    if isinstance(value, dict):
        return b"d" + b"".join(bencode(k) + bencode(value[k]) for k in sorted(value)) + b"e"
    raise TypeError(type(value))


# ---- libtorrent ----


class Torrent:
    """One libtorrent session as a DHT node."""

    def __init__(self, address=None, bootstrap=(), **settings):
        self.host = address or ADDRESSES.next()
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.session = lt.session(dict(SETTINGS, listen_interfaces=f"{shown}:0",
                                       dht_bootstrap_nodes=",".join(bootstrap), **settings))
        # Not wait_for_alert(): what it returns points into a queue that grows meanwhile.
        self.alert_fd, told_fd = os.pipe()
        os.set_blocking(self.alert_fd, False)
        os.set_blocking(told_fd, False)
        self.session.set_alert_fd(told_fd)
        self.port = wait_until(self._listen_port, 10, "libtorrent listens")
        self.endpoint = f"{shown}:{self.port}"

    def _listen_port(self):
        for alert in self.pop():
            if isinstance(alert, lt.listen_succeeded_alert) and "UDP" in alert.message().upper():
                return alert.port
            check(not isinstance(alert, lt.listen_failed_alert), alert.message())
        return self.session.listen_port() if self.session.is_dht_running() else 0

    def pop(self):
        try:
            os.read(self.alert_fd, 4096)
        except BlockingIOError:
            pass
        return self.session.pop_alerts()

    def add(self, endpoint):
        host, port = endpoint.rsplit(":", 1)
        self.session.add_dht_node((host.strip("[]"), int(port)))

    def wait(self, kind, matches=lambda alert: True, seconds=20):
        """The first alert of this kind that matches, or None."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return None
            select.select([self.alert_fd], [], [], left)
            for alert in self.pop():
                if isinstance(alert, kind) and matches(alert):
                    return alert

    def stats(self):
        self.session.post_session_stats()
        alert = self.wait(lt.session_stats_alert)
        check(alert is not None, "libtorrent gives its statistics")
        values = alert.values
        return {name: values["dht." + name] for name in METRICS}

    def nodes(self):
        return self.stats()["dht_nodes"]

    # Each returns what was found and the seconds it took.

    def put_immutable(self, value):
        start = time.monotonic()
        target = self.session.dht_put_immutable_item(value)
        alert = self.wait(lt.dht_put_alert, lambda a: a.target == target)
        return target.to_bytes(), alert.num_success if alert else 0, time.monotonic() - start

    def get_immutable(self, target):
        start = time.monotonic()
        digest = lt.sha1_hash(target)
        self.session.dht_get_immutable_item(digest)
        alert = self.wait(lt.dht_immutable_item_alert, lambda a: a.target == digest)
        return alert.item["value"] if alert else None, time.monotonic() - start

    def put_mutable(self, key, value, salt=b""):
        start = time.monotonic()
        self.session.dht_put_mutable_item(key.expanded, key.public, value, salt)
        alert = self.wait(lt.dht_put_alert, lambda a: a.public_key == key.public and a.salt == salt.decode())
        return alert.seq if alert else None, alert.num_success if alert else 0, time.monotonic() - start

    def get_mutable(self, public, salt=b"", authoritative=False):
        start = time.monotonic()
        self.session.dht_get_mutable_item(public, salt)
        alert = self.wait(lt.dht_mutable_item_alert,
                          lambda a: a.key == public and a.salt == salt.decode() and (a.authoritative or not authoritative))
        return (alert.item["value"], alert.seq) if alert else (None, None), time.monotonic() - start

    def announce(self, info_hash, seconds=20):
        """As a torrent, since Python cannot reach session.dht_announce(): its last argument's type is missing."""
        params = lt.add_torrent_params()
        params.info_hash = lt.sha1_hash(info_hash)
        params.save_path = "/nonexistent"
        params.flags = lt.torrent_flags.upload_mode
        before = self.stats()["dht_announce_peer_out"]
        handle = self.session.add_torrent(params)

        def announced():
            handle.force_dht_announce()
            time.sleep(0.02)
            return self.stats()["dht_announce_peer_out"] > before

        wait_until(announced, seconds, "libtorrent announces")
        self.session.remove_torrent(handle)

    def get_peers(self, info_hash, seconds=5):
        start = time.monotonic()
        digest = lt.sha1_hash(info_hash)
        self.session.dht_get_peers(digest)
        alert = self.wait(lt.dht_get_peers_reply_alert, lambda a: a.info_hash == digest, seconds)
        return alert.peers() if alert else [], time.monotonic() - start


def introduce(nodes, endpoints, n=20):
    """Tells each node of `n` others. From a cold start libtorrent's tables on loopback stay empty: who asks
    a node is put into its table only when it has answered a question, and nobody asks first."""
    for node in nodes:
        others = [e for e in endpoints if e != node.endpoint]
        for endpoint in random.sample(others, min(n, len(others))):
            node.add(endpoint)


def torrents(n, **settings):
    """A swarm of `n` libtorrent nodes, settled."""
    nodes = [Torrent(**settings) for _ in range(n)]
    introduce(nodes, [node.endpoint for node in nodes])
    wait_until(lambda: min(node.nodes() for node in nodes) >= min(8, n // 2), 20, "libtorrent's tables fill")
    return nodes


# ---- kith ----


class KithNodes:
    """Nodes in one process of kith_nodes.c."""

    def __init__(self):
        self.process = subprocess.Popen([os.environ["KITH_NODES"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.buffer = b""
        self.ready = set()
        self.done = {}
        self.last_tag = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait(10)
        if status != 0 and sys.exc_info()[0] is None:
            raise Failed(f"kith_nodes ended with {status}")

    def _send(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def _read(self, seconds):
        """The next line that is no event, or None."""
        end = time.monotonic() + seconds
        while True:
            while b"\n" not in self.buffer:
                left = end - time.monotonic()
                if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                    return None
                data = os.read(self.process.stdout.fileno(), 65536)
                if not data:
                    raise Failed("kith_nodes ended early")
                self.buffer += data
            line, self.buffer = self.buffer.split(b"\n", 1)
            answer = json.loads(line)
            if answer.get("event") == "ready":
                self.ready.add(answer["node"])
            elif "tag" in answer:
                self.done[answer["tag"]] = answer
                return answer
            else:
                return answer

    def _answer(self, text, what):
        self._send(text)
        while True:
            answer = self._read(10)
            check(answer is not None, f"kith_nodes answers {what}")
            if "tag" not in answer:
                return answer

    def node(self, *words, address=None, network=None):
        host = address or ADDRESSES.next()
        shown = f"[{host}]" if ":" in host else host
        answer = self._answer(f"node {shown}:0 {network or os.urandom(8).hex()} {' '.join(words)}", "node")
        return KithNode(self, answer)

    def start(self, *words):
        self.last_tag += 1
        tag = str(self.last_tag)
        self._send(" ".join([words[0], tag, *map(str, words[1:])]))
        return tag

    def finish(self, tag, seconds=40):
        end = time.monotonic() + seconds
        while tag not in self.done:
            check(time.monotonic() < end, f"kith's question {tag} ends")
            self._read(max(0.0, end - time.monotonic()))
        return self.done.pop(tag)

    def ask(self, *words):
        start = time.monotonic()
        answer = self.finish(self.start(*words))
        answer["seconds"] = time.monotonic() - start
        return answer


def hexed(data):
    return data.hex() or "-"


class KithNode:
    def __init__(self, nodes, opened):
        self.nodes = nodes
        self.number = opened["node"]
        self.endpoint = opened["endpoint"]
        self.host = self.endpoint.rsplit(":", 1)[0].strip("[]")
        self.public = bytes.fromhex(opened["key"])

    def join(self, endpoint, source="seed"):
        self.nodes._send(f"join {self.number} {endpoint} {source}")

    def status(self):
        return self.nodes._answer(f"status {self.number}", "status")

    def stop(self):
        self.nodes._send(f"stop {self.number}")

    def put(self, value, salt=b"", *words):
        return self.nodes.ask("put", self.number, hexed(salt), bencode(value).hex(), *words)

    def get(self, target, salt=b"", *words):
        return self.nodes.ask("get", self.number, target.hex(), hexed(salt), *words)

    def announce(self, info_hash, port):
        return self.nodes.ask("announce", self.number, info_hash.hex(), port)

    def get_peers(self, info_hash):
        return self.nodes.ask("peers", self.number, info_hash.hex())

    def sample(self, target):
        return self.nodes.ask("sample", self.number, target.hex())

    def settle(self, n, seconds=20):
        """Waits until the table holds `n` nodes."""
        wait_until(lambda: self.status()["nodes"] >= n, seconds, f"kith's table holds {n}")

    def ping(self, endpoint):
        return self.nodes.ask("ping", self.number, endpoint)


# ---- raw questions ----


def bdecode(data):
    """The value of a whole message."""
    value, rest = _bdecode(data)
    check(rest == b"", "one bencoded value")
    return value


def _bdecode(data):
    head = data[:1]
    if head == b"i":
        number, rest = data[1:].split(b"e", 1)
        return int(number), rest
    if head in (b"l", b"d"):
        items, rest = [], data[1:]
        while rest[:1] != b"e":
            item, rest = _bdecode(rest)
            items.append(item)
        return items if head == b"l" else dict(zip(items[::2], items[1::2])), rest[1:]
    size, rest = data.split(b":", 1)
    return rest[:int(size)], rest[int(size):]


class Raw:
    """Somebody who asks by hand, from an address of its own."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ADDRESSES.next(), 0))
        self.id = os.urandom(20)

    def send(self, endpoint, data, seconds=1.0):
        """The answer to these bytes, or None."""
        host, port = endpoint.rsplit(":", 1)
        self.socket.settimeout(seconds)
        self.socket.sendto(data, (host, int(port)))
        try:
            while True:
                answer, source = self.socket.recvfrom(2048)
                message = bdecode(answer)
                if source == (host, int(port)) and message.get(b"y") in (b"r", b"e"):
                    return message
        except TimeoutError:
            return None

    def ask(self, endpoint, method, args, seconds=1.0):
        return self.send(endpoint, bencode({b"a": {b"id": self.id, **args},
                                            b"q": method, b"t": os.urandom(2), b"y": b"q"}), seconds)

    def token(self, endpoint, target):
        answer = self.ask(endpoint, b"get", {b"target": target})
        check(answer and b"token" in answer.get(b"r", {}), "a token is given")
        return answer[b"r"][b"token"]

    def close(self):
        self.socket.close()


# ---- figures ----


def record(what, **figures):
    """A line of the results: to the standard output, and to the file that RESULTS names."""
    line = json.dumps({"test": what, **figures})
    print(line, flush=True)
    if os.environ.get("RESULTS"):
        with open(os.environ["RESULTS"], "a", encoding="utf-8") as results:
            results.write(line + "\n")


def milliseconds(seconds):
    return {"n": len(seconds), "median_ms": round(1000 * percentile(seconds, 0.5), 3),
            "p99_ms": round(1000 * percentile(seconds, 0.99), 3)}
