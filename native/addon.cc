// Poller and acceptor for JavaScript. Only addon files know Node.
#include <napi.h>
#include <unistd.h>
#include <uv.h>
#include <cerrno>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "addon_parts.h"
#include "addon_poller.h"

namespace millrace {
namespace {

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

// new Poller(worker, arena, slabBytes, events, ops, clock, turn, judge)
class PollerObject : public Napi::ObjectWrap<PollerObject> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Poller",
                       {InstanceMethod("execute", &PollerObject::Execute), InstanceMethod("dial", &PollerObject::Dial),
                        InstanceMethod("listen", &PollerObject::Listen),
                        InstanceMethod("shareListener", &PollerObject::ShareListener),
                        InstanceMethod("closeListener", &PollerObject::CloseListener),
                        InstanceMethod("startTls", &PollerObject::StartTls),
                        InstanceMethod("tlsFact", &PollerObject::TlsFact),
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
    host_ = new PollerHost(info.Env(), info[0].As<Napi::Number>().Int32Value(), memory, info[6].As<Napi::Function>(),
                           info[7].As<Napi::Function>());
    for (size_t at : {size_t{1}, size_t{3}, size_t{4}, size_t{5}})
      host_->Keep(Napi::Reference<Napi::Object>::New(info[at].As<Napi::Object>(), 1));
  }

 private:
  void Execute(const Napi::CallbackInfo& info) {
    host_->poller()->Execute(info[0].As<Napi::Number>().Int32Value());
    host_->AfterCall();
  }
  Napi::Value Dial(const Napi::CallbackInfo& info) {
    SocketAddress address;
    if (!AddressFrom(info, 0, &address)) return Napi::Number::New(info.Env(), -EINVAL);
    Poller* poller = host_->poller();
    std::unique_ptr<TlsStream> tls;
    if (!info[4].IsNull()) {
      tls = TlsStream::Connect(TlsContextOf(info[4]), *poller->tls_io(), info[5].As<Napi::String>(),
                               info[6].As<Napi::String>(), AlpnWire(TextsOf(info[7])));
      if (tls == nullptr) return Napi::Number::New(info.Env(), -ENOMEM);
    }
    const uint8_t* preface = nullptr;
    size_t preface_bytes = 0;
    if (info[8].IsTypedArray()) {
      auto bytes = info[8].As<Napi::Uint8Array>();
      preface = bytes.Data();
      preface_bytes = bytes.ElementLength();
    }
    int32_t slot =
        poller->Dial(address, info[3].As<Napi::Number>().Int32Value(), std::move(tls), preface, preface_bytes);
    host_->LetJudge(slot);
    host_->AfterCall();
    return Napi::Number::New(info.Env(), slot);
  }
  // startTls(slot, context, bytes, start, end, timeoutMs) -> false: the connection is gone
  Napi::Value StartTls(const Napi::CallbackInfo& info) {
    auto bytes = info[2].As<Napi::Uint8Array>();
    int64_t start = info[3].As<Napi::Number>().Int64Value();
    int64_t end = info[4].As<Napi::Number>().Int64Value();
    if (start < 0 || end < start || static_cast<size_t>(end) > bytes.ElementLength()) {
      Napi::RangeError::New(info.Env(), "not a range of the bytes").ThrowAsJavaScriptException();
      return info.Env().Undefined();
    }
    bool is_there = host_->poller()->StartTls(info[0].As<Napi::Number>().Int32Value(), TlsContextOf(info[1]),
                                              bytes.Data() + start, static_cast<size_t>(end - start),
                                              info[5].As<Napi::Number>().Int32Value());
    if (is_there) host_->LetJudge(info[0].As<Napi::Number>().Int32Value());
    host_->AfterCall();
    return Napi::Boolean::New(info.Env(), is_there);
  }
  // tlsFact(slot, kind) -> see addon_tls.cc; null without TLS
  Napi::Value TlsFact(const Napi::CallbackInfo& info) {
    TlsStream* tls = host_->poller()->TlsOf(info[0].As<Napi::Number>().Int32Value());
    return tls == nullptr ? info.Env().Null() : TlsFactOf(info.Env(), *tls, info[1].As<Napi::Number>().Int32Value());
  }
  Napi::Value Listen(const Napi::CallbackInfo& info) {
    SocketAddress address;
    if (!AddressFrom(info, 0, &address)) return Napi::Number::New(info.Env(), -EINVAL);
    int fd = host_->poller()->Listen(address, info[3].As<Napi::Number>().Int32Value(),
                                     info[4].As<Napi::Boolean>().Value(), info[5].As<Napi::Number>().Int32Value());
    return Napi::Number::New(info.Env(), fd);
  }
  Napi::Value ShareListener(const Napi::CallbackInfo& info) {
    int fd = host_->poller()->ShareListener(info[0].As<Napi::Number>().Int32Value(), info[1].As<Napi::Number>().Int32Value());
    host_->AfterCall();
    return Napi::Number::New(info.Env(), fd);
  }
  void CloseListener(const Napi::CallbackInfo& info) {
    host_->poller()->CloseListener(info[0].As<Napi::Number>().Int32Value());
    host_->AfterCall();
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

// handOff(worker, descriptor, listener): false when there is no such worker; the descriptor stays the caller's.
Napi::Value HandOff(const Napi::CallbackInfo& info) {
  auto queue = FindQueue(info[0].As<Napi::Number>().Int32Value());
  bool is_taken = queue != nullptr && queue->Push({info[1].As<Napi::Number>().Int32Value(), info[2].As<Napi::Number>().Int32Value()});
  return Napi::Boolean::New(info.Env(), is_taken);
}

// openListener(family, host, port, backlog) -> descriptor or -errno; nobody accepts from it yet
Napi::Value OpenListening(const Napi::CallbackInfo& info) {
  SocketAddress address;
  if (!AddressFrom(info, 0, &address)) return Napi::Number::New(info.Env(), -EINVAL);
  return Napi::Number::New(info.Env(), OpenListener(address, info[3].As<Napi::Number>().Int32Value(), false));
}

void CloseDescriptor(const Napi::CallbackInfo& info) { ::close(info[0].As<Napi::Number>().Int32Value()); }

// addressOf(descriptor) -> [family, host, port] of its own end
Napi::Value AddressOf(const Napi::CallbackInfo& info) {
  return Describe(info.Env(), info[0].As<Napi::Number>().Int32Value(), false);
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("layoutVersion", Napi::Number::New(env, kLayoutVersion));
  exports.Set("Poller", PollerObject::Define(env));
  exports.Set("Acceptor", AcceptorObject::Define(env));
  exports.Set("RateCells", DefineRateCells(env));
  exports.Set("TlsContext", DefineTlsContext(env));
  AddHashing(env, exports);
  exports.Set("handOff", Napi::Function::New(env, HandOff));
  exports.Set("openListener", Napi::Function::New(env, OpenListening));
  exports.Set("closeDescriptor", Napi::Function::New(env, CloseDescriptor));
  exports.Set("addressOf", Napi::Function::New(env, AddressOf));
  return exports;
}

}  // namespace
}  // namespace millrace

static Napi::Object InitModule(Napi::Env env, Napi::Object exports) { return millrace::Init(env, exports); }
NODE_API_MODULE(millrace, InitModule)
