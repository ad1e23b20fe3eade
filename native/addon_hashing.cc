// Hashes and the tables that are filled by them for JavaScript.
#include <napi.h>
#include <algorithm>
#include <numeric>

#include "addon_parts.h"
#include "hashing.h"

namespace millrace {
namespace {

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

}  // namespace

void AddHashing(Napi::Env env, Napi::Object exports) {
  exports.Set("fillRing", Napi::Function::New(env, FillRingArrays));
  exports.Set("fillMaglev", Napi::Function::New(env, FillMaglevArrays));
  exports.Set("hash64", Napi::Function::New(env, HashRange));
}

}  // namespace millrace
