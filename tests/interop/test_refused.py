# SPDX-License-Identifier: MIT
"""What is wrong is refused: the same bytes go to a kith node and to a libtorrent node, and both answers must
be the same in kind. Where they may differ, the case says how and why."""

import hashlib
import os
import sys

from mltest import KithNodes, Key, Raw, Torrent, bencode, check, introduce, record, target_of, wait_until
from kithtest import main

SILENCE = "nothing"


def kind(answer):
    """An error's code, or the names of what an answer holds, without what only one of them sends."""
    if answer is None:
        return SILENCE
    if answer[b"y"] == b"e":
        return answer[b"e"][0]
    return sorted(name.decode() for name in answer[b"r"] if name not in (b"p",))


class Item:
    """A mutable item and the question that puts it."""

    def __init__(self, salt=b"", seq=1, value=b"value", key=None):
        self.key = key or Key()
        self.salt, self.seq, self.value = salt, seq, value

    @property
    def target(self):
        return target_of(self.key.public, self.salt)

    def args(self, given, **changes):
        salted = b"4:salt" + bencode(self.salt) if self.salt else b""
        signed = salted + b"3:seqi%de1:v" % self.seq + bencode(self.value)
        args = {b"k": self.key.public, b"seq": self.seq, b"sig": self.key.sign(signed), b"token": given,
                b"v": self.value}
        if self.salt:
            args[b"salt"] = self.salt
        args.update({name.encode(): value for name, value in changes.items()})
        return {name: value for name, value in args.items() if value is not None}


class Pair:
    """Asks both."""

    def __init__(self, kith, torrent):
        self.endpoints = {"kith": kith, "libtorrent": torrent}
        self.raw = Raw()

    def both(self, question):
        return {name: kind(question(endpoint)) for name, endpoint in self.endpoints.items()}

    def put(self, item, target=None, **changes):
        """Puts with a token that was given for the item's (or another) target."""
        def question(endpoint):
            token = self.raw.token(endpoint, target or item.target)
            return self.raw.ask(endpoint, b"put", item.args(token, **changes))
        return self.both(question)

    def ask(self, method, args):
        return self.both(lambda endpoint: self.raw.ask(endpoint, method, args))

    def send(self, data):
        return self.both(lambda endpoint: self.raw.send(endpoint, data, 0.5))


def expect(what, answers, kith, libtorrent=None, why=None):
    """Both answer alike, unless the case names libtorrent's other answer and the reason for ours."""
    record(what, **answers, **({"because": why} if why else {}))
    libtorrent = kith if libtorrent is None else libtorrent
    check(answers["kith"] == kith, f"{what}: kith {answers['kith']}, expected {kith}")
    check(answers["libtorrent"] == libtorrent, f"{what}: libtorrent {answers['libtorrent']}, expected {libtorrent}")


def puts(pair):
    good = Item()
    stored = ["id"]
    expect("a good put", pair.put(good), stored)
    expect("the same again", pair.put(good), stored)
    expect("a token of another target", pair.put(Item(), target=os.urandom(20)), 203)
    expect("an invented token", pair.put(Item(), token=b"12345678"), 203)
    expect("no token", pair.put(Item(), token=None), 203)
    expect("a wrong signature", pair.put(Item(), sig=bytes(64)), 206)
    expect("another value than signed", pair.put(Item(), v=b"other"), 206)
    expect("no signature", pair.put(Item(), sig=None), 203, stored, "half a mutable item is no item")
    expect("a short key", pair.put(Item(), k=bytes(31)), 203)
    expect("a large value", pair.put(Item(value=b"x" * 1001)), 205)
    expect("the largest value", pair.put(Item(value=b"x" * 996)), stored)
    expect("one byte more", pair.put(Item(value=b"x" * 997)), 205)
    expect("a large salt", pair.put(Item(salt=b"s" * 65)), 207)
    expect("the largest salt", pair.put(Item(salt=b"s" * 64)), stored)
    expect("a negative seq", pair.put(Item(seq=-1)), 203)
    expect("the largest seq", pair.put(Item(seq=2**63 - 1)), stored)
    immutable = {b"v": b"immutable"}
    target = hashlib.sha1(bencode(immutable[b"v"])).digest()
    expect("an immutable item", pair.both(
        lambda e: pair.raw.ask(e, b"put", {**immutable, b"token": pair.raw.token(e, target)})), stored)


