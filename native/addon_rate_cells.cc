// Rate cells for JavaScript.
#include <napi.h>

#include "addon_parts.h"
#include "rate_cells.h"

namespace millrace {
namespace {

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

}  // namespace

Napi::Function DefineRateCells(Napi::Env env) { return RateCellsObject::Define(env); }

}  // namespace millrace
