#!/bin/sh
# Runs the library on processors that this machine is not, and prints which kernels each takes.
#     x86-64 without compiler flags: on this processor; by qemu's user mode with AVX2 alone, with SSE2 alone
#     x86-64 with QUANTO_NO_SIMD; with QUANTO_STATIC_ISA and -march=native
#     x86-64 with AVX-512, its intrinsics by those of AVX2 (tests/isa/emulated_avx512.hpp)
#     AArch64 by qemu with i8mm, with dot products of bytes alone, and without
# On each, tests/isa/chosen.cpp (the table of kernels; products against the definition); with AVX-512 and on AArch64
# tests of kernels, too.
#
#     sh tests/cross.sh           the last line is `N passed, N failed`; the status is 0 if nothing failed
#
# What is not installed (qemu-user, g++-aarch64-linux-gnu, clang) is left out, with a line that says so.
# Environment: QUANTO_BUILD (folder of the build trees, default build/), CXX, CLANGXX.
set -u
cd "$(dirname "$0")/.." || exit 1
tree=${QUANTO_BUILD:-build}/cross
rm -rf "$tree/tables" "$tree/results" # of the last run
mkdir -p "$tree/tables" "$tree/results" || exit 1

have() { command -v "$1" >/dev/null 2>&1; }

# report NAME STATUS LOG: what a test printed is shown if it failed.
report() {
    if [ "$2" -eq 0 ]; then
        echo "ok      $1"
    else
        echo "FAILED  $1"
        cat "$3"
    fi
    : >"$tree/results/$([ "$2" -eq 0 ] && echo passed || echo failed) $1"
}

# compile NAME COMPILER ARGUMENT ...: the program $tree/NAME. One that does not compile is a failed test.
compile() {
    name=$1
    compiler=$2
    shift 2
    "$compiler" -std=c++20 -O1 -Wall -Wextra -Wno-psabi -Iinclude -Itests "$@" -o "$tree/$name" \
        >"$tree/$name.log" 2>&1 && return
    report "$name compiles" 1 "$tree/$name.log"
    return 1
}

# check NAME COMMAND ...
check() {
    name=$1
    shift
    "$@" >"$tree/$name.log" 2>&1 </dev/null
    report "$name" $? "$tree/$name.log"
}

# chosen NUMBER NAME COMMAND ...: a column of the table, too.
chosen() {
    column="$tree/tables/$1 $2"
    name=$2
    shift 2
    "$@" >"$column" 2>"$tree/$name.log" </dev/null
    report "$name" $? "$tree/$name.log"
}

# ---- x86-64 ----------------------------------------------------------------------------------------------------------

cxx=${CXX:-c++}
native=portable
flags=$(grep -m1 '^flags' /proc/cpuinfo 2>/dev/null)
case "$flags" in *avx2*) native=avx2 ;; esac
case "$flags" in *avx512dq*avx512bw*avx512vl*avx512_vnni*) native=avx512vnni ;; esac

x86() {
    if compile x86 "$cxx" tests/isa/chosen.cpp; then
        chosen 1 "this x86-64" "$tree/x86" $native
        if have qemu-x86_64; then
            chosen 3 "AVX2" qemu-x86_64 -cpu max "$tree/x86" avx2
            chosen 4 "SSE2" qemu-x86_64 -cpu qemu64 "$tree/x86" portable
        else
            echo "SKIP: no qemu-x86_64 (qemu-user): not run with AVX2 alone and with SSE2 alone"
        fi
    fi
    compile no_simd "$cxx" -DQUANTO_NO_SIMD tests/isa/chosen.cpp && chosen 5 "NO_SIMD" "$tree/no_simd" portable
    if compile static_isa "$cxx" -DQUANTO_STATIC_ISA -march=native tests/isa/chosen.cpp; then
        chosen 6 "STATIC_ISA" "$tree/static_isa" $native
        # A processor that is emulated refuses what it does not have, or the tests above would show nothing.
        if [ $native = avx512vnni ] && have qemu-x86_64; then
            # shellcheck disable=SC2016
            check "a program for this processor alone stops with SSE2" \
                sh -c 'ulimit -c 0; ! qemu-x86_64 -cpu qemu64 "$1"' sh "$tree/static_isa"
        fi
    fi
}

