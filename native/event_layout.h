// The integers that C++ and JavaScript exchange; engine/io/event-layout.ts says the same and is compared at load.
#pragma once
#include <cstdint>

namespace millrace {

// Both rings hold four int32 per entry: kind, connection slot, a, b.
constexpr int32_t kEntryInts = 4;
constexpr int32_t kEventsMax = 4096;
constexpr int32_t kOpsMax = 16384;

enum EventKind : int32_t {
  kEventBytes = 1,     // a = arena offset, b = length
  kEventOpened = 2,    // a dialled connection is open
  kEventWritable = 3,  // the queue fell below the low mark
  kEventPeerEnd = 4,   // the peer sent FIN, or over TLS close_notify; a = 1: FIN without close_notify
  kEventClosed = 5,    // a = errno, 0 = in order, below 0 = -TlsEnd; b = 1 when it was our own abort. The slot is free
                       // after this turn
  kEventAccepted = 6,  // a = listener index
  kEventQueued = 7,    // a = bytes the kernel did not take
  kEventHandshake = 8, // a = position of the protocol in the ALPN list, -1 none. No data leaves before kOpOpen
};

enum OpKind : int32_t {
  kOpWrite = 1,     // a = arena offset, b = length
  kOpHold = 2,
  kOpRelease = 3,
  kOpEnd = 4,       // a = delayed close, ms
  kOpShutdown = 5,
  kOpAbort = 6,
  kOpHighMark = 7,  // a = bytes
  kOpOpen = 8,      // the owner accepts the TLS session
};

// Changes whenever a number above does.
constexpr int32_t kLayoutVersion = 2 * 1000000 + kEventsMax * 10 + kOpsMax;

}  // namespace millrace
