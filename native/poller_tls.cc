// The poller's TLS: handshakes a few at a time, records decrypted into the slab, records of a turn sent together.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "monotonic.h"
#include "poller.h"

namespace millrace {

namespace {
// Handshakes per round: those of many new clients must not keep the requests of others waiting. A step that signs takes
// 0.1 ms with P-256 and 1 ms with RSA, so there is a limit of time as well; one step is always taken.
constexpr int kHandshakesMax = 16;
constexpr int64_t kHandshakesNs = 1000000;
// What is read for a step of a handshake.
constexpr size_t kHandshakeReceiveMax = 16 * 1024;
}  // namespace

TlsIo* Poller::tls_io() {
  if (tls_io_ == nullptr) tls_io_ = std::make_unique<TlsIo>();
  return tls_io_.get();
}

TlsStream* Poller::TlsOf(int32_t slot) {
  Conn* conn = conns_.At(slot);
  return conn == nullptr ? nullptr : conn->tls.get();
}

bool Poller::StartTls(int32_t slot, std::shared_ptr<TlsContext> context, const uint8_t* bytes, size_t length,
                      int32_t timeout_ms) {
  Conn* conn = conns_.At(slot);
  if (conn == nullptr || conn->fd < 0 || conn->tls != nullptr) return false;
  conn->tls = TlsStream::Accept(std::move(context), *tls_io());
  if (conn->tls == nullptr) return false;
  if (length > 0) conn->tls->rest()->Append(bytes, length);
  if (timeout_ms > 0) SetDeadline(conn, NowMs() + timeout_ms);
  // A server speaks second.
  if (length > 0 || (conn->flags & kReadable) != 0) WantHandshake(slot);
  return true;
}

void Poller::WantHandshake(int32_t slot) {
  Conn* conn = conns_.At(slot);
  if ((conn->flags & kShaking) != 0) return;
  conn->flags |= kShaking;
  handshakes_.Push(slot);
}

void Poller::ShakeHands() {
  if (handshakes_.empty()) return;
  int64_t end = MonotonicNs() + kHandshakesNs;
  for (int steps = 0; !handshakes_.empty() && steps < kHandshakesMax && HasRoom();) {
    int32_t slot = handshakes_.Pop();
    Conn* conn = conns_.At(slot);
    if ((conn->flags & kShaking) == 0) continue;  // the slot has a new owner
    conn->flags &= ~static_cast<uint32_t>(kShaking);
    if (conn->fd < 0 || !conn->is_shaking_hands()) continue;
    StepHandshake(slot);
    steps++;
    if (MonotonicNs() >= end) return;
  }
}

void Poller::StepHandshake(int32_t slot) {
  Conn* conn = conns_.At(slot);
  TlsStream* tls = conn->tls.get();
  if (!tls->rest()->empty()) tls_io_->SetInput(tls->rest()->data(), tls->rest()->size());
  else if (!ReceiveHandshake(slot)) return;
  TlsResult result = tls->Handshake();
  SendOutput(slot);
  if (conn->fd < 0) return;
  if (result == TlsResult::kFailed) {
    Close(slot, -tls->end(), false);
  } else if ((conn->flags & kBroken) != 0) {
    FailHandshake(slot, kTlsEndHandshake, "connection reset during the handshake");
  } else if (result == TlsResult::kDone) {
    FinishHandshake(slot);
  } else {
    tls->KeepRest(*tls_io_);
    if ((conn->flags & kReadable) != 0) WantHandshake(slot);
  }
}

// False: the connection is gone.
bool Poller::ReceiveHandshake(int32_t slot) {
  Conn* conn = conns_.At(slot);
  tls_io_->SetInput(nullptr, 0);
  // The first step of a client says something before it hears anything.
  if ((conn->flags & kReadable) == 0) return true;
  ssize_t got;
  do {
    got = Recv(conn->fd, tls_io_->receive_buffer(), kHandshakeReceiveMax);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    tls_io_->SetInput(tls_io_->receive_buffer(), static_cast<size_t>(got));
    if (static_cast<size_t>(got) < kHandshakeReceiveMax && (conn->flags & kHungUp) == 0)
      conn->flags &= ~static_cast<uint32_t>(kReadable);
    return true;
  }
  conn->flags &= ~static_cast<uint32_t>(kReadable);
  if (got < 0 && errno == EAGAIN) return true;
  FailHandshake(slot, kTlsEndHandshake, got == 0 ? "connection closed during the handshake"
                                                 : "connection reset during the handshake");
  return false;
}

void Poller::FinishHandshake(int32_t slot) {
  Conn* conn = conns_.At(slot);
  ring_.Emit(kEventHandshake, slot, conn->tls->AlpnIndex(), 0);
  bool has_more = tls_io_->input_left() > 0;
  if (has_more && (conn->flags & kHeld) == 0) {
    Decrypt(slot);
    return;
  }
  conn->tls->KeepRest(*tls_io_);
  if (has_more) conn->flags |= kReadable;
  if ((conn->flags & (kReadable | kHeld)) == kReadable) ReadAgain(slot);
}

void Poller::ReceiveTls(int32_t slot) {
  Conn* conn = conns_.At(slot);
  TlsStream* tls = conn->tls.get();
  if (!tls->is_done()) {
    WantHandshake(slot);
    return;
  }
  bool is_ending = (conn->flags & kEnding) != 0;
  if (tls->HasRest() && !is_ending) {
    tls_io_->SetInput(tls->rest()->empty() ? nullptr : tls->rest()->data(), tls->rest()->size());
    Decrypt(slot);
    return;
  }
  size_t room = is_ending ? TlsIo::kReceiveMax : std::min(TlsIo::kReceiveMax, memory_.slab_bytes - slab_at_);
  ssize_t got = Recv(conn->fd, tls_io_->receive_buffer(), room);
  if (got <= 0) {
    EndOfInput(slot, got);
    return;
  }
  if (static_cast<size_t>(got) == room || (conn->flags & kHungUp) != 0) ReadAgain(slot);
  else conn->flags &= ~static_cast<uint32_t>(kReadable);
  if (is_ending) return;
  tls_io_->SetInput(tls_io_->receive_buffer(), static_cast<size_t>(got));
  Decrypt(slot);
}

// A message is at most as long as its records, so that what a short slab leaves over is rare.
void Poller::Decrypt(int32_t slot) {
  Conn* conn = conns_.At(slot);
  TlsStream* tls = conn->tls.get();
  TlsResult why = TlsResult::kDone;
  size_t got = tls->Read(*tls_io_, memory_.arena + slab_at_, memory_.slab_bytes - slab_at_, &why);
  tls->KeepRest(*tls_io_);
  if (got > 0) {
    ring_.Emit(kEventBytes, slot, static_cast<int32_t>(slab_at_), static_cast<int32_t>(got));
    slab_at_ = std::min(memory_.slab_bytes, slab_at_ + ((got + 7) & ~size_t{7}));
  }
  SendOutput(slot);  // the answer to a key update, an alert
  if (conn->fd < 0) return;
  if (why == TlsResult::kFailed) {
    Close(slot, -tls->end(), false);
  } else if (why == TlsResult::kEnded) {
    conn->flags &= ~static_cast<uint32_t>(kReadable);
    if ((conn->flags & kPeerEnded) == 0) PeerEnd(slot, false);
  } else {
    if (tls->HasRest()) conn->flags |= kReadable;
    if ((conn->flags & kReadable) != 0) ReadAgain(slot);
  }
}

void Poller::SendTls(int32_t slot, const iovec* parts, int count) {
  Conn* conn = conns_.At(slot);
  TlsStream* tls = conn->tls.get();
  if (conn->fd < 0 || (conn->flags & (kBroken | kShutDown | kEnding)) != 0) return;
  if (tls->is_open()) {
    Encrypt(slot, parts, count);
    return;
  }
  tls->early()->Append(parts, count, 0);
  uint32_t queued = tls->early()->size();
  if (queued >= conn->high_mark) conn->flags |= kFull;
  ring_.Emit(kEventQueued, slot, static_cast<int32_t>(queued), 0);
}

void Poller::Encrypt(int32_t slot, const iovec* parts, int count) {
  Conn* conn = conns_.At(slot);
  TlsStream* tls = conn->tls.get();
  if (tls->has_closed()) return;
  bool is_fine = tls->Write(tls_io(), parts, count, [this, slot] { SendOutput(slot); });
  SendOutput(slot);
  if (!is_fine && conn->fd >= 0) Close(slot, -tls->end(), false);
}

// What the library has made leaves, or waits in the queue.
void Poller::SendOutput(int32_t slot) {
  size_t length = 0;
  uint8_t* output = tls_io_->TakeOutput(&length);
  if (length == 0) return;
  iovec part{output, length};
  Send(slot, &part, 1, length);
}

void Poller::OpenTls(int32_t slot) {
  Conn* conn = conns_.At(slot);
  TlsStream* tls = conn->tls.get();
  if (tls == nullptr || tls->is_open()) return;
  tls->Open();
  SetDeadline(conn, 0);
  ByteQueue* early = tls->early();
  if (!early->empty()) {
    iovec part{const_cast<char*>(early->data()), early->size()};
    Encrypt(slot, &part, 1);
    early->Free();
    if (conn->fd < 0) return;
    if (conn->queued() < conn->high_mark) {
      conn->flags &= ~static_cast<uint32_t>(kFull);
      ring_.Emit(kEventWritable, slot, static_cast<int32_t>(conn->queued()), 0);
    }
  }
  if ((conn->flags & kShutdownAfter) != 0) Shutdown(slot);
}

// Our side of the session ends: close_notify behind what is queued.
void Poller::CloseTls(int32_t slot) {
  conns_.At(slot)->tls->CloseNotify();
  SendOutput(slot);
}

void Poller::FailHandshake(int32_t slot, int32_t end, const char* why) {
  conns_.At(slot)->tls->Fail(end, why);
  Close(slot, -end, false);
}

}  // namespace millrace