# ---- AVX-512, emulated -----------------------------------------------------------------------------------------------

# emulated NAME ARGUMENT ...: not optimized, as compiling takes longer than running.
emulated() {
    name=$1
    shift
    compile "$name" "$clang" -O0 -include tests/isa/emulated_avx512.hpp "$@"
}

avx512() {
    emulated avx512.o -DQUANTO_IMPLEMENTATION=1 -c cmake/compiled.cpp || return
    if emulated avx512 -DQUANTO_IMPLEMENTATION=0 tests/isa/chosen.cpp "$tree/avx512.o"; then
        chosen 2 "AVX-512, emulated" "$tree/avx512" avx512vnni
    fi
    if [ ! -e /usr/include/catch2/catch.hpp ]; then
        echo "SKIP: Catch2 2 is not installed: the tests of kernels are not run with AVX-512"
        return
    fi
    emulated kernels -DQUANTO_IMPLEMENTATION=0 -pthread tests/main.cpp tests/kernels/panel/product.cpp \
        tests/kernels/panel/float8.cpp tests/nn/convolution.cpp "$tree/avx512.o" || return
    # Conformance, above, has what is left out.
    check "AVX-512, emulated, tests of panels and convolutions" "$tree/kernels" "~products with panels *"
}

# ---- AArch64 ---------------------------------------------------------------------------------------------------------

arm=aarch64-linux-gnu-g++

aarch64() {
    compile aarch64 $arm -static tests/isa/chosen.cpp || return
    chosen 7 "AArch64 i8mm" qemu-aarch64 -cpu max "$tree/aarch64" neon_i8mm
    chosen 8 "AArch64 dotprod" qemu-aarch64 -cpu cortex-a76 "$tree/aarch64" neon_dot
    chosen 9 "AArch64" qemu-aarch64 -cpu cortex-a53 "$tree/aarch64" portable
}

panels() {
    # The test framework has to be a header: a library is for this machine.
    if [ ! -e /usr/include/catch2/catch.hpp ]; then
        echo "SKIP: Catch2 2 is not installed: the tests of panels are not run on AArch64"
        return
    fi
    mkdir -p "$tree/include"
    ln -sfn /usr/include/catch2 "$tree/include/catch2"
    compile panels $arm -static -pthread -isystem "$tree/include" tests/main.cpp tests/kernels/panel/*.cpp || return
    check "AArch64 i8mm, tests of panels" qemu-aarch64 -cpu max "$tree/panels" "~products with panels stay*"
    check "AArch64 dotprod, tests of panels" qemu-aarch64 -cpu cortex-a76 "$tree/panels" "~products with panels stay*"
}

# ---- all of them, side by side ---------------------------------------------------------------------------------------

lanes=
lane() {
    "$1" >"$tree/lane_$1.log" 2>&1 &
    lanes="$lanes $1"
}
if [ "$(uname -m)" = x86_64 ]; then
    lane x86
    if ! clang=$(sh tests/newest_clang.sh); then
        echo "SKIP: no clang++: AVX-512 is not emulated"
    elif [ $native = portable ]; then
        echo "SKIP: no AVX2 to emulate AVX-512 with"
    else
        lane avx512
    fi
else
    echo "SKIP: not an x86-64: its kernels are not run"
fi
if have $arm && have qemu-aarch64; then
    lane aarch64
    lane panels
else
    echo "SKIP: no $arm (g++-aarch64-linux-gnu) or no qemu-aarch64 (qemu-user): not run on AArch64"
fi
wait
for name in $lanes; do cat "$tree/lane_$name.log"; done
[ -z "$(ls "$tree/tables")" ] || (cd "$tree/tables" && awk -f "$OLDPWD/tests/isa/table.awk" ./*)

passed=$(find "$tree/results" -name 'passed *' | wc -l)
failed=$(find "$tree/results" -name 'failed *' | wc -l)
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
