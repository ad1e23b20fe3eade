// Listening sockets are level-triggered: one whose backlog a round did not empty is ready in the next.
#include "listeners.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <cerrno>

namespace millrace {

int Listeners::Add(const SocketAddress& address, int backlog, bool reuse_port, int32_t index) {
  int fd = OpenListener(address, backlog, reuse_port);
  if (fd < 0) return fd;
  listeners_.push_back({fd, index, false});
  Watch(fd);
  return fd;
}

int Listeners::Share(int shared, int32_t index) {
  int fd = ::fcntl(shared, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return -errno;
  listeners_.push_back({fd, index, false});
  Watch(fd);
  return fd;
}

// epoll watches what is open, not the descriptor: a socket that others keep open would be ready for ever.
void Listeners::Leave(int fd) const {
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
  ::close(fd);
}

void Listeners::Watch(int fd) const {
  epoll_event want{};
  want.events = EPOLLIN;
  want.data.u64 = kTagListener | static_cast<uint32_t>(fd);
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &want);
}

Listener* Listeners::Find(int fd) {
  for (Listener& listener : listeners_)
    if (listener.fd == fd) return &listener;
  return nullptr;
}

int Listeners::Accept(Listener* listener) {
  int fd = ::accept4(listener->fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  bool is_out_of_room = fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM);
  if (is_out_of_room && !listener->is_paused) {
    // Nothing to accept with: look again at the next deadline check instead of spinning.
    ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, listener->fd, nullptr);
    listener->is_paused = true;
    paused_++;
  }
  return fd;
}

void Listeners::ResumePaused() {
  if (paused_ == 0) return;
  paused_ = 0;
  for (Listener& listener : listeners_) {
    if (listener.is_paused) Watch(listener.fd);
    listener.is_paused = false;
  }
}

void Listeners::Close(int fd) {
  for (auto at = listeners_.begin(); at != listeners_.end(); ++at) {
    if (at->fd != fd) continue;
    if (at->is_paused) paused_--;
    Leave(fd);
    listeners_.erase(at);
    return;
  }
}

void Listeners::CloseAll() {
  for (const Listener& listener : listeners_) Leave(listener.fd);
  listeners_.clear();
  paused_ = 0;
}

}  // namespace millrace
