// How connections end: in order once flushed, because a send failed, or because their time is over.
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>

#include "poller.h"

namespace millrace {

void Poller::AfterFlush(int32_t slot) {
  Conn* conn = conns_.At(slot);
  if ((conn->flags & (kShutdownAfter | kEnding)) == 0 || (conn->flags & kShutDown) != 0) return;
  bool is_ending = (conn->flags & kEnding) != 0;
  if (is_ending && (conn->delay_ms == 0 || (conn->flags & kPeerEnded) != 0)) {
    Close(slot, 0, true);
    return;
  }
  conn->flags |= kShutDown;
  ::shutdown(conn->fd, SHUT_WR);
  if (is_ending) {
    SetDeadline(conn, NowMs() + conn->delay_ms);
    // Discard what still comes, until the peer's FIN: a close with unread bytes would reset and lose our answer.
    conn->flags &= ~static_cast<uint32_t>(kHeld);
    if ((conn->flags & kReadable) != 0) ReadAgain(slot);
  } else if ((conn->flags & kPeerEnded) != 0) {
    Close(slot, 0, false);
  }
}

void Poller::Shutdown(int32_t slot) {
  Conn* conn = conns_.At(slot);
  conn->flags |= kShutdownAfter;
  // Not before the handshake and what waits for it.
  if (conn->tls != nullptr && !conn->tls->is_open()) return;
  if (conn->tls != nullptr) {
    CloseTls(slot);
    if (conn->fd < 0) return;
  }
  if (conn->queued() == 0) AfterFlush(slot);
}

void Poller::End(int32_t slot, int32_t delay_ms) {
  Conn* conn = conns_.At(slot);
  if ((conn->flags & (kConnecting | kBroken)) != 0 || conn->is_shaking_hands()) {
    Close(slot, 0, true);
    return;
  }
  if (conn->tls != nullptr && (conn->flags & kShutDown) == 0) {
    CloseTls(slot);
    conn = conns_.At(slot);
    if (conn->fd < 0 || (conn->flags & kBroken) != 0) {
      Close(slot, 0, true);
      return;
    }
  }
  conn->flags |= kEnding;
  conn->delay_ms = delay_ms;
  if ((conn->flags & kShutDown) != 0) {
    // FIN has left already: only the wait for the peer is new.
    if (delay_ms == 0 || (conn->flags & kPeerEnded) != 0) Close(slot, 0, true);
    else SetDeadline(conn, NowMs() + delay_ms);
    return;
  }
  if (conn->queued() == 0) AfterFlush(slot);
  else if (delay_ms > 0) SetDeadline(conn, NowMs() + delay_ms);
}

// A send failed. What the peer sent before it closed may still be read: the answer that explains the close.
void Poller::Fail(int32_t slot, int error) {
  Conn* conn = conns_.At(slot);
  if ((conn->flags & (kEnding | kPeerEnded)) != 0) {
    Close(slot, error, false);
    return;
  }
  conn->flags |= kBroken;
  conn->queue.Drop();
  if ((conn->flags & kHeld) != 0) {
    Close(slot, error, false);
    return;
  }
  // The edge of the error may be over: read until there is nothing.
  conn->flags |= kReadable | kHungUp;
  ReadAgain(slot);
}

void Poller::Close(int32_t slot, int error, bool is_ours) {
  Conn* conn = conns_.At(slot);
  if ((conn->flags & kClosed) != 0) return;
  if (conn->fd >= 0) ::close(conn->fd);
  conn->fd = -1;
  conn->queue.Free();
  if (conn->tls != nullptr) conn->tls->FreeQueues();
  SetDeadline(conn, 0);
  conn->flags |= kClosed;
  ring_.Emit(kEventClosed, slot, error, is_ours ? 1 : 0);
}

void Poller::SetDeadline(Conn* conn, int64_t at_ms) {
  if (conn->deadline_ms == 0 && at_ms != 0) deadlines_++;
  if (conn->deadline_ms != 0 && at_ms == 0) deadlines_--;
  conn->deadline_ms = at_ms;
}

// An ended connection whose peer still takes what is queued, however slowly: it gets as long again.
bool Poller::IsFlushing(Conn* conn, int64_t now_ms) {
  if ((conn->flags & (kEnding | kShutDown)) != kEnding || conn->queued() == 0) return false;
  int unacknowledged = 0;
  ::ioctl(conn->fd, SIOCOUTQ, &unacknowledged);
  int64_t left = static_cast<int64_t>(conn->queued()) + unacknowledged;
  if (left == conn->left_to_flush) return false;
  conn->left_to_flush = left;
  SetDeadline(conn, now_ms + conn->delay_ms);
  return true;
}

void Poller::CheckDeadlines() {
  int64_t now = NowMs();
  for (int32_t slot = 0; slot < conns_.size(); slot++) {
    Conn* conn = conns_.At(slot);
    if (conn->deadline_ms == 0 || conn->deadline_ms > now || conn->fd < 0) continue;
    bool is_shaking = conn->tls != nullptr && !conn->tls->is_open() && (conn->flags & (kConnecting | kEnding)) == 0;
    if (is_shaking) FailHandshake(slot, kTlsEndTimeout, "handshake timed out");
    else if (!IsFlushing(conn, now))
      Close(slot, (conn->flags & kConnecting) != 0 ? ETIMEDOUT : 0, (conn->flags & kConnecting) == 0);
  }
  listeners_.ResumePaused();
}

}  // namespace millrace
