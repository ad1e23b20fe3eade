// The only file that knows Node: names and functions, one poller per environment, clean-up hooks.
#include <napi.h>
#include <unistd.h>
#include <uv.h>
#include <algorithm>
#include <cerrno>
#include <memory>
#include <numeric>
#include <string>
#include <unordered_map>
#include <vector>

#include "hashing.h"
#include "poller.h"
#include "rate_cells.h"

namespace millrace {
namespace {

// Rounds per wake: after so many the worker's other work (timers, messages) gets its turn. Few rounds make larger
// batches, and a batch is what a request's share of the fixed costs gets smaller by.
constexpr int kRoundsMax = 2;
constexpr uint64_t kDeadlineTickMs = 50;

// Lives until libuv has closed its handles, which may be after the JavaScript object is gone.
class PollerHost {
 public:
  PollerHost(Napi::Env env, int32_t worker, const PollerMemory& memory, Napi::Function turn)
      : env_(env), poller_(std::make_unique<Poller>(worker, memory)), turn_(Napi::Persistent(turn)) {
    napi_get_uv_event_loop(env, &loop_);
    context_ = std::make_unique<Napi::AsyncContext>(env, "millrace");
    poll_.data = this;
    timer_.data = this;
    uv_poll_init(loop_, &poll_, poller_->epoll_fd());
    uv_timer_init(loop_, &timer_);
    uv_poll_start(&poll_, UV_READABLE, OnReadable);
    uv_unref(reinterpret_cast<uv_handle_t*>(&timer_));
    napi_add_async_cleanup_hook(env, OnEnvironmentEnd, this, &hook_);
  }

  Poller* poller() { return poller_.get(); }
  void Keep(Napi::Reference<Napi::Object>&& memory) { memory_.push_back(std::move(memory)); }

  void StartTimer() {
    if (poller_->HasDeadlines() && uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_)) == 0)
      uv_timer_start(&timer_, OnDeadlineTick, kDeadlineTickMs, kDeadlineTickMs);
  }

  // Closes everything now; the handles end with the loop's next iteration.
  void Close() {
    if (is_closing_) return;
    is_closing_ = true;
    uv_poll_stop(&poll_);
    uv_timer_stop(&timer_);
    poller_->CloseAll();
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_), OnHandleClosed);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), OnHandleClosed);
  }

 private:
  ~PollerHost() = default;

  static void OnReadable(uv_poll_t* handle, int, int) { static_cast<PollerHost*>(handle->data)->Turn(); }

  static void OnDeadlineTick(uv_timer_t* handle) {
    auto* self = static_cast<PollerHost*>(handle->data);
    self->poller_->CheckDeadlines();
    if (!self->poller_->HasDeadlines()) uv_timer_stop(handle);
  }

  void Turn() {
    Napi::HandleScope scope(env_);
    // One callback scope per wake: next ticks and microtasks run once, after the last round.
    Napi::CallbackScope callback(env_, *context_);
    for (int round = 0; round < kRoundsMax && !is_closing_; round++) {
      int32_t count = poller_->Gather();
      if (count == 0) break;
      Napi::HandleScope round_scope(env_);
      napi_value argument;
      napi_value result;
      napi_create_int32(env_, count, &argument);
      napi_status status = napi_call_function(env_, turn_.Env().Undefined(), turn_.Value(), 1, &argument, &result);
      if (status != napi_ok) {
        // An exception in the core is a programming error: the thread dies of it and is replaced.
        napi_value error;
        if (napi_get_and_clear_last_exception(env_, &error) == napi_ok) napi_fatal_exception(env_, error);
        return;
      }
      int32_t ops = 0;
      napi_get_value_int32(env_, result, &ops);
      if (!is_closing_) poller_->Execute(ops);
    }
    if (!is_closing_) {
      poller_->WakeIfPending();
      StartTimer();
    }
  }

  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* data) {
    auto* self = static_cast<PollerHost*>(data);
    self->is_environment_ending_ = true;
    self->turn_.Reset();
    self->memory_.clear();
    self->context_.reset();
    if (self->is_closing_) self->MaybeDelete();
    else self->Close();
  }

  static void OnHandleClosed(uv_handle_t* handle) {
    auto* self = static_cast<PollerHost*>(handle->data);
    self->closed_handles_++;
    self->MaybeDelete();
  }

  // Only the end of the environment deletes: until then the JavaScript object may still call.
  void MaybeDelete() {
    if (closed_handles_ < 2 || !is_environment_ending_) return;
    napi_remove_async_cleanup_hook(hook_);
    delete this;
  }

  Napi::Env env_;
  uv_loop_t* loop_ = nullptr;
  std::unique_ptr<Poller> poller_;
  std::unique_ptr<Napi::AsyncContext> context_;
  Napi::FunctionReference turn_;
  std::vector<Napi::Reference<Napi::Object>> memory_;
  uv_poll_t poll_{};
  uv_timer_t timer_{};
  napi_async_cleanup_hook_handle hook_ = nullptr;
  int closed_handles_ = 0;
  bool is_closing_ = false;
  bool is_environment_ending_ = false;
};

