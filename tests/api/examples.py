#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The programs of docs/examples do what their comments say, against each other on loopback.

Usage: examples.py CHAT LOOKUP. Every wait has a limit; what is started here is ended here.
"""

import re
import signal
import subprocess
import sys
import threading

LIMIT = 60  # seconds; a step takes well under one
CONTACT = re.compile(r"([ybndrfg8ejkmcpqxot1uwisza345h769]{52})@(127\.0\.0\.1:[0-9]+)$")


def fail(message):
    sys.exit(f"examples: {message}")


def run(program, *args, code=0):
    done = subprocess.run([program, *args], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=LIMIT, check=False)
    if done.returncode != code:
        fail(f"{program} {args}: exit {done.returncode}, not {code}: {done.stdout!r} {done.stderr!r}")
    return done


class Server:
    """`chat serve` on a free port; ended by Ctrl-C."""

    def __init__(self, chat, *peers):
        self.process = subprocess.Popen([chat, "serve", "127.0.0.1:0", *peers],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.watchdog = threading.Timer(LIMIT, self.process.kill)
        self.watchdog.start()

    def __enter__(self):
        line = self.process.stdout.readline().strip()
        match = CONTACT.match(line)
        if not match:
            fail(f"chat serve printed {line!r}, not KEY@ADDR:PORT")
        self.contact, self.key, self.endpoint = line, match[1], match[2]
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.rest = self.process.stdout.read()
        status = self.process.wait(LIMIT)
        self.watchdog.cancel()
        if status != 0:
            fail(f"chat serve ended with {status} after Ctrl-C")


def usage(chat, lookup):
    for program in (chat, lookup):
        if not run(program, "--help").stdout.startswith("usage: "):
            fail(f"{program} --help prints no usage")
        if not run(program, code=2).stderr.startswith("usage: "):
            fail(f"{program} without arguments prints no usage")
    if "key" not in run(lookup, "not-a-key", "127.0.0.1:1", code=2).stderr:
        fail("lookup does not say that the key is wrong")


def talk(chat, lookup):
    with Server(chat) as first:
        with Server(chat, first.contact) as second:
            # One is found through the other, by nothing but its key.
            said = run(chat, "say", second.key, "hello, peer", first.contact).stdout
            if said != "hello, peer\n":
                fail(f"the echo is {said!r}")
            found = run(lookup, second.key, first.endpoint).stdout.split()
            if second.endpoint not in found:
                fail(f"lookup found {found}, not {second.endpoint}")
        if not re.search(r"^[a-z0-9]{52}: hello, peer$", second.rest, re.M):
            fail(f"the server heard {second.rest!r}")
        nobody = "y" * 52
        if not run(lookup, nobody, first.contact, code=1).stderr.startswith("lookup: "):
            fail("lookup does not say that it found nobody")


def main():
    chat, lookup = sys.argv[1:3]
    usage(chat, lookup)
    talk(chat, lookup)


if __name__ == "__main__":
    main()
