// What all TLS connections of one poller share: OpenSSL's view of the network, which is memory.
#pragma once
#include <openssl/bio.h>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "tls_context.h"

namespace millrace {

// One BIO for all: a poller works on one connection at a time, so that its input and output belong to that one.
class TlsIo {
 public:
  // One record's plaintext at most.
  static constexpr size_t kRecordMax = 16 * 1024;
  // Records that are collected before they are sent: all of what one receive brings, and still in the second-level cache.
  static constexpr size_t kOutputMax = 128 * 1024;
  static constexpr size_t kReceiveMax = 96 * 1024;

  TlsIo();
  TlsIo(const TlsIo&) = delete;
  TlsIo& operator=(const TlsIo&) = delete;

  [[nodiscard]] BIO* bio() const { return bio_.get(); }
  [[nodiscard]] static TlsIo* Of(BIO* bio) { return static_cast<TlsIo*>(BIO_get_data(bio)); }

  // Where ciphertext is received into.
  [[nodiscard]] uint8_t* receive_buffer() { return received_.get(); }
  void SetInput(const void* bytes, size_t length) {
    input_ = static_cast<const uint8_t*>(bytes);
    input_left_ = length;
  }
  [[nodiscard]] const uint8_t* input() const { return input_; }
  [[nodiscard]] size_t input_left() const { return input_left_; }

  // Records made since the last TakeOutput(); valid until the next call of the library.
  [[nodiscard]] size_t output_bytes() const { return output_used_; }
  [[nodiscard]] uint8_t* TakeOutput(size_t* length);

  // Room for one record's plaintext: small writes are put together here.
  [[nodiscard]] uint8_t* stage() { return stage_.get(); }

 private:
  static int OnRead(BIO* bio, char* to, int room);
  static int OnWrite(BIO* bio, const char* from, int length);
  static long OnControl(BIO* bio, int command, long number, void* pointer);

  OpenSslOwned<BIO_METHOD, BIO_meth_free> method_;
  OpenSslOwned<BIO, BIO_free> bio_;
  std::unique_ptr<uint8_t[]> received_;
  std::unique_ptr<uint8_t[]> stage_;
  std::vector<uint8_t> output_;
  size_t output_used_ = 0;
  const uint8_t* input_ = nullptr;
  size_t input_left_ = 0;
};

}  // namespace millrace
