// The poller's wait in libuv's place.
#include "loop_wait.h"

namespace millrace {

namespace {
// Whether a poller of this thread waits for its loop already: two can't.
thread_local bool has_waiter = false;
// Rounds in one wake of a poller that does not wait itself: then the loop's other handles get their turn.
constexpr int kRoundsMax = 2;
}  // namespace

LoopWait::LoopWait(uv_loop_t* loop, Poller* poller, Turn turn, void* owner)
    : loop_(loop), poller_(poller), turn_(turn), owner_(owner), is_waiter_(!has_waiter) {
  if (!is_waiter_) {
    poll_.data = this;
    uv_poll_init(loop_, &poll_, poller_->epoll_fd());
    uv_poll_start(&poll_, UV_READABLE, OnReadable);
    open_handles_ = 1;
    return;
  }
  has_waiter = true;
  prepare_.data = this;
  idle_.data = this;
  uv_prepare_init(loop_, &prepare_);
  uv_idle_init(loop_, &idle_);
  uv_unref(reinterpret_cast<uv_handle_t*>(&idle_));
  uv_prepare_start(&prepare_, OnPrepare);
  poller_->WatchLoop(uv_backend_fd(loop_));
  open_handles_ = 2;
}

void LoopWait::WakeIfPending() {
  if (!is_waiter_) poller_->WakeIfPending();
}

// Libuv's own work comes between two waits whenever there is any: its descriptor is ready, or its timeout is 0 (a timer is
// due, an immediate waits, a handle closes).
void LoopWait::Wait() {
  uv_idle_stop(&idle_);
  for (;;) {
    int timeout_ms = uv_backend_timeout(loop_);
    bool is_something_ready = poller_->Wait(timeout_ms);
    bool goes_on = turn_(owner_);
    if (is_closing_) return;
    if (timeout_ms == 0 || !is_something_ready || !goes_on || poller_->TakeLoopReady()) break;
    uv_update_time(loop_);
  }
  uv_idle_start(&idle_, OnIdle);
}

void LoopWait::OnPrepare(uv_prepare_t* handle) { static_cast<LoopWait*>(handle->data)->Wait(); }

void LoopWait::OnReadable(uv_poll_t* handle, int, int) {
  auto* self = static_cast<LoopWait*>(handle->data);
  for (int round = 0; round < kRoundsMax && !self->is_closing_; round++)
    if (!self->poller_->Wait(0) || !self->turn_(self->owner_)) break;
  if (!self->is_closing_) self->poller_->WakeIfPending();
}

void LoopWait::Close(Closed closed) {
  is_closing_ = true;
  closed_ = closed;
  if (!is_waiter_) {
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_), OnHandleClosed);
    return;
  }
  has_waiter = false;
  uv_close(reinterpret_cast<uv_handle_t*>(&prepare_), OnHandleClosed);
  uv_close(reinterpret_cast<uv_handle_t*>(&idle_), OnHandleClosed);
}

void LoopWait::OnHandleClosed(uv_handle_t* handle) {
  auto* self = static_cast<LoopWait*>(handle->data);
  if (--self->open_handles_ == 0) self->closed_(self->owner_);
}

}  // namespace millrace