bool AddressFrom(const Napi::CallbackInfo& info, size_t at, SocketAddress* out) {
  return MakeAddress(info[at].As<Napi::Number>().Int32Value(), info[at + 1].As<Napi::String>().Utf8Value(),
                     info[at + 2].As<Napi::Number>().Int32Value(), out);
}

Napi::Value Describe(Napi::Env env, int fd, bool is_peer) {
  int family = 0;
  int port = 0;
  std::string host;
  if (fd < 0 || !DescribeAddress(fd, is_peer, &family, &host, &port)) return env.Null();
  Napi::Array answer = Napi::Array::New(env, 3);
  answer.Set(0u, Napi::Number::New(env, family));
  answer.Set(1u, Napi::String::New(env, host));
  answer.Set(2u, Napi::Number::New(env, port));
  return answer;
}

// new Poller(worker, arena, slabBytes, events, ops, clock, turn)
class PollerObject : public Napi::ObjectWrap<PollerObject> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Poller",
                       {InstanceMethod("execute", &PollerObject::Execute), InstanceMethod("dial", &PollerObject::Dial),
                        InstanceMethod("listen", &PollerObject::Listen),
                        InstanceMethod("closeListener", &PollerObject::CloseListener),
                        InstanceMethod("address", &PollerObject::Address), InstanceMethod("tick", &PollerObject::Tick),
                        InstanceMethod("adopt", &PollerObject::Adopt), InstanceMethod("close", &PollerObject::Close)});
  }

  explicit PollerObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PollerObject>(info) {
    auto arena = info[1].As<Napi::ArrayBuffer>();
    auto events = info[3].As<Napi::ArrayBuffer>();
    auto ops = info[4].As<Napi::ArrayBuffer>();
    auto clock = info[5].As<Napi::ArrayBuffer>();
    PollerMemory memory{};
    memory.arena = static_cast<uint8_t*>(arena.Data());
    memory.arena_bytes = arena.ByteLength();
    memory.slab_bytes = static_cast<size_t>(info[2].As<Napi::Number>().Int64Value());
    memory.events = static_cast<int32_t*>(events.Data());
    memory.ops = static_cast<int32_t*>(ops.Data());
    memory.clock = static_cast<double*>(clock.Data());
    host_ = new PollerHost(info.Env(), info[0].As<Napi::Number>().Int32Value(), memory, info[6].As<Napi::Function>());
    for (size_t at : {size_t{1}, size_t{3}, size_t{4}, size_t{5}})
      host_->Keep(Napi::Reference<Napi::Object>::New(info[at].As<Napi::Object>(), 1));
  }

 private:
  void Execute(const Napi::CallbackInfo& info) {
    host_->poller()->Execute(info[0].As<Napi::Number>().Int32Value());
    host_->poller()->WakeIfPending();
    host_->StartTimer();
  }
  Napi::Value Dial(const Napi::CallbackInfo& info) {
    SocketAddress address;
    if (!AddressFrom(info, 0, &address)) return Napi::Number::New(info.Env(), -EINVAL);
    int32_t slot = host_->poller()->Dial(address, info[3].As<Napi::Number>().Int32Value());
    host_->StartTimer();
    return Napi::Number::New(info.Env(), slot);
  }
  Napi::Value Listen(const Napi::CallbackInfo& info) {
    SocketAddress address;
    if (!AddressFrom(info, 0, &address)) return Napi::Number::New(info.Env(), -EINVAL);
    int fd = host_->poller()->Listen(address, info[3].As<Napi::Number>().Int32Value(),
                                     info[4].As<Napi::Boolean>().Value(), info[5].As<Napi::Number>().Int32Value());
    return Napi::Number::New(info.Env(), fd);
  }
  void CloseListener(const Napi::CallbackInfo& info) {
    host_->poller()->CloseListener(info[0].As<Napi::Number>().Int32Value());
    host_->poller()->WakeIfPending();
  }
  Napi::Value Address(const Napi::CallbackInfo& info) {
    return Describe(info.Env(), host_->poller()->FdOf(info[0].As<Napi::Number>().Int32Value()),
                    info[1].As<Napi::Boolean>().Value());
  }
  Napi::Value Adopt(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), host_->poller()->Adopt(info[0].As<Napi::Number>().Int32Value()));
  }
  void Tick(const Napi::CallbackInfo&) { host_->poller()->Tick(); }
  void Close(const Napi::CallbackInfo&) { host_->Close(); }

  PollerHost* host_;
};

