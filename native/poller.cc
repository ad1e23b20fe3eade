// The poller: epoll, recv into the slab, gathered sends out of the arena. No Node here.
#include "poller.h"

#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

namespace millrace {

namespace {
// What one recv may take. Larger means fewer calls for big bodies; smaller keeps a turn's bytes in the cache and lets
// others have their turn sooner: 64 and 128 KiB cost more, and 128 KiB has the longer tail.
constexpr size_t kReceiveMax = 96 * 1024;
// Reads of a connection that has ended, 1.5 MiB at most: an upload that was refused may be under way.
constexpr uint32_t kDiscardsMax = 16;
// Below this rest of the slab the round ends and the bytes go to JavaScript first.
constexpr size_t kReceiveMin = 16 * 1024;
constexpr int kPartsMax = 256;
// Parts of a message up to this size are put together first: cheaper than having the kernel read a vector.
constexpr size_t kFlatMax = 2048;
// Clients' events per round. Work under way ends before more begins, so that few upstream connections and their
// buffers are in use at a time and stay in the caches: at 1,000 connections 0.84 of the CPU of taking all at once.
constexpr int kBeginMax = 32;

// An event's data: slot or descriptor in the low 32 bits, a tag, and of a connection the slot's generation.
constexpr uint64_t kTagListener = 1ull << 32;
constexpr uint64_t kTagHandoff = 2ull << 32;
constexpr uint64_t kTagDialled = 4ull << 32;
constexpr int kGenerationShift = 36;
constexpr uint32_t kGenerationMask = (1u << (64 - kGenerationShift)) - 1;

// Edge-triggered: a descriptor is looked at once per change, is never modified again, and holding costs no call.
constexpr uint32_t kInterest = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

ssize_t SendParts(int fd, iovec* parts, int count, size_t bytes) {
  if (count == 1) return SendOne(fd, parts[0].iov_base, parts[0].iov_len);
  if (bytes > kFlatMax) {
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = static_cast<size_t>(count);
    return ::syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL);
  }
  char flat[kFlatMax];
  size_t at = 0;
  for (int i = 0; i < count; i++) {
    std::memcpy(flat + at, parts[i].iov_base, parts[i].iov_len);
    at += parts[i].iov_len;
  }
  return SendOne(fd, flat, at);
}

int64_t MonotonicNs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}
}  // namespace

Poller::Poller(int32_t worker, const PollerMemory& memory)
    : memory_(memory),
      worker_(worker),
      epoll_fd_(::epoll_create1(EPOLL_CLOEXEC)),
      handoff_(std::make_shared<HandoffQueue>()),
      start_ns_(MonotonicNs()) {
  epoll_event want{};
  want.events = EPOLLIN;
  want.data.u64 = kTagHandoff;
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, handoff_->event_fd(), &want);
  RegisterQueue(worker_, handoff_);
  Tick();
}

Poller::~Poller() {
  CloseAll();
  if (epoll_fd_ >= 0) ::close(epoll_fd_);
}

void Poller::CloseAll() {
  UnregisterQueue(worker_, handoff_);
  handoff_->Close();
  for (int32_t slot = 0; slot < conns_.size(); slot++) {
    Conn* conn = conns_.At(slot);
    if (conn->fd >= 0) ::close(conn->fd);
    conn->fd = -1;
    conn->queue.Free();
    conn->tls.reset();
  }
  for (const Listener& listener : listeners_) ::close(listener.fd);
  listeners_.clear();
}

void Poller::Tick() {
  timespec wall{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &wall);
  memory_.clock[0] = static_cast<double>(MonotonicNs() - start_ns_) / 1000.0;
  memory_.clock[1] = static_cast<double>(wall.tv_sec) * 1000.0 + static_cast<double>(wall.tv_nsec / 1000000);
}

int64_t Poller::NowMs() const { return (MonotonicNs() - start_ns_) / 1000000; }

void Poller::WakeIfPending() {
  if (!pending_.empty() || !again_.empty() || !clients_.empty() || !handshakes_.empty() || ready_at_ < ready_count_) handoff_->Wake();
}

void Poller::Emit(int32_t kind, int32_t slot, int32_t a, int32_t b) {
  if (!is_gathering_) {
    pending_.insert(pending_.end(), {kind, slot, a, b});
    return;
  }
  int32_t* entry = memory_.events + static_cast<ptrdiff_t>(event_count_) * kEntryInts;
  entry[0] = kind;
  entry[1] = slot;
  entry[2] = a;
  entry[3] = b;
  event_count_++;
  if (kind == kEventClosed) reported_.push_back(slot);
}