def sequences(pair):
    key = Key()
    stored = ["id"]
    expect("seq 5", pair.put(Item(b"salt", 5, key=key)), stored)
    expect("seq 4 after 5", pair.put(Item(b"salt", 4, key=key)), 302)
    expect("cas 4 where 5 is", pair.put(Item(b"salt", 6, key=key), cas=4), 301)
    expect("cas 5 where 5 is", pair.put(Item(b"salt", 6, b"six", key=key), cas=5), stored)
    expect("cas where nothing is", pair.put(Item(b"new", 6, key=key), cas=3), stored)
    target = target_of(key.public, b"salt")
    full = ["id", "k", "nodes", "seq", "sig", "token", "v"]
    expect("get", pair.ask(b"get", {b"target": target}), full)
    expect("get with an older seq", pair.ask(b"get", {b"target": target, b"seq": 5}), full)
    expect("get with its seq", pair.ask(b"get", {b"target": target, b"seq": 6}), ["id", "nodes", "seq", "token"])
    expect("get of nothing", pair.ask(b"get", {b"target": os.urandom(20)}), ["id", "nodes", "token"])


def announces(pair):
    info_hash = os.urandom(20)

    def announce(**changes):
        def question(endpoint):
            answer = pair.raw.ask(endpoint, b"get_peers", {b"info_hash": info_hash})
            args = {b"info_hash": info_hash, b"port": 4000, b"token": answer[b"r"][b"token"]}
            args.update({name.encode(): value for name, value in changes.items()})
            return pair.raw.ask(endpoint, b"announce_peer", {n: v for n, v in args.items() if v is not None})
        return pair.both(question)

    expect("no peers", pair.ask(b"get_peers", {b"info_hash": info_hash}), ["id", "nodes", "token"])
    expect("an announcement", announce(), ["id"])
    expect("peers", pair.ask(b"get_peers", {b"info_hash": info_hash}), ["id", "nodes", "token", "values"])
    expect("an announcement with a bad token", announce(token=b"bad"), 203)
    expect("an announcement without a port", announce(port=None), 203)
    expect("an announcement of port 0", announce(port=0), 203, ["id"], "nobody can be reached there")
    expect("implied port", announce(implied_port=1), ["id"])
    expect("implied port alone", announce(port=None, implied_port=1), ["id"], 203, "the port is not looked at")


def malformed(pair):
    expect("no id", pair.send(b"d1:ade1:q4:ping1:t2:aa1:y1:qe"), 203)
    expect("an id of 19 bytes", pair.send(b"d1:ad2:id19:abcdefghij012345678e1:q4:ping1:t2:aa1:y1:qe"), 203)
    expect("no target", pair.ask(b"find_node", {}), 203)
    expect("an unknown query", pair.ask(b"whatever", {}), 204, 203, "BEP 5 has 204 for it")
    expect("an unknown query with a target", pair.ask(b"whatever", {b"target": os.urandom(20)}), ["id", "nodes"])
    expect("trailing bytes", pair.send(bencode({b"a": {b"id": pair.raw.id}, b"q": b"ping", b"t": b"aa", b"y": b"q"}) +
                                       b"xe"), SILENCE, ["id"], "one message is one dictionary")
    expect("not bencoded", pair.send(b"d" + b"x" * 40 + b"e"), SILENCE)
    expect("an answer to nothing", pair.send(bencode({b"r": {b"id": pair.raw.id}, b"t": b"abcd", b"y": b"r"})), SILENCE)


if __name__ == "__main__":
    with KithNodes() as kith:
        torrents = [Torrent() for _ in range(4)]
        introduce(torrents, [t.endpoint for t in torrents])
        wait_until(lambda: min(t.nodes() for t in torrents) >= 2, 20, "libtorrent's tables fill")
        node = kith.node()
        for t in torrents:
            node.join(t.endpoint)
        node.settle(2)
        the_pair = Pair(node.endpoint, torrents[0].endpoint)
        status = main([
            ("puts", lambda: puts(the_pair)),
            ("seq and cas", lambda: sequences(the_pair)),
            ("announcements", lambda: announces(the_pair)),
            ("malformed", lambda: malformed(the_pair)),
        ])
        the_pair.raw.close()
    sys.exit(status)
