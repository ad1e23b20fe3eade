// TLS of pollers over sockets: turns, backpressure, ends. Under the sanitizers.
#include <sys/socket.h>
#include <unistd.h>
#include <cstring>
#include <string>
#include <vector>

#include "poller_bench.h"
#include "tls_contexts.h"

// Clients that are dialled and servers that accepted them, all in one poller; no handshake has begun.
static void DialMany(Bench* bench, int count, std::vector<int32_t>* clients, std::vector<int32_t>* servers) {
  auto server = ContextOf(true);
  auto client = ContextOf(false);
  SocketAddress address;
  CHECK(MakeAddress(4, "127.0.0.1", 0, &address));
  int listener = bench->poller.Listen(address, 1024, false, 0);
  CHECK(MakeAddress(4, "127.0.0.1", PortOf(listener), &address));
  for (int i = 0; i < count; i++) {
    auto tls = TlsStream::Connect(client, *bench->poller.tls_io(), "example.com", "key", {});
    clients->push_back(bench->poller.Dial(address, 5000, std::move(tls)));
    servers->push_back(bench->Until(kEventAccepted)[1]);
    CHECK(bench->poller.StartTls(servers->back(), server, nullptr, 0, 5000));
  }
}

static void OpenAll(Bench* bench, const std::vector<int32_t>& slots) {
  for (int32_t slot : slots) {
    CHECK(bench->Until(kEventHandshake, slot)[2] == 0);
    bench->Op(kOpOpen, slot);
    bench->Run();
  }
}

static void TestManyHandshakes() {
  Bench bench(20);
  std::vector<int32_t> clients;
  std::vector<int32_t> servers;
  DialMany(&bench, 40, &clients, &servers);
  for (int32_t slot : clients) bench.Write(slot, "before the handshake");
  OpenAll(&bench, clients);
  OpenAll(&bench, servers);
  for (int32_t slot : servers) CHECK(bench.Until(kEventBytes, slot)[3] == 20);
}

// More wait than one round takes: the others have their turn in the next ones.
static void TestHandshakesPerRound() {
  Bench bench(21);
  auto server = ContextOf(true);
  auto client = TlsStream::Connect(ContextOf(false), *bench.poller.tls_io(), "", "", {});
  bench.poller.tls_io()->SetInput(nullptr, 0);
  CHECK(client->Handshake() == TlsResult::kWantRead);
  size_t length = 0;
  const uint8_t* output = bench.poller.tls_io()->TakeOutput(&length);
  std::vector<uint8_t> hello(output, output + length);
  std::vector<int> peers;
  for (int i = 0; i < 40; i++) {
    int pair[2];
    CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    peers.push_back(pair[1]);
    CHECK(bench.poller.StartTls(bench.poller.Adopt(pair[0]), server, hello.data(), hello.size(), 0));
  }
  size_t answered = 0;
  for (int round = 0; round < 40 && answered < peers.size(); round++) {
    CHECK(bench.poller.Gather() == 0);
    size_t now = 0;
    for (int fd : peers) {
      uint8_t byte = 0;
      now += ::recv(fd, &byte, 1, MSG_PEEK) == 1;
    }
    CHECK(now > answered && now <= answered + 16);
    answered = now;
  }
  CHECK(answered == peers.size());
  for (int fd : peers) ::close(fd);
}

static void TestBackpressureAndEnd() {
  Bench bench(22);
  std::vector<int32_t> clients;
  std::vector<int32_t> servers;
  DialMany(&bench, 1, &clients, &servers);
  OpenAll(&bench, clients);
  OpenAll(&bench, servers);
  int32_t client = clients[0];
  int32_t server = servers[0];
  bench.Op(kOpHold, server);
  bench.Op(kOpHighMark, client, 64 * 1024);
  bench.Run();
  size_t written = 0;
  for (int i = 0; i < 200; i++) {
    bench.Op(kOpWrite, client, 0, 64 * 1024);
    bench.Run();
    written += 64 * 1024;
  }
  bench.Until(kEventQueued, client);
  bench.Op(kOpEnd, client, 5000);
  bench.Op(kOpRelease, server);
  bench.Run();
  size_t received = 0;
  bool has_end = false;
  for (int i = 0; i < 20000 && !has_end; i++) {
    int32_t count = bench.poller.Gather();
    for (int32_t at = 0; at < count; at++) {
      const int32_t* event = bench.events.data() + at * kEntryInts;
      if (event[0] == kEventBytes) received += static_cast<size_t>(event[3]);
      if (event[0] == kEventPeerEnd) {
        CHECK(event[1] == server && event[2] == 0);
        has_end = true;
      }
    }
  }
  CHECK(has_end && received == written);
  bench.Op(kOpEnd, server, 0);
  bench.Run();
  CHECK(bench.Until(kEventClosed, client)[2] == 0);
}

static void TestGarbage() {
  Bench bench(23);
  int32_t client = 0;
  int32_t server = 0;
  int listener = 0;
  Connect(&bench, &client, &server, &listener);
  std::string garbage = "GET / HTTP/1.1\r\n\r\n";
  CHECK(bench.poller.StartTls(server, ContextOf(true), reinterpret_cast<const uint8_t*>(garbage.data()), garbage.size(), 0));
  CHECK(bench.Until(kEventClosed, server)[2] == -kTlsEndHandshake);
  CHECK(bench.poller.TlsOf(server)->failure().find("http request") != std::string::npos);
  CHECK(bench.poller.FdOf(server) < 0);
}

static void TestTimeout() {
  Bench bench(24);
  int32_t client = 0;
  int32_t server = 0;
  int listener = 0;
  Connect(&bench, &client, &server, &listener);
  CHECK(bench.poller.StartTls(server, ContextOf(true), nullptr, 0, 20));
  CHECK(bench.Until(kEventClosed, server)[2] == -kTlsEndTimeout);
}

int main() {
  TestManyHandshakes();
  TestHandshakesPerRound();
  TestBackpressureAndEnd();
  TestGarbage();
  TestTimeout();
  std::puts("tls pollers: 5 passed");
  return 0;
}
