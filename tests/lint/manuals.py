#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual pages and the example configuration say what the programs say of themselves.

Usage: manuals.py KITHD DHT_CLI ROOT. Options, commands, exit statuses and configuration keys are compared in both
directions: what a page lacks is told, and what it has made up.
"""
import re
import subprocess
import sys
from pathlib import Path

wrong = []


def compare(what, shown, written):
    wrong.extend(f"{what}: '{item}' is not in the manual" for item in sorted(shown - written))
    wrong.extend(f"{what}: '{item}' of the manual is unknown to the program" for item in sorted(written - shown))


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def options_shown(text):
    return set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+|-[a-z])(?![\w-])", text))


def options_written(page):
    page = re.sub(r"(?m)^\.Fl .*\nof\n\.Xr ", "", page)  # of another program
    flags = re.findall(r"\bFl (?:Fl )?(-?[a-z][a-z-]*)", page)
    long = set(re.findall(r"\bFl Fl ([a-z][a-z-]*)", page))
    return {"--" + flag if flag in long else "-" + flag for flag in flags}


def statuses_shown(text):
    return set(re.findall(r"\b(\d+) [a-z]", re.search(r"(?is)exit status:(.*)", text)[1]))


def statuses_written(page):
    return set(re.findall(r"(?m)^\.It (\d+)$", page))


def check_dht_cli(program, page):
    text = output(program, "--help")
    commands = re.findall(r"(?m)^  ([a-z]+(?: [a-z]+)?) {2,}", text)
    shown = {command for command in commands if command != "mainline"}  # a group, not a command
    written = set()
    for words in re.findall(r"(?m)^\.It Cm ([a-z]+(?: , [a-z]+| [a-z]+(?= |$))*)", page):
        written |= set(words.split(" , "))
    compare("command of dht-cli", shown, written)
    everything = text + "".join(output(program, "help", *command.split()) for command in commands if command != "help")
    # Every command has --help; nobody needs to read that, or --version, in a manual.
    compare("option of dht-cli", options_shown(everything) - {"--help", "--version"},
            options_written(page) - {"--help", "-h", "--version"})
    compare("exit status of dht-cli", statuses_shown(text), statuses_written(page))


def check_kithd(program, page):
    text = output(program, "--help")
    # --http does nothing but say so: --help is silent on it, the manual is not.
    compare("option of kithd", options_shown(text) | {"--http"}, options_written(page))
    compare("exit status of kithd", statuses_shown(text), statuses_written(page))


def keys_of(text, header, key):
    """Where a section begins and what names a key of it, as regular expressions of whole lines."""
    section, keys = "", set()
    for line in text.splitlines():
        begin, name = re.fullmatch(header, line), re.fullmatch(key, line)
        section = begin[1] if begin else section
        keys |= {f"[{section}] {name[1]}"} if name else set()
    return keys


def check_config(program, page, example):
    text = output(program, "--print-config")
    compare("key of kith.conf", keys_of(text, r"\[(\w+)\]", r"# (\w+) =.*"),
            keys_of(page, r"\.Ss Bq (\w+)", r"\.It Cm (\w+)"))

    def lines(text):  # places depend on the user, and the example has a headline
        return [line.rstrip() for line in text.splitlines()
                if not re.match(r"# (data_dir|control|seeds) =|# kith.conf:", line)]
    shown, written = lines(text), lines(example)[1:]
    for number, (a, b) in enumerate(zip(shown, written)):
        if a != b:
            wrong.append(f"kith.conf.example: {b!r}, where --print-config says {a!r}")
            break
    if len(shown) != len(written):
        wrong.append(f"kith.conf.example has {len(written)} lines, --print-config {len(shown)}")


def main():
    kithd, dht_cli, root = sys.argv[1:]
    docs = Path(root, "docs")
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (docs / "man").iterdir()}
    check_dht_cli(dht_cli, pages["dht-cli"])
    check_kithd(kithd, pages["kithd"])
    check_config(kithd, pages["kith.conf"], (docs / "kith.conf.example").read_text(encoding="utf-8"))
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
