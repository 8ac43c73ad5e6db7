#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checks the systemd files:
#
#     systemd.sh DIR
#
# The unit's exposure must be at most 1.3 of 10, and the unit, sysusers and tmpfiles files must
# parse. Skipped (77) where systemd's tools are missing or cannot judge offline (before 250).
set -eu

dir=$(cd "${1:?usage: systemd.sh DIR}" && pwd)
threshold=13 # tenths

if ! command -v systemd-analyze >/dev/null; then
    echo "skipped: systemd-analyze is missing"
    exit 77
fi
if ! systemd-analyze --help | grep -q -e '--threshold'; then
    echo "skipped: systemd-analyze is too old for --offline --threshold"
    exit 77
fi
export SYSTEMD_PAGER=cat
if ! report=$(systemd-analyze security --no-pager --offline=yes --threshold="$threshold" \
    "$dir/kithd.service" 2>&1); then
    echo "$report"
    exit 1
fi
echo "$report" | tail -n 1

# A directive that is misspelt is ignored with a warning, and with it its protection.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
sed -e 's,^ExecStart=kithd,ExecStart=/bin/true,' -e 's,^ExecReload=kill,ExecReload=/bin/true,' \
    "$dir/kithd.service" >"$scratch/kithd.service"
warnings=$(systemd-analyze verify --man=no "$scratch/kithd.service" 2>&1 |
    grep "kithd.service:[0-9]" || true)
if [ -n "$warnings" ]; then
    echo "$warnings"
    exit 1
fi

# Both tools work on an empty root and touch nothing else.
if command -v systemd-sysusers >/dev/null; then
    mkdir -p "$scratch/root/etc"
    systemd-sysusers --root="$scratch/root" "$dir/kith.sysusers" >/dev/null 2>&1
    grep -q '^kith:' "$scratch/root/etc/passwd"
    if command -v systemd-tmpfiles >/dev/null && [ "$(id -u)" -eq 0 ]; then
        systemd-tmpfiles --root="$scratch/root" --create "$dir/kith.tmpfiles"
        [ "$(stat -c %a "$scratch/root/var/lib/kith")" = 700 ]
    fi
fi
echo "the systemd files are sound"
