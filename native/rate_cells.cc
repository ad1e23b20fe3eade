// Compare-and-swap on single 64-bit words; only a key that is new to its set takes a lock.
#include "rate_cells.h"

#include <algorithm>

namespace millrace {

namespace {
// A bucket is one number: when it will be full again (GCRA's theoretical arrival time). A window's word: 24 bits of the
// window's number, 20 bits of the count before, 20 bits of the count in it.
constexpr int kCountBits = 20;
constexpr int64_t kCountMask = (int64_t{1} << kCountBits) - 1;
constexpr int64_t kNumberMask = (int64_t{1} << 24) - 1;
// Nobody has to wait longer than this for a table entry: its holder is a thread that was ended meanwhile.
constexpr int kLockTries = 10000;
constexpr int64_t kKeyChanged = -2;
constexpr size_t kLockAt = 16;

int64_t Load(const int64_t* word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }
void Store(int64_t* word, int64_t value) { __atomic_store_n(word, value, __ATOMIC_SEQ_CST); }
bool Swap(int64_t* word, int64_t expected, int64_t value) {
  return __atomic_compare_exchange_n(word, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
}  // namespace

int64_t RateCells::TakeToken(size_t cell, int64_t now_ns, int64_t interval_ns, int64_t capacity_ns) {
  int64_t* word = words_ + cell;
  for (;;) {
    int64_t full_at = Load(word);
    int64_t next = std::max(full_at, now_ns) + interval_ns;
    int64_t wait_ns = next - now_ns - capacity_ns;
    if (wait_ns > 0) return wait_ns;
    if (Swap(word, full_at, next)) return 0;
  }
}

int64_t RateCells::TakeWindow(size_t cell, int64_t now_ns, int64_t window_ns, int64_t limit) {
  int64_t* word = words_ + cell;
  int64_t number = (now_ns / window_ns) & kNumberMask;
  int64_t elapsed = now_ns % window_ns;
  for (;;) {
    int64_t seen = Load(word);
    int64_t current = seen & kCountMask;
    int64_t before = (seen >> kCountBits) & kCountMask;
    int64_t age = (number - (seen >> (2 * kCountBits))) & kNumberMask;
    if (age == 1) before = current;
    if (age > 1) before = 0;
    if (age > 0) current = 0;
    int64_t left = window_ns - elapsed;
    if (current >= limit) return left;
    auto weighted = static_cast<int64_t>(static_cast<__int128>(before) * left / window_ns);
    if (weighted + current >= limit) {
      // Until the part of the count before that still weighs is below what is missing.
      auto below = static_cast<int64_t>((static_cast<__int128>(limit - current) * window_ns + before - 1) / before);
      return left - below + 1;
    }
    if (Swap(word, seen, number << (2 * kCountBits) | before << kCountBits | (current + 1))) return 0;
  }
}

int64_t RateCells::TakeKeyed(size_t sets, uint64_t key, int64_t now_ns, int64_t interval_ns, int64_t capacity_ns) {
  int64_t wanted = key == 0 ? 1 : static_cast<int64_t>(key);
  int64_t* set = words_ + (key & (sets - 1)) * kSetWords;
  for (;;) {
    int64_t answer = kKeyChanged;
    size_t way = 0;
    while (way < kWays && Load(set + way) != wanted) way++;
    if (way < kWays) answer = TakeFound(set, way, wanted, now_ns, interval_ns, capacity_ns);
    else answer = Insert(set, wanted, now_ns, interval_ns, capacity_ns);
    if (answer != kKeyChanged) return answer;
  }
}

int64_t RateCells::TakeFound(int64_t* set, size_t way, int64_t key, int64_t now_ns, int64_t interval_ns,
                             int64_t capacity_ns) {
  int64_t* word = set + kWays + way;
  for (;;) {
    int64_t full_at = Load(word);
    // After the load: who replaces the key changes the bucket too, and then the swap below fails.
    if (Load(set + way) != key) return kKeyChanged;
    int64_t next = std::max(full_at, now_ns) + interval_ns;
    int64_t wait_ns = next - now_ns - capacity_ns;
    if (wait_ns > 0) return wait_ns;
    if (Swap(word, full_at, next)) return 0;
  }
}

int64_t RateCells::Insert(int64_t* set, int64_t key, int64_t now_ns, int64_t interval_ns, int64_t capacity_ns) {
  for (int tries = 0; tries < kLockTries && !Swap(set + kLockAt, 0, 1); tries++) continue;
  // The bucket that is full again soonest loses least; one that refuses now must not be forgotten.
  size_t victim = kWays;
  int64_t soonest = now_ns + capacity_ns - interval_ns + 1;
  bool is_there = false;
  for (size_t way = 0; way < kWays; way++) {
    int64_t holder = Load(set + way);
    int64_t full_at = holder == 0 ? 0 : Load(set + kWays + way);
    is_there = is_there || holder == key;
    if (full_at < soonest) {
      soonest = full_at;
      victim = way;
    }
  }
  int64_t answer = kKeyChanged;  // another thread was faster with the same key: look again
  if (!is_there && victim == kWays) answer = kNoRoom;
  if (!is_there && victim < kWays) {
    Store(set + victim, 0);
    Store(set + kWays + victim, now_ns + interval_ns);
    Store(set + victim, key);
    answer = 0;
  }
  Store(set + kLockAt, 0);
  return answer;
}

}  // namespace millrace
