#!/bin/sh
# Builds the library's tests in several configurations and runs them.
#
#     sh tests/run.sh             g++, clang, with sanitizers, and other processors by emulation (cross.sh)
#     sh tests/run.sh --quick     the first only
#     sh tests/run.sh PRESET ...  these of CMakePresets.json (tsan: threads alone), or cross
#
# Enough for it is a Debian 12 or 13 with a shell, as root or with sudo: what is missing is installed. Elsewhere it takes
# what it finds. The last line is `N passed, N failed`, over all configurations; the status is 0 if nothing failed.
#
# Environment: JOBS (default: all cores), QUANTO_BUILD (folder of the build trees, default build/), CLANGXX.
set -u
cd "$(dirname "$0")/.." || exit 1

case "${1:-}" in
    --quick) presets="release" ;;
    "") presets="release clang-no-exceptions debug-asan cross" ;;
    -*) sed -n '2,/^set -u/s/^# \{0,1\}//p' "$0"; exit 2 ;;
    *) presets="$*" ;;
esac

jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
trees=${QUANTO_BUILD:-build}
passed=0
failed=0
skipped=0

have() { command -v "$1" >/dev/null 2>&1; }
skip() { echo "SKIP: $*"; }

# ---- what has to be installed ----------------------------------------------------------------------------------------

packages="g++ cmake ninja-build catch2 libxsimd-dev libeigen3-dev nlohmann-json3-dev pkgconf"
case "$presets" in *clang* | *cross*) packages="$packages clang" ;; esac

# install_packages PACKAGE ...
install_packages() {
    missing=
    for package in "$@"; do
        case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" in
            *"ok installed") ;;
            *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    echo "installing$missing"
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || { echo "neither root nor sudo: nothing is installed"; return 1; }
        as_root=sudo
    fi
    log=$(mktemp)
    for attempt in 1 2 3; do
        # shellcheck disable=SC2086
        if $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update >"$log" 2>&1 </dev/null &&
            $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing \
                >>"$log" 2>&1 </dev/null; then
            rm -f "$log"
            return 0
        fi
        [ "$attempt" -eq 3 ] || sleep $((attempt * 10))
    done
    tail -20 "$log"
    rm -f "$log"
    return 1
}

if have apt-get && have dpkg-query; then
    # shellcheck disable=SC2086
    install_packages $packages || echo "not everything could be installed; going on with what there is"
    case "$presets" in
        *cross*) install_packages g++-aarch64-linux-gnu qemu-user || echo "going on without emulation" ;;
    esac
else
    echo "no apt-get: taking what is installed"
fi
for tool in cmake ctest; do
    have $tool || { echo "$tool is not installed"; echo "0 passed, 1 failed"; exit 1; }
done
if have ninja; then
    CMAKE_GENERATOR=Ninja
    keep_going="-k 0"
else
    CMAKE_GENERATOR="Unix Makefiles"
    keep_going=-k
fi
export CMAKE_GENERATOR

# ---- one configuration -----------------------------------------------------------------------------------------------

