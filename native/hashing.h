// Hashes of 64 bits, and the tables that balancing looks them up in.
// engine/base/{xxhash64,murmur2}.ts and engine/upstream/balance/{ring-hash,maglev}.ts are the twins: same answers.
#pragma once
#include <cstddef>
#include <cstdint>

namespace millrace {

[[nodiscard]] uint64_t XxHash64(const uint8_t* bytes, size_t length, uint64_t seed);
// MurmurHash64A under the seed of std::hash.
[[nodiscard]] uint64_t MurmurHash2(const uint8_t* bytes, size_t length);

// Keys one behind the other: key i ends at ends[i].
struct HashKeys {
  const uint8_t* bytes;
  const uint32_t* ends;
  size_t count;

  [[nodiscard]] uint32_t start(size_t key) const { return key == 0 ? 0 : ends[key - 1]; }
};

// A ring of `count` points, ascending; starts[b] is the first of bucket b (upper bits of the hash), one more than buckets.
struct RingTable {
  uint32_t* starts;
  size_t starts_count;
  int shift;
  uint32_t* lows;
  uint32_t* highs;
  uint16_t* owners;
  size_t count;
};

// points[i]: how many key i has; their sum is ring.count. starts is zeroed.
void FillRing(const HashKeys& keys, const uint32_t* points, bool is_murmur, const RingTable& ring);

// owners: of table_size slots, a prime, at least as many as keys; slots: how many each key got. weights add up to 1.
void FillMaglev(const HashKeys& keys, const double* weights, uint16_t* owners, size_t table_size, uint32_t* slots);

}  // namespace millrace
