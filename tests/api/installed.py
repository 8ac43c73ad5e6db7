#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The installed library as its users see it: headers, pkg-config, the shared and the static library.

Usage: installed.py SOURCE BUILD SANITIZE. Installs into a temporary directory, builds the examples as their comments
say, in C99, against either library, runs them, and compiles the code of README.md.
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

INSTALLED = ("bin/dht-cli", "sbin/kithd", "include/kith/kith.h", "share/man/man1/dht-cli.1", "share/man/man5/kith.conf.5",
             "share/man/man8/kithd.8", "share/doc/kith/kith.conf.example", "share/doc/kith/control.md")
STRICT = ["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-pedantic", "-Wall", "-Werror"]


def run(*command, env=None):
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode != 0:
        sys.exit(f"installed: {shlex.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def main():
    source, build, sanitize = sys.argv[1:]
    compiler = shlex.split(os.environ["CC"]) + STRICT + ([sanitize] if sanitize else [])
    with tempfile.TemporaryDirectory() as place:
        run("meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", place)
        package = next(Path(place).rglob("kith.pc"))
        prefix = Path(place + re.search("prefix=(.*)", package.read_text(encoding="utf-8"))[1])
        for name in INSTALLED:
            if not (prefix / name).is_file():
                sys.exit(f"installed: {name} is missing")
        own = {"PKG_CONFIG_PATH": str(package.parent)}
        env = dict(os.environ, **own, LD_LIBRARY_PATH=str(package.parent.parent))

        def flags(*wanted):  # the files are below `place`, those of other packages are not
            words = shlex.split(run("pkg-config", *wanted, "kith", "libuv", env=env))
            return [word[:2] + place + word[2:] if word[2:].startswith(str(prefix)[len(place):] + "/") else word
                    for word in words]
        static = [str(package.parent.parent / "libkith.a") if word == "-lkith" else word for word in flags("--static", "--libs")]
        for kind, libraries in (("shared", flags("--libs")), ("static", static)):
            for example in ("chat", "lookup"):
                program = str(Path(place, f"{example}-{kind}"))
                run(*compiler, str(Path(source, "docs", "examples", example + ".c")), "-o", program, *flags("--cflags"), *libraries)
                if not run(program, "--help", env=env).startswith("usage: "):
                    sys.exit(f"installed: {program} --help prints no usage")
        readme = Path(source, "README.md").read_text(encoding="utf-8")
        blocks = re.findall(r"(?s)```c\n(.*?)```", readme)
        if not blocks:
            sys.exit("installed: README.md has no code in C")
        path = Path(place, "readme.c")
        path.write_text("#include <kith/kith.h>\n#include <stdio.h>\n" + "\n".join(blocks), encoding="utf-8")
        run(*compiler, "-fsyntax-only", str(path), *flags("--cflags"))


if __name__ == "__main__":
    main()
