// The poller without Node: real sockets, rings in plain memory, under the sanitizers.
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include "poller_bench.h"

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

// `count` clients and the server's side of each, all in one poller.
static void ConnectMany(Bench* bench, int count, std::vector<int32_t>* clients, std::vector<int32_t>* servers) {
  SocketAddress address;
  CHECK(MakeAddress(4, "127.0.0.1", 0, &address));
  int listener = bench->poller.Listen(address, 1024, false, 0);
  CHECK(listener >= 0);
  CHECK(MakeAddress(4, "127.0.0.1", PortOf(listener), &address));
  for (int i = 0; i < count; i++) {
    clients->push_back(bench->poller.Dial(address, 1000));
    servers->push_back(bench->Until(kEventAccepted)[1]);
    bench->Until(kEventOpened, clients->back());
  }
  while (bench->poller.Gather() > 0) continue;
}

static bool IsReadable(int fd) {
  epoll_event event;
  int outer = ::epoll_create1(0);
  epoll_event want{};
  want.events = EPOLLIN;
  CHECK(::epoll_ctl(outer, EPOLL_CTL_ADD, fd, &want) == 0);
  int count = ::epoll_wait(outer, &event, 1, 0);
  ::close(outer);
  return count == 1;
}

// A round takes all that upstreams sent, and of what clients sent only so much that it stays in the caches.
static void TestUpstreamsFirst() {
  Bench bench(5);
  std::vector<int32_t> dialled;
  std::vector<int32_t> accepted;
  ConnectMany(&bench, 48, &dialled, &accepted);
  for (size_t i = 0; i < dialled.size(); i++) {
    bench.Write(dialled[i], "to the accepted side");
    bench.Write(accepted[i], "to the dialled side");
  }
  size_t from_dialled = 0;
  size_t from_accepted = 0;
  int32_t count = bench.poller.Gather();
  bool is_client_seen = false;
  for (int32_t at = 0; at < count; at++) {
    const int32_t* event = bench.events.data() + at * kEntryInts;
    if (event[0] != kEventBytes) continue;
    bool is_dialled = std::find(dialled.begin(), dialled.end(), event[1]) != dialled.end();
    CHECK(!(is_dialled && is_client_seen));
    if (!is_dialled) is_client_seen = true;
    (is_dialled ? from_dialled : from_accepted)++;
  }
  CHECK(from_dialled == 48);
  CHECK(from_accepted == 32);
  // The poller's descriptor has nothing new to say: the wake is what brings the next turn.
  CHECK(!IsReadable(bench.poller.epoll_fd()));
  bench.poller.WakeIfPending();
  CHECK(IsReadable(bench.poller.epoll_fd()));
  for (size_t i = 0; i < 16; i++) bench.Until(kEventBytes);
}

// More than the slab holds was sent: what stays behind in the poller makes a wake too.
static void TestLeftoverEventsWake() {
  Bench bench(6);
  std::vector<int32_t> dialled;
  std::vector<int32_t> accepted;
  ConnectMany(&bench, 40, &dialled, &accepted);
  for (int32_t slot : accepted) {
    bench.Op(kOpWrite, slot, 0, 30 * 1024);
    bench.Run();
  }
  CHECK(bench.poller.Gather() < 40);
  bench.poller.WakeIfPending();
  CHECK(IsReadable(bench.poller.epoll_fd()));
}

// The event loop's descriptor ends a wait, makes no event, and is told of once. Behind a round that took all there was a
// wait is one, and no look: what comes during it ends it.
static void TestLoopEndsWait() {
  Bench bench(8);
  int32_t client = 0;
  int32_t server = 0;
  int listener = 0;
  Connect(&bench, &client, &server, &listener);
  int loop = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  bench.poller.WatchLoop(loop);
  bench.Write(client, "before");
  bench.Until(kEventBytes, server);
  CHECK(!bench.poller.TakeLoopReady());
  std::thread other([loop] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    CHECK(::eventfd_write(loop, 1) == 0);
  });
  do {
    CHECK(bench.poller.Wait(-1));
    CHECK(bench.poller.Gather() == 0);
  } while (!bench.poller.TakeLoopReady());
  CHECK(!bench.poller.TakeLoopReady());
  other.join();
  ::close(loop);
}

