// TLS streams over memory: records, what peers may ask, damage. Under the sanitizers.
#include <openssl/ssl.h>
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "../tls_stream.h"
#include "tls_contexts.h"

using namespace millrace;

// Two streams over one TlsIo, as two connections of one poller.
struct Duo {
  explicit Duo(int32_t version = TLS1_3_VERSION)
      : server_context(ContextOf(true, version)), client_context(ContextOf(false, version)) {}

  TlsIo io;
  std::shared_ptr<TlsContext> server_context;
  std::shared_ptr<TlsContext> client_context;
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

// What one side sends, read by the other: what it got, and why it stopped.
static TlsResult Received(Duo* duo, TlsStream* by) {
  auto wire = duo->Output();
  duo->io.SetInput(wire.data(), wire.size());
  uint8_t to[100];
  TlsResult why = TlsResult::kDone;
  CHECK(by->Read(duo->io, to, sizeof to, &why) <= sizeof to);
  return why;
}

// A byte of data follows each update: data earns nothing.
static void UpdateKeys(Duo* duo, TlsStream* from, int times) {
  char text[] = "x";
  iovec part{text, 1};
  for (int i = 0; i < times; i++) {
    CHECK(SSL_key_update(from->ssl(), SSL_KEY_UPDATE_REQUESTED) == 1);
    CHECK(from->Write(&duo->io, &part, 1, [] {}));
  }
}

static void TestKeyUpdateFlood() {
  for (bool is_client : {true, false}) {
    Duo duo;
    duo.Shake(1 << 20);
    TlsStream* from = is_client ? duo.client.get() : duo.server.get();
    TlsStream* to = is_client ? duo.server.get() : duo.client.get();
    UpdateKeys(&duo, from, ControlBudget::kAtOnce / 2);
    CHECK(Received(&duo, to) == TlsResult::kWantRead && to->end() == 0);
    duo.Output();  // the answer to the updates
    UpdateKeys(&duo, from, 40);
    CHECK(Received(&duo, to) == TlsResult::kFailed);
    CHECK(to->end() == kTlsEndBroken && to->failure().find("key updates") != std::string::npos);
  }
}

static void TestTicketFlood() {
  Duo duo;
  duo.Shake(1 << 20);
  for (int i = 0; i < 50; i++) {
    CHECK(SSL_new_session_ticket(duo.server->ssl()) == 1);
    CHECK(SSL_do_handshake(duo.server->ssl()) == 1);
  }
  CHECK(Received(&duo, duo.client.get()) == TlsResult::kFailed && duo.client->end() == kTlsEndBroken);
}

static void TestControlBudget() {
  constexpr int64_t kSecond = 1000000000;
  ControlBudget budget;
  int64_t now = 1000 * kSecond;
  for (int i = 0; i < ControlBudget::kAtOnce; i++) CHECK(budget.Spend(now));
  CHECK(!budget.Spend(now) && !budget.Spend(now + kSecond - 1));
  CHECK(budget.Spend(now + kSecond) && !budget.Spend(now + kSecond));
  for (int i = 0; i < ControlBudget::kAtOnce; i++) CHECK(budget.Spend(now + 1000 * kSecond));
  CHECK(!budget.Spend(now + 1000 * kSecond));
}

// Refused with a warning, and the connection goes on.
static void TestRenegotiation() {
  Duo duo(TLS1_2_VERSION);
  duo.Shake(1 << 20);
  SSL* client = duo.client->ssl();
  SSL_clear_options(client, SSL_OP_NO_RENEGOTIATION);
  CHECK(SSL_renegotiate(client) == 1 && SSL_do_handshake(client) == -1);
  CHECK(Received(&duo, duo.server.get()) == TlsResult::kWantRead && duo.server->end() == 0);
  auto answer = duo.Output();
  CHECK(!answer.empty() && answer[0] == SSL3_RT_ALERT && RecordsOf(answer).size() == 1);
}

// What the library bounds itself, and this build of it must: else a peer could keep a handshake busy for ever.
static void TestFloodsInHandshakes() {
  struct Flood {
    std::vector<uint8_t> record;
    int times;
  };
  std::vector<uint8_t> huge = {22, 3, 1, 0x40, 0, 1, 3, 0, 0};  // a ClientHello of 196,608 bytes
  huge.resize(5 + 0x4000);
  const Flood floods[] = {
      {{20, 3, 3, 0, 1, 1}, 100},      // ChangeCipherSpec
      {{21, 3, 3, 0, 2, 1, 90}, 100},  // warnings
      {{22, 3, 1, 0, 0}, 100},         // empty records
      {huge, 1},
  };
  for (const Flood& flood : floods) {
    Duo duo;
    std::vector<uint8_t> wire;
    for (int i = 0; i < flood.times; i++) wire.insert(wire.end(), flood.record.begin(), flood.record.end());
    duo.io.SetInput(wire.data(), wire.size());
    CHECK(duo.server->Handshake() == TlsResult::kFailed && duo.server->end() == kTlsEndHandshake);
  }
}

// A client that was promised nothing sends 0-RTT data all the same: it is passed over, and nobody sees it.
static void TestEarlyData() {
  Duo duo;
  duo.Shake(1 << 20);
  CHECK(Received(&duo, duo.client.get()) == TlsResult::kWantRead);
  duo.server = TlsStream::Accept(duo.server_context, duo.io);
  duo.client = TlsStream::Connect(duo.client_context, duo.io, "example.com", "key", {});
  SSL* client = duo.client->ssl();
  CHECK(SSL_SESSION_get_max_early_data(SSL_get_session(client)) == 0);
  SSL_SESSION_set_max_early_data(SSL_get_session(client), 1000);
  size_t written = 0;
  CHECK(SSL_write_early_data(client, "early", 5, &written) == 1);
  auto wire = duo.Output();
  CHECK(RecordsOf(wire).size() >= 2);
  duo.io.SetInput(wire.data(), wire.size());
  CHECK(duo.server->Handshake() == TlsResult::kWantRead);
  wire = duo.Output();
  duo.io.SetInput(wire.data(), wire.size());
  CHECK(duo.client->Handshake() == TlsResult::kDone);
  CHECK(SSL_get_early_data_status(client) == SSL_EARLY_DATA_REJECTED && SSL_session_reused(client) == 1);
  wire = duo.Output();
  duo.io.SetInput(wire.data(), wire.size());
  CHECK(duo.server->Handshake() == TlsResult::kDone);
  uint8_t to[100];
  TlsResult why = TlsResult::kDone;
  CHECK(duo.server->Read(duo.io, to, sizeof to, &why) == 0 && why == TlsResult::kWantRead);
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

int main() {
  TestGathering();
  TestHandshakeInPieces();
  TestShortRoom();
  TestKeyUpdateCloseAndForgery();
  TestKeyUpdateFlood();
  TestTicketFlood();
  TestControlBudget();
  TestRenegotiation();
  TestFloodsInHandshakes();
  TestEarlyData();
  TestDamage();
  std::puts("tls streams: 11 passed");
  return 0;
}
