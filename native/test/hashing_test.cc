// Hashes and tables under the sanitizers; that they are right is checked against the TypeScript twins.
#include "../hashing.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "check.h"

using namespace millrace;

// Exactly as long as its text: a byte read too far is found.
std::vector<uint8_t> BytesOf(const std::string& text) { return {text.begin(), text.end()}; }

void TestHashes() {
  auto foo = BytesOf("foo");
  CHECK(XxHash64(foo.data(), foo.size(), 0) == 3728699739546630719u);
  CHECK(MurmurHash2(foo.data(), foo.size()) == 9631199822919835226u);
  CHECK(XxHash64(nullptr, 0, 0) == 17241709254077376921u);
  for (size_t length = 1; length < 100; length++) {
    std::vector<uint8_t> bytes(length, 'a');
    CHECK(XxHash64(bytes.data(), length, length) != MurmurHash2(bytes.data(), length));
  }
}

struct Keys {
  std::vector<uint8_t> bytes;
  std::vector<uint32_t> ends;

  explicit Keys(size_t count) {
    for (size_t i = 0; i < count; i++) {
      auto key = BytesOf("10.0.0." + std::to_string(i) + ":80");
      bytes.insert(bytes.end(), key.begin(), key.end());
      ends.push_back(static_cast<uint32_t>(bytes.size()));
    }
    bytes.shrink_to_fit();
  }
  [[nodiscard]] HashKeys view() const { return {bytes.data(), ends.data(), ends.size()}; }
};

void TestRing(size_t count, uint32_t points_each, int shift, bool is_murmur) {
  Keys keys(count);
  std::vector<uint32_t> points(count, points_each);
  size_t total = count * points_each;
  std::vector<uint32_t> starts((size_t{1} << (32 - shift)) + 1), lows(total), highs(total), slots(count);
  std::vector<uint16_t> owners(total);
  FillRing(keys.view(), points.data(), is_murmur,
           {starts.data(), starts.size(), shift, lows.data(), highs.data(), owners.data(), total});
  for (size_t slot = 0; slot < total; slot++) {
    slots[owners[slot]]++;
    if (slot > 0) CHECK(highs[slot - 1] < highs[slot] || (highs[slot - 1] == highs[slot] && lows[slot - 1] <= lows[slot]));
  }
  CHECK(slots == points);
  CHECK(starts.front() == 0 && starts.back() == total);
}

void TestMaglev(std::vector<double> weights, size_t table_size) {
  Keys keys(weights.size());
  double sum = 0;
  for (double weight : weights) sum += weight;
  for (double& weight : weights) weight /= sum;
  std::vector<uint16_t> owners(table_size, 0xffff);
  std::vector<uint32_t> slots(weights.size());
  FillMaglev(keys.view(), weights.data(), owners.data(), table_size, slots.data());
  size_t total = 0;
  for (size_t key = 0; key < slots.size(); key++) {
    CHECK(slots[key] == static_cast<uint32_t>(std::count(owners.begin(), owners.end(), static_cast<uint16_t>(key))));
    total += slots[key];
  }
  CHECK(total == table_size);
}

int main() {
  TestHashes();
  TestRing(1, 1, 31, false);
  TestRing(7, 100, 22, false);
  TestRing(3, 5000, 18, true);
  TestRing(5, 200, 31, false);
  TestMaglev({1}, 2);
  TestMaglev({1, 2, 3}, 65537);
  TestMaglev({1000000, 1, 1, 3}, 65537);
  TestMaglev({1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 7);
  std::puts("hashing: 9 passed");
  return 0;
}
