// What comes from the sockets: events of connections, bytes into the slab, the end of input.
#include <algorithm>
#include <cerrno>

#include "poller.h"

namespace millrace {

namespace {
// What one recv may take. Larger means fewer calls for big bodies; smaller keeps a turn's bytes in the cache and lets
// others have their turn sooner: 64 and 128 KiB cost more, and 128 KiB has the longer tail.
constexpr size_t kReceiveMax = 96 * 1024;
// Reads of a connection that has ended, 1.5 MiB at most: an upload that was refused may be under way.
constexpr uint32_t kDiscardsMax = 16;
}  // namespace

void Poller::OnConnEvent(int32_t slot, uint32_t events) {
  Conn* conn = conns_.At(slot);
  if (conn->fd < 0) return;
  if ((conn->flags & kConnecting) != 0) {
    FinishDial(slot);
    conn = conns_.At(slot);
    if (conn->fd < 0 || (events & EPOLLIN) == 0) return;
  }
  if ((events & EPOLLOUT) != 0 && conn->queued() > 0) {
    Flush(slot);
    if (conn->fd < 0) return;
  }
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) == 0) return;
  conn->flags |= kReadable;
  if ((events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0) conn->flags |= kHungUp;
  if (conn->is_shaking_hands()) {
    // Whoever holds the connection holds its data, not its handshake.
    WantHandshake(slot);
    return;
  }
  bool is_idle_reader = (conn->flags & (kHeld | kPeerEnded)) != 0;
  if (is_idle_reader && (events & EPOLLERR) != 0 && ((conn->flags & kDialled) == 0 || (conn->flags & kPeerEnded) != 0)) {
    // Reset while nobody reads: a client that is gone, or a tunnel's other half.
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    Close(slot, error == 0 ? ECONNRESET : error, false);
    return;
  }
  if (!is_idle_reader) Receive(slot);
}

void Poller::FinishDial(int32_t slot) {
  Conn* conn = conns_.At(slot);
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error != 0) {
    Close(slot, error, false);
    return;
  }
  conn->flags &= ~static_cast<uint32_t>(kConnecting);
  if (conn->tls != nullptr) {
    if (conn->queued() > 0) Flush(slot);
    if (conn->fd >= 0) WantHandshake(slot);
    return;
  }
  SetDeadline(conn, 0);
  ring_.Emit(kEventOpened, slot, 0, 0);
  if (conn->queued() > 0) Flush(slot);
}

void Poller::ReadAgain(int32_t slot) {
  Conn* conn = conns_.At(slot);
  if ((conn->flags & kAgain) != 0) return;
  conn->flags |= kAgain;
  again_.Push(slot);
}

void Poller::Receive(int32_t slot) {
  Conn* conn = conns_.At(slot);
  // Read in vain so that the peer can read our last words, but no longer than somebody needs who listens.
  if ((conn->flags & kEnding) != 0 && ++conn->discards > kDiscardsMax) return;
  if (conn->tls != nullptr) {
    ReceiveTls(slot);
    return;
  }
  size_t room = std::min(kReceiveMax, memory_.slab_bytes - slab_at_);
  ssize_t got = Recv(conn->fd, memory_.arena + slab_at_, room);
  if (got > 0) {
    // A short read has drained the socket: the next byte makes a new edge. A FIN behind it made its edge already.
    if (static_cast<size_t>(got) == room || (conn->flags & kHungUp) != 0) ReadAgain(slot);
    else conn->flags &= ~static_cast<uint32_t>(kReadable);
    if ((conn->flags & kEnding) != 0) return;  // discarded: the owner has ended this connection
    ring_.Emit(kEventBytes, slot, static_cast<int32_t>(slab_at_), static_cast<int32_t>(got));
    slab_at_ += (static_cast<size_t>(got) + 7) & ~size_t{7};
    return;
  }
  EndOfInput(slot, got);
}

// Nothing to read for now, a FIN, or an error.
void Poller::EndOfInput(int32_t slot, ssize_t got) {
  Conn* conn = conns_.At(slot);
  conn->flags &= ~static_cast<uint32_t>(kReadable);
  if (got < 0) {
    if (errno == EINTR) ReadAgain(slot);
    if (errno == EAGAIN || errno == EINTR) return;
    Close(slot, errno, false);
    return;
  }
  PeerEnd(slot, conn->tls != nullptr);
}

void Poller::PeerEnd(int32_t slot, bool is_truncated) {
  Conn* conn = conns_.At(slot);
  conn->flags |= kPeerEnded;
  if ((conn->flags & kBroken) != 0) {
    Close(slot, ECONNRESET, false);
    return;
  }
  if ((conn->flags & kEnding) == 0) ring_.Emit(kEventPeerEnd, slot, is_truncated ? 1 : 0, 0);
  if ((conn->flags & kShutDown) != 0 && conn->queued() == 0) Close(slot, 0, false);
}

}  // namespace millrace
