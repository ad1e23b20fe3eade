// The BIO: reads give out the input that was set, writes are collected.
#include "tls_io.h"

#include <algorithm>
#include <cstring>

namespace millrace {

namespace {
// A record may be this much larger than its plaintext.
constexpr size_t kRecordOverhead = 512;
}  // namespace

TlsIo::TlsIo()
    : method_(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "millrace")),
      received_(new uint8_t[kReceiveMax]),
      stage_(new uint8_t[kRecordMax]),
      output_(kOutputMax + kRecordMax + kRecordOverhead) {
  BIO_meth_set_read(method_.get(), OnRead);
  BIO_meth_set_write(method_.get(), OnWrite);
  BIO_meth_set_ctrl(method_.get(), OnControl);
  bio_.reset(BIO_new(method_.get()));
  BIO_set_data(bio_.get(), this);
  BIO_set_init(bio_.get(), 1);
}

uint8_t* TlsIo::TakeOutput(size_t* length) {
  *length = output_used_;
  output_used_ = 0;
  return output_.data();
}

int TlsIo::OnRead(BIO* bio, char* to, int room) {
  auto* self = Of(bio);
  BIO_clear_retry_flags(bio);
  if (self->input_left_ == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  size_t length = std::min(static_cast<size_t>(room), self->input_left_);
  std::memcpy(to, self->input_, length);
  self->input_ += length;
  self->input_left_ -= length;
  return static_cast<int>(length);
}

int TlsIo::OnWrite(BIO* bio, const char* from, int length) {
  auto* self = Of(bio);
  BIO_clear_retry_flags(bio);
  size_t count = static_cast<size_t>(length);
  if (self->output_used_ + count > self->output_.size()) self->output_.resize((self->output_used_ + count) * 2);
  std::memcpy(self->output_.data() + self->output_used_, from, count);
  self->output_used_ += count;
  return length;
}

long TlsIo::OnControl(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

}  // namespace millrace
