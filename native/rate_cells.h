// Rate limits in memory that all threads share: token buckets, sliding windows, and a bounded table of buckets by key.
// engine/limit/rate-cells.ts is the twin: same memory, same answers.
#pragma once
#include <cstddef>
#include <cstdint>

namespace millrace {

class RateCells {
 public:
  // words: zeroed, shared, aligned to 8 bytes; they outlive this object. Callers keep to their number.
  explicit RateCells(int64_t* words) : words_(words) {}

  // Admits one request: 0, or in how many nanoseconds one would be admitted. capacity_ns = burst x interval_ns.
  [[nodiscard]] int64_t TakeToken(size_t cell, int64_t now_ns, int64_t interval_ns, int64_t capacity_ns);
  // At most `limit` (below 2^20) per window, of which the past part of the window before counts in proportion.
  [[nodiscard]] int64_t TakeWindow(size_t cell, int64_t now_ns, int64_t window_ns, int64_t limit);
  // A token of the key's own bucket, in a table of `sets` sets, a power of two. kNoRoom: the key is new and every bucket
  // that would have to make place for it refuses requests now.
  [[nodiscard]] int64_t TakeKeyed(size_t sets, uint64_t key, int64_t now_ns, int64_t interval_ns, int64_t capacity_ns);

  static constexpr int64_t kNoRoom = -1;
  static constexpr size_t kWays = 8;
  // Per set: the keys, their buckets, and a lock in a cache line of its own.
  static constexpr size_t kSetWords = 24;

 private:
  [[nodiscard]] int64_t TakeFound(int64_t* set, size_t way, int64_t key, int64_t now_ns, int64_t interval_ns, int64_t capacity_ns);
  [[nodiscard]] int64_t Insert(int64_t* set, int64_t key, int64_t now_ns, int64_t interval_ns, int64_t capacity_ns);

  int64_t* words_;
};

}  // namespace millrace
