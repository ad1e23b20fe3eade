// A poller without Node: rings in plain memory, and turns until something happens.
#pragma once
#include <unistd.h>
#include <array>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "../poller.h"
#include "check.h"

using namespace millrace;

struct Bench {
  std::vector<int32_t> events = std::vector<int32_t>(static_cast<size_t>(kEventsMax) * kEntryInts);
  std::vector<int32_t> ops = std::vector<int32_t>(static_cast<size_t>(kOpsMax) * kEntryInts);
  std::vector<uint8_t> arena = std::vector<uint8_t>(1 << 20);
  double clock[2] = {0, 0};
  Poller poller;
  int32_t op_count = 0;

  explicit Bench(int32_t worker, size_t slab_bytes = 512 * 1024)
      : poller(worker, {events.data(), ops.data(), clock, arena.data(), arena.size(), slab_bytes}) {}

  void Op(int32_t kind, int32_t slot, int32_t a = 0, int32_t b = 0) {
    int32_t* op = ops.data() + op_count++ * kEntryInts;
    op[0] = kind;
    op[1] = slot;
    op[2] = a;
    op[3] = b;
  }
  void Run() {
    poller.Execute(op_count);
    op_count = 0;
  }
  void Write(int32_t slot, const std::string& text) {
    std::memcpy(arena.data() + 600 * 1024, text.data(), text.size());
    Op(kOpWrite, slot, 600 * 1024, static_cast<int32_t>(text.size()));
    Run();
  }
  // Turns until an event of this kind comes; events that came before it and fit nothing yet are kept.
  std::vector<std::array<int32_t, 4>> seen;
  std::array<int32_t, 4> found{};
  const int32_t* Until(int32_t kind, int32_t slot = -1) {
    for (int i = 0; i < 2000; i++) {
      for (size_t at = 0; at < seen.size(); at++) {
        if (seen[at][0] != kind || (slot >= 0 && seen[at][1] != slot)) continue;
        found = seen[at];
        seen.erase(seen.begin() + static_cast<std::ptrdiff_t>(at));
        return found.data();
      }
      int32_t count = poller.Gather();
      poller.CheckDeadlines();
      for (int32_t at = 0; at < count; at++) {
        const int32_t* event = events.data() + at * kEntryInts;
        seen.push_back({event[0], event[1], event[2], event[3]});
      }
      if (count == 0) ::usleep(1000);
    }
    CHECK(!"the event did not come");
    return nullptr;
  }
};

[[maybe_unused]] static int PortOf(int fd) {
  int family = 0;
  int port = 0;
  std::string host;
  CHECK(DescribeAddress(fd, false, &family, &host, &port));
  return port;
}

[[maybe_unused]] static void Connect(Bench* bench, int32_t* client, int32_t* server, int* listener) {
  SocketAddress address;
  CHECK(MakeAddress(4, "127.0.0.1", 0, &address));
  *listener = bench->poller.Listen(address, 16, false, 7);
  CHECK(*listener >= 0);
  CHECK(MakeAddress(4, "127.0.0.1", PortOf(*listener), &address));
  *client = bench->poller.Dial(address, 1000);
  CHECK(*client >= 0);
  const int32_t* accepted = bench->Until(kEventAccepted);
  *server = accepted[1];
  CHECK(accepted[2] == 7);
}

