// The poller without Node: real sockets, rings in plain memory, under the sanitizers.
#include "../poller.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

using namespace millrace;

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);      \
      std::exit(1);                                                             \
    }                                                                           \
  } while (0)

struct Bench {
  std::vector<int32_t> events = std::vector<int32_t>(static_cast<size_t>(kEventsMax) * kEntryInts);
  std::vector<int32_t> ops = std::vector<int32_t>(static_cast<size_t>(kOpsMax) * kEntryInts);
  std::vector<uint8_t> arena = std::vector<uint8_t>(1 << 20);
  double clock[2] = {0, 0};
  Poller poller;
  int32_t op_count = 0;

  explicit Bench(int32_t worker)
      : poller(worker, {events.data(), ops.data(), clock, arena.data(), arena.size(), 512 * 1024}) {}

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

static int PortOf(int fd) {
  int family = 0;
  int port = 0;
  std::string host;
  CHECK(DescribeAddress(fd, false, &family, &host, &port));
  return port;
}

static void Connect(Bench* bench, int32_t* client, int32_t* server, int* listener) {
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

static void TestEchoAndClose() {
  Bench bench(1);
  int32_t client = 0;
  int32_t server = 0;
  int listener = 0;
  Connect(&bench, &client, &server, &listener);
  bench.Write(client, "hello");
  const int32_t* event = bench.Until(kEventBytes, server);
  CHECK(event[3] == 5 && std::memcmp(bench.arena.data() + event[2], "hello", 5) == 0);
  bench.Op(kOpEnd, client, 1000);
  bench.Run();
  bench.Until(kEventPeerEnd, server);
  bench.Op(kOpEnd, server, 0);
  bench.Run();
  bench.Until(kEventClosed);
  bench.poller.CloseListener(listener);
}

static void TestHoldAndRelease() {
  Bench bench(2);
  int32_t client = 0;
  int32_t server = 0;
  int listener = 0;
  Connect(&bench, &client, &server, &listener);
  bench.Op(kOpHold, server);
  bench.Write(client, "held");
  for (int i = 0; i < 20; i++) {
    int32_t count = bench.poller.Gather();
    for (int32_t at = 0; at < count; at++) CHECK(bench.events[static_cast<size_t>(at * kEntryInts)] != kEventBytes);
    ::usleep(1000);
  }
  bench.Op(kOpRelease, server);
  bench.Run();
  CHECK(bench.Until(kEventBytes, server)[3] == 4);
}

static void TestQueueAndDrain() {
  Bench bench(3);
  int32_t client = 0;
  int32_t server = 0;
  int listener = 0;
  Connect(&bench, &client, &server, &listener);
  bench.Op(kOpHold, server);
  bench.Op(kOpHighMark, client, 64 * 1024);
  bench.Run();
  size_t written = 0;
  for (int i = 0; i < 300; i++) {
    bench.Op(kOpWrite, client, 0, 64 * 1024);
    bench.Run();
    written += 64 * 1024;
  }
  bench.Until(kEventQueued, client);
  bench.Op(kOpRelease, server);
  bench.Run();
  size_t received = 0;
  bool is_writable = false;
  for (int i = 0; i < 20000 && (received < written || !is_writable); i++) {
    int32_t count = bench.poller.Gather();
    for (int32_t at = 0; at < count; at++) {
      const int32_t* event = bench.events.data() + at * kEntryInts;
      if (event[0] == kEventBytes) received += static_cast<size_t>(event[3]);
      if (event[0] == kEventWritable) is_writable = true;
    }
  }
  CHECK(received == written);
  CHECK(is_writable);
}

static void TestAbortRefusedAndHandoff() {
  Bench bench(4);
  int32_t client = 0;
  int32_t server = 0;
  int listener = 0;
  Connect(&bench, &client, &server, &listener);
  bench.Op(kOpAbort, client);
  bench.Run();
  CHECK(bench.Until(kEventClosed, client)[3] == 1);
  CHECK(bench.Until(kEventClosed, server)[2] == ECONNRESET);
  int port = PortOf(listener);
  bench.poller.CloseListener(listener);
  SocketAddress address;
  CHECK(MakeAddress(4, "127.0.0.1", port, &address));
  int32_t refused = bench.poller.Dial(address, 1000);
  CHECK(refused >= 0);
  CHECK(bench.Until(kEventClosed, refused)[2] == ECONNREFUSED);
  int pair[2];
  CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
  CHECK(FindQueue(4)->Push({pair[0], 9}));
  CHECK(bench.Until(kEventAccepted)[2] == 9);
  ::close(pair[1]);
  CHECK(FindQueue(99) == nullptr);
}

int main() {
  TestEchoAndClose();
  TestHoldAndRelease();
  TestQueueAndDrain();
  TestAbortRefusedAndHandoff();
  std::puts("native: 4 passed");
  return 0;
}
