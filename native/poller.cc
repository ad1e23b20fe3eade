// The poller's rounds: epoll says who is ready, stages take turns, a batch of events comes of it. No Node here.
#include "poller.h"

#include <unistd.h>
#include <ctime>

#include "monotonic.h"

namespace millrace {

namespace {
// Below this rest of the slab the round ends and the bytes go to JavaScript first.
constexpr size_t kReceiveMin = 16 * 1024;
// Clients' events per round. Work under way ends before more begins, so that few upstream connections and their
// buffers are in use at a time and stay in the caches: at 1,000 connections 0.84 of the CPU of taking all at once.
constexpr int kBeginMax = 32;
}  // namespace

Poller::Poller(int32_t worker, const PollerMemory& memory)
    : memory_(memory),
      worker_(worker),
      epoll_fd_(::epoll_create1(EPOLL_CLOEXEC)),
      listeners_(epoll_fd_),
      ring_(memory.events),
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
  listeners_.CloseAll();
}

void Poller::Tick() {
  timespec wall{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &wall);
  memory_.clock[0] = static_cast<double>(MonotonicNs() - start_ns_) / 1000.0;
  memory_.clock[1] = static_cast<double>(wall.tv_sec) * 1000.0 + static_cast<double>(wall.tv_nsec / 1000000);
}

int64_t Poller::NowMs() const { return (MonotonicNs() - start_ns_) / 1000000; }

bool Poller::HasPending() const {
  bool is_waiting = ring_.HasPending() || !again_.empty() || !clients_.empty() || !handshakes_.empty();
  return is_waiting || ready_at_ < ready_count_;
}

void Poller::WakeIfPending() {
  if (HasPending()) handoff_->Wake();
}

void Poller::WatchLoop(int fd) {
  epoll_event want{};
  want.events = EPOLLIN;
  want.data.u64 = kTagLoop;
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &want);
}

bool Poller::Wait(int timeout_ms) {
  if (ready_at_ < ready_count_) return true;
  ready_at_ = 0;
  ready_count_ = 0;
  int count = ::epoll_wait(epoll_fd_, ready_, kReadyMax, HasPending() ? 0 : timeout_ms);
  if (count > 0) ready_count_ = count;
  has_waited_ = true;
  return HasPending();
}

int32_t Poller::Gather() {
  for (int32_t slot : ring_.closing()) conns_.Free(slot);
  slab_at_ = 0;
  ring_.BeginRound();
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
  ring_.EndRound();
  has_waited_ = false;
  Tick();
  return ring_.count();
}

// An event makes at most four entries; an accept batch stops by itself.
bool Poller::HasRoom() const {
  return ring_.count() < kEventsMax - 256 && memory_.slab_bytes - slab_at_ >= kReceiveMin;
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
  if (!has_waited_) static_cast<void>(Wait(0));
  while (ready_at_ < ready_count_ && HasRoom()) {
    const epoll_event& event = ready_[ready_at_++];
    OnEvent(event.data.u64, event.events);
  }
}

// More than kBeginMax only while nothing has come of it: a round without events ends the turn.
void Poller::BeginClients() {
  for (int begun = 0; !clients_.empty() && (begun < kBeginMax || ring_.count() == 0) && HasRoom(); begun++) {
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
  if ((data & kTagLoop) != 0) {
    is_loop_ready_ = true;
    return;
  }
  if ((data & kTagListener) != 0) {
    int32_t fd = static_cast<int32_t>(data & 0xffffffffu);
    if (Listener* listener = listeners_.Find(fd); listener != nullptr) AcceptFrom(listener);
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

}  // namespace millrace
