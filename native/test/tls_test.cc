// TLS without Node: streams over memory and pollers over sockets, under the sanitizers. Keys are made here.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "poller_bench.h"

static std::string TextOf(BIO* bio) {
  char* text = nullptr;
  long length = BIO_get_mem_data(bio, &text);
  std::string answer(text, static_cast<size_t>(length));
  BIO_free(bio);
  return answer;
}

static TlsCertificate SelfSigned() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const uint8_t*>("test"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
  BIO* chain = BIO_new(BIO_s_mem());
  BIO* secret = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(chain, certificate);
  PEM_write_bio_PrivateKey(secret, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(certificate);
  EVP_PKEY_free(key);
  TlsCertificate made;
  made.chain_pem = TextOf(chain);
  made.key_pem = TextOf(secret);
  return made;
}

static std::shared_ptr<TlsContext> ContextOf(bool is_server, int32_t version = TLS1_3_VERSION) {
  TlsOptions options;
  options.is_server = is_server;
  options.min_version = options.max_version = version;
  options.alpn = {"h2", "http/1.1"};
  if (is_server) options.certificates.push_back(SelfSigned());
  std::string problem;
  auto context = TlsContext::Make(options, &problem);
  if (context == nullptr) std::fprintf(stderr, "%s\n", problem.c_str());
  CHECK(context != nullptr);
  return context;
}

// Two streams over one TlsIo, as two connections of one poller.
struct Duo {
  TlsIo io;
  std::shared_ptr<TlsContext> server_context = ContextOf(true);
  std::shared_ptr<TlsContext> client_context = ContextOf(false);
  std::unique_ptr<TlsStream> server = TlsStream::Accept(server_context, io);
  std::unique_ptr<TlsStream> client = TlsStream::Connect(client_context, io, "example.com", "key", {});

  std::vector<uint8_t> Output() {
    size_t length = 0;
    uint8_t* bytes = io.TakeOutput(&length);
    return {bytes, bytes + length};
  }
  void Shake(size_t piece) {
    std::vector<uint8_t> wire;
    TlsStream* sides[] = {client.get(), server.get()};
    for (int turn = 0; turn < 10 && !(client->is_done() && server->is_done() && wire.empty()); turn++) {
      TlsStream* side = sides[turn % 2];
      std::vector<uint8_t> answer;
      size_t at = 0;
      do {
        size_t length = std::min(piece, wire.size() - at);
        io.SetInput(wire.data() + at, length);
        at += length;
        TlsResult why = TlsResult::kDone;
        uint8_t none[1];
        if (side->is_done()) CHECK(side->Read(io, none, sizeof none, &why) == 0 && why == TlsResult::kWantRead);
        else CHECK(side->Handshake() != TlsResult::kFailed);
        auto more = Output();
        answer.insert(answer.end(), more.begin(), more.end());
      } while (at < wire.size());
      wire = answer;
    }
    CHECK(client->is_done() && server->is_done());
  }
};

static std::vector<size_t> RecordsOf(const std::vector<uint8_t>& wire) {
  std::vector<size_t> sizes;
  for (size_t at = 0; at + 5 <= wire.size();) {
    size_t length = static_cast<size_t>(wire[at + 3]) << 8 | wire[at + 4];
    sizes.push_back(length);
    at += 5 + length;
  }
  return sizes;
}

static std::vector<size_t> Gathered(Duo* duo, const std::vector<size_t>& sizes, std::vector<uint8_t>* plain) {
  static uint8_t bytes[64 * 1024];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = static_cast<uint8_t>(i * 31 + (i >> 8));
  std::vector<iovec> parts;
  plain->clear();
  for (size_t size : sizes) {
    parts.push_back({bytes, size});
    plain->insert(plain->end(), bytes, bytes + size);
  }
  CHECK(duo->server->Write(&duo->io, parts.data(), static_cast<int>(parts.size()), [] {}));
  auto wire = duo->Output();
  std::vector<uint8_t> got(plain->size() + 1);
  duo->io.SetInput(wire.data(), wire.size());
  TlsResult why = TlsResult::kDone;
  got.resize(duo->client->Read(duo->io, got.data(), got.size(), &why));
  CHECK(why == TlsResult::kWantRead && got == *plain);
  auto records = RecordsOf(wire);
  for (size_t& size : records) size -= 17;  // content type and tag
  return records;
}

static void TestGathering() {
  Duo duo;
  duo.Shake(1 << 20);
  std::vector<uint8_t> plain;
  using Sizes = std::vector<size_t>;
  CHECK(Gathered(&duo, Sizes(50, 100), &plain) == Sizes{5000});
  CHECK(Gathered(&duo, {200}, &plain) == Sizes{200});
  CHECK(Gathered(&duo, {200, 40000}, &plain) == (Sizes{16384, 16384, 7432}));
  CHECK(Gathered(&duo, {40000, 200}, &plain) == (Sizes{16384, 16384, 7432}));
  CHECK(Gathered(&duo, {16384, 1}, &plain) == (Sizes{16384, 1}));
  CHECK(Gathered(&duo, {8000, 8384}, &plain) == Sizes{16384});
  CHECK(Gathered(&duo, {8000, 8385}, &plain) == (Sizes{16384, 1}));
}

static void TestHandshakeInPieces() {
  for (size_t piece : {size_t{1}, size_t{100}}) {
    Duo duo;
    duo.Shake(piece);
    CHECK(duo.server->AlpnIndex() == 0 && duo.client->AlpnIndex() == 0);
    CHECK(std::strcmp(SSL_get_servername(duo.server->ssl(), TLSEXT_NAMETYPE_host_name), "example.com") == 0);
  }
}

// What does not fit stays: in the input or inside of the library.
static void TestShortRoom() {
  Duo duo;
  duo.Shake(1 << 20);
  std::vector<uint8_t> bytes(40000, 'x');
  iovec part{bytes.data(), bytes.size()};
  CHECK(duo.server->Write(&duo.io, &part, 1, [] {}));
  auto wire = duo.Output();
  duo.io.SetInput(wire.data(), wire.size());
  uint8_t to[1000];
  size_t total = 0;
  while (true) {
    TlsResult why = TlsResult::kDone;
    total += duo.client->Read(duo.io, to, sizeof to, &why);
    duo.client->KeepRest(duo.io);
    if (!duo.client->HasRest()) break;
    duo.io.SetInput(duo.client->rest()->empty() ? nullptr : duo.client->rest()->data(), duo.client->rest()->size());
  }
  CHECK(total == bytes.size());
}

static void TestKeyUpdateCloseAndForgery() {
  Duo duo;
  duo.Shake(1 << 20);
  uint8_t to[100];
  TlsResult why = TlsResult::kDone;
  CHECK(SSL_key_update(duo.client->ssl(), SSL_KEY_UPDATE_REQUESTED) == 1);
  char text[] = "hello";
  iovec part{text, 5};
  CHECK(duo.client->Write(&duo.io, &part, 1, [] {}));
  auto wire = duo.Output();
  CHECK(RecordsOf(wire).size() == 2);
  duo.io.SetInput(wire.data(), wire.size());
  CHECK(duo.server->Read(duo.io, to, sizeof to, &why) == 5);
  CHECK(duo.server->Write(&duo.io, &part, 1, [] {}));
  wire = duo.Output();  // the server's own update comes first
  CHECK(RecordsOf(wire).size() == 2);
  duo.io.SetInput(wire.data(), wire.size());
  CHECK(duo.client->Read(duo.io, to, sizeof to, &why) == 5);
  duo.server->CloseNotify();
  duo.server->CloseNotify();
  wire = duo.Output();
  CHECK(RecordsOf(wire).size() == 1 && duo.server->has_closed());
  duo.io.SetInput(wire.data(), wire.size());
  CHECK(duo.client->Read(duo.io, to, sizeof to, &why) == 0 && why == TlsResult::kEnded);
  CHECK(duo.client->Write(&duo.io, &part, 1, [] {}));
  wire = duo.Output();
  wire.back() ^= 1;
  duo.io.SetInput(wire.data(), wire.size());
  CHECK(duo.server->Read(duo.io, to, sizeof to, &why) == 0 && why == TlsResult::kFailed);
  CHECK(duo.server->end() == kTlsEndBroken && duo.server->failure().find("bad record mac") != std::string::npos);
}

// Whatever a peer sends: an error, or a wait for more, and nothing of it reaches the owner.
static void TestDamage() {
  uint32_t seed = 1;
  auto next = [&seed](uint32_t below) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
  };
  int failed = 0;
  for (int times = 0; times < 300; times++) {
    Duo duo;
    std::vector<uint8_t> wire;
    TlsStream* sides[] = {duo.client.get(), duo.server.get()};
    uint32_t at_turn = next(3) + 1;
    for (uint32_t turn = 0; turn < 4; turn++) {
      if (turn == at_turn && !wire.empty()) {
        if (next(3) == 0) wire.resize(next(static_cast<uint32_t>(wire.size())) + 1);
        for (uint32_t i = next(4); i > 0; i--) wire[next(static_cast<uint32_t>(wire.size()))] = static_cast<uint8_t>(next(256));
      }
      TlsStream* side = sides[turn % 2];
      duo.io.SetInput(wire.data(), wire.size());
      if (side->is_done()) {
        uint8_t to[100];
        TlsResult why = TlsResult::kDone;
        CHECK(side->Read(duo.io, to, sizeof to, &why) == 0);
        if (why == TlsResult::kFailed) failed++;
      } else if (side->Handshake() == TlsResult::kFailed) {
        CHECK(side->end() != 0 && !side->failure().empty());
        failed++;
        break;
      }
      wire = duo.Output();
    }
  }
  CHECK(failed > 100);
}

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
  TestGathering();
  TestHandshakeInPieces();
  TestShortRoom();
  TestKeyUpdateCloseAndForgery();
  TestDamage();
  TestManyHandshakes();
  TestHandshakesPerRound();
  TestBackpressureAndEnd();
  TestGarbage();
  TestTimeout();
  std::puts("tls: 10 passed");
  return 0;
}
