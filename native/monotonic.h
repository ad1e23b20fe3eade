// The monotonic clock, in nanoseconds.
#pragma once
#include <cstdint>
#include <ctime>

namespace millrace {

[[nodiscard]] inline int64_t MonotonicNs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

}  // namespace millrace
