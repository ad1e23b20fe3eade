// Bytes that wait: appended at the end, taken from the front; no memory while empty.
#pragma once
#include <sys/uio.h>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace millrace {

class ByteQueue {
 public:
  ByteQueue() = default;
  ~ByteQueue() { std::free(bytes_); }
  ByteQueue(ByteQueue&& other) noexcept { *this = static_cast<ByteQueue&&>(other); }
  ByteQueue& operator=(ByteQueue&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(start_, other.start_);
    std::swap(end_, other.end_);
    std::swap(room_, other.room_);
    return *this;
  }

  [[nodiscard]] uint32_t size() const { return end_ - start_; }
  [[nodiscard]] bool empty() const { return end_ == start_; }
  [[nodiscard]] const char* data() const { return bytes_ + start_; }

  // All of the parts behind their first `skip` bytes.
  void Append(const iovec* parts, int count, size_t skip) {
    size_t need = 0;
    for (int i = 0; i < count; i++) need += parts[i].iov_len;
    Reserve(need - skip);
    for (int i = 0; i < count; i++) {
      size_t length = parts[i].iov_len;
      const char* from = static_cast<const char*>(parts[i].iov_base);
      if (skip >= length) {
        skip -= length;
        continue;
      }
      std::memcpy(bytes_ + end_, from + skip, length - skip);
      end_ += static_cast<uint32_t>(length - skip);
      skip = 0;
    }
  }
  void Append(const void* from, size_t length) {
    iovec part{const_cast<void*>(from), length};
    Append(&part, 1, 0);
  }
  void Skip(size_t count) { start_ += static_cast<uint32_t>(count); }
  // Forgets the bytes, keeps the memory.
  void Drop() { start_ = end_ = 0; }
  void Free() {
    std::free(bytes_);
    bytes_ = nullptr;
    start_ = end_ = room_ = 0;
  }

 private:
  static constexpr size_t kRoomMin = 16 * 1024;

  void Reserve(size_t need) {
    if (end_ + need <= room_) return;
    uint32_t held = size();
    size_t room = std::max({held + need, kRoomMin, size_t{room_}});
    char* bigger = static_cast<char*>(std::malloc(room));
    if (bigger == nullptr) std::abort();
    if (held > 0) std::memcpy(bigger, bytes_ + start_, held);
    std::free(bytes_);
    bytes_ = bigger;
    start_ = 0;
    end_ = held;
    room_ = static_cast<uint32_t>(room);
  }

  char* bytes_ = nullptr;
  uint32_t start_ = 0;
  uint32_t end_ = 0;
  uint32_t room_ = 0;
};

}  // namespace millrace
