// PollerHost: a poller in a Node environment: its turns call JavaScript, its end is the environment's.
#pragma once

#include <napi.h>
#include <uv.h>
#include <memory>
#include <utility>
#include <vector>

#include "loop_wait.h"
#include "poller.h"

namespace millrace {

// Lives until libuv has closed its handles, which may be after the JavaScript object is gone.
class PollerHost {
 public:
  PollerHost(Napi::Env env, int32_t worker, const PollerMemory& memory, Napi::Function turn, Napi::Function judge);

  Poller* poller() { return poller_.get(); }
  void Keep(Napi::Reference<Napi::Object>&& memory) { memory_.push_back(std::move(memory)); }

  // Whose context wants it is asked about the peer's certificate inside of the handshake.
  void LetJudge(int32_t slot);
  // After a call of JavaScript. One inside a turn needs no wake: what it left is seen to by the turn's end.
  void AfterCall();
  // Closes everything now; the handles end with the loop's next iteration.
  void Close();

 private:
  ~PollerHost() = default;

  static void OnDeadlineTick(uv_timer_t* handle);
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* data);
  bool Turn();
  bool Judge(int32_t slot, X509* leaf);
  void ThrowOn();
  void StartTimer();
  void HandleClosed();
  void MaybeDelete();

  Napi::Env env_;
  std::unique_ptr<Poller> poller_;
  std::unique_ptr<LoopWait> wait_;
  std::unique_ptr<Napi::AsyncContext> context_;
  Napi::FunctionReference turn_;
  Napi::FunctionReference judge_function_;
  PeerJudge judge_;
  std::vector<Napi::Reference<Napi::Object>> memory_;
  uv_timer_t timer_{};
  napi_async_cleanup_hook_handle hook_ = nullptr;
  int open_handles_ = 2;  // the wait's, and the timer
  bool is_in_turn_ = false;
  bool is_closing_ = false;
  bool is_environment_ending_ = false;
};

}  // namespace millrace
