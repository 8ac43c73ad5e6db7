#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that dependencies point down: shell -> core -> util, and inside the core level by level.

    includes.py [ROOT]      check ROOT/src and ROOT/include (default: the tree this file is in)
    includes.py --self-test check that every rule finds its violation in a made-up bad tree

Prints FILE:LINE and the rule for every violation; exit status 1 if there is any.
"""

import re
import sys
import tempfile
from pathlib import Path

# The folders of the core. A file may include its own folder and those before it; "" is src/core itself.
CORE_FOLDERS = ["base", "record", "wire", "session", "store", "book", "swarm", "lookup", "upkeep", ""]

# The contract of the whole, among it the event types that ops fill: declarations, made of what "swarm" may include.
CONTRACT, CONTRACT_FOLDER = "core.h", "swarm"

# What makes the core impure: sockets, clocks, files, D-Bus, disks.
IMPURE = re.compile(
    r"uv\.h|uv/.*|sys/(socket|time|types|stat|file|mman|select|epoll|poll|un|uio|random|ioctl)\.h"
    r"|time\.h|unistd\.h|fcntl\.h|poll\.h|netdb\.h|netinet/.*|arpa/.*|net/.*|lmdb\.h"
    r"|avahi.*|microhttpd\.h|jansson\.h|ini\.h|pthread\.h|threads\.h|signal\.h|locale\.h|dirent\.h"
    r"|sodium/randombytes.*")

# stdio.h is there for snprintf alone.
STDIO_ALLOWED = {"snprintf", "vsnprintf"}
STDIO_CALL = re.compile(
    r"\b(v?f?printf|v?dprintf|v?sprintf|f?puts|f?putc|putchar|fopen|fdopen|freopen|fclose|fread"
    r"|fwrite|f?getc|getchar|fgets|getline|f?scanf|perror|tmpfile|remove|rename|fflush|stdin"
    r"|stdout|stderr|v?snprintf)\b")

INCLUDE = re.compile(r"^\s*#\s*include\s*([<\"])([^>\"]+)[>\"]")
NO_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|\bformat\(printf\b|"(?:\\.|[^"\\\n])*"', re.S)


def folder_level(parts):
    """Level of a file of the core from its path below src/core, or None if its folder has none."""
    if parts == (CONTRACT,):
        return CORE_FOLDERS.index(CONTRACT_FOLDER)
    folder = "/".join(parts[:-1])
    return CORE_FOLDERS.index(folder) if folder in CORE_FOLDERS else None


def layer_rule(layer, target):
    """Why a file of `layer` may not include `target` ("folder/file.h"), or None."""
    folder = target.split("/")[0]
    if folder not in ("kith", "util", "core", "shell"):
        return None if "/" in target else "includes of ours are folder-qualified"
    if layer == "include":
        return None if folder == "kith" else "public headers include public headers only"
    if layer == "util" and target not in ("kith/error.h", "kith/types.h") and folder != "util":
        return "util may include util, kith/error.h and kith/types.h"
    if layer == "core" and folder == "shell":
        return "core may not include shell"
    if layer == "core" and target in ("kith/node.h", "kith/kith.h"):
        return f"core may not include {target}: it is about libuv"
    return None


def level_rule(path, target):
    """Why one core file may not include another, or None."""
    own = path.parts[len(path.parts) - path.parts[::-1].index("core"):]
    other = tuple(target.split("/")[1:])
    for name in (own, other):
        if folder_level(name) is None:
            return f"core/{'/'.join(name)}: the folder has no level; give it one in tests/lint/includes.py"
    if folder_level(other) > folder_level(own):
        return f"{'/'.join(own)} may not include {'/'.join(other)}, which is above it"
    return None


def include_rule(layer, path, system, target):
    pure = layer in ("core", "util")
    if pure and IMPURE.fullmatch(target):
        return f"{layer} is without I/O: no {target}"
    if system and layer != "include" and target.split("/")[0] in ("kith", "util", "core", "shell"):
        return "includes of ours are written with quotes"
    if system:
        return None
    rule = layer_rule(layer, target)
    if rule is None and layer == "core" and target.startswith("core/"):
        rule = level_rule(path, target)
    return rule


def check_stdio(layer, text):
    """(line, rule) for every use of a stream in a pure file."""
    if layer not in ("core", "util") or "<stdio.h>" not in text:
        return
    blank = NO_CODE.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)
    for match in STDIO_CALL.finditer(blank):
        if match.group() not in STDIO_ALLOWED:
            line = blank.count("\n", 0, match.start()) + 1
            yield line, f"{layer} is without I/O: of stdio.h only snprintf, not {match.group()}"


def check_file(layer, path):
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            rule = include_rule(layer, path, match.group(1) == "<", match.group(2))
            if rule:
                yield number, rule
    yield from check_stdio(layer, text)


def check_tree(root):
    """All (file, line, rule) of a tree, and how many files were looked at."""
    layers = [("include", root / "include"), ("util", root / "src/util"),
              ("core", root / "src/core"), ("shell", root / "src/shell")]
    found, n_files = [], 0
    for layer, folder in layers:
        for path in sorted(folder.rglob("*.[ch]")):
            n_files += 1
            found += [(path.relative_to(root), line, rule) for line, rule in check_file(layer, path)]
    return found, n_files


# (file, its text, the line at fault or 0 where there is none)
SELF_TEST = [
    ("include/kith/types.h", '#include "kith/error.h"\n', 0),
    ("include/kith/bad.h", '#include "core/base/id.h"\n', 1),
    ("src/util/good.c", '#include <string.h>\n#include "util/span.h"\n#include "kith/error.h"\n', 0),
    ("src/util/up.c", '\n#include "core/base/id.h"\n', 2),
    ("src/util/api.c", '#include "kith/op.h"\n', 1),
    ("src/util/clock.c", "#include <time.h>\n", 1),
    ("src/core/base/id.c", '#include "core/base/id.h"\n#include "util/span.h"\n#include "kith/types.h"\n', 0),
    ("src/core/record/record.c", '#include "core/record/record.h"\n#include "core/base/id.h"\n', 0),
    ("src/core/swarm/routing.c", '#include "core/lookup/walk.h"\n', 1),
    ("src/core/lookup/walk.c", '#include "core/swarm/swarm.h"\n#include "core/upkeep/publish.h"\n', 2),
    ("src/core/lookup/op.h", '#include "core/core.h"\n#include "core/lookup/walk.h"\n', 0),
    ("src/core/lookup/lookup.c", '#include "core/core_internal.h"\n', 1),
    ("src/core/core.h", '#include "core/swarm/routing.h"\n', 0),
    ("src/core/core.c", '#include "core/core.h"\n#include "core/upkeep/maintain.h"\n', 0),
    ("src/core/wire/message.h", '#include "core/core.h"\n', 1),
    ("src/core/strange/strange.c", '#include "core/base/id.h"\n', 1),
    ("src/core/serve.c", '#include "shell/udp.h"\n', 1),
    ("src/core/lookup/events.c", '#include "core/core.h"\n#include "kith/node.h"\n', 2),
    ("src/core/store/store.c", "#include <uv.h>\n", 1),
    ("src/core/session/session.c", "#include <sys/socket.h>\n", 1),
    ("src/core/session/noise.c", "#include <lmdb.h>\n", 1),
    ("src/core/swarm/rpc.c", "#include <avahi-client/client.h>\n", 1),
    ("src/core/swarm/swarm.c", "#include <unistd.h>\n", 1),
    ("src/core/upkeep/publish.c", '#include "id.h"\n', 1),
    ("src/core/upkeep/maintain.c", "#include <core/base/id.h>\n", 1),
    ("src/core/wire/outbox.c", '#include <stdio.h>\n/* printf */\nint f(void) { return puts("x"); }\n', 3),
    ("src/core/base/endpoint.c", "#include <stdio.h>\nint g(char *b) { return snprintf(b, 1, \"printf\"); }\n",
     0),
    ("src/shell/node.c", '#include <uv.h>\n#include "core/core.h"\n#include "util/heap.h"\n', 0),
]


def self_test():
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for path, text, _ in SELF_TEST:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        found, _ = check_tree(root)
    got = {(str(path), line) for path, line, _ in found}
    wanted = {(path, line) for path, _, line in SELF_TEST if line}
    for path, line in sorted(wanted - got):
        print(f"self-test: violation not found: {path}:{line}")
    for path, line in sorted(got - wanted):
        print(f"self-test: found without reason: {path}:{line}")
    return 0 if got and got == wanted else 1


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2]
    found, n_files = check_tree(root)
    for path, line, rule in found:
        print(f"{path}:{line}: {rule}")
    if n_files == 0:
        print(f"{root}: no source files found")
    return 1 if found or n_files == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