// A descriptor closed while its event waits in the poller; the slot's next owner must not be closed by that event.
static void TestStaleEvent() {
  Bench bench(7, 24 * 1024);
  std::vector<int32_t> dialled;
  std::vector<int32_t> accepted;
  ConnectMany(&bench, 60, &dialled, &accepted);
  // A reader of 16 KiB at a time takes many rounds for these, so that the last events of the batch wait: the resets.
  for (size_t i = 0; i < 40; i++) bench.Op(kOpWrite, accepted[i], 0, 4 * 1024);
  bench.Run();
  for (size_t i = 40; i < 60; i++) bench.Op(kOpAbort, accepted[i]);
  bench.Run();
  int32_t count = bench.poller.Gather();
  CHECK(count < 60);
  // The owner closes them itself, then the slots are given out again.
  for (size_t i = 40; i < 60; i++) bench.Op(kOpAbort, dialled[i]);
  bench.Run();
  std::vector<int> peers;
  std::vector<int32_t> fresh;
  bool is_reused = false;
  for (int round = 0; round < 60; round++) {
    count = bench.poller.Gather();
    for (int32_t at = 0; at < count; at++) {
      const int32_t* event = bench.events.data() + at * kEntryInts;
      for (int32_t slot : fresh) CHECK(!(event[0] == kEventClosed && event[1] == slot));
    }
    if (round > 2) continue;
    for (int i = 0; i < 20; i++) {
      int pair[2];
      CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
      fresh.push_back(bench.poller.Adopt(pair[0]));
      bench.Op(kOpHold, fresh.back());  // as a client whose request is under way: an error event closes it
      peers.push_back(pair[1]);
      for (size_t old = 40; old < 60; old++) is_reused = is_reused || fresh.back() == dialled[old];
    }
    bench.Run();
  }
  CHECK(is_reused);
  for (int32_t slot : fresh) CHECK(bench.poller.FdOf(slot) >= 0);
  for (int fd : peers) ::close(fd);
}

// One side sends without end; the other's messages arrive all the same, and nobody on the busy side is left out.
static void TestBulkStarvesNobody() {
  Bench bench(8, 32 * 1024);
  std::vector<int32_t> dialled;
  std::vector<int32_t> accepted;
  ConnectMany(&bench, 12, &dialled, &accepted);
  for (int32_t slot : accepted) bench.Op(kOpHighMark, slot, 1 << 30);
  bench.Run();
  bench.Write(dialled[0], "from a client");
  std::vector<size_t> received(12, 0);
  bool is_client_heard = false;
  for (int round = 0; round < 60; round++) {
    for (int32_t slot : accepted) bench.Op(kOpWrite, slot, 0, 64 * 1024);
    bench.Run();
    int32_t count = bench.poller.Gather();
    for (int32_t at = 0; at < count; at++) {
      const int32_t* event = bench.events.data() + at * kEntryInts;
      if (event[0] != kEventBytes) continue;
      if (event[1] == accepted[0]) is_client_heard = true;
      for (size_t i = 0; i < 12; i++)
        if (event[1] == dialled[i]) received[i] += static_cast<size_t>(event[3]);
    }
  }
  CHECK(is_client_heard);
  for (size_t bytes : received) CHECK(bytes > 0);
}

int main() {
  TestEchoAndClose();
  TestHoldAndRelease();
  TestQueueAndDrain();
  TestAbortRefusedAndHandoff();
  TestUpstreamsFirst();
  TestLeftoverEventsWake();
  TestLoopEndsWait();
  TestStaleEvent();
  TestBulkStarvesNobody();
  std::puts("native: 9 passed");
  return 0;
}
