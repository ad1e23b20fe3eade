#!/usr/bin/env bash
# Builds the addon's sources without Node and runs their tests under AddressSanitizer and UBSan. OpenSSL is the
# system's (libssl.so.3), with the headers that Node.js has.
set -euo pipefail
cd "$(dirname "$0")"
out=$(mktemp -d)
headers=$(node -p "require('path').join(process.execPath, '../../include/node')")
trap 'rm -rf "$out"' EXIT
build() {
  ${CXX:-g++} -std=c++20 -g -O1 -Wall -Wextra -Werror -fno-exceptions -fno-rtti -fsanitize=address,undefined \
    -fno-sanitize-recover=all -isystem "$headers" -o "$out/$1" "$1.cc" "${@:2}" -lpthread -l:libssl.so.3 -l:libcrypto.so.3
  "$out/$1"
}
poller=(../poller*.cc ../listeners.cc ../socket.cc ../handoff.cc ../tls_*.cc)
build poller_test "${poller[@]}"
build tls_stream_test "${poller[@]}"
build tls_poller_test "${poller[@]}"
build hashing_test ../hashing.cc
