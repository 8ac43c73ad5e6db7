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

# A module is a file name without its ending. A part of a module, MODULE_PART, is on the module's
# level unless it is listed itself. A file may include its own level and lower ones. core.h is listed
# apart from core.c: it declares the contract, among it the event types that events queues and ops
# fill, while core.c holds everything together.
CORE_LEVELS = [
    ["id", "random", "curve", "cipher", "endpoint", "bencode", "identity", "error", "ip_text",
     "types_text", "pace", "token", "keyed_hash", "votes", "quota"],
    ["record", "noise", "outbox", "target", "cards"],
    ["message", "msgpack", "store", "routing", "book", "session", "dialect", "peer_record", "announce",
     "env", "core.h", "bloom", "torrents", "krpc", "plain"],
    ["rpc", "swarm", "own", "events"],
    ["walk", "local", "gossip", "news"],
    ["lookup", "publish", "op", "paths", "repair"],
    ["maintain", "core", "serve", "roam", "keeper", "reach", "mainline", "change"],
]

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


LEVEL_OF = {module: level for level, modules in enumerate(CORE_LEVELS) for module in modules}


def module_level(file_name):
    """Level of a file of the core, or None if it has no place yet."""
    if file_name in LEVEL_OF:
        return LEVEL_OF[file_name]
    name = file_name.rsplit(".", 1)[0]
    while name not in LEVEL_OF and "_" in name:
        name = name.rsplit("_", 1)[0]
    return LEVEL_OF.get(name)


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
    own, other = path.name, Path(target).name
    own_level, other_level = module_level(own), module_level(other)
    for name, level in ((own, own_level), (other, other_level)):
        if level is None:
            return f"core/{name} has no level; give it one in tests/lint/includes.py"
    if other_level > own_level:
        return f"{own} is on level {own_level}, {other} above it on level {other_level}"
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
    ("include/kith/bad.h", '#include "core/id.h"\n', 1),
    ("src/util/good.c", '#include <string.h>\n#include "util/span.h"\n#include "kith/error.h"\n', 0),
    ("src/util/up.c", '\n#include "core/id.h"\n', 2),
    ("src/util/api.c", '#include "kith/op.h"\n', 1),
    ("src/util/clock.c", "#include <time.h>\n", 1),
    ("src/core/id.c", '#include "core/id.h"\n#include "util/span.h"\n#include "kith/types.h"\n', 0),
    ("src/core/record.c", '#include "core/record.h"\n#include "core/id.h"\n', 0),
    ("src/core/routing.c", '#include "core/walk.h"\n', 1),
    ("src/core/walk.c", '#include "core/swarm.h"\n#include "core/op_get.h"\n', 2),
    ("src/core/op_get.c", '#include "core/walk.h"\n#include "core/publish.h"\n', 0),
    ("src/core/op.h", '#include "core/events.h"\n#include "core/op_get.h"\n', 0),
    ("src/core/lookup.c", '#include "core/core_internal.h"\n', 1),
    ("src/core/routing_select.c", '#include "core/routing_internal.h"\n#include "core/rpc.h"\n', 2),
    ("src/core/core.h", '#include "core/routing.h"\n', 0),
    ("src/core/core.c", '#include "core/core.h"\n#include "core/serve.h"\n', 0),
    ("src/core/message.h", '#include "core/events.h"\n', 1),
    ("src/core/strange.c", '#include "core/id.h"\n', 1),
    ("src/core/serve.c", '#include "shell/udp.h"\n', 1),
    ("src/core/events.c", '#include "core/core.h"\n#include "kith/node.h"\n', 2),
    ("src/core/store.c", "#include <uv.h>\n", 1),
    ("src/core/session.c", "#include <sys/socket.h>\n", 1),
    ("src/core/noise.c", "#include <lmdb.h>\n", 1),
    ("src/core/rpc.c", "#include <avahi-client/client.h>\n", 1),
    ("src/core/swarm.c", "#include <unistd.h>\n", 1),
    ("src/core/publish.c", '#include "id.h"\n', 1),
    ("src/core/maintain.c", "#include <core/id.h>\n", 1),
    ("src/core/outbox.c", '#include <stdio.h>\n/* printf */\nint f(void) { return puts("x"); }\n', 3),
    ("src/core/endpoint.c", "#include <stdio.h>\nint g(char *b) { return snprintf(b, 1, \"printf\"); }\n",
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