// new Acceptor(): listening sockets of the main thread. Descriptors come to the callback one by one.
class AcceptorObject : public Napi::ObjectWrap<AcceptorObject> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Acceptor",
                       {InstanceMethod("listen", &AcceptorObject::Listen), InstanceMethod("close", &AcceptorObject::Close)});
  }
  explicit AcceptorObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<AcceptorObject>(info) {}

 private:
  struct Socket {
    Napi::Env env;
    int fd;
    Napi::FunctionReference on_accepted;
    std::unique_ptr<Napi::AsyncContext> context;
    uv_poll_t poll{};
    uv_timer_t timer{};
    int closed_handles = 0;
  };

  // listen(family, host, port, backlog, reusePort, onAccepted) -> descriptor or -errno
  Napi::Value Listen(const Napi::CallbackInfo& info) {
    SocketAddress address;
    if (!AddressFrom(info, 0, &address)) return Napi::Number::New(info.Env(), -EINVAL);
    int fd = OpenListener(address, info[3].As<Napi::Number>().Int32Value(), info[4].As<Napi::Boolean>().Value());
    if (fd < 0) return Napi::Number::New(info.Env(), fd);
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(info.Env(), &loop);
    auto* socket = new Socket{info.Env(), fd, Napi::Persistent(info[5].As<Napi::Function>()),
                              std::make_unique<Napi::AsyncContext>(info.Env(), "millrace")};
    socket->poll.data = socket;
    socket->timer.data = socket;
    uv_poll_init(loop, &socket->poll, fd);
    uv_timer_init(loop, &socket->timer);
    uv_poll_start(&socket->poll, UV_READABLE, OnReadable);
    sockets_[fd] = socket;
    return Napi::Number::New(info.Env(), fd);
  }

  static void OnReadable(uv_poll_t* handle, int, int) { Accept(static_cast<Socket*>(handle->data)); }

  static void Accept(Socket* socket) {
    Napi::HandleScope scope(socket->env);
    Napi::CallbackScope callback(socket->env, *socket->context);
    for (int i = 0; i < 64; i++) {
      int fd = ::accept4(socket->fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return;
        // No descriptors: look again in a while instead of spinning.
        uv_poll_stop(&socket->poll);
        uv_timer_start(&socket->timer, OnRetry, 100, 0);
        return;
      }
      socket->on_accepted.Call({Napi::Number::New(socket->env, fd)});
      if (socket->env.IsExceptionPending()) {
        napi_fatal_exception(socket->env, socket->env.GetAndClearPendingException().Value());
        return;
      }
    }
  }

  static void OnRetry(uv_timer_t* handle) {
    uv_poll_start(&static_cast<Socket*>(handle->data)->poll, UV_READABLE, OnReadable);
  }

  // Connections in the backlog were accepted by the kernel: they are taken before the socket goes.
  void Close(const Napi::CallbackInfo& info) {
    auto found = sockets_.find(info[0].As<Napi::Number>().Int32Value());
    if (found == sockets_.end()) return;
    Socket* socket = found->second;
    sockets_.erase(found);
    Accept(socket);
    uv_poll_stop(&socket->poll);
    uv_timer_stop(&socket->timer);
    ::close(socket->fd);
    socket->on_accepted.Reset();
    socket->context.reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&socket->poll), OnHandleClosed);
    uv_close(reinterpret_cast<uv_handle_t*>(&socket->timer), OnHandleClosed);
  }

  static void OnHandleClosed(uv_handle_t* handle) {
    auto* socket = static_cast<Socket*>(handle->data);
    if (++socket->closed_handles == 2) delete socket;
  }

  std::unordered_map<int, Socket*> sockets_;
};

