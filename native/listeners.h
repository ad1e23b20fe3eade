// The listening sockets of one poller, and those that wait because no descriptor is left to accept with.
#pragma once
#include <cstdint>
#include <vector>

#include "socket.h"

namespace millrace {

// The low 32 bits beside it are the descriptor.
constexpr uint64_t kTagListener = 1ull << 32;

struct Listener {
  int fd;
  int32_t index;
  bool is_paused;
};

class Listeners {
 public:
  explicit Listeners(int epoll_fd) : epoll_fd_(epoll_fd) {}
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;

  // The descriptor, or -errno.
  [[nodiscard]] int Add(const SocketAddress& address, int backlog, bool reuse_port, int32_t index);
  // A socket that listens already and stays its owner's: this one is a duplicate. The descriptor, or -errno.
  [[nodiscard]] int Share(int fd, int32_t index);
  // Null: not one of them.
  [[nodiscard]] Listener* Find(int fd);
  // A connection; below zero: none for now.
  [[nodiscard]] int Accept(Listener* listener);
  void Close(int fd);
  void CloseAll();
  [[nodiscard]] bool HasPaused() const { return paused_ > 0; }
  void ResumePaused();

 private:
  void Watch(int fd) const;
  void Leave(int fd) const;

  int epoll_fd_;
  int32_t paused_ = 0;
  std::vector<Listener> listeners_;
};

}  // namespace millrace
