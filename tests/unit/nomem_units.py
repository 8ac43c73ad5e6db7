#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""nomem_units TEST...: unit tests while their n-th allocation fails, for n over all that they make.

A test whose allocation failed may fail; it may not crash, hang or touch what it must not. Those with
a loop of their own (LOOPS) may hang: what a failed case leaves open keeps the loop going. Leaks are
not looked at, for a failed case leaves things behind: core_nomem and its like look at those. Small
tests see every n, large ones as many as TIME_S allows, spread evenly.
"""

import concurrent.futures
import os
import subprocess
import sys
import tempfile
import time

TIME_S = 40  # for one test, more or less
LOOPS = {"away", "control_server", "disk", "disk_check", "disk_state", "node_book", "node_mainline", "resolve", "udp"}
MANY = 1 << 40


def run(test, n, directory, limit_s=300.0):
    """Returns (allocations made, or None if one failed; what was wrong, or None)."""
    end = os.path.join(directory, f"{os.path.basename(test)}-{n}")
    env = dict(os.environ, KITH_NOMEM=str(n), KITH_NOMEM_END=end,
               ASAN_OPTIONS="detect_leaks=0:exitcode=99", UBSAN_OPTIONS="halt_on_error=1:exitcode=99")
    try:
        done = subprocess.run([test], env=env, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=limit_s, check=False)
        status, out = done.returncode, done.stdout
    except subprocess.TimeoutExpired as e:
        status, out = None, e.stdout or b""
    out = out.decode(errors="replace")
    if status is None:
        wrong = os.path.basename(test).removeprefix("test_") not in LOOPS
    else:
        wrong = status < 0 or status == 99
    left = None
    if os.path.exists(end):
        with open(end, encoding="ascii") as file:
            left = int(file.read())
        os.unlink(end)
    wrong = wrong or "exception:" in out or "Sanitizer" in out
    how = "does not end" if status is None else f"status {status}"
    return None if left is None else n - left, f"{how}\n{out[-4000:]}" if wrong else None


def run_all(test, directory):
    """Returns (how many allocations were made, how many failed, [(n, what was wrong)])."""
    began = time.monotonic()
    total, wrong = run(test, MANY, directory)
    took = time.monotonic() - began
    if wrong is not None or total is None:
        return 0, 0, [(0, wrong or "did not count")]
    n_runs = min(total, max(10, int(TIME_S / took)))
    failed = 0
    found = []
    for i in range(n_runs):
        n = 1 + i * total // n_runs
        made, wrong = run(test, n, directory, 5 + 10 * took)
        failed += made is None
        if wrong is not None:
            found.append((n, wrong))
    return total, failed, found


def main():
    bad = 0
    all_failed = 0
    with tempfile.TemporaryDirectory() as directory, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        tests = [os.path.abspath(test) for test in sys.argv[1:]]  # each runs in `directory`
        results = {test: pool.submit(run_all, test, directory) for test in tests}
        for test, result in results.items():
            total, failed, found = result.result()
            print(f"{os.path.basename(test)}: {failed} of {total} allocations failed", flush=True)
            for n, wrong in found:
                print(f"KITH_NOMEM={n} {test}: {wrong}", flush=True)
            bad += len(found)
            all_failed += failed
    if all_failed == 0:
        print("no allocation failed: are the tests linked with nomem_env_dep?")
    return 1 if bad > 0 or all_failed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
