// What a peer may have done beside its data: so many at once, then one a second, whatever else it sends.
#pragma once
#include <algorithm>
#include <cstdint>

namespace millrace {

class ControlBudget {
 public:
  static constexpr int32_t kAtOnce = 32;

  // False: spent. A peer that renews its keys by the volume it sends stays far below: TLS 1.3 needs it each 2^24 records.
  [[nodiscard]] bool Spend(int64_t now_ns) {
    int64_t earned = (now_ns - earned_ns_) / kEarnNs;
    if (earned > 0) {
      spent_ -= static_cast<int32_t>(std::min<int64_t>(earned, spent_));
      earned_ns_ = now_ns;
    }
    if (spent_ == kAtOnce) return false;
    spent_++;
    return true;
  }

 private:
  static constexpr int64_t kEarnNs = 1000000000;
  int64_t earned_ns_ = 0;
  int32_t spent_ = 0;
};

}  // namespace millrace
