#!/bin/sh
# Builds the benchmarks and prints their table (Markdown) to standard output.
#
#     sh benchmarks/run.sh [--quick] [--json FILE] [--benchmark_filter=REGEX]
#
# Each product is checked, then measured in turns with the machine's limit for it: read bandwidth, or the peak of the
# instruction. Enough for it is a Debian 12 or 13 with a shell, as root or with sudo: what is missing is installed.
#
# Environment: JOBS (default: all cores), QUANTO_BUILD (folder of the build trees, default build/), CXX, QUANTO_ISA.
set -u
caller=$PWD
cd "$(dirname "$0")/.." || exit 1

jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
tree=${QUANTO_BUILD:-build}/benchmarks
mkdir -p "$tree" || exit 1

have() { command -v "$1" >/dev/null 2>&1; }
give_up() { echo "$*" >&2; exit 1; }

if have apt-get && have dpkg-query; then
    missing=
    for package in g++ cmake ninja-build libbenchmark-dev libeigen3-dev libopenblas-dev libdnnl-dev pkgconf; do
        case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" in
            *"ok installed") ;;
            *) missing="$missing $package" ;;
        esac
    done
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    if [ -n "$missing" ]; then
        # shellcheck disable=SC2086
        { $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
            $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing; } \
            >"$tree/apt.log" 2>&1 </dev/null || echo "cannot install$missing, see $tree/apt.log; going on without" >&2
    fi
fi
have cmake || give_up "cmake is not installed"

if have ninja; then CMAKE_GENERATOR=Ninja; else CMAKE_GENERATOR="Unix Makefiles"; fi
export CMAKE_GENERATOR
{
    cmake -S . -B "$tree" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS=-w \
        -DQUANTO_BUILD_TESTS=OFF -DQUANTO_BUILD_EXAMPLES=OFF -DQUANTO_BUILD_BENCHMARKS=ON &&
        cmake --build "$tree" -j "$jobs" --target quanto_benchmarks
} >"$tree/build.log" 2>&1 </dev/null || {
    tail -40 "$tree/build.log" >&2
    give_up "the build failed, see $tree/build.log"
}

# A file is named from where the caller is.
program=$(cd "$tree" && pwd)/benchmarks/quanto_benchmarks
cd "$caller" && exec "$program" "$@"
