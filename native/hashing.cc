// The same steps as in the TypeScript twins, word for word where rounding decides.
#include "hashing.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <queue>
#include <string>
#include <vector>

namespace millrace {
namespace {

constexpr uint64_t kP1 = 0x9e3779b185ebca87;
constexpr uint64_t kP2 = 0xc2b2ae3d27d4eb4f;
constexpr uint64_t kP3 = 0x165667b19e3779f9;
constexpr uint64_t kP4 = 0x85ebca77c2b2ae63;
constexpr uint64_t kP5 = 0x27d4eb2f165667c5;
constexpr uint64_t kMurmur = 0xc6a4a7935bd1e995;
constexpr uint64_t kStdHashSeed = 0xc70f6907;
constexpr size_t kStripeBytes = 32;
constexpr size_t kDigitsMax = 10;

uint64_t RotateLeft(uint64_t value, int by) { return value << by | value >> (64 - by); }

// Machines of the other byte order are none of those that have the addon (binding.gyp: linux; x64 and arm64).
uint64_t Word64(const uint8_t* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}
uint32_t Word32(const uint8_t* at) {
  uint32_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

uint64_t Round(uint64_t sum, uint64_t word) { return RotateLeft(sum + word * kP2, 31) * kP1; }

// "key_17", rewritten in place.
class PointText {
 public:
  PointText(const uint8_t* key, size_t length) : text_(reinterpret_cast<const char*>(key), length) {
    text_ += '_';
    from_ = text_.size();
    text_.resize(from_ + kDigitsMax);
  }

  // Answers the length in bytes.
  size_t Write(uint32_t number) {
    size_t digits = 1;
    for (uint32_t rest = number; rest >= 10; rest /= 10) digits++;
    for (size_t at = from_ + digits; at-- > from_; number /= 10) text_[at] = static_cast<char>('0' + number % 10);
    return from_ + digits;
  }
  [[nodiscard]] const uint8_t* bytes() const { return reinterpret_cast<const uint8_t*>(text_.data()); }

 private:
  std::string text_;
  size_t from_;
};

// Hashes are spread evenly, so a bucket holds about one: into buckets, then by insertion.
void SortPoints(const std::vector<uint64_t>& points, const std::vector<uint16_t>& owners, const RingTable& ring) {
  auto bucket_of = [&](uint64_t point) { return static_cast<size_t>(point >> 32 >> ring.shift); };
  for (uint64_t point : points) ring.starts[bucket_of(point) + 1]++;
  for (size_t bucket = 1; bucket < ring.starts_count; bucket++) ring.starts[bucket] += ring.starts[bucket - 1];
  std::vector<uint32_t> filled(ring.starts, ring.starts + ring.starts_count);
  auto put = [&](uint32_t slot, uint32_t low, uint32_t high, uint16_t owner) {
    ring.lows[slot] = low;
    ring.highs[slot] = high;
    ring.owners[slot] = owner;
  };
  for (size_t i = 0; i < points.size(); i++) {
    size_t bucket = bucket_of(points[i]);
    uint32_t at = filled[bucket]++;
    for (; at > ring.starts[bucket]; at--) {
      uint32_t before = at - 1;
      if ((static_cast<uint64_t>(ring.highs[before]) << 32 | ring.lows[before]) <= points[i]) break;
      put(at, ring.lows[before], ring.highs[before], ring.owners[before]);
    }
    put(at, static_cast<uint32_t>(points[i]), static_cast<uint32_t>(points[i] >> 32), owners[i]);
  }
}

// Whose turn it is: a queue of due rounds, in order within a round.
class Turns {
 public:
  Turns(const double* weights, size_t count)
      : weights_(weights), targets_(count, 0.0), heaviest_(*std::max_element(weights, weights + count)) {
    for (size_t key = 0; key < count; key++) due_.push(count + key);
  }

  size_t Next() {
    size_t count = targets_.size();
    size_t key = due_.top() % count;
    uint64_t round = due_.top() / count;
    due_.pop();
    targets_[key] += heaviest_;
    due_.push(RoundOf(key, round + 1) * count + key);
    return key;
  }

 private:
  // The first round, from one on, in which round * weight, as it is rounded, has reached the target.
  [[nodiscard]] uint64_t RoundOf(size_t key, uint64_t from) const {
    double weight = weights_[key];
    double target = targets_[key];
    if (static_cast<double>(from) * weight >= target) return from;
    double guess = target / weight;
    uint64_t round = std::max(from, guess < 1 ? 0 : static_cast<uint64_t>(guess) - 1);
    while (static_cast<double>(round) * weight < target) round++;
    return round;
  }

  const double* weights_;
  std::vector<double> targets_;
  double heaviest_;
  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> due_;
};

}  // namespace

uint64_t XxHash64(const uint8_t* bytes, size_t length, uint64_t seed) {
  const uint8_t* at = bytes;
  const uint8_t* end = bytes + length;
  uint64_t hash = seed + kP5;
  if (length >= kStripeBytes) {
    uint64_t sums[4] = {seed + kP1 + kP2, seed + kP2, seed, seed - kP1};
    for (; static_cast<size_t>(end - at) >= kStripeBytes; at += kStripeBytes)
      for (int lane = 0; lane < 4; lane++) sums[lane] = Round(sums[lane], Word64(at + lane * 8));
    hash = RotateLeft(sums[0], 1) + RotateLeft(sums[1], 7) + RotateLeft(sums[2], 12) + RotateLeft(sums[3], 18);
    for (uint64_t sum : sums) hash = (hash ^ Round(0, sum)) * kP1 + kP4;
  }
  hash += length;
  for (; end - at >= 8; at += 8) hash = RotateLeft(hash ^ Round(0, Word64(at)), 27) * kP1 + kP4;
  if (end - at >= 4) {
    hash = RotateLeft(hash ^ Word32(at) * kP1, 23) * kP2 + kP3;
    at += 4;
  }
  for (; at < end; at++) hash = RotateLeft(hash ^ *at * kP5, 11) * kP1;
  hash = (hash ^ hash >> 33) * kP2;
  hash = (hash ^ hash >> 29) * kP3;
  return hash ^ hash >> 32;
}

uint64_t MurmurHash2(const uint8_t* bytes, size_t length) {
  uint64_t hash = kStdHashSeed ^ length * kMurmur;
  const uint8_t* at = bytes;
  const uint8_t* end = bytes + length;
  for (; end - at >= 8; at += 8) {
    uint64_t word = Word64(at) * kMurmur;
    hash = (hash ^ (word ^ word >> 47) * kMurmur) * kMurmur;
  }
  if (at < end) {
    uint64_t word = 0;
    for (int shift = 0; at < end; at++, shift += 8) word |= static_cast<uint64_t>(*at) << shift;
    hash = (hash ^ word) * kMurmur;
  }
  hash = (hash ^ hash >> 47) * kMurmur;
  return hash ^ hash >> 47;
}

void FillRing(const HashKeys& keys, const uint32_t* points, bool is_murmur, const RingTable& ring) {
  std::vector<uint64_t> hashes;
  std::vector<uint16_t> owners;
  hashes.reserve(ring.count);
  owners.reserve(ring.count);
  for (size_t key = 0; key < keys.count; key++) {
    PointText text(keys.bytes + keys.start(key), keys.ends[key] - keys.start(key));
    for (uint32_t i = 0; i < points[key]; i++) {
      size_t length = text.Write(i);
      hashes.push_back(is_murmur ? MurmurHash2(text.bytes(), length) : XxHash64(text.bytes(), length, 0));
      owners.push_back(static_cast<uint16_t>(key));
    }
  }
  SortPoints(hashes, owners, ring);
}

void FillMaglev(const HashKeys& keys, const double* weights, uint16_t* owners, size_t table_size, uint32_t* slots) {
  std::vector<uint32_t> wants(keys.count);
  std::vector<uint32_t> skips(keys.count);
  for (size_t key = 0; key < keys.count; key++) {
    const uint8_t* text = keys.bytes + keys.start(key);
    size_t length = keys.ends[key] - keys.start(key);
    wants[key] = static_cast<uint32_t>(XxHash64(text, length, 0) % table_size);
    skips[key] = static_cast<uint32_t>(XxHash64(text, length, 1) % (table_size - 1) + 1);
  }
  Turns turns(weights, keys.count);
  std::vector<bool> is_taken(table_size, false);
  for (size_t claimed = 0; claimed < table_size; claimed++) {
    size_t key = turns.Next();
    uint32_t slot;
    do {
      slot = wants[key];
      uint32_t after = slot + skips[key];
      wants[key] = after >= table_size ? static_cast<uint32_t>(after - table_size) : after;
    } while (is_taken[slot]);
    is_taken[slot] = true;
    owners[slot] = static_cast<uint16_t>(key);
    slots[key]++;
  }
}

}  // namespace millrace
