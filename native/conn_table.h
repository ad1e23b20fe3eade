// The connections of one poller: fixed slots that are free again only after JavaScript has seen the close.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "byte_queue.h"
#include "tls_stream.h"

namespace millrace {

enum ConnFlag : uint32_t {
  kConnecting = 1,       // dial under way
  kHeld = 2,             // JavaScript does not want bytes
  kReadable = 4,         // an edge said that there may be something to read
  kHungUp = 8,           // FIN or an error is behind what can be read
  kPeerEnded = 16,       // recv gave 0
  kEnding = 32,          // close once flushed
  kShutDown = 64,        // FIN was sent
  kShutdownAfter = 128,  // FIN once flushed
  kBroken = 256,         // a send failed: only reading is left
  kAgain = 512,          // in the list of those to read from in the next round
  kFull = 1024,          // JavaScript was told that the queue is at or above the high mark
  kClosed = 2048,        // descriptor is closed, the slot waits for the turn's end
  kDialled = 4096,
  kWaiting = 8192,       // in the list of clients whose events are served later, with `events`
  kShaking = 16384,      // in the list of those whose handshake can go on
};

struct Conn {
  int32_t fd = -1;
  uint32_t flags = 0;
  ByteQueue queue;  // bytes that the kernel did not take
  std::unique_ptr<TlsStream> tls;
  uint32_t high_mark = 1 << 20;
  int32_t delay_ms = 0;
  int64_t deadline_ms = 0;  // dial timeout or delayed close; 0 = none
  int64_t left_to_flush = -1;  // what was queued here and in the kernel when the deadline of an ended one came last
  uint32_t events = 0;      // what epoll said while the connection is kWaiting
  uint32_t batch = 0;       // the batch of operations that first_op and last_op are of
  uint32_t discards = 0;    // reads since the owner has ended the connection
  int32_t first_op = 0;
  int32_t last_op = 0;
  uint32_t generation = 0;  // how often the slot was given out: an event of its last owner is told by it

  [[nodiscard]] uint32_t queued() const { return queue.size(); }
  [[nodiscard]] bool is_shaking_hands() const { return tls != nullptr && !tls->is_done(); }
};

class ConnTable {
 public:
  [[nodiscard]] int32_t Take() {
    if (!free_.empty()) {
      int32_t slot = free_.back();
      free_.pop_back();
      Conn& conn = conns_[static_cast<size_t>(slot)];
      uint32_t generation = conn.generation + 1;
      conn = Conn();
      conn.generation = generation;
      return slot;
    }
    conns_.emplace_back();
    return static_cast<int32_t>(conns_.size() - 1);
  }
  void Free(int32_t slot) {
    conns_[static_cast<size_t>(slot)].tls.reset();
    free_.push_back(slot);
  }
  // Null for a number that was never given out. References move when the table grows: look up again after Take().
  [[nodiscard]] Conn* At(int32_t slot) {
    if (slot < 0 || static_cast<size_t>(slot) >= conns_.size()) return nullptr;
    return &conns_[static_cast<size_t>(slot)];
  }
  [[nodiscard]] int32_t size() const { return static_cast<int32_t>(conns_.size()); }

 private:
  std::vector<Conn> conns_;
  std::vector<int32_t> free_;
};

}  // namespace millrace
