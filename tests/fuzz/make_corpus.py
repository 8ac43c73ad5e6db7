#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the hand-made seeds of the fuzz corpora: valid inputs of every shape, and nasty ones.

Usage: make_corpus.py [DIRECTORY]   (default: the corpus directory beside this file)
Files that a fuzzer found are kept; they have names of their own.
"""
import hashlib
import os
import struct
import sys


def pack(value):
    """Minimal msgpack, enough for seeds. dict keys are written in the order given."""
    if value is True or value is False:
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        if 0 <= value < 128:
            return bytes([value])
        if value < 0:
            return b"\xd3" + struct.pack(">q", value)
        for head, form, top in ((0xCC, ">B", 8), (0xCD, ">H", 16), (0xCE, ">I", 32), (0xCF, ">Q", 64)):
            if value < 1 << top:
                return bytes([head]) + struct.pack(form, value)
    if isinstance(value, str):
        raw = value.encode()
        return (bytes([0xA0 | len(raw)]) if len(raw) < 32 else b"\xd9" + bytes([len(raw)])) + raw
    if isinstance(value, bytes):
        head = b"\xc4" + bytes([len(value)]) if len(value) < 256 else b"\xc5" + struct.pack(">H", len(value))
        return head + value
    if isinstance(value, list):
        head = bytes([0x90 | len(value)]) if len(value) < 16 else b"\xdc" + struct.pack(">H", len(value))
        return head + b"".join(map(pack, value))
    if isinstance(value, dict):
        return bytes([0x80 | len(value)]) + b"".join(pack(k) + pack(v) for k, v in value.items())
    raise TypeError(value)


KEY = bytes(range(32))
TARGET = b"\xaa" * 32
SIGNATURE = b"\x51" * 64
V4 = bytes([192, 0, 2, 1]) + struct.pack(">H", 7700)
V6 = bytes.fromhex("20010db8000000000000000000000001") + struct.pack(">H", 7700)
MUTABLE = {"g": SIGNATURE, "k": KEY, "s": 1, "sl": b"salt", "v": b"12:Hello World!"}
IMMUTABLE = {"v": b"12:Hello World!"}

NASTY_MSGPACK = {
    "empty": b"",
    "never-used": b"\xc1",
    "array-2-32": b"\xdd\xff\xff\xff\xff",
    "map-2-32": b"\xdf\xff\xff\xff\xff",
    "map-2-31": b"\xdf\x80\x00\x00\x00",
    "str-2-32": b"\xdb\xff\xff\xff\xff",
    "bin-2-32": b"\xc6\xff\xff\xff\xff",
    "ext-2-32": b"\xc9\xff\xff\xff\xff\x01",
    "depth-bomb-array": b"\x91" * 1000,
    "depth-bomb-map": b"\x81\xa0" * 500,
    "depth-limit": b"\x91" * 8 + b"\xc0",
    "wide": b"\xdc\x00\xff" + b"\xc0" * 255,
    "many-small": b"\xdc\x00\x7f" + b"\x91\xc0" * 127,
}

MESSAGES = {
    "ping": [0, 0x01020304, "ping", {}],
    "ping-ro": [0, 1, "ping", {"ro": True}],
    "find": [0, 2, "find", {"n": 20, "t": TARGET, "w": 3}],
    "get": [0, 3, "get", {"s": 5, "t": TARGET, "w": 1}],
    "put": [0, 4, "put", {"cas": 1, "r": MUTABLE}],
    "put-ttl": [0, 4, "put", {"r": MUTABLE, "ttl": 3600}],
    "put-immutable": [0, 5, "put", {"r": IMMUTABLE}],
    "topic": [0, 6, "topic", {"n": 8, "t": TARGET, "w": 3}],
    "announce": [0, 7, "announce", {"r": MUTABLE, "t": TARGET}],
    "exchange": [0, 8, "exchange", {"n": 4, "s": 5, "w": 2}],
    "answer-exchange": [1, 8, {"n4": KEY + V4, "os": 9, "rs": [dict(MUTABLE, sl=b"kith:kith")] * 3,
                               "v": b"KI\0\1", "you": V4}],
    "reach": [0, 9, "reach", {"f": 4}],
    "talk": [0, 10, "talk", {"d": b"hello", "p": "chat"}],
    "unknown-method": [0, 11, "frobnicate", {"x": [1, 2, 3]}],
    "args-missing": [0, 12, "find", {}],
    "args-wrong": [0, 12, "find", {"t": b"short"}],
    "arg-twice": [0, 12, "ping", {"ro": True, "w": 1}],
    "answer-empty": [1, 1, {}],
    "answer-full": [1, 1, {"d": b"x", "n4": (KEY + V4) * 3, "n6": (KEY + V6) * 2, "ok": True, "os": 9,
                           "r": MUTABLE, "rs": [MUTABLE, IMMUTABLE], "s": 1, "tr": True, "ttl": 3600,
                           "v": b"KI\0\1", "you": V6}],
    "answer-unusable": [1, 1, {"n4": KEY + b"\0" * 6 + KEY + b"\xe0\0\0\1\0\1", "you": b"\0" * 6}],
    "answer-ragged": [1, 1, {"n4": b"x" * 37}],
    "error": [2, 1, 203, "bad args"],
    "error-seq": [2, 1, 301, "cas", 7],
    "error-negative": [2, 1, -5, ""],
    "push": [3, "news", {}],
    "record-negative": [0, 4, "put", {"r": {"g": SIGNATURE, "k": KEY, "s": -1, "v": b"i1e"}}],
    "record-half": [0, 4, "put", {"r": {"k": KEY, "v": b"i1e"}}],
    "record-salt-65": [0, 4, "put", {"r": dict(MUTABLE, sl=b"s" * 65)}],
    "record-big": [0, 4, "put", {"r": dict(IMMUTABLE, v=b"900:" + b"x" * 900)}],
}

PEERS = {
    "least": {"p": 1, "ttl": 0},
    "both": {"e4": V4, "e6": V6, "p": 1, "ttl": 7200},
    "capabilities": {"c": {"agent": "x", "tools": ["a", "b"]}, "e4": V4 * 8, "p": 1, "ttl": 7200},
    "too-many": {"e4": V4 * 20, "e6": V6 * 5, "p": 1, "ttl": 7200},
    "unusable": {"e4": b"\0" * 6, "p": 1, "ttl": 1},
    "unsorted": {"ttl": 5, "p": 3, "z": [1, {}]},
    "ragged": {"e4": b"12345", "p": 1, "ttl": 1},
    "deep": {"c": {"a": {"b": {"c": {"d": 1}}}}, "p": 1, "ttl": 1},
    "no-version": {"ttl": 1},
    "ttl-huge": {"p": 1, "ttl": 1 << 40},
}

BENCODE = {
    "zero": b"i0e", "negative": b"i-12e", "minus-zero": b"i-0e", "leading-zero": b"i01e",
    "string": b"12:Hello World!", "string-empty": b"0:", "string-zero": b"01:a", "string-cut": b"5:abc",
    "string-huge": b"18446744073709551615:x", "string-overflow": b"9" * 60 + b":x",
    "list": b"l0:i0eledee", "dict": b"d1:ai1e1:bl1:xee", "dict-unsorted": b"d1:bi1e1:ai1ee",
    "dict-twice": b"d1:ai1e1:ai1ee", "dict-no-value": b"d1:ae", "dict-int-key": b"di1ei1ee",
    "depth-limit": b"l" * 16 + b"e" * 16, "depth-over": b"l" * 17 + b"e" * 17,
    "depth-bomb": b"l" * 1000, "depth-bomb-dict": b"d0:" * 300, "open": b"li1e", "empty": b"",
    "ping": b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
}


def bencode(value):
    """dict keys are written in the order given; Raw goes in as it is."""
    if isinstance(value, Raw):
        return value.bytes
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"d" + b"".join(bencode(k.encode()) + bencode(v) for k, v in value.items()) + b"e"


class Raw:
    def __init__(self, raw):
        self.bytes = raw


ID = b"abcdefghij0123456789"
HASH = b"mnopqrstuvwxyz123456"
NODE4 = ID + V4
NODE6 = HASH + V6


def query(method, args, top=None):
    return bencode({"a": {"id": ID, **args}, "q": method.encode(), **(top or {}), "t": b"aa", "y": b"q"})


def reply(fields, top=None):
    return bencode({**(top or {}), "r": {"id": ID, **fields}, "t": b"aaaa", "v": b"LT\2\0", "y": b"r"})


MUTABLE_PUT = {"k": KEY, "salt": b"foobar", "seq": 1, "sig": SIGNATURE, "target": HASH, "token": b"aoeusnth",
               "v": b"Hello World!"}
KRPC = {
    "ping": query("ping", {}), "ping-ro": query("ping", {}, {"ro": 1}),
    "find": query("find_node", {"target": HASH}), "find-want": query("find_node", {"target": HASH, "want": [b"n4", b"n6"]}),
    "peers": query("get_peers", {"info_hash": HASH, "noseed": 1, "scrape": 1, "want": [b"n6"]}),
    "announce": query("announce_peer", {"implied_port": 1, "info_hash": HASH, "port": 6881, "seed": 1, "token": b"aoeusnth"}),
    "announce-port-0": query("announce_peer", {"info_hash": HASH, "port": 0, "token": b""}),
    "get": query("get", {"seq": 5, "target": HASH}), "put": query("put", MUTABLE_PUT),
    "put-cas": query("put", {"cas": -1, **MUTABLE_PUT}),
    "put-immutable": query("put", {"seq": 7, "token": b"t", "v": [1, b"two", {"a": {}}]}),
    "put-half": query("put", {"k": KEY, "token": b"t", "v": 1}),
    "put-negative": query("put", {**MUTABLE_PUT, "seq": -1}), "put-salt-65": query("put", {**MUTABLE_PUT, "salt": b"s" * 65}),
    "put-big": query("put", {**MUTABLE_PUT, "v": b"x" * 997}),
    "put-unsorted": query("put", {**MUTABLE_PUT, "v": {"b": 1, "a": 2}}),
    "sample": query("sample_infohashes", {"target": HASH}),
    "future": query("vote", {"target": HASH}), "future-hash": query("vote", {"info_hash": HASH}),
    "unknown": query("vote", {"x": [1, {"y": b"z"}]}),
    "answer-empty": reply({}), "answer-ip": reply({"p": 1}, {"ip": V6}),
    "answer-nodes": reply({"nodes": NODE4 * 8, "nodes6": NODE6 * 8, "token": b"token"}, {"ip": V4}),
    "answer-nodes-200": reply({"nodes": NODE4 * 200, "nodes6": NODE6 * 30}),
    "answer-ragged": reply({"nodes": NODE4 + b"x", "nodes6": NODE6[:-1], "samples": b"x" * 21}),
    "answer-port-0": reply({"nodes": NODE4[:-2] + b"\0\0", "values": [V4[:-2] + b"\0\0"]}),
    "answer-values": reply({"token": b"t" * 200, "values": [V4, V6, V4]}),
    "answer-values-old": reply({"values": [V4 * 20]}), "answer-values-bare": reply({"values": V4 * 4}),
    "answer-scrape": reply({"BFpe": b"p" * 256, "BFsd": b"s" * 256, "token": b"t" * 201}),
    "answer-record": reply({"k": KEY, "seq": 1, "sig": SIGNATURE, "token": b"t", "v": {"ih": HASH}}),
    "answer-immutable": reply({"token": b"t", "v": b"Hello World!"}), "answer-seq": reply({"seq": 9, "token": b"t"}),
    "answer-record-half": reply({"k": KEY, "seq": 1, "v": 1}),
    "answer-samples": reply({"interval": 21600, "nodes": NODE4, "num": 3, "samples": HASH * 3}),
    "answer-samples-none": reply({"interval": -1, "num": 1 << 40, "samples": b""}),
    "answer-all": reply({"BFpe": b"p" * 256, "BFsd": b"s" * 256, "interval": 1, "k": KEY, "nodes": NODE4 * 8,
                         "nodes6": NODE6 * 8, "num": 9, "samples": HASH * 20, "seq": 1, "sig": SIGNATURE,
                         "token": b"t" * 20, "v": b"x" * 200, "values": [V4, V6] * 60}, {"ip": V6}),
    "error": b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
    "error-id": bencode({"e": [203, b"bad"], "ip": V4, "r": {"id": ID}, "t": b"aa", "y": b"e"}),
    "error-code": b"d1:eli-3ee1:t2:aa1:y1:ee", "error-text": b"d1:el3:bade1:t2:aa1:y1:ee",
    "unsorted": b"d1:y1:q1:t2:aa1:q9:find_node1:ad6:target20:" + HASH + b"2:id20:" + ID + b"ee",
    "keys-twice": query("find_node", {"target": HASH})[:-1] + b"1:y1:r1:t1:be",
    "txn-none": bencode({"a": {"id": ID}, "q": b"ping", "y": b"q"}),
    "txn-empty": bencode({"a": {"id": ID}, "q": b"ping", "t": b"", "y": b"q"}),
    "txn-20": bencode({"a": {"id": ID}, "q": b"ping", "t": b"t" * 20, "y": b"q"}),
    "txn-21": bencode({"a": {"id": ID}, "q": b"ping", "t": b"t" * 21, "y": b"q"}),
    "id-19": bencode({"a": {"id": ID[:-1]}, "q": b"ping", "t": b"aa", "y": b"q"}),
    "args-list": bencode({"a": [], "q": b"ping", "t": b"aa", "y": b"q"}),
    "minus-zero": query("get", {"seq": Raw(b"i-0e"), "target": HASH}),
    "leading-zero": query("get", {"seq": Raw(b"i01e"), "target": HASH}),
    "number-2-64": query("get", {"seq": 1 << 64, "target": HASH}),
    "number-max": query("get", {"seq": (1 << 63) - 1, "target": HASH}),
    "number-min": query("get", {"seq": -(1 << 63), "target": HASH}),
    "length-2-64": b"d1:t18446744073709551616:aae", "depth-limit": reply({"x": Raw(b"l" * 30 + b"e" * 30)}),
    "depth-over": reply({"x": Raw(b"l" * 31 + b"e" * 31)}), "depth-bomb": b"d1:r" + b"l" * 1000,
    "wide": reply({"x": [b""] * 1000}), "wide-over": reply({"x": [b""] * 1020}),
    "trailing": query("ping", {}) + b"e", "cut": query("put", MUTABLE_PUT)[:150], "empty": b"",
}


def record(mutable, salt, seq, value):
    head = bytes([mutable, len(salt)]) + struct.pack(">Q", seq & (1 << 64) - 1)
    return head + ((KEY + SIGNATURE) if mutable else b"") + salt + value


RECORDS = {
    "mutable": record(1, b"", 1, b"12:Hello World!"),
    "mutable-salt": record(1, b"foobar", 1, b"12:Hello World!"),
    "immutable": record(0, b"", 0, b"12:Hello World!"),
    "immutable-seq": record(0, b"", 1, b"i1e"),
    "salt-64": record(1, b"s" * 64, 1, b"i1e"),
    "salt-65": record(1, b"s" * 65, 1, b"i1e"),
    "seq-negative": record(1, b"", -1, b"i1e"),
    "seq-max": record(1, b"", (1 << 63) - 1, b"i1e"),
    "value-none": record(1, b"", 1, b""),
    "value-two": record(1, b"", 1, b"i1ei2e"),
    "value-unsorted": record(1, b"", 1, b"d1:bi1e1:ai1ee"),
    "value-big": record(0, b"", 0, b"990:" + b"x" * 990),
    "cut": record(1, b"foobar", 1, b"")[:50],
}

Z32 = "y" * 52
TEXTS = {
    "key": Z32.encode(), "hex": b"00" * 32, "contact": (Z32 + "@192.0.2.1:7700").encode(),
    "contact-v6": (Z32 + "@[2001:db8::1]:7700").encode(), "contact-name": b"node.example:7700",
    "endpoint": b"192.0.2.1:7700", "endpoint-v6": b"[::1]:0", "endpoint-mapped": b"[::ffff:1.2.3.4]:1",
    "port-big": b"1.2.3.4:65536", "port-none": b"host:", "port-only": b":1", "no-port": b"host",
    "bracket-open": b"[::1:7700", "bracket-stray": b"::1]:7700", "v6-bare": b"::1:7700",
    "at-only": b"@", "at-twice": (Z32 + "@a@b:1").encode(), "key-short": b"y" * 51 + b"@h:1",
    "key-bad": b"l" * 52, "host-long": b"h" * 300 + b":1", "nul": b"a\0b:1", "empty": b"",
    "octal": b"010.0.0.1:1", "spaces": b" 1.2.3.4:1", "zone": b"[fe80::1%eth0]:1", "utf8": "ü:1".encode(),
}


def book_entry(table, value_head=b"\x01", key=b"\x01" + bytes(31), success=1789990000):
    name = b"E\x01" + key + b"\x04" + struct.pack(">HI", 1, 0) + bytes([5, 3]) + bytes(14)
    value = value_head + bytes([table, 3, 1 if table == 2 else 0, 0]) + b"\x11" * 16
    value += struct.pack(">IIIHIIq", 1789990000, 1789990000, success, 0, 32768, 1789990000, -1)
    return bytes([0, len(name), len(value)]) + name + value


def book_ban(bits):
    name = b"B\0" + bytes([4, bits]) + bytes([5]) + bytes(29)
    value = b"\x01" + struct.pack(">QQ", 1, (1 << 64) - 1)
    return bytes([0, len(name), len(value)]) + name + value


def book_ops(op, n):
    return b"".join(bytes([op, i % 16, i * 7 % 128, 3, 9, 0]) for i in range(n))


# The first byte is the strictness; then operations, see fuzz_book.c.
BOOK = {
    "empty": b"", "load-new": b"\0" + book_entry(0), "load-tried": b"\0" + book_entry(1),
    "load-pinned": b"\0" + book_entry(2), "load-twice": b"\0" + book_entry(1) * 2,
    "load-newer": b"\0" + book_entry(0, b"\x02"), "load-own": b"\0" + book_entry(0, key=b"\x0f" + bytes(31)),
    "load-tried-never": b"\0" + book_entry(1, success=0), "load-future": b"\0" + book_entry(1, success=0xFFFFFFFF),
    "load-ban": b"\0" + book_ban(8), "load-ban-short": b"\0" + book_ban(7), "load-cut": b"\0" + book_entry(1)[:60],
    "hints": b"\0" + book_ops(1, 60), "answers": b"\0" + book_ops(3, 60), "lab": b"\2" + book_ops(1, 60),
    "collide": b"\0" + book_ops(3, 60) + b"\x09\0\0\0\0\x60" + book_ops(3, 60) + book_ops(5, 30),
    "moves": b"\0" + book_ops(3, 20) + b"".join(bytes([6, i, 1, 0, 2 * i, 9 + i]) for i in range(16)),
    "roles": b"\0" + book_ops(3, 20) + b"".join(bytes([7, i, 1, 0, 2, i]) for i in range(16)),
    "bans": b"\0" + book_ops(3, 20) + b"".join(bytes([8, i, 1, 0, 2, 16 + i]) for i in range(16)),
}


def steps(*parts):
    return b"".join(p if isinstance(p, bytes) else bytes(p) for p in parts)


def text(data):
    """As read_bytes() of the session and node fuzzers: its length (below 200) in front."""
    return bytes([len(data)]) + data


# The first byte holds options; then operations whose low four bits say what, the rest who: see
# fuzz_session.c. SEND a request that rides on the initiation; CARRY what a party sends, in order.
def send(who, to, flags, payload=b"question"):
    return steps([who << 4, flags, to], text(payload))


def carry(who, n=1):
    return bytes([who << 4 | 2]) * n


ESTABLISH = steps(send(1, 0, 5), carry(1), [0x0B, 0, 6], carry(0), carry(1))
SESSION = {
    "empty": b"", "establish": steps([2], ESTABLISH), "secret": steps([3], ESTABLISH),
    "client": steps([6], ESTABLISH, [0xFE, 3, 0xFE, 3]),
    "data": steps([2], ESTABLISH, send(1, 0, 1) * 3, carry(1, 3), [0x0B, 0, 60], carry(0)),
    "queued": steps([2], send(1, 0, 0) * 10, carry(1), carry(0), carry(1, 9)),
    "expire": steps([2], ESTABLISH, [0x0E, 9], send(1, 0, 1), [0x0E, 5], carry(1)),
    "rekey": steps([2], ESTABLISH, [0x0E, 8] * 12, send(1, 0, 1), carry(1), [0x0B, 0, 1], carry(0), carry(1)),
    "cookies": steps([0], *[steps(send(1 + i % 3, 0, 7), carry(1 + i % 3), [0x0B, 0, 1], carry(0)) for i in range(30)]),
    "forged": steps([0], *[steps([0x09 | i % 3 << 4, i * 8 % 256], text(b"x" * (i % 9))) for i in range(40)]),
    "forged-small-length": steps([2], [0x09, 2], text(b"\xff\xff")), "forged-no-key": steps([2], [0x09, 1], text(b"k" * 34)),
    "counters": steps([2], ESTABLISH, *[steps([0x1A, 0, how, 0, far], text(b"x")) for far in (0, 1, 63, 64, 255)
                                         for how in (0, 1, 2, 0x10, 0xF0)]),
    "replay": steps([2], ESTABLISH, *[steps([0x06, i]) for i in range(8)], *[steps([0x36, i]) for i in range(8)]),
    "roam": steps([2], ESTABLISH, [0x1A, 0, 0x55, 0, 0], text(b"here"), [0x0D, 3, 0x14, 0x0D, 2, 0x14], carry(0)),
    "who": steps([2], [0x0D, 0, 4], carry(0), carry(1), [0x0D, 0, 4, 0x06, 0, 0x06, 1]),
    "pins": steps([2], ESTABLISH, [0x0D, 1, 1, 0x0D, 0x81, 1, 0x0D, 1, 1, 0x0D, 1, 1], send(2, 0, 5), carry(2)),
    "changed": steps([2], *[steps(send(1, 0, 7), [0x15, how, 0, at, 9], [0x0B, 0, 1], carry(0)) for how in (0, 1, 4, 5)
                            for at in (0, 1, 4, 8, 40, 200)]),
    "raw": steps([0], *[steps([0x08], text(bytes([kind]) + bytes(size))) for kind in range(8)
                        for size in (0, 3, 15, 31, 91, 115, 199 - 1)]),
    "evict": steps([2], *[steps(send(1 + i % 3, 0, 15), [i]) for i in range(24)], carry(1, 8), carry(2, 8), carry(3, 8)),
}


# Steps of a whole node, see fuzz_net.c: what is on the wire, time, commands; 12 to 15 are the played parties'.
def node_random(seed, n, mainline):
    """A plausible life of a node: many steps of every kind. Deterministic."""
    state = [seed * 0x9E3779B97F4A7C15 & (1 << 64) - 1]

    def draw(below):
        state[0] = (state[0] * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
        return (state[0] >> 33) % below

    out = [bytes([draw(64)])]
    answers = bytes([1 + draw(255) for _ in range(24)])
    for _ in range(n):
        kind = draw(12)
        if kind < 3:
            out.append(bytes([0x30]) + answers[:draw(24)])
        elif kind < 5:
            out.append(bytes([3, draw(12)]) + answers[:draw(24)])
        elif kind == 5:
            out.append(bytes([5, draw(13), draw(8), draw(8), draw(256), draw(256), draw(256), draw(100)]))
        elif kind == 6:
            out.append(bytes([8, draw(10), draw(256), draw(256), draw(256)]))
        elif kind == 7:
            out.append(bytes([10, draw(256), draw(256), draw(256)]) + text(bytes(draw(256) for _ in range(draw(20)))))
        elif kind == 8:
            out.append(bytes([11 | draw(2) << 4, draw(40)]))
        elif kind == 9:
            out.append(bytes([2 | draw(4) << 4, draw(256), draw(256)]))
        else:
            out.append(bytes([12 | draw(2) << 4, draw(256), draw(13), draw(30), draw(256), draw(256), draw(256)]))
    return b"".join(out)


def node_seeds(mainline):
    moves = b"" if mainline else b"".join(bytes([13, 0, 1, 9, 0, 0, 0x30]) + bytes([200] * 8) for _ in range(8))
    return {"empty": b"", "moves": b"\0\x30\3\4" + moves, "quiet": b"\0" + bytes([3, 4] * 12), "hours": b"\1" + bytes([3, 12] * 8),
            **{"life-%02d" % seed: node_random(seed + 100 * mainline, 40, mainline) for seed in range(16)}}


CONFIG = {
    "empty": b"", "section-unknown": b"[noed]\nnetwork = x\n", "key-unknown": b"[node]\nnetwrok = x\n",
    "node": b"[node]\ndata_dir = /tmp/x\nnetwork = test\nlisten = 0.0.0.0:7700\nlisten = [::]:7700\ncontrol = /run/c\n"
            b'capabilities = {"a": 1}\ncoupling = 0.5\ndamping = 100\n',
    "secret": b"[node]\nnetwork_secret = " + b"07" * 32 + b"\n", "secret-empty": b"[node]\nnetwork_secret =\n",
    "bootstrap": b"[bootstrap]\npeer = 192.0.2.1:7700\nseed = a.example:1\nseeds = /etc/kith/seeds\n",
    "lan": b"[lan]\nenabled = no\nhide_key = on\nallow = eth*\ndeny = docker*\n",
    "mainline": b"[mainline]\nenabled = yes\nbootstrap = h:1\nrendezvous = off\nenforce_ids = 1\nqueries_per_s = 7\n",
    "limits": b"[limits]\nsessions = 4294967295\nrecords = 1\nhandshakes_per_s = 12\nunlimited = true\n",
    "limit-0": b"[limits]\nsessions = 0\n", "limit-big": b"[limits]\nsessions = 4294967296\n",
    "pace": b"[node]\ncoupling = 0.001\n", "pace-nan": b"[node]\ncoupling = 0x1p-1\n", "log": b"[log]\nlevel = debug\nformat = json\n",
    "log-bad": b"[log]\nlevel = loud\n", "comment": b"; c\n# c\n[node] ; c\nnetwork = x ; c\n", "colon": b"[node]\nnetwork: x\n",
    "continued": b"[bootstrap]\npeer = a:1\n  b:2\n", "no-equals": b"[node]\nnetwork\n", "open": b"[node\n",
    "many": b"[bootstrap]\n" + b"peer = a:1\n" * 65, "long": b"[node]\nnetwork = " + b"x" * 300 + b"\n", "bom": b"\xef\xbb\xbf[node]\n",
    "nul": b"[node]\nnetwork = a\0b\n", "semicolon": b"[node]\nnetwork =;a\n",
    "line-198": b"[node]\nlisten=" + b"x" * 191 + b"\n", "line-199": b"[node]\nlisten=" + b"x" * 192 + b"\n",
    "line-198-at-end": b"[node]\nlisten=" + b"x" * 191, "line-199-at-end": b"[node]\nlisten=" + b"x" * 192,
    "comment-long": b"[node]\n; " + b"x" * 500 + b"\nnetwork = x\n",
}
HEAD = b"kith-identity-1 "
KEYFILES = {
    "empty": b"", "good": HEAD + b"5a" * 32 + b"\n", "upper": HEAD + b"5A" * 32 + b"\n", "newer": b"kith-identity-2 x\n",
    "no-newline": HEAD + b"5a" * 32, "two": (HEAD + b"5a" * 32 + b"\n") * 2, "digit": HEAD + b"5a" * 31 + b"5g\n",
    "short": HEAD + b"5a\n", "foreign": b"-----BEGIN", "number": b"kith-identity-01 \n", "nul": HEAD + b"\0" * 64 + b"\n",
}
SEEDS = {
    "empty": b"", "one": b"192.0.2.1:7700\n", "key": (Z32 + "@h.example:1").encode(), "comments": b"# a\n\n  a:1 # b\r\n\tb:2\n",
    "bad": b"a\nb:2\n:3\n", "many": b"a:1\n" * 257, "nul": b"a:1\0b\nc:2\n", "ban": b"192.0.2.0/24", "ban-6": b"2001:db8::/56",
    "ban-brackets": b"[2001:db8::1]/128", "ban-bits": b"10.0.0.0/33", "ban-host": b"192.0.2.77/8", "ban-long": b"1" * 70 + b"/8",
}
JSONS = {
    "empty": b"", "object": b'{"a": [1, -2, 3.5, true, false, null, "x"], "b": {}}', "string": b'"\\u00fc\\ud83d\\ude00"',
    "string-empty": b'""', "deep": b"[" * 40 + b"]" * 40, "number-max": b"[9223372036854775807, -9223372036854775808]",
    "number-over": b"9223372036854775808", "real": b"1e308", "key-empty": b'{"": 0}', "key-twice": b'{"a": 1, "a": 2}',
    "key-long": b'{"' + b"k" * 300 + b'": 1}', "capabilities": b'{"agent": "x", "tools": ["a", "b"], "n": {"m": [1]}}',
}


def lan(*strings):
    return b"".join(bytes([len(s)]) + s for s in strings)


LAN = {
    "empty": b"", "full": lan(b"txtvers=1", b"k=" + Z32.encode(), b"f=0"), "version": lan(b"txtvers=1"), "newer": lan(b"txtvers=2"),
    "case": lan(b"TXTVERS=1", b"K=" + Z32.encode()), "twice": lan(b"txtvers=1", b"f=1", b"f=g"), "key-short": lan(b"txtvers=1", b"k=y"),
    "flags": lan(b"txtvers=1", b"f=ffffffff"), "flags-long": lan(b"txtvers=1", b"f=100000000"), "no-value": lan(b"txtvers"),
    "many": lan(*[b"x"] * 33), "large": lan(*[b"x" * 255] * 6), "name": b"kith-abc", "name-63": b"n" * 63, "name-64": b"n" * 64,
    "utf8": "\u00e9\u20ac\U0001f600".encode(), "utf8-cut": b"a\xe2\x82", "surrogate": b"\xed\xa0\x80", "control": b"a\x07b",
    "stars": bytes([0, 1, 0, 1, 0, 2, 1, 2, 1, 1, 2, 1]), "address": bytes([4, 4, 24, 30, 20, 8, 8, 8, 8, 8, 8, 8, 0]),
}


def disk_entry(table, key, body):
    return bytes([table, len(key)]) + key + body


def disk_record(table, flags, salt=b"", value=b"1:x", topic=bytes(32), seq=1):
    body = struct.pack(">QB", 7, flags) + topic + struct.pack(">Q", seq) + KEY + SIGNATURE
    body += bytes([len(salt)]) + salt + struct.pack(">H", len(value)) + value
    return disk_entry(table, disk_key(flags, salt, value, topic), body)


def disk_key(flags, salt, value, topic):
    blake = lambda data: hashlib.blake2b(data, digest_size=32).digest()
    if flags & 2:
        return b"\2" + topic + KEY
    return b"\1" + (blake(b"kith-record-1" + KEY + salt) if flags & 1 else blake(value))


DISK = {
    "empty": b"", "own": disk_record(0, 1), "held": disk_record(1, 1, b"salt"), "immutable": disk_record(1, 0),
    "announcement": disk_record(1, 3, b"salt", topic=b"t" * 32), "mainline": disk_record(0, 5), "mainline-only": disk_record(0, 13),
    "mainline-held": disk_record(1, 5), "only-without": disk_record(0, 9), "flag-unknown": disk_record(0, 17),
    "topic-of-record": disk_record(1, 1, topic=b"t" * 32), "seq-negative": disk_record(1, 1, seq=1 << 63), "salt-65": disk_record(1, 1, b"s" * 65),
    "value-big": disk_record(1, 1, value=b"990:" + b"x" * 990), "wrong-key": disk_entry(1, b"\1" + bytes(32), disk_record(1, 1)[35:]),
    "trailing": disk_record(1, 1) + b"x", "cut": disk_record(1, 1)[:-1], "unsealed": disk_record(0x80, 1),
    "blob": disk_entry(2, b"E", b"blob"), "blob-64": disk_entry(2, b"E" * 64, b"v" * 64), "blob-65": disk_entry(2, b"E" * 65, b"v" * 65),
    "state": disk_entry(3, b"mainline4", b"\1" + V4 * 20), "state-nul": disk_entry(3, b"a\0b", b"x"), "key-none": disk_entry(2, b"", b"x"),
}

# Family, format, endpoints.
KNOWN = {
    "empty": b"", "v4": b"\0\1" + V4, "v6": b"\1\1" + V6, "twice": b"\0\1" + V4 + V4, "newer": b"\0\2" + V4,
    "broken-off": b"\1\1" + V6 + V6[:17], "port-0": b"\0\1" + V4[:4] + bytes(2) + V4, "mapped": b"\1\1" + bytes(10) + b"\xff\xff" + V4,
    "more-than-kept": b"\0\1" + b"".join(V4[:3] + struct.pack(">BH", i % 200 + 1, 1000 + i) for i in range(401)),
}


def patches(cut, *pairs):
    return struct.pack(">H", cut) + b"".join(
        struct.pack(">I", at)[1:] + bytes([len(data) - 1]) + data for at, data in pairs)


# Offsets are within LMDB pages of 4,096 bytes: a header of 16 bytes, the meta pages are the first two.
DISK_FILE = {
    "whole": b"", "half": patches(0x8000), "page": patches(0x0800), "tiny": patches(1),
    "magic": patches(0, (16, b"\0"), (4096 + 16, b"\0")), "version": patches(0, (20, b"\2"), (4096 + 20, b"\2")),
    **{"meta-%d" % at: patches(0, (at, b"\xff"), (4096 + at, b"\xff")) for at in range(40, 152, 8)},
    **{"page-%d" % n: patches(0, (4096 * n + 10, b"\xff\xff\xff\xff\xff\xff")) for n in range(2, 14)},
    **{"number-%d" % n: patches(0, (4096 * n, b"\x7f")) for n in range(2, 8)},
    "nodes": patches(0, *[(4096 * n + 16, b"\x20\0\x30\0") for n in range(2, 16)]),
}


def control_ask(method, ident, *args):
    return bytes([2, method, len(args), ident]) + b"".join(args)


CONTROL = {
    "empty": b"", "all": b"\3" + b"".join(control_ask(m, m) for m in range(30)),
    "keys": b"\1" + b"".join(control_ask(m, m, bytes([0, 0])) for m in range(30)),
    "results": b"\1" + control_ask(14, 1, bytes([0, 0])) + b"".join(bytes([5, 0, kind, 8 | kind << 4, 3]) + b"1:x" for kind in range(7)),
    "put": b"\0" + control_ask(16, 1, bytes([4, 128]) + text(b"3:abc"), bytes([3, 129]) + text(b"salt")) + bytes([5, 0, 6, 0, 0]),
    "twice": b"\0" + control_ask(22, 1, bytes([0, 0])) * 2, "full": b"\0" + b"".join(control_ask(22, i, bytes([0, 0])) for i in range(70)),
    "cancel": b"\0" + control_ask(22, 1, bytes([0, 0])) + control_ask(26, 2, bytes([17, 129, 1])),
    "events": b"\0" + control_ask(24, 1) + bytes([7, 1, 7, 2, 7, 3]) + control_ask(26, 2, bytes([17, 129, 1])),
    "stop": b"\2" + control_ask(27, 1), "no-stop": b"\0" + control_ask(27, 1),
    "edits": b"\0" + b"".join(control_ask(m, m, bytes([a, v])) for m in (11, 12, 13) for a in (0, 9, 19) for v in range(5)),
    **{"raw-" + name: b"\0\0" + text(data[:200]) for name, data in NASTY_MSGPACK.items()},
    "raw-request": b"\0\0" + text(pack([0, 1, "id"]) + pack([0, 2, "lookup", {"key": "00" * 32}])),
    "raw-no-name": b"\0\0" + text(pack([0, 1, ""])),
    "raw-no-request": b"\0\0" + text(pack([1, 1, {}])), "raw-args": b"\0\0" + text(pack([0, 1, "get", []])),
}


def dns_packet(*records, flags=0x8400, counts=None):
    n = len(records) if counts is None else counts
    return struct.pack(">HHHHHH", 0, flags, 0, n, 0, 0) + b"".join(records)


def dns_record(kind, data, name=b"\x01a\0", size=None):
    return name + struct.pack(">HHIH", kind, 1, 300, len(data) if size is None else size) + data


DNS = {
    "empty": b"", "header": dns_packet(), "a": dns_packet(dns_record(1, b"\xc0\0\2\7")),
    "aaaa": dns_packet(dns_record(28, bytes(16))), "cname": dns_packet(dns_record(5, b"\xc0\x0c")),
    "ns-root": dns_packet(dns_record(2, b"\0")), "mx": dns_packet(dns_record(15, b"\0\x0a\x01a\0")),
    "srv": dns_packet(dns_record(33, b"\0\1\0\2\0\x50\xc0\x0c")),
    "txt": dns_packet(dns_record(16, b"\x03k=v\x02\n\\")), "txt-cut": dns_packet(dns_record(16, b"\x05x")),
    "https": dns_packet(dns_record(65, b"\0\1\0" + b"\0\1\0\6\2h2\2h3" + b"\0\3\0\2\1\xbb")),
    "svcb": dns_packet(dns_record(64, b"\0\0\0\0\7\0\2\xab\xcd")),
    "svcb-cut": dns_packet(dns_record(64, b"\0\1\0\0\1\0\9\2h2")),
    "hints-ragged": dns_packet(dns_record(65, b"\0\1\0\0\4\0\5\1\2\3\4\5")),
    "unknown": dns_packet(dns_record(99, b"\xab")), "name-loop": dns_packet(dns_record(1, bytes(4), b"\xc0\x0c")),
    "name-long": dns_packet(dns_record(1, bytes(4), (b"\x3f" + b"x" * 63) * 5 + b"\0")),
    "missing": dns_packet(dns_record(1, bytes(4)), counts=2), "question": dns_packet(flags=0, counts=1),
    "size-beyond": dns_packet(dns_record(1, bytes(4), size=400)), "many": dns_packet(counts=65535),
    "pointers": dns_packet(*[dns_record(2, b"\xc0\x0c", b"\xc0\x0c") for _ in range(20)]),
}


def value_seeds():
    packets = {"dns-" + name: str(len(data)).encode() + b":" + data for name, data in DNS.items()}
    others = {
        "msgpack": b"6:" + pack({"a": [1]}) + b"\xc0", "infohash": b"d2:ih20:" + b"\xff" * 20 + b"e",
        "key-not-text": b"d2:\xff\xfei1ee", "hex-in-dict": b"d1:a2:\xff\xfee", "int-65-bits": b"i36893488147419103232e",
        "deep": b"l" * 32 + b"e" * 32, "wide": b"l" + b"i0e" * 332 + b"e", "key-zero": b"d1:\0i1ee",
    }
    return {**BENCODE, **packets, **others}


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
    messages = {name: pack(value) for name, value in MESSAGES.items()}
    messages["answer-cut"] = messages["answer-full"][:200]
    messages["trailing"] = messages["ping"] + b"\0"
    messages["ro-twice"] = b"\x94\x00\x01\xa4ping\x82\xa2ro\xc3\xa2ro\xc3"
    peers = {name: pack(value) for name, value in PEERS.items()}
    corpora = {
        "message": {**messages, **NASTY_MSGPACK}, "peer_record": {**peers, **NASTY_MSGPACK},
        "bencode": BENCODE, "krpc": KRPC, "record": RECORDS, "contact_text": TEXTS, "book": BOOK,
        "dns": DNS, "value_json": value_seeds(), "session": SESSION, "node_kith": node_seeds(False),
        "node_mainline": node_seeds(True), "config": CONFIG, "keyfile": KEYFILES, "seeds": SEEDS, "json": JSONS,
        "lan_txt": LAN, "disk": DISK, "known": KNOWN, "disk_file": DISK_FILE, "control": CONTROL,
    }
    for target, seeds in corpora.items():
        folder = os.path.join(root, target)
        os.makedirs(folder, exist_ok=True)
        for name, data in seeds.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)


if __name__ == "__main__":
    main()
