// The poller's turns, deadlines and end, in a Node environment.
#include "addon_poller.h"

#include "addon_parts.h"

namespace millrace {

namespace {
constexpr uint64_t kDeadlineTickMs = 50;
}  // namespace

PollerHost::PollerHost(Napi::Env env, int32_t worker, const PollerMemory& memory, Napi::Function turn,
                       Napi::Function judge)
    : env_(env),
      poller_(std::make_unique<Poller>(worker, memory)),
      turn_(Napi::Persistent(turn)),
      judge_function_(Napi::Persistent(judge)) {
  judge_ = [this](int32_t slot, X509* leaf) { return Judge(slot, leaf); };
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  context_ = std::make_unique<Napi::AsyncContext>(env, "millrace");
  wait_ = std::make_unique<LoopWait>(
      loop, poller_.get(), [](void* self) { return static_cast<PollerHost*>(self)->Turn(); }, this);
  timer_.data = this;
  uv_timer_init(loop, &timer_);
  uv_unref(reinterpret_cast<uv_handle_t*>(&timer_));
  napi_add_async_cleanup_hook(env, OnEnvironmentEnd, this, &hook_);
}

void PollerHost::LetJudge(int32_t slot) {
  TlsStream* tls = poller_->TlsOf(slot);
  if (tls != nullptr && tls->context()->judges_peers()) tls->SetJudge(&judge_, slot);
}

// Called by a round's handshakes, outside of the turn's call.
bool PollerHost::Judge(int32_t slot, X509* leaf) {
  Napi::HandleScope scope(env_);
  Napi::CallbackScope callback(env_, *context_);
  napi_value arguments[2] = {Napi::Number::New(env_, slot), DerOf(env_, leaf)};
  napi_value result;
  bool is_accepted = false;
  if (napi_call_function(env_, env_.Undefined(), judge_function_.Value(), 2, arguments, &result) != napi_ok) {
    ThrowOn();
    return false;
  }
  return napi_get_value_bool(env_, result, &is_accepted) == napi_ok && is_accepted;
}

// An exception in the core is a programming error: the thread dies of it and is replaced.
void PollerHost::ThrowOn() {
  napi_value error;
  if (napi_get_and_clear_last_exception(env_, &error) == napi_ok) napi_fatal_exception(env_, error);
}

void PollerHost::AfterCall() {
  if (is_closing_) return;
  if (!is_in_turn_) wait_->WakeIfPending();
  StartTimer();
}

void PollerHost::StartTimer() {
  if (poller_->HasDeadlines() && uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_)) == 0)
    uv_timer_start(&timer_, OnDeadlineTick, kDeadlineTickMs, kDeadlineTickMs);
}

void PollerHost::OnDeadlineTick(uv_timer_t* handle) {
  auto* self = static_cast<PollerHost*>(handle->data);
  self->poller_->CheckDeadlines();
  if (!self->poller_->HasDeadlines()) uv_timer_stop(handle);
  self->wait_->WakeIfPending();
}

// False: the poller is closed, or the core has failed.
bool PollerHost::Turn() {
  int32_t count = poller_->Gather();
  if (count == 0) return true;
  Napi::HandleScope scope(env_);
  // Next ticks and microtasks run at its end.
  Napi::CallbackScope callback(env_, *context_);
  is_in_turn_ = true;
  napi_value argument;
  napi_value result;
  napi_create_int32(env_, count, &argument);
  napi_status status = napi_call_function(env_, turn_.Env().Undefined(), turn_.Value(), 1, &argument, &result);
  is_in_turn_ = false;
  if (status != napi_ok) {
    ThrowOn();
    return false;
  }
  int32_t ops = 0;
  napi_get_value_int32(env_, result, &ops);
  if (is_closing_) return false;
  poller_->Execute(ops);
  StartTimer();
  return true;
}

void PollerHost::Close() {
  if (is_closing_) return;
  is_closing_ = true;
  uv_timer_stop(&timer_);
  poller_->CloseAll();
  wait_->Close([](void* self) { static_cast<PollerHost*>(self)->HandleClosed(); });
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_),
           [](uv_handle_t* handle) { static_cast<PollerHost*>(handle->data)->HandleClosed(); });
}

void PollerHost::OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* data) {
  auto* self = static_cast<PollerHost*>(data);
  self->is_environment_ending_ = true;
  self->turn_.Reset();
  self->judge_function_.Reset();
  self->memory_.clear();
  self->context_.reset();
  if (self->is_closing_) self->MaybeDelete();
  else self->Close();
}

void PollerHost::HandleClosed() {
  open_handles_--;
  MaybeDelete();
}

// Only the end of the environment deletes: until then the JavaScript object may still call.
void PollerHost::MaybeDelete() {
  if (open_handles_ > 0 || !is_environment_ending_) return;
  napi_remove_async_cleanup_hook(hook_);
  delete this;
}

}  // namespace millrace
