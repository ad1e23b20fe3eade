// Connection slots in the order in which they came. Taking one moves no others.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace {

class SlotQueue {
 public:
  [[nodiscard]] bool empty() const { return at_ == slots_.size(); }
  [[nodiscard]] size_t size() const { return slots_.size() - at_; }
  void Push(int32_t slot) { slots_.push_back(slot); }
  // Only when not empty.
  [[nodiscard]] int32_t Pop() {
    int32_t slot = slots_[at_++];
    if (at_ == slots_.size()) {
      slots_.clear();
      at_ = 0;
    } else if (at_ >= kTakenMax && at_ * 2 >= slots_.size()) {
      slots_.erase(slots_.begin(), slots_.begin() + static_cast<std::ptrdiff_t>(at_));
      at_ = 0;
    }
    return slot;
  }

 private:
  // Taken entries that may stay in front: erasing seldom keeps the cost of one Pop() constant.
  static constexpr size_t kTakenMax = 1024;
  std::vector<int32_t> slots_;
  size_t at_ = 0;
};

}  // namespace millrace
