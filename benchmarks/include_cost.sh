#!/bin/sh
# What each public header costs whoever includes it: milliseconds of wall time for a unit that holds nothing else, the
# best of RUNS (default 5), as a Markdown table; header-only, and where another unit has the bodies
# (QUANTO_IMPLEMENTATION=0, quanto::compiled). The empty unit is the compiler's own start, not subtracted.
#
#     CXX=clang++ sh benchmarks/include_cost.sh [header below include/ ...]
#
# Goals, with the bodies elsewhere: 150 ms for core, types, tensor, quantizer and io; 1000 ms for quanto.hpp. Status 1 if
# one is missed.
set -u
cd "$(dirname "$0")/.." || exit 1
compiler=${CXX:-c++}
runs=${RUNS:-5}
unit=$(mktemp -d) || exit 1
trap 'rm -rf "$unit"' EXIT
missed=0
eigen=$(pkg-config --cflags eigen3 2>/dev/null)

now() { date +%s%N; } # GNU date

# cost HEADER [FLAG]: best of $runs in ms, or nothing if it does not compile
cost() {
    : >"$unit/unit.cpp"
    [ -z "$1" ] || echo "#include <$1>" >"$unit/unit.cpp"
    best=
    for _ in $(seq "$runs"); do
        start=$(now)
        # shellcheck disable=SC2086
        "$compiler" -std=c++20 -fsyntax-only ${2:-} -Iinclude $eigen "$unit/unit.cpp" 2>/dev/null || return
        ms=$((($(now) - start) / 1000000))
        if [ -z "$best" ] || [ "$ms" -lt "$best" ]; then best=$ms; fi
    done
    echo "$best"
}

# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $(cd include && find quanto -name '*.hpp' | LC_ALL=C sort)

echo "$("$compiler" --version | head -1), best of $runs"
echo
echo '| header | header-only, ms | bodies elsewhere, ms | goal |'
echo '|---|---:|---:|---:|'
echo "| (empty) | $(cost '') | | |"
for header in "$@"; do
    case $header in
        quanto/quanto.hpp) goal=1000 ;;
        quanto/*/eigen.hpp) goal= ;;
        quanto/core/* | quanto/types/* | quanto/tensor/* | quanto/quantizer/* | quanto/io/* | quanto/fwd.hpp) goal=150 ;;
        *) goal= ;;
    esac
    alone=$(cost "$header")
    ms=$(cost "$header" -DQUANTO_IMPLEMENTATION=0)
    mark=
    if [ -z "$alone" ] || [ -z "$ms" ]; then
        ms='does not compile'
        missed=1
    elif [ -n "$goal" ] && [ "$ms" -gt "$goal" ]; then
        mark=' missed'
        missed=1
    fi
    echo "| \`$header\` | $alone | $ms | $goal$mark |"
done
exit $missed
