# SPDX-License-Identifier: MIT
"""A liar on the LAN: announces hundreds of `_kith._udp` services of every hostile kind by raw mDNS, since
no mDNS library would. As a program, to be run on a host of a lab without avahi-daemon:

    lanflood.py SUBTYPE VICTIM-KEY TRUE-KEY VICTIM-ENDPOINT OWN-IP N

SUBTYPE is that of the network, "_…._sub._kith._udp". It announces everything once a second until it is
ended, and says "announced" after the first time.
"""

import random
import socket
import struct
import sys
import time

GROUP = ("224.0.0.251", 5353)
PTR, TXT, SRV, A = 12, 16, 33, 1
FLUSH = 0x8000
TTL = 120
NOBODY = "10.78.200.9"  # on the LAN, without a host
INTERNET = "203.0.113.9"


def labels(text):
    return [part.encode() for part in text.split(".") if part]


def name(parts):
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def record(owner, kind, data, flush=True):
    return owner + struct.pack(">HHIH", kind, 1 | (FLUSH if flush else 0), TTL, len(data)) + data


def strings(*items):
    return b"".join(bytes([len(item)]) + item for item in items)


class Liar:
    """What hostile services look like. Each kind gets as many as the others."""

    def __init__(self, subtype, victim_key, true_key, victim, own_ip):
        self.subtype = subtype
        self.victim_key = victim_key.encode()
        self.true_key = true_key.encode()
        self.victim_ip, port = victim.rsplit(":", 1)
        self.victim_port = int(port)
        self.own_ip = own_ip
        self.random = random.Random(7)

    def key(self):
        """z-base-32 of 32 bytes; its last character holds one bit."""
        letters = "ybndrfg8ejkmcpqxot1uwisza345h769"
        return ("".join(self.random.choice(letters) for _ in range(51)) + "y").encode()

    def plain(self, n, txt, ip, port=7700):
        return self.service(b"kith-liar-%d" % n, txt, ip, port)

    def service(self, instance, txt, ip, port):
        """(owner names and records) of one service; `txt` or `ip` None: left out."""
        full = name([instance] + labels("_kith._udp.local"))
        host = name([b"h-%08x" % self.random.getrandbits(32), b"local"])
        records = [record(name(labels("_kith._udp.local")), PTR, full, flush=False),
                   record(name(labels(self.subtype + ".local")), PTR, full, flush=False)]
        if txt is not None:
            records.append(record(full, TXT, txt or b"\0"))
        if ip is not None:
            records.append(record(full, SRV, struct.pack(">HHH", 0, 0, port) + host))
            records.append(record(host, A, socket.inet_aton(ip)))
        return b"".join(records), len(records)

    def good(self, key):
        return strings(b"txtvers=1", b"k=" + key)

    def nobody(self, n):
        return self.plain(n, self.good(self.key()), NOBODY)

    def no_txt(self, n):
        return self.plain(n, b"", NOBODY)

    def other_version(self, n):
        return self.plain(n, strings(b"txtvers=2", b"k=" + self.key()), NOBODY)

    def bad_key(self, n):
        return self.plain(n, strings(b"txtvers=1", b"k=" + b"!" * (n % 200)), NOBODY)

    def noise(self, n):
        return self.plain(n, strings(*(self.random.randbytes(self.random.randrange(256))
                                       for _ in range(4))), NOBODY)

    def victims_key(self, n):
        return self.plain(n, self.good(self.victim_key), self.own_ip)

    def true_ones_key(self, n):
        return self.plain(n, self.good(self.true_key), self.own_ip)

    def internet(self, n):
        return self.plain(n, self.good(self.key()), INTERNET)

    def silly_address(self, n):
        ip = ("0.0.0.0", "127.0.0.1", "224.0.0.251", "255.255.255.255")[n % 4]
        return self.plain(n, self.good(self.key()), ip)

    def port_zero(self, n):
        return self.plain(n, self.good(self.key()), NOBODY, 0)

    def victim_itself(self, n):
        return self.plain(n, strings(b"txtvers=1"), self.victim_ip, self.victim_port)

    def unresolvable(self, n):
        return self.plain(n, None, None)

    def any_byte(self, n):
        """All 256 bytes come to occur in names."""
        instance = bytes((n * 16 + i) % 256 for i in range(16)) + b"%d" % n
        return self.service(instance, self.good(self.key()), NOBODY, 7700)

    def longest(self, n):
        return self.service(b"%d" % n + b"\xff" * 60, self.good(self.key()), NOBODY, 7700)

    # Names without a host are many: each may hold a resolver of the victim for seconds.
    KINDS = 8 * (unresolvable,) + (
        nobody, no_txt, other_version, bad_key, noise, victims_key, true_ones_key, internet,
        silly_address, port_zero, victim_itself, any_byte, longest)

    def packets(self, n):
        for i in range(n):
            kind = self.KINDS[i % len(self.KINDS)]
            body, count = kind(self, i if kind is not Liar.any_byte else i // len(self.KINDS))
            yield struct.pack(">HHHHHH", 0, 0x8400, 0, count, 0, 0) + body


def main():
    subtype, victim_key, true_key, victim, own_ip, n = sys.argv[1:]
    packets = list(Liar(subtype, victim_key, true_key, victim, own_ip).packets(int(n)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own_ip))
        out.bind(("", 5353))
        first = True
        while True:
            for packet in packets:
                out.sendto(packet, GROUP)
                time.sleep(0.001)  # a socket buffer holds some hundred
            if first:
                print("announced", flush=True)
            first = False
            time.sleep(1)


if __name__ == "__main__":
    main()
