#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checks that an archive of the core calls nothing that does I/O, tells the time or draws lots:
#
#     symbols.sh ARCHIVE [NM]
#
# What the archive leaves undefined must be on the list below. Prints every other symbol with the
# object that wants it; exit status 1 if there is any.
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: symbols.sh ARCHIVE [NM]" >&2
    exit 2
fi
archive=$1
nm=${2:-nm}

# Extended regular expressions, each for a whole symbol.
# Memory and text. Of str*, only what has no state and no locale.
allowed='(__)?mem(cpy|move|set|cmp|chr|mem|rchr|pcpy|ccpy)(_chk)?'
allowed="$allowed|(__)?str(len|nlen|cmp|ncmp|chr|chrnul|rchr|str|spn|cspn|pbrk|cpy|ncpy|cat|ncat)(_chk)?"
allowed="$allowed|(__)?v?snprintf(_chk)?|bcmp"
allowed="$allowed|malloc|calloc|realloc|reallocarray|free|qsort|bsearch"
allowed="$allowed|abort|__assert_fail|__assert_rtn"
# libsodium without its random numbers: those come from the caller.
allowed="$allowed|crypto_[a-z0-9_]+|sodium_(memzero|memcmp|increment|is_zero)"
# libmd for SHA-1; its SHA1File reads files.
allowed="$allowed|SHA1(Init|Update|Final)"
allowed="$allowed|msgpack_[a-z0-9_]+"
allowed="$allowed|log|log2|exp|exp2|pow|sqrt|floor|ceil|lround|fmin|fmax"
# What compilers, sanitizers and coverage add. The assembler's GOT is not a call.
allowed="$allowed|__(asan|ubsan|sanitizer|tsan|lsan|msan|sancov|gcov|llvm|gcc|profc|profd)_.*"
allowed="$allowed|__stack_chk_(fail|guard)|_GLOBAL_OFFSET_TABLE_|__(u?div|u?mod|mul)[a-z]i[34]"
allowed="$allowed|__popcount[a-z]i2|__c[lt]z[a-z]i2|__bswap[a-z]i2|__gnu_mcount_nc|mcount|__fentry__"
allowed="$allowed|__start_.*|__stop_.*|__TMC_END__"
# Key pairs out of nothing are random numbers too.
forbidden='randombytes.*|crypto_[a-z0-9_]*(_keypair|_keygen)|crypto_[a-z0-9_]*_random'
forbidden_not='crypto_[a-z0-9_]*_seed_keypair'

if ! listing=$("$nm" -A "$archive"); then
    echo "symbols.sh: $nm cannot read $archive" >&2
    exit 2
fi

printf '%s\n' "$listing" | awk -v allowed="^($allowed)$" -v forbidden="^($forbidden)$" \
    -v forbidden_not="^($forbidden_not)$" '
    # "archive:object.o:[address] TYPE name"; TYPE is the last field but one.
    NF >= 3 || (NF == 2 && $1 ~ /:$/) {
        name = $NF
        type = $(NF - 1)
        sub(/@.*/, "", name)
        sub(/^.*:/, "", type)
        if (type == "U") {
            wants[name] = wants[name] == "" ? $1 : wants[name]
        } else {
            defined[name] = 1
            n_defined++
        }
    }
    END {
        if (n_defined == 0) {
            print "symbols.sh: the archive defines nothing"
            exit 1
        }
        for (name in wants) {
            if (name in defined) {
                continue
            }
            if ((name ~ forbidden && name !~ forbidden_not) || name !~ allowed) {
                print wants[name] " " name ": not allowed in the core"
                n_bad++
            }
        }
        exit n_bad > 0
    }'