int32_t Poller::Gather() {
  for (int32_t slot : closing_) conns_.Free(slot);
  closing_.clear();
  event_count_ = 0;
  slab_at_ = 0;
  is_gathering_ = true;
  EmitPending();
  // A stage that used up the room is the last one of the next round: bulk on one side must not starve the other.
  int32_t stage = first_stage_;
  first_stage_ = kStageAgain;
  for (int32_t i = 0; i < kStageCount; i++) {
    RunStage(stage);
    stage = (stage + 1) % kStageCount;
    if (HasRoom()) continue;
    first_stage_ = stage;
    break;
  }
  is_gathering_ = false;
  closing_.swap(reported_);
  Tick();
  return event_count_;
}

// An event makes at most four entries; an accept batch stops by itself.
bool Poller::HasRoom() const {
  return event_count_ < kEventsMax - 256 && memory_.slab_bytes - slab_at_ >= kReceiveMin;
}

// What Execute() left comes first: a full queue must be known before more bytes for it.
void Poller::EmitPending() {
  size_t taken = 0;
  while (taken < pending_.size() && event_count_ < kEventsMax / 2) {
    const int32_t* entry = pending_.data() + taken;
    Emit(entry[0], entry[1], entry[2], entry[3]);
    taken += kEntryInts;
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(taken));
}

void Poller::RunStage(int32_t stage) {
  if (stage == kStageAgain) ReadRest();
  else if (stage == kStageReady) TakeReady();
  else if (stage == kStageClients) BeginClients();
  else ShakeHands();
}

// Those with more to read than the last round took; who is read from again goes behind who was not.
void Poller::ReadRest() {
  for (size_t left = again_.size(); left > 0 && HasRoom(); left--) {
    int32_t slot = again_.Pop();
    Conn* conn = conns_.At(slot);
    conn->flags &= ~static_cast<uint32_t>(kAgain);
    if (conn->fd >= 0 && (conn->flags & kReadable) != 0 && (conn->flags & kHeld) == 0) Receive(slot);
  }
}

void Poller::TakeReady() {
  if (ready_at_ >= ready_count_) {
    ready_at_ = 0;
    ready_count_ = ::epoll_wait(epoll_fd_, ready_, kReadyMax, 0);
    if (ready_count_ < 0) ready_count_ = 0;
  }
  while (ready_at_ < ready_count_ && HasRoom()) {
    const epoll_event& event = ready_[ready_at_++];
    OnEvent(event.data.u64, event.events);
  }
}

// More than kBeginMax only while nothing has come of it: a round without events ends the turn.
void Poller::BeginClients() {
  for (int begun = 0; !clients_.empty() && (begun < kBeginMax || event_count_ == 0) && HasRoom(); begun++) {
    int32_t slot = clients_.Pop();
    Conn* conn = conns_.At(slot);
    if ((conn->flags & kWaiting) == 0) continue;  // the slot has a new owner
    conn->flags &= ~static_cast<uint32_t>(kWaiting);
    OnConnEvent(slot, conn->events);
  }
}

void Poller::OnEvent(uint64_t data, uint32_t events) {
  if ((data & kTagHandoff) != 0) {
    TakeHanded();
    return;
  }
  if ((data & kTagListener) != 0) {
    int32_t fd = static_cast<int32_t>(data & 0xffffffffu);
    for (Listener& listener : listeners_)
      if (listener.fd == fd) AcceptFrom(&listener);
    return;
  }
  int32_t slot = static_cast<int32_t>(data & 0xffffffffu);
  Conn* conn = conns_.At(slot);
  // Left over from a round ago: the connection it was about may be gone and its slot another's.
  if (conn->fd < 0 || (conn->generation & kGenerationMask) != data >> kGenerationShift) return;
  if ((data & kTagDialled) != 0 || (conn->flags & kHeld) != 0 || conn->queued() > 0) {
    OnConnEvent(slot, events);
    return;
  }
  if ((conn->flags & kWaiting) != 0) {
    conn->events |= events;
    return;
  }
  conn->flags |= kWaiting;
  conn->events = events;
  clients_.Push(slot);
}

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
    WantHandshake(slot);
    return;
  }
  SetDeadline(conn, 0);
  Emit(kEventOpened, slot, 0, 0);
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
    Emit(kEventBytes, slot, static_cast<int32_t>(slab_at_), static_cast<int32_t>(got));
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
  if ((conn->flags & kEnding) == 0) Emit(kEventPeerEnd, slot, is_truncated ? 1 : 0, 0);
  if ((conn->flags & kShutDown) != 0 && conn->queued() == 0) Close(slot, 0, false);
}

