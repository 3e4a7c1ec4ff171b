#!/bin/sh
# Runs one binary on processors that this machine is not, by qemu's user mode, and prints which kernel each of them takes:
#     x86-64 as it is; x86-64 with SSE2 alone; AArch64 with dot products of bytes; AArch64 without
# On each, tests/isa/chosen.cpp (the table of kernels; products against the definition); on AArch64 the tests of panels, too.
#
#     sh tests/cross.sh           the last line is `N passed, N failed`; the status is 0 if nothing failed
#
# What is not installed (qemu-user, g++-aarch64-linux-gnu) is left out, with a line that says so.
# Environment: QUANTO_BUILD (folder of the build trees, default build/), CXX.
set -u
cd "$(dirname "$0")/.." || exit 1
tree=${QUANTO_BUILD:-build}/cross
mkdir -p "$tree" || exit 1
passed=0
failed=0

have() { command -v "$1" >/dev/null 2>&1; }

# compile COMPILER OUTPUT SOURCE-OR-FLAG ...
compile() {
    compiler=$1
    output=$2
    shift 2
    "$compiler" -std=c++20 -O1 -Wall -Wextra -Wno-psabi -Iinclude -Itests "$@" -o "$tree/$output"
}

# check NAME COMMAND ...: one test; what it prints is shown if it fails, and the table of kernels always.
check() {
    name=$1
    shift
    if "$@" >"$tree/check.log" 2>&1 </dev/null; then
        passed=$((passed + 1))
        echo "== $name"
        sed '/^=====/d; /^All tests passed/d; /^Filters:/d; /^Randomness/d; /^$/d' "$tree/check.log"
    else
        failed=$((failed + 1))
        echo "== $name: FAILED"
        cat "$tree/check.log"
    fi
}

# The kernel that integer panels take on this processor.
native=portable
if [ "$(uname -m)" = x86_64 ]; then
    flags=$(grep -m1 '^flags' /proc/cpuinfo 2>/dev/null)
    case "$flags" in *avx512dq*avx512bw*avx512vl*avx512_vnni*) native=avx512vnni ;; esac
    if compile "${CXX:-c++}" chosen-x86_64 tests/isa/chosen.cpp; then
        check "x86-64, this processor" "$tree/chosen-x86_64" $native
        if have qemu-x86_64; then
            check "x86-64, SSE2 alone (qemu64)" qemu-x86_64 -cpu qemu64 "$tree/chosen-x86_64" portable
        else
            echo "SKIP: no qemu-x86_64 (qemu-user): not run with SSE2 alone"
        fi
    else
        failed=$((failed + 1))
    fi
else
    echo "SKIP: not an x86-64: its kernels are not run"
fi

arm=aarch64-linux-gnu-g++
if ! have $arm || ! have qemu-aarch64; then
    echo "SKIP: no $arm or no qemu-aarch64 (qemu-user): not run on AArch64"
elif compile $arm chosen-aarch64 -static tests/isa/chosen.cpp; then
    check "AArch64 with dot products (max)" qemu-aarch64 -cpu max "$tree/chosen-aarch64" neon_dot
    check "AArch64 without (cortex-a53)" qemu-aarch64 -cpu cortex-a53 "$tree/chosen-aarch64" portable
    # The test framework, if it is a header: a library would be for this machine.
    if [ -e /usr/include/catch2/catch.hpp ]; then
        mkdir -p "$tree/include"
        ln -sfn /usr/include/catch2 "$tree/include/catch2"
        if compile $arm test_panel-aarch64 -static -pthread -isystem "$tree/include" tests/main.cpp \
            tests/kernels/panel/*.cpp; then
            check "AArch64, tests of panels: exact" qemu-aarch64 -cpu max "$tree/test_panel-aarch64" "int8 times*"
            check "AArch64, tests of panels: others" qemu-aarch64 -cpu max "$tree/test_panel-aarch64" \
                "~int8 times*" "~products with panels stay*"
        else
            failed=$((failed + 1))
        fi
    else
        echo "SKIP: Catch2 2 is not installed: the tests of panels are not run on AArch64"
    fi
else
    failed=$((failed + 1))
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
