// What a round tells JavaScript: entries of shared memory; what is said between rounds waits for the next one.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "event_layout.h"

namespace millrace {

class EventRing {
 public:
  // `entries`: kEventsMax of them.
  explicit EventRing(int32_t* entries) : entries_(entries) {}
  EventRing(const EventRing&) = delete;
  EventRing& operator=(const EventRing&) = delete;

  [[nodiscard]] int32_t count() const { return count_; }
  [[nodiscard]] bool HasPending() const { return !pending_.empty(); }
  // Slots whose close was in the last round: nobody reads their events any more.
  [[nodiscard]] const std::vector<int32_t>& closing() const { return closing_; }

  // What was said between rounds comes first: a full queue must be known before more bytes for it.
  void BeginRound() {
    closing_.clear();
    count_ = 0;
    is_round_ = true;
    size_t taken = 0;
    while (taken < pending_.size() && count_ < kEventsMax / 2) {
      const int32_t* entry = pending_.data() + taken;
      Emit(entry[0], entry[1], entry[2], entry[3]);
      taken += kEntryInts;
    }
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(taken));
  }
  void EndRound() {
    is_round_ = false;
    closing_.swap(reported_);
  }

  void Emit(int32_t kind, int32_t slot, int32_t a, int32_t b) {
    if (!is_round_) {
      pending_.insert(pending_.end(), {kind, slot, a, b});
      return;
    }
    int32_t* entry = entries_ + static_cast<ptrdiff_t>(count_) * kEntryInts;
    entry[0] = kind;
    entry[1] = slot;
    entry[2] = a;
    entry[3] = b;
    count_++;
    if (kind == kEventClosed) reported_.push_back(slot);
  }

 private:
  int32_t* entries_;
  int32_t count_ = 0;
  bool is_round_ = false;
  std::vector<int32_t> pending_;   // four ints each
  std::vector<int32_t> reported_;  // closed in the ring now being written
  std::vector<int32_t> closing_;   // closed in the ring before it
};

}  // namespace millrace
