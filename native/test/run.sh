#!/usr/bin/env bash
# Builds the addon's sources without Node and runs their tests under AddressSanitizer and UBSan.
set -euo pipefail
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
${CXX:-g++} -std=c++20 -g -O1 -Wall -Wextra -Werror -fno-exceptions -fno-rtti -fsanitize=address,undefined \
  -fno-sanitize-recover=all -o "$out/poller_test" poller_test.cc ../poller.cc ../socket.cc ../handoff.cc -lpthread
"$out/poller_test"