// new RateCells(words): a BigInt64Array over shared memory. Times are whole nanoseconds below 2^53.
class RateCellsObject : public Napi::ObjectWrap<RateCellsObject> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "RateCells",
                       {InstanceMethod("takeToken", &RateCellsObject::TakeToken),
                        InstanceMethod("takeWindow", &RateCellsObject::TakeWindow),
                        InstanceMethod("takeKeyed", &RateCellsObject::TakeKeyed)});
  }
  explicit RateCellsObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<RateCellsObject>(info),
        words_(Napi::Reference<Napi::Object>::New(info[0].As<Napi::Object>(), 1)),
        count_(info[0].As<Napi::TypedArray>().ElementLength()),
        cells_(info[0].As<Napi::BigInt64Array>().Data()) {}

 private:
  // Arguments come straight from Node-API: the C++ wrapper costs more than the work.
  static int64_t Whole(const Napi::CallbackInfo& info, size_t at) {
    double value = 0;
    napi_get_value_double(info.Env(), info[at], &value);
    return static_cast<int64_t>(value);
  }
  static Napi::Value Answer(const Napi::CallbackInfo& info, int64_t wait_ns) {
    return Napi::Number::New(info.Env(), static_cast<double>(wait_ns));
  }
  bool IsInside(const Napi::CallbackInfo& info, int64_t words) {
    if (words > 0 && static_cast<size_t>(words) <= count_) return true;
    Napi::RangeError::New(info.Env(), "rate cell out of range").ThrowAsJavaScriptException();
    return false;
  }

  // (cell, nowNs, intervalNs, capacityNs) -> waitNs
  Napi::Value TakeToken(const Napi::CallbackInfo& info) {
    int64_t cell = Whole(info, 0);
    if (!IsInside(info, cell + 1)) return info.Env().Undefined();
    return Answer(info, cells_.TakeToken(static_cast<size_t>(cell), Whole(info, 1), Whole(info, 2), Whole(info, 3)));
  }
  // (cell, nowNs, windowNs, limit) -> waitNs
  Napi::Value TakeWindow(const Napi::CallbackInfo& info) {
    int64_t cell = Whole(info, 0);
    if (!IsInside(info, cell + 1)) return info.Env().Undefined();
    return Answer(info, cells_.TakeWindow(static_cast<size_t>(cell), Whole(info, 1), Whole(info, 2), Whole(info, 3)));
  }
  // (sets, keyLow, keyHigh, nowNs, intervalNs, capacityNs) -> waitNs or -1
  Napi::Value TakeKeyed(const Napi::CallbackInfo& info) {
    int64_t sets = Whole(info, 0);
    if (!IsInside(info, sets * static_cast<int64_t>(RateCells::kSetWords))) return info.Env().Undefined();
    uint64_t key = static_cast<uint64_t>(static_cast<uint32_t>(Whole(info, 2))) << 32 | static_cast<uint32_t>(Whole(info, 1));
    return Answer(info, cells_.TakeKeyed(static_cast<size_t>(sets), key, Whole(info, 3), Whole(info, 4), Whole(info, 5)));
  }

  Napi::Reference<Napi::Object> words_;
  size_t count_;
  RateCells cells_;
};

// handOff(worker, descriptor, listener): false when there is no such worker; the descriptor stays the caller's.
Napi::Value HandOff(const Napi::CallbackInfo& info) {
  auto queue = FindQueue(info[0].As<Napi::Number>().Int32Value());
  bool is_taken = queue != nullptr && queue->Push({info[1].As<Napi::Number>().Int32Value(), info[2].As<Napi::Number>().Int32Value()});
  return Napi::Boolean::New(info.Env(), is_taken);
}

void CloseDescriptor(const Napi::CallbackInfo& info) { ::close(info[0].As<Napi::Number>().Int32Value()); }

// addressOf(descriptor) -> [family, host, port] of its own end
Napi::Value AddressOf(const Napi::CallbackInfo& info) {
  return Describe(info.Env(), info[0].As<Napi::Number>().Int32Value(), false);
}

template <typename Array>
auto* DataOf(const Napi::CallbackInfo& info, size_t at) {
  return info[at].As<Array>().Data();
}
size_t LengthOf(const Napi::CallbackInfo& info, size_t at) { return info[at].As<Napi::TypedArray>().ElementLength(); }

// Are bytes, ends of the keys in them, and one number per key what they should be?
bool AreKeys(const Napi::CallbackInfo& info) {
  auto* ends = DataOf<Napi::Uint32Array>(info, 1);
  size_t count = LengthOf(info, 1);
  bool is_good = count > 0 && count <= 65536 && LengthOf(info, 2) == count && ends[count - 1] <= LengthOf(info, 0) &&
                 std::is_sorted(ends, ends + count);
  if (!is_good) Napi::RangeError::New(info.Env(), "keys and their ends don't fit").ThrowAsJavaScriptException();
  return is_good;
}
HashKeys KeysOf(const Napi::CallbackInfo& info) {
  return {DataOf<Napi::Uint8Array>(info, 0), DataOf<Napi::Uint32Array>(info, 1), LengthOf(info, 1)};
}

