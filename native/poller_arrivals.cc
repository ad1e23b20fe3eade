// How connections come: accepted, handed over by the acceptor's thread, or dialled.
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>
#include <utility>

#include "poller.h"

namespace millrace {

namespace {
// Per round and listener.
constexpr int kAcceptsMax = 64;
// Edge-triggered: a descriptor is looked at once per change, is never modified again, and holding costs no call.
constexpr uint32_t kInterest = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
}  // namespace

void Poller::AcceptFrom(Listener* listener) {
  for (int i = 0; i < kAcceptsMax; i++) {
    int fd = listeners_.Accept(listener);
    if (fd < 0) return;
    int32_t slot = Adopt(fd);
    if (slot >= 0) ring_.Emit(kEventAccepted, slot, listener->index, 0);
  }
}

void Poller::TakeHanded() {
  handoff_->Take(&handed_);
  size_t at = 0;
  for (; at < handed_.size() && ring_.count() < kEventsMax - 128; at++) {
    int32_t slot = Adopt(handed_[at].fd);
    if (slot >= 0) ring_.Emit(kEventAccepted, slot, handed_[at].listener, 0);
  }
  for (; at < handed_.size(); at++)
    if (!handoff_->Push(handed_[at])) ::close(handed_[at].fd);
  handed_.clear();
}

int32_t Poller::Adopt(int fd) {
  SetNoDelay(fd);
  int32_t slot = conns_.Take();
  conns_.At(slot)->fd = fd;
  return Watch(slot, 0);
}

// The slot; or -errno, and the connection is gone: its slot and descriptor are free.
int32_t Poller::Watch(int32_t slot, uint64_t tag) {
  Conn* conn = conns_.At(slot);
  uint64_t generation = conn->generation & kGenerationMask;
  epoll_event want{};
  want.events = kInterest;
  want.data.u64 = generation << kGenerationShift | tag | static_cast<uint32_t>(slot);
  if (::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, conn->fd, &want) == 0) return slot;
  int error = errno;
  ::close(conn->fd);
  conn->fd = -1;
  conns_.Free(slot);
  return -error;
}

int32_t Poller::Dial(const SocketAddress& address, int32_t timeout_ms, std::unique_ptr<TlsStream> tls,
                     const uint8_t* preface, size_t preface_bytes) {
  int fd = OpenStream(address.storage.ss_family);
  if (fd < 0) return fd;
  SetNoDelay(fd);
  int error = 0;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0) error = errno;
  if (error != 0 && error != EINPROGRESS) {
    ::close(fd);
    return -error;
  }
  int32_t slot = conns_.Take();
  Conn* conn = conns_.At(slot);
  conn->fd = fd;
  conn->flags = kConnecting | kDialled;
  conn->tls = std::move(tls);
  // In front of a handshake too: what it has to say queues behind.
  if (preface_bytes > 0) conn->queue.Append(preface, preface_bytes);
  if (int32_t watched = Watch(slot, kTagDialled); watched < 0) return watched;
  if (timeout_ms > 0) SetDeadline(conn, NowMs() + timeout_ms);
  return slot;
}

int Poller::Listen(const SocketAddress& address, int backlog, bool reuse_port, int32_t index) {
  return listeners_.Add(address, backlog, reuse_port, index);
}

int Poller::ShareListener(int fd, int32_t index) { return listeners_.Share(fd, index); }

void Poller::CloseListener(int fd) {
  Listener* listener = listeners_.Find(fd);
  if (listener == nullptr) return;
  // Connections that wait in the backlog were accepted by the kernel: take them before the socket goes.
  if (!listener->is_paused) AcceptFrom(listener);
  listeners_.Close(fd);
}

int Poller::FdOf(int32_t slot) {
  Conn* conn = conns_.At(slot);
  return conn == nullptr ? -1 : conn->fd;
}

}  // namespace millrace
