#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kithd's and dht-cli's command lines while the n-th allocation fails, for n = 1, 2, 3, ... until none does,
alone or with all that follow: they end with a status of theirs and a sentence, or do what they were asked.

Environment: KITHD (a daemon to ask), KITHD_NOMEM, DHT_CLI_NOMEM. With --all n is every number.
"""

import argparse
import os
import subprocess
import sys

from kithtest import Place, check

KITHD_STATUS = {0, 2, 70, 73}
CLI_STATUS = {0, 1, 2, 3, 4, 5, 6, 7, 70}
KEY = "y" * 52

CONFIG = """[node]
network = test
listen = 127.0.0.1:0
listen = [::1]:0
capabilities = {"a": [1, 2]}
[bootstrap]
peer = 127.0.0.1:9
seed = 127.0.0.1:10
[lan]
allow = eth*
[log]
level = debug
"""


def run(command, n, lasting, end):
    """Returns (status, stdout, stderr, whether an allocation failed)."""
    if os.path.exists(end):
        os.unlink(end)
    env = dict(os.environ, KITH_NOMEM=f"{n}{'+' if lasting else ''}", KITH_NOMEM_END=end)
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace"), not os.path.exists(end)


def each_failure(name, command, status_otherwise, statuses, place, step, may_vary=False, word="memory"):
    end = os.path.join(place.path, "nomem-end")
    total = 0
    expected = run(command, 0, False, end)
    check(expected[0] == status_otherwise, f"{name}: {expected}")
    for lasting in (False, True):
        n = 1
        while True:
            status, out, err, failed = run(command, n, lasting, end)
            what = f"{name}, allocation {n}{'+' if lasting else ''}: status {status}, {err!r}"
            check("Sanitizer" not in err and "runtime error" not in err, what)
            check(status in statuses, what)
            if not failed:
                check(status == expected[0], what)
                break
            # It failed and says so, or it came to the same all the same.
            if status != expected[0]:
                check(word in err or word.encode() in out, f"no word; {what}")
            elif status == 0 and not may_vary:
                check(out == expected[1], f"other output; {what}")
            total += 1
            n = step(n)
    print(f"{name}: {total} allocations failed")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    args = parser.parse_args()
    step = (lambda n: n + 1) if args.all else (lambda n: n + 1 + n // 8)
    kithd, cli = os.environ["KITHD_NOMEM"], os.environ["DHT_CLI_NOMEM"]
    with Place() as place:
        config = os.path.join(place.path, "conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG)
        bad = os.path.join(place.path, "bad")
        with open(bad, "w", encoding="utf-8") as file:
            file.write("[node]\nnetwrok = x\n")
        flags = ["-c", config, "-d", place.path, "-p", "127.0.0.1:11", "-l", "127.0.0.1:0", "--mainline",
                 "--mainline-bootstrap", "127.0.0.1:12", "--no-lan", "--control", os.path.join(place.path, "c")]
        each_failure("kithd --print-config", [kithd, *flags, "--print-config"], 0, KITHD_STATUS, place, step)
        each_failure("kithd -c bad", [kithd, "-c", bad], 2, KITHD_STATUS, place, step)
        each_failure("kithd -d nowhere", [kithd, *flags, "-d", "/proc/nowhere"], 70, KITHD_STATUS, place, step)
        daemon = place.daemon()
        there = ["--control", daemon.control_path]
        for name, words, status, vary in [
                ("status", ["status"], 0, True), ("status --json", ["--json", "status"], 0, True),
                ("id", ["id"], 0, False), ("stats", ["--json", "stats"], 0, True), ("book", ["book"], 0, True),
                ("ban", ["ban", "192.0.2.0/24", "--for", "60s"], 0, True), ("bans", ["ban"], 0, True),
                ("lookup", ["--timeout", "0.2", "lookup", KEY], 3, True),
                ("put", ["--timeout", "0.2", "put", "value"], 3, True)]:
            each_failure(f"dht-cli {name}", [cli, *there, *words], status, CLI_STATUS, place, step, may_vary=vary)
        check(daemon.process.poll() is None, "the daemon goes on")
        each_failure("dht-cli --ephemeral ping",
                     [cli, "--ephemeral", "-p", daemon.contact, "--timeout", "1", "ping", daemon.contact, "--count", "1"],
                     0, CLI_STATUS, place, step, may_vary=True, word="")  # what never left gets no answer


if __name__ == "__main__":
    sys.exit(main())