# run_preset NAME [cmake argument ...]
run_preset() {
    preset=$1
    shift
    tree=$trees/$preset
    start=$(date +%s)
    mkdir -p "$tree"

    if ! cmake --preset "$preset" -B "$tree" "$@" >"$tree/configure.log" 2>&1; then
        echo "== $preset: cmake failed"
        tail -40 "$tree/configure.log"
        failed=$((failed + 1))
        return
    fi
    compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$tree/CMakeCache.txt")
    echo "== $preset: $("$compiler" --version | head -1)"
    sed -n 's/^-- quanto: without/without/p' "$tree/configure.log"

    # What builds is tested even if something else does not build.
    # shellcheck disable=SC2086
    if ! cmake --build "$tree" -j "$jobs" -- $keep_going >"$tree/build.log" 2>&1 </dev/null; then
        grep -v '^\[[0-9]*/[0-9]*\] \(Building\|Linking\)\|^\[ *[0-9]*%\]' "$tree/build.log" | head -200
        echo "$preset: the build failed"
        failed=$((failed + 1))
    fi
    built=$(date +%s)

    (cd "$tree" && ctest -j "$jobs" --output-on-failure </dev/null) >"$tree/test.log" 2>&1
    summary=$(grep 'tests passed.* out of ' "$tree/test.log" | tail -1)
    total=$(echo "$summary" | sed -n 's/.* out of \([0-9][0-9]*\).*/\1/p')
    bad=$(echo "$summary" | sed -n 's/.*, \([0-9][0-9]*\) tests* failed.*/\1/p')
    missed=$(grep -c '\*\*\*Skipped' "$tree/test.log")
    if [ -z "$total" ]; then
        tail -20 "$tree/test.log"
        echo "$preset: ctest gave no summary"
        failed=$((failed + 1))
        return
    fi
    bad=${bad:-0}
    if [ "$bad" -gt 0 ]; then
        # Without what passed, the times and CTest's search for programs that were not built.
        grep -v ' Passed  *[0-9.]* sec\|^ *Start  *[0-9]*:\|= .* sec\*proc\|NOT_BUILT\|^Looked in' "$tree/test.log" |
            head -600
    fi
    if [ "$missed" -gt 0 ]; then
        grep -h '^SKIP: ' "$tree/Testing/Temporary/LastTest.log" | sort | uniq -c | sed 's/^ *\([0-9]*\) SKIP: /SKIP: \1 x /'
    fi
    good=$((total - bad - missed))
    echo "$preset: $good passed, $bad failed, $missed skipped" \
        "(build $((built - start)) s, tests $(($(date +%s) - built)) s)"
    passed=$((passed + good))
    failed=$((failed + bad))
    skipped=$((skipped + missed))
}

# Other processors. No test of CMake's, for its compilers are not this machine's.
run_cross() {
    start=$(date +%s)
    echo "== cross: other processors, by emulation"
    mkdir -p "$trees"
    QUANTO_BUILD=$trees sh tests/cross.sh >"$trees/cross.log" 2>&1
    sed '$d' "$trees/cross.log"
    good=$(sed -n '$s/^\([0-9]*\) passed, .*/\1/p' "$trees/cross.log")
    bad=$(sed -n '$s/.* passed, \([0-9]*\) failed$/\1/p' "$trees/cross.log")
    missed=$(grep -c '^SKIP: ' "$trees/cross.log")
    if [ -z "$good" ] || [ -z "$bad" ]; then
        tail -1 "$trees/cross.log"
        echo "cross: no summary"
        failed=$((failed + 1))
        return
    fi
    echo "cross: $good passed, $bad failed, $missed skipped ($(($(date +%s) - start)) s)"
    passed=$((passed + good))
    failed=$((failed + bad))
    skipped=$((skipped + missed))
}

# ---- all of them -----------------------------------------------------------------------------------------------------

once=ON # examples, headers alone, programs that must not compile, other projects: the first configuration is enough
for preset in $presets; do
    case "$preset" in
        cross)
            run_cross
            continue
            ;;
        tsan) # it says itself what is built
            run_preset tsan
            continue
            ;;
    esac
    set -- "-DQUANTO_TEST_COMPILE=$once" "-DQUANTO_TEST_CONSUMERS=$once" "-DQUANTO_BUILD_BENCHMARKS=$once" \
        "-DQUANTO_BUILD_EXAMPLES=$once"
    case "$preset" in
        clang*)
            clang=$(sh tests/newest_clang.sh)
            if [ -z "$clang" ]; then
                skip "$preset: clang is not installed"
                continue
            fi
            set -- "$@" "-DCMAKE_CXX_COMPILER=$clang"
            ;;
    esac
    run_preset "$preset" "$@"
    once=OFF
done

[ "$skipped" -eq 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