// fillRing(keys, ends, points, isMurmur, shift, starts, lows, highs, owners)
void FillRingArrays(const Napi::CallbackInfo& info) {
  if (!AreKeys(info)) return;
  auto* points = DataOf<Napi::Uint32Array>(info, 2);
  RingTable ring{DataOf<Napi::Uint32Array>(info, 5), LengthOf(info, 5), info[4].As<Napi::Number>().Int32Value(),
                 DataOf<Napi::Uint32Array>(info, 6), DataOf<Napi::Uint32Array>(info, 7),
                 DataOf<Napi::Uint16Array>(info, 8), LengthOf(info, 8)};
  bool fits = LengthOf(info, 6) == ring.count && LengthOf(info, 7) == ring.count &&
              std::accumulate(points, points + LengthOf(info, 2), uint64_t{0}) == ring.count && ring.shift > 0 &&
              ring.shift < 32 && ring.starts_count == (size_t{1} << (32 - ring.shift)) + 1;
  if (fits) FillRing(KeysOf(info), points, info[3].As<Napi::Boolean>().Value(), ring);
  else Napi::RangeError::New(info.Env(), "the ring's arrays don't fit").ThrowAsJavaScriptException();
}

// fillMaglev(keys, ends, weights, owners, slots)
void FillMaglevArrays(const Napi::CallbackInfo& info) {
  if (!AreKeys(info)) return;
  size_t size = LengthOf(info, 3);
  auto* weights = DataOf<Napi::Float64Array>(info, 2);
  bool fits = size >= 2 && LengthOf(info, 4) == LengthOf(info, 2) &&
              std::all_of(weights, weights + LengthOf(info, 2), [](double weight) { return weight > 0 && weight <= 1; });
  if (fits) FillMaglev(KeysOf(info), weights, DataOf<Napi::Uint16Array>(info, 3), size, DataOf<Napi::Uint32Array>(info, 4));
  else Napi::RangeError::New(info.Env(), "the table's arrays don't fit").ThrowAsJavaScriptException();
}

// hash64(bytes, from, to, halves, isMurmur): low and high into the two 32-bit numbers of halves, of which xxHash64 takes
// its seed.
void HashRange(const Napi::CallbackInfo& info) {
  auto from = info[1].As<Napi::Number>().Int64Value();
  auto to = info[2].As<Napi::Number>().Int64Value();
  if (from < 0 || to < from || static_cast<size_t>(to) > LengthOf(info, 0) || LengthOf(info, 3) != 2) {
    Napi::RangeError::New(info.Env(), "not a range of the bytes").ThrowAsJavaScriptException();
    return;
  }
  const uint8_t* bytes = DataOf<Napi::Uint8Array>(info, 0) + from;
  size_t length = static_cast<size_t>(to - from);
  auto* halves = DataOf<Napi::Int32Array>(info, 3);
  uint64_t seed = static_cast<uint64_t>(static_cast<uint32_t>(halves[1])) << 32 | static_cast<uint32_t>(halves[0]);
  uint64_t hash = info[4].As<Napi::Boolean>().Value() ? MurmurHash2(bytes, length) : XxHash64(bytes, length, seed);
  halves[0] = static_cast<int32_t>(hash);
  halves[1] = static_cast<int32_t>(hash >> 32);
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("layoutVersion", Napi::Number::New(env, kLayoutVersion));
  exports.Set("Poller", PollerObject::Define(env));
  exports.Set("Acceptor", AcceptorObject::Define(env));
  exports.Set("RateCells", RateCellsObject::Define(env));
  exports.Set("fillRing", Napi::Function::New(env, FillRingArrays));
  exports.Set("fillMaglev", Napi::Function::New(env, FillMaglevArrays));
  exports.Set("hash64", Napi::Function::New(env, HashRange));
  exports.Set("handOff", Napi::Function::New(env, HandOff));
  exports.Set("closeDescriptor", Napi::Function::New(env, CloseDescriptor));
  exports.Set("addressOf", Napi::Function::New(env, AddressOf));
  return exports;
}

}  // namespace
}  // namespace millrace

static Napi::Object InitModule(Napi::Env env, Napi::Object exports) { return millrace::Init(env, exports); }
NODE_API_MODULE(millrace, InitModule)
