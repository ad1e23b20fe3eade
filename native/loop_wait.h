// LoopWait: who waits for the poller's events, and with what: the poller itself in libuv's place.
#pragma once

#include <uv.h>

#include "poller.h"

namespace millrace {

// As a handle of libuv's, a poller makes two waits of a turn, one of them in vain, and libuv two more. The first poller of a
// thread waits in the loop's prepare phase instead, on its own descriptors and the loop's at once: one wait for a turn, and
// libuv has its iteration when it has something to do. Further pollers of a thread are the loop's handles as usual.
class LoopWait {
 public:
  // `turn` makes one round of gather, call and execute; false: it was the last one.
  using Turn = bool (*)(void* owner);
  using Closed = void (*)(void* owner);

  LoopWait(uv_loop_t* loop, Poller* poller, Turn turn, void* owner);
  LoopWait(const LoopWait&) = delete;
  LoopWait& operator=(const LoopWait&) = delete;

  // Left over is seen to without being called: call it after whatever may have left something.
  void WakeIfPending();
  // No turn after it. `closed` is called when libuv has let go of the handles: not before then may this be deleted.
  void Close(Closed closed);

 private:
  void Wait();
  static void OnPrepare(uv_prepare_t* handle);
  static void OnIdle(uv_idle_t*) {}
  static void OnReadable(uv_poll_t* handle, int, int);
  static void OnHandleClosed(uv_handle_t* handle);

  uv_loop_t* loop_;
  Poller* poller_;
  Turn turn_;
  void* owner_;
  bool is_waiter_;
  bool is_closing_ = false;
  uv_prepare_t prepare_{};
  uv_idle_t idle_{};  // active: libuv looks, but does not wait
  uv_poll_t poll_{};
  int open_handles_ = 0;
  Closed closed_ = nullptr;
};

}  // namespace millrace
