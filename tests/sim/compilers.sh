#!/bin/sh
# SPDX-License-Identifier: MIT
# A seed gives the same run whatever the compiler and however it optimises: builds the simulator
# with gcc and clang, without and with optimisation, and compares the trace of one run.
#
#     compilers.sh SOURCE_DIR WORK_DIR
set -eu
source=$1
work=$2
first=
status=0
for compiler in gcc clang; do
    command -v "$compiler" >/dev/null || { echo "no $compiler"; exit 77; }
    for level in 0 3; do
        dir=$work/trace-$compiler-O$level
        [ -d "$dir" ] || CC="${CCACHE:+ccache }$compiler" meson setup "$dir" "$source" -Doptimization=$level \
            -Db_lundef=false >/dev/null
        ninja -C "$dir" tests/sim/kith-sim >/dev/null
        for run in "--nodes 100 --lookups 30 standard" "--seed 2 vopr"; do
            # shellcheck disable=SC2086
            "$dir/tests/sim/kith-sim" $run 2>/dev/null | sed -n 's/^  trace  *//p'
        done >"$dir/traces"
        echo "$compiler -O$level: $(tr '\n' ' ' <"$dir/traces")"
        [ "$(wc -l <"$dir/traces")" -eq 2 ] || status=1
        first=${first:-$dir/traces}
        cmp -s "$first" "$dir/traces" || status=1
    done
done
exit $status