void Poller::AcceptFrom(Listener* listener) {
  for (int i = 0; i < 64; i++) {
    int fd = ::accept4(listener->fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        // Nothing to accept with: look again at the next deadline check instead of spinning.
        ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, listener->fd, nullptr);
        listener->is_paused = true;
        deadlines_++;
      }
      return;
    }
    int32_t slot = Adopt(fd);
    if (slot >= 0) Emit(kEventAccepted, slot, listener->index, 0);
  }
}

void Poller::TakeHanded() {
  handoff_->Take(&handed_);
  size_t at = 0;
  for (; at < handed_.size() && event_count_ < kEventsMax - 128; at++) {
    int32_t slot = Adopt(handed_[at].fd);
    if (slot >= 0) Emit(kEventAccepted, slot, handed_[at].listener, 0);
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

int32_t Poller::Dial(const SocketAddress& address, int32_t timeout_ms, std::unique_ptr<TlsStream> tls) {
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
  if (int32_t watched = Watch(slot, kTagDialled); watched < 0) return watched;
  if (timeout_ms > 0) SetDeadline(conn, NowMs() + timeout_ms);
  return slot;
}

int Poller::Listen(const SocketAddress& address, int backlog, bool reuse_port, int32_t index) {
  int fd = OpenListener(address, backlog, reuse_port);
  if (fd < 0) return fd;
  listeners_.push_back({fd, index, false});
  epoll_event want{};
  want.events = EPOLLIN;
  want.data.u64 = kTagListener | static_cast<uint32_t>(fd);
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &want);
  return fd;
}

void Poller::CloseListener(int fd) {
  for (size_t i = 0; i < listeners_.size(); i++) {
    if (listeners_[i].fd != fd) continue;
    // Connections that wait in the backlog were accepted by the kernel: take them before the socket goes.
    if (!listeners_[i].is_paused) AcceptFrom(&listeners_[i]);
    if (listeners_[i].is_paused) deadlines_--;
    ::close(fd);
    listeners_.erase(listeners_.begin() + static_cast<ptrdiff_t>(i));
    return;
  }
}

int Poller::FdOf(int32_t slot) {
  Conn* conn = conns_.At(slot);
  return conn == nullptr ? -1 : conn->fd;
}

void Poller::SetDeadline(Conn* conn, int64_t at_ms) {
  if (conn->deadline_ms == 0 && at_ms != 0) deadlines_++;
  if (conn->deadline_ms != 0 && at_ms == 0) deadlines_--;
  conn->deadline_ms = at_ms;
}

void Poller::CheckDeadlines() {
  int64_t now = NowMs();
  for (int32_t slot = 0; slot < conns_.size(); slot++) {
    Conn* conn = conns_.At(slot);
    if (conn->deadline_ms == 0 || conn->deadline_ms > now || conn->fd < 0) continue;
    bool is_shaking = conn->tls != nullptr && !conn->tls->is_open() && (conn->flags & (kConnecting | kEnding)) == 0;
    if (is_shaking) FailHandshake(slot, kTlsEndTimeout, "handshake timed out");
    else Close(slot, (conn->flags & kConnecting) != 0 ? ETIMEDOUT : 0, (conn->flags & kConnecting) == 0);
  }
  for (Listener& listener : listeners_) {
    if (!listener.is_paused) continue;
    listener.is_paused = false;
    deadlines_--;
    epoll_event want{};
    want.events = EPOLLIN;
    want.data.u64 = kTagListener | static_cast<uint32_t>(listener.fd);
    ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, listener.fd, &want);
  }
  WakeIfPending();
}

// Operations of one connection in their order, those of different connections in any: streams of many connections mix on
// one, and each connection's writes shall leave in one system call all the same (transport.ts, law 11).
void Poller::Execute(int32_t count) {
  batch_++;
  const int32_t* ops = memory_.ops;
  for (int32_t i = 0; i < count; i++) {
    Conn* conn = conns_.At(ops[static_cast<ptrdiff_t>(i) * kEntryInts + 1]);
    next_op_[static_cast<size_t>(i)] = -1;
    if (conn == nullptr) continue;
    if (conn->batch == batch_) {
      next_op_[static_cast<size_t>(conn->last_op)] = i;
    } else {
      conn->batch = batch_;
      conn->first_op = i;
    }
    conn->last_op = i;
  }
  for (int32_t i = 0; i < count; i++) {
    int32_t slot = ops[static_cast<ptrdiff_t>(i) * kEntryInts + 1];
    Conn* conn = conns_.At(slot);
    if (conn != nullptr && conn->batch == batch_ && conn->first_op == i) ExecuteOf(slot, i);
  }
}

