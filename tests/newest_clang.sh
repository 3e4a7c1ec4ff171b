#!/bin/sh
# Prints the newest clang++ that is installed, among those the library is tested with; CLANGXX in the environment first.
for clang in ${CLANGXX:-} clang++-19 clang++-18 clang++-17 clang++-16 clang++-15 clang++-14 clang++; do
    command -v "$clang" >/dev/null 2>&1 && echo "$clang" && exit
done
exit 1
