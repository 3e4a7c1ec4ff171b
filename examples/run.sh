#!/bin/sh
# Builds the Fashion-MNIST example for this machine and runs it: the table goes to standard output, the files to
# build/examples: fashion_mnist.json, fashion_mnist.svg, and each frozen model in fashion_mnist/; of the convolutional
# network fashion_cnn.json, fashion_cnn.svg and fashion_cnn/.
#
#     sh examples/run.sh [cnn] [option value ...]      options: those of the program, see --help
#
# Enough for it is a Debian 12 or 13 with a shell, as root or with sudo: what is missing is installed. Elsewhere it takes
# what it finds; FASHION_MNIST names a folder with the four .gz or unpacked files then.
#
# Environment: JOBS (default: all cores), QUANTO_BUILD (folder of the build trees, default build/), FASHION_MNIST.
set -u
cd "$(dirname "$0")/.." || exit 1
network=mlp output=fashion_mnist
if [ "${1-}" = cnn ]; then network=cnn output=fashion_cnn && shift; fi

jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
tree=${QUANTO_BUILD:-build}/examples
data=$tree/fashion-mnist-data
source=${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
names="train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte"
mkdir -p "$tree" "$data" || exit 1

have() { command -v "$1" >/dev/null 2>&1; }
give_up() { echo "$*" >&2; exit 1; }
# What happens goes to standard error, and there to a terminal only.
say() { [ ! -t 2 ] || echo "$*" >&2; }

# True if the four files are below $1, packed or not.
is_complete() {
    for name in $names; do
        [ -f "$1/$name" ] || [ -f "$1/$name.gz" ] || return 1
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

# ---- what has to be installed ----------------------------------------------------------------------------------------

log=$tree/apt.log
is_installed() {
    case "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null)" in *"ok installed") ;; *) return 1 ;; esac
}
install_packages() {
    [ "$(id -u)" -eq 0 ] || have sudo || return 1
    say "installing $*"
    for pause in 10 20 0; do
        as_root apt-get -qq update >>"$log" 2>&1 </dev/null &&
            as_root apt-get -qq install -y --no-install-recommends "$@" >>"$log" 2>&1 </dev/null && return 0
        sleep $pause
    done
    echo "cannot install $*, see $log; going on without" >&2
    return 1
}

if have apt-get && have dpkg-query; then
    missing=
    for package in g++ cmake ninja-build libeigen3-dev libxsimd-dev; do
        is_installed "$package" || missing="$missing $package"
    done
    # shellcheck disable=SC2086
    [ -z "$missing" ] || install_packages $missing
    is_complete "$data" || is_complete "$source" || install_packages dataset-fashion-mnist
    # Where the package cannot be installed, or its files are left out: take them out of the package.
    if ! is_complete "$data" && ! is_complete "$source"; then
        (cd "$tree" && apt-get -qq download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb package) \
            >>"$log" 2>&1 </dev/null
        source=$tree/package/usr/share/datasets/fashion-mnist
    fi
fi
have cmake || give_up "cmake is not installed"
is_complete "$data" || is_complete "$source" ||
    give_up "the Fashion-MNIST files are not in $source: install dataset-fashion-mnist, or set FASHION_MNIST"

for name in $names; do
    [ -f "$data/$name" ] && continue
    if [ -f "$source/$name" ]; then
        cp "$source/$name" "$data/$name.part"
    else
        gunzip -c "$source/$name.gz" >"$data/$name.part"
    fi || give_up "$source/$name cannot be unpacked"
    mv "$data/$name.part" "$data/$name"
done

# ---- build and run ---------------------------------------------------------------------------------------------------

# For this machine (-march=native): Eigen, the baseline, has no other way to use its instructions. Warnings, which other
# compilers may have, go to the log: they are for the tests to stop at.
flags=
case "$(uname -m)" in x86_64 | aarch64) flags=-march=native ;; esac
if have ninja; then CMAKE_GENERATOR=Ninja; else CMAKE_GENERATOR="Unix Makefiles"; fi
export CMAKE_GENERATOR
say "building"
{
    cmake -S . -B "$tree" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS="$flags" -DQUANTO_WERROR=OFF \
        -DQUANTO_BUILD_TESTS=OFF -DQUANTO_BUILD_BENCHMARKS=OFF -DQUANTO_BUILD_EXAMPLES=ON &&
        cmake --build "$tree" -j "$jobs" --target example_fashion_mnist
} >"$tree/build.log" 2>&1 </dev/null || {
    tail -40 "$tree/build.log" >&2
    give_up "the build failed, see $tree/build.log"
}

exec "$tree/examples/example_fashion_mnist" --data "$data" --network "$network" \
    --out "$tree/$output" --json "$tree/$output.json" --svg "$tree/$output.svg" "$@"
