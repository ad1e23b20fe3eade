// TLS of one connection: handshake, records in both directions, and why it failed. It reads and writes memory only.
#pragma once
#include <openssl/ssl.h>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "byte_queue.h"
#include "control_budget.h"
#include "tls_context.h"
#include "tls_io.h"

namespace millrace {

// How TLS ended a connection; engine/io/tls.ts has the same numbers.
enum TlsEnd : int32_t { kTlsEndHandshake = 1, kTlsEndVerify = 2, kTlsEndTimeout = 3, kTlsEndBroken = 4 };

// Decides about a peer's certificate inside of the handshake. False: it is refused.
using PeerJudge = std::function<bool(int32_t slot, X509* leaf)>;

// What became of a client's wish for a response of OCSP; engine/io/tls.ts has the same numbers.
enum class TlsStaple : int32_t { kNotAsked = 0, kSent = 1, kOmitted = 2, kFailed = 3 };

enum class TlsResult {
  kDone,      // handshake: finished. Read: there was no more room
  kWantRead,  // all input is used up
  kEnded,     // the peer sent close_notify
  kFailed,    // see end() and failure()
};

class TlsStream {
 public:
  // Null: out of memory.
  [[nodiscard]] static std::unique_ptr<TlsStream> Accept(std::shared_ptr<TlsContext> context, const TlsIo& io);
  [[nodiscard]] static std::unique_ptr<TlsStream> Connect(std::shared_ptr<TlsContext> context, const TlsIo& io,
                                                          const std::string& server_name, std::string session_key,
                                                          const std::vector<uint8_t>& alpn);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  [[nodiscard]] static TlsStream* Of(const SSL* ssl) { return static_cast<TlsStream*>(SSL_get_app_data(ssl)); }
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }
  [[nodiscard]] TlsContext* context() const { return context_.get(); }
  [[nodiscard]] const std::string& session_key() const { return session_key_; }
  [[nodiscard]] bool is_done() const { return is_done_; }
  // The owner's policy said yes: data may leave.
  [[nodiscard]] bool is_open() const { return is_open_; }
  // close_notify has been made: nothing may follow.
  [[nodiscard]] bool has_closed() const { return (SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) != 0; }
  [[nodiscard]] int32_t end() const { return end_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  // Who is asked, where the context wants it; the slot is of this connection.
  void SetJudge(const PeerJudge* judge, int32_t slot) {
    judge_ = judge;
    slot_ = slot;
  }
  [[nodiscard]] bool Accepts(X509* leaf) const { return judge_ == nullptr || (*judge_)(slot_, leaf); }
  void NoteStaple(TlsStaple staple) { staple_ = staple; }
  [[nodiscard]] TlsStaple staple() const;
  // Position in the list of names that was given, -1: none.
  [[nodiscard]] int32_t AlpnIndex() const;

  [[nodiscard]] TlsResult Handshake();
  // Decrypts the input into to[0, room); the answer says how much that was, why it stopped is in *why.
  [[nodiscard]] size_t Read(const TlsIo& io, uint8_t* to, size_t room, TlsResult* why);
  // Records of all parts, small ones put together; `full` is called when they should leave. False: failed.
  template <typename Full>
  [[nodiscard]] bool Write(TlsIo* io, const iovec* parts, int count, Full full);
  void CloseNotify();
  void Open() { is_open_ = true; }
  void Fail(int32_t end, std::string failure);

  // Input that waits for room: the connection is held, or others' handshakes come first.
  [[nodiscard]] bool HasRest() const { return !rest_.empty() || SSL_pending(ssl_.get()) > 0; }
  [[nodiscard]] ByteQueue* rest() { return &rest_; }
  // What the input still has waits from here on.
  void KeepRest(const TlsIo& io);
  // Plaintext that was written before the connection was open.
  [[nodiscard]] ByteQueue* early() { return &early_; }
  [[nodiscard]] uint32_t early_bytes() const { return early_.size(); }
  void FreeQueues() {
    rest_.Free();
    early_.Free();
  }

 private:
  explicit TlsStream(std::shared_ptr<TlsContext> context, const TlsIo& io);
  static void OnInfo(const SSL* ssl, int where, int value);
  [[nodiscard]] size_t ReadRecords(const TlsIo& io, uint8_t* to, size_t room, TlsResult* why);
  [[nodiscard]] bool WriteRecord(const uint8_t* from, size_t length);
  void FailFromQueue(bool is_handshake);

  std::shared_ptr<TlsContext> context_;
  OpenSslOwned<SSL, SSL_free> ssl_;
  std::string session_key_;
  std::string failure_;
  std::vector<uint8_t> alpn_;  // what was offered, when it isn't the context's
  ByteQueue rest_;
  ByteQueue early_;
  const PeerJudge* judge_ = nullptr;
  int32_t slot_ = -1;
  int32_t end_ = 0;
  TlsStaple staple_ = TlsStaple::kNotAsked;
  ControlBudget control_;
  bool is_flooding_ = false;
  bool is_done_ = false;
  bool is_open_ = false;
};

template <typename Full>
bool TlsStream::Write(TlsIo* io, const iovec* parts, int count, Full full) {
  size_t staged = 0;
  for (int i = 0; i < count; i++) {
    const auto* from = static_cast<const uint8_t*>(parts[i].iov_base);
    size_t left = parts[i].iov_len;
    bool is_last = i + 1 == count;
    while (left > 0) {
      size_t length = std::min(left, TlsIo::kRecordMax - staged);
      bool is_direct = staged == 0 && (length == TlsIo::kRecordMax || is_last);
      if (!is_direct) {
        std::memcpy(io->stage() + staged, from, length);
        staged += length;
      }
      left -= length;
      from += length;
      if (is_direct) {
        if (!WriteRecord(from - length, length)) return false;
      } else if (staged == TlsIo::kRecordMax || (is_last && left == 0)) {
        if (!WriteRecord(io->stage(), staged)) return false;
        staged = 0;
      }
      if (io->output_bytes() >= TlsIo::kOutputMax) full();
    }
  }
  return true;
}

}  // namespace millrace