// The operations of one connection, from the first one on.
void Poller::ExecuteOf(int32_t slot, int32_t first) {
  iovec parts[kPartsMax];
  int used = 0;
  size_t bytes = 0;
  for (int32_t at = first; at >= 0; at = next_op_[static_cast<size_t>(at)]) {
    const int32_t* op = memory_.ops + static_cast<ptrdiff_t>(at) * kEntryInts;
    if (used > 0 && (op[0] != kOpWrite || used == kPartsMax)) {
      Write(slot, parts, used, bytes);
      used = 0;
      bytes = 0;
    }
    if (op[0] != kOpWrite) {
      ExecuteOne(slot, op);
      continue;
    }
    parts[used].iov_base = memory_.arena + op[2];
    parts[used].iov_len = static_cast<size_t>(op[3]);
    bytes += static_cast<size_t>(op[3]);
    used++;
  }
  if (used > 0) Write(slot, parts, used, bytes);
}

void Poller::Write(int32_t slot, iovec* parts, int count, size_t bytes) {
  if (conns_.At(slot)->tls != nullptr) SendTls(slot, parts, count);
  else Send(slot, parts, count, bytes);
}

// Anything but a write.
void Poller::ExecuteOne(int32_t slot, const int32_t* op) {
  Conn* conn = conns_.At(slot);
  if (conn->fd < 0) return;
  switch (op[0]) {
    case kOpHold:
      conn->flags |= kHeld;
      break;
    case kOpRelease:
      conn->flags &= ~static_cast<uint32_t>(kHeld);
      if ((conn->flags & kReadable) != 0) ReadAgain(slot);
      break;
    case kOpEnd:
      End(slot, op[2]);
      break;
    case kOpShutdown:
      Shutdown(slot);
      break;
    case kOpAbort:
      ResetAndClose(conn->fd);
      conn->fd = -1;
      Close(slot, 0, true);
      break;
    case kOpHighMark:
      conn->high_mark = static_cast<uint32_t>(op[2]);
      break;
    case kOpOpen:
      OpenTls(slot);
      break;
    default:
      break;
  }
}

void Poller::Send(int32_t slot, iovec* parts, int count, size_t bytes) {
  Conn* conn = conns_.At(slot);
  if (conn == nullptr || conn->fd < 0 || (conn->flags & (kBroken | kShutDown | kEnding)) != 0) return;
  size_t sent = 0;
  if (conn->queued() == 0 && (conn->flags & kConnecting) == 0) {
    ssize_t wrote;
    do {
      wrote = SendParts(conn->fd, parts, count, bytes);
    } while (wrote < 0 && errno == EINTR);
    if (wrote < 0 && errno != EAGAIN) {
      Fail(slot, errno);
      return;
    }
    sent = wrote > 0 ? static_cast<size_t>(wrote) : 0;
    if (sent == bytes) return;
  }
  conn->queue.Append(parts, count, sent);
  if (conn->queued() >= conn->high_mark) conn->flags |= kFull;
  if (sent > 0) {
    // A short write without EAGAIN makes no edge: ask until the kernel says so.
    Flush(slot);
    conn = conns_.At(slot);
    if (conn->fd < 0 || conn->queued() == 0) return;
  }
  Emit(kEventQueued, slot, static_cast<int32_t>(conn->queued()), 0);
}

void Poller::Flush(int32_t slot) {
  Conn* conn = conns_.At(slot);
  // Until the kernel takes no more: only then does an edge tell of new room.
  while (conn->queued() > 0) {
    ssize_t wrote = SendOne(conn->fd, conn->queue.data(), conn->queued());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && errno == EAGAIN) break;
    if (wrote < 0) {
      Fail(slot, errno);
      return;
    }
    conn->queue.Skip(static_cast<size_t>(wrote));
  }
  if (conn->queued() > 0) {
    if ((conn->flags & kFull) != 0 && conn->queued() <= conn->high_mark / 2) {
      conn->flags &= ~static_cast<uint32_t>(kFull);
      Emit(kEventWritable, slot, static_cast<int32_t>(conn->queued()), 0);
    }
    return;
  }
  // An idle connection holds no buffer.
  conn->queue.Free();
  conn->flags &= ~static_cast<uint32_t>(kFull);
  Emit(kEventWritable, slot, 0, 0);
  AfterFlush(slot);
}

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
  Emit(kEventClosed, slot, error, is_ours ? 1 : 0);
}

}  // namespace millrace
