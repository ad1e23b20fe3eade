// One SSL object over the poller's shared BIO.
#include "tls_stream.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <cstring>
#include <utility>

#include "monotonic.h"

namespace millrace {

TlsStream::TlsStream(std::shared_ptr<TlsContext> context, const TlsIo& io)
    : context_(std::move(context)), ssl_(SSL_new(context_->ssl_context())) {
  if (ssl_ == nullptr) return;
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_info_callback(ssl_.get(), OnInfo);
  BIO_up_ref(io.bio());
  SSL_set_bio(ssl_.get(), io.bio(), io.bio());
}

TlsStream::~TlsStream() {
  // A connection that ends in any order but a broken one leaves a session that can be resumed.
  if (ssl_ != nullptr && end_ == 0) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

std::unique_ptr<TlsStream> TlsStream::Accept(std::shared_ptr<TlsContext> context, const TlsIo& io) {
  std::unique_ptr<TlsStream> made(new TlsStream(std::move(context), io));
  if (made->ssl_ == nullptr) return nullptr;
  SSL_set_accept_state(made->ssl_.get());
  return made;
}

std::unique_ptr<TlsStream> TlsStream::Connect(std::shared_ptr<TlsContext> context, const TlsIo& io,
                                              const std::string& server_name, std::string session_key,
                                              const std::vector<uint8_t>& alpn) {
  std::unique_ptr<TlsStream> made(new TlsStream(std::move(context), io));
  SSL* ssl = made->ssl_.get();
  if (ssl == nullptr) return nullptr;
  SSL_set_connect_state(ssl);
  if (!server_name.empty()) SSL_set_tlsext_host_name(ssl, server_name.c_str());
  if (!alpn.empty()) {
    SSL_set_alpn_protos(ssl, alpn.data(), static_cast<unsigned int>(alpn.size()));
    made->alpn_ = alpn;
  }
  made->session_key_ = std::move(session_key);
  OpenSslOwned<SSL_SESSION, SSL_SESSION_free> session(made->context_->TakeSession(made->session_key_));
  if (session != nullptr) SSL_set_session(ssl, session.get());
  ERR_clear_error();
  return made;
}

int32_t TlsStream::AlpnIndex() const {
  const unsigned char* name = nullptr;
  unsigned int length = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &length);
  const std::vector<uint8_t>& offered = alpn_.empty() ? context_->alpn() : alpn_;
  int32_t index = 0;
  for (size_t at = 0; length > 0 && at < offered.size(); at += 1u + offered[at], index++)
    if (offered[at] == length && std::memcmp(offered.data() + at + 1, name, length) == 0) return index;
  return -1;
}

TlsStaple TlsStream::staple() const {
  bool is_asked = SSL_is_server(ssl_.get()) == 1 && SSL_get_tlsext_status_type(ssl_.get()) == TLSEXT_STATUSTYPE_ocsp;
  return staple_ == TlsStaple::kNotAsked && is_asked ? TlsStaple::kOmitted : staple_;
}

TlsResult TlsStream::Handshake() {
  ERR_clear_error();
  int answer = SSL_do_handshake(ssl_.get());
  if (answer == 1) {
    is_done_ = true;
    return TlsResult::kDone;
  }
  if (SSL_get_error(ssl_.get(), answer) == SSL_ERROR_WANT_READ) return TlsResult::kWantRead;
  FailFromQueue(true);
  return TlsResult::kFailed;
}

// After the handshake a key update costs the derivation of keys, a ticket the keeping of a session, a renegotiation that is
// refused an alert, which waits where the peer doesn't read. The library sets no limit to them.
void TlsStream::OnInfo(const SSL* ssl, int where, int) {
  TlsStream* self = Of(ssl);
  if (!self->is_done_) return;
  OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);
  bool is_received = state == TLS_ST_SR_KEY_UPDATE || state == TLS_ST_CR_KEY_UPDATE || state == TLS_ST_CR_SESSION_TICKET;
  if (!((where & SSL_CB_LOOP) != 0 && is_received) && where != SSL_CB_WRITE_ALERT) return;
  if (self->control_.Spend(MonotonicNs())) return;
  self->is_flooding_ = true;
  // The library goes on as long as there is input.
  TlsIo::Of(SSL_get_rbio(ssl))->SetInput(nullptr, 0);
}

size_t TlsStream::Read(const TlsIo& io, uint8_t* to, size_t room, TlsResult* why) {
  size_t total = ReadRecords(io, to, room, why);
  if (!is_flooding_) return total;
  Fail(kTlsEndBroken, "too many key updates, tickets or renegotiations");
  *why = TlsResult::kFailed;
  return total;
}

size_t TlsStream::ReadRecords(const TlsIo& io, uint8_t* to, size_t room, TlsResult* why) {
  ERR_clear_error();
  size_t total = 0;
  while (total < room) {
    size_t got = 0;
    if (SSL_read_ex(ssl_.get(), to + total, room - total, &got) == 1) {
      total += got;
      if (io.input_left() > 0 || SSL_pending(ssl_.get()) > 0) continue;
      *why = TlsResult::kWantRead;
      return total;
    }
    int error = SSL_get_error(ssl_.get(), 0);
    if (error == SSL_ERROR_WANT_READ) *why = TlsResult::kWantRead;
    else if (error == SSL_ERROR_ZERO_RETURN) *why = TlsResult::kEnded;
    else {
      FailFromQueue(false);
      *why = TlsResult::kFailed;
    }
    return total;
  }
  *why = TlsResult::kDone;
  return total;
}

bool TlsStream::WriteRecord(const uint8_t* from, size_t length) {
  size_t written = 0;
  if (SSL_write_ex(ssl_.get(), from, length, &written) == 1 && written == length) return true;
  FailFromQueue(false);
  return false;
}

void TlsStream::CloseNotify() {
  ERR_clear_error();
  if (!has_closed()) SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

void TlsStream::KeepRest(const TlsIo& io) {
  size_t left = io.input_left();
  if (!rest_.empty()) rest_.Skip(rest_.size() - left);
  else if (left > 0) rest_.Append(io.input(), left);
  if (rest_.empty()) rest_.Free();
}

void TlsStream::Fail(int32_t end, std::string failure) {
  if (end_ != 0) return;
  end_ = end;
  failure_ = std::move(failure);
}

void TlsStream::FailFromQueue(bool is_handshake) {
  unsigned long first = ERR_peek_error();
  int reason = ERR_GET_LIB(first) == ERR_LIB_SSL ? ERR_GET_REASON(first) : 0;
  bool is_certificate = reason == SSL_R_CERTIFICATE_VERIFY_FAILED || reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
  std::string text = TakeErrors();
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
    text += std::string(":verify cert failed: ") + X509_verify_cert_error_string(SSL_get_verify_result(ssl_.get()));
  if (staple_ == TlsStaple::kFailed) text += ":no valid OCSP response to staple";
  Fail(!is_handshake ? kTlsEndBroken : is_certificate ? kTlsEndVerify : kTlsEndHandshake, std::move(text));
}

}  // namespace millrace
