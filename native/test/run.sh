#!/usr/bin/env bash
# Builds the addon's sources without Node and runs their tests under AddressSanitizer and UBSan.
set -euo pipefail
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
build() {
  ${CXX:-g++} -std=c++20 -g -O1 -Wall -Wextra -Werror -fno-exceptions -fno-rtti -fsanitize=address,undefined \
    -fno-sanitize-recover=all -o "$out/$1" "$1.cc" "${@:2}" -lpthread
  "$out/$1"
}
build poller_test ../poller.cc ../socket.cc ../handoff.cc
build hashing_test ../hashing.cc
