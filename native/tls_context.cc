// Contexts of both roles on the OpenSSL that Node exports; callbacks find their context by the connection's.
#include "tls_context.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <algorithm>
#include <cstring>
#include <ctime>

#include "tls_certificate.h"
#include "tls_stream.h"

namespace millrace {

namespace {
// Endpoints whose sessions a client context remembers: more are forgotten, the one longest unused first.
constexpr size_t kSessionKeysMax = 4096;
constexpr long kServerSessionsMax = 20480;

bool Say(std::string* problem, const char* what) {
  *problem = what;
  if (ERR_peek_error() != 0) *problem += ": " + TakeErrors();
  return false;
}

void Mix(EVP_MD_CTX* digest, const std::string& text) {
  uint64_t length = text.size();
  EVP_DigestUpdate(digest, &length, sizeof length);
  EVP_DigestUpdate(digest, text.data(), text.size());
}

// Sessions are for those contexts only that would have let the same clients in, in whichever worker.
void SetSessionIdContext(SSL_CTX* context, const TlsOptions& options) {
  OpenSslOwned<EVP_MD_CTX, EVP_MD_CTX_free> digest(EVP_MD_CTX_new());
  uint8_t hash[EVP_MAX_MD_SIZE] = {0};
  unsigned int length = 32;
  EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr);
  for (const TlsCertificate& certificate : options.certificates) {
    Mix(digest.get(), certificate.chain_pem);
    Mix(digest.get(), std::string(certificate.pkcs12.begin(), certificate.pkcs12.end()));
  }
  Mix(digest.get(), options.trusted_ca_pem);
  Mix(digest.get(), options.crl_pem);
  const int32_t numbers[] = {options.verify, options.accept_untrusted, options.allow_expired, options.verify_depth,
                             options.crl_for_leaf_only};
  EVP_DigestUpdate(digest.get(), numbers, sizeof numbers);
  EVP_DigestFinal_ex(digest.get(), hash, &length);
  SSL_CTX_set_session_id_context(context, hash, std::min<unsigned int>(length, SSL_MAX_SID_CTX_LENGTH));
}
}  // namespace

std::vector<uint8_t> AlpnWire(const std::vector<std::string>& names) {
  std::vector<uint8_t> wire;
  for (const std::string& name : names) {
    if (name.empty() || name.size() > 255) return {};
    wire.push_back(static_cast<uint8_t>(name.size()));
    wire.insert(wire.end(), name.begin(), name.end());
  }
  return wire;
}

std::string TakeErrors() {
  std::string text = "TLS_error:";
  const char* file = nullptr;
  const char* function = nullptr;
  const char* more = nullptr;
  int line = 0;
  int flags = 0;
  while (unsigned long code = ERR_get_error_all(&file, &line, &function, &more, &flags)) {
    const char* library = ERR_lib_error_string(code);
    const char* reason = ERR_reason_error_string(code);
    text += '|' + std::to_string(code) + ':' + (library == nullptr ? "" : library) + ':' +
            (function == nullptr ? "" : function) + ':' + (reason == nullptr ? "unknown" : reason);
  }
  return text;
}

TlsContext::TlsContext(const TlsOptions& options)
    : context_(SSL_CTX_new(options.is_server ? TLS_server_method() : TLS_client_method())),
      ticket_cipher_(EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr)),
      is_server_(options.is_server),
      accept_untrusted_(options.accept_untrusted),
      allow_expired_(options.allow_expired),
      judges_peers_(options.judges_peers),
      sessions_per_key_(static_cast<size_t>(std::max(0, options.max_session_keys))),
      alpn_(AlpnWire(options.alpn)) {}

TlsContext::~TlsContext() {
  for (auto& [key, sessions] : sessions_)
    for (SSL_SESSION* session : sessions.kept) SSL_SESSION_free(session);
  for (TicketKey& key : ticket_keys_) OPENSSL_cleanse(&key, sizeof key);
}

std::shared_ptr<TlsContext> TlsContext::Make(const TlsOptions& options, std::string* problem) {
  ERR_clear_error();
  std::shared_ptr<TlsContext> made(new TlsContext(options));
  if (made->context_ == nullptr) Say(problem, "no TLS context");
  else if (made->Configure(options, problem)) return made;
  ERR_clear_error();
  return nullptr;
}

bool TlsContext::Configure(const TlsOptions& options, std::string* problem) {
  SSL_CTX* context = context_.get();
  uint64_t flags = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION;
  if (options.prefer_server_ciphers) flags |= SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
  if (!options.session_tickets) flags |= SSL_OP_NO_TICKET;
  SSL_CTX_set_options(context, flags);
  // Idle connections hold no record buffers; a record may be given anew from elsewhere. The chain that is sent is the one
  // that was given: what is trusted is nobody else's business, and bytes of each handshake.
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
  if (SSL_CTX_set_min_proto_version(context, options.min_version) != 1 ||
      SSL_CTX_set_max_proto_version(context, options.max_version) != 1)
    return Say(problem, "protocol versions");
  for (const TlsCertificate& certificate : options.certificates)
    if (!AddCertificate(certificate, problem)) return false;
  if (is_server_ && options.certificates.empty()) return Say(problem, "a server needs a certificate");
  if (!AddTrust(options, problem) || !SetNames(options, problem)) return false;
  SetSessions(options);
  return true;
}

bool TlsContext::AddCertificate(const TlsCertificate& certificate, std::string* problem) {
  SSL_CTX* context = context_.get();
  OwnCertificate own;
  const char* what = nullptr;
  if (!own.Read(certificate, &what)) return Say(problem, what);
  int type = EVP_PKEY_get_base_id(X509_get0_pubkey(own.leaf.get()));
  if (std::find(key_types_.begin(), key_types_.end(), type) != key_types_.end())
    return Say(problem, "two certificates of one key type");
  key_types_.push_back(type);
  if (SSL_CTX_use_certificate(context, own.leaf.get()) != 1) return Say(problem, "certificate");
  for (const X509Owned& issuer : own.chain)
    if (SSL_CTX_add1_chain_cert(context, issuer.get()) != 1) return Say(problem, "certificate chain");
  if (SSL_CTX_use_PrivateKey(context, own.key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return Say(problem, "private key");
  if (!certificate.ocsp_staple.empty())
    staples_.push_back({SSL_CTX_get0_certificate(context), certificate.ocsp_staple, certificate.ocsp_expires_ms,
                        certificate.ocsp_policy});
  return true;
}

bool TlsContext::AddTrust(const TlsOptions& options, std::string* problem) {
  SSL_CTX* context = context_.get();
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  if (!options.trusted_ca_pem.empty()) {
    auto text = PemText(options.trusted_ca_pem);
    int count = 0;
    while (true) {
      X509Owned authority(PEM_read_bio_X509_AUX(text.get(), nullptr, nullptr, nullptr));
      if (authority == nullptr) break;
      count++;
      if (X509_STORE_add_cert(store, authority.get()) != 1) return Say(problem, "trusted CA");
      if (is_server_ && SSL_CTX_add_client_CA(context, authority.get()) != 1) return Say(problem, "trusted CA");
    }
    if (!TakeEndOfPem() || count == 0) return Say(problem, "trusted CA");
    // What is trusted need not be a root (Envoy).
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  }
  if (!options.crl_pem.empty()) {
    auto text = PemText(options.crl_pem);
    int count = 0;
    while (true) {
      OpenSslOwned<X509_CRL, X509_CRL_free> list(PEM_read_bio_X509_CRL(text.get(), nullptr, nullptr, nullptr));
      if (list == nullptr) break;
      count++;
      if (X509_STORE_add_crl(store, list.get()) != 1) return Say(problem, "CRL");
    }
    if (!TakeEndOfPem() || count == 0) return Say(problem, "CRL");
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | (options.crl_for_leaf_only ? 0 : X509_V_FLAG_CRL_CHECK_ALL));
  }
  int mode = SSL_VERIFY_NONE;
  if (options.verify != kVerifyNone) mode = SSL_VERIFY_PEER;
  if (options.verify == kVerifyRequire && is_server_) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_verify(context, mode, OnVerify);
  // A client of OpenSSL's would verify the server all the same and only pass over the outcome.
  if (options.verify == kVerifyNone) SSL_CTX_set_cert_verify_callback(context, OnUnverified, nullptr);
  else if (options.judges_peers) SSL_CTX_set_cert_verify_callback(context, OnChain, nullptr);
  if (options.verify_depth >= 0) SSL_CTX_set_verify_depth(context, options.verify_depth);
  return true;
}

bool TlsContext::SetNames(const TlsOptions& options, std::string* problem) {
  SSL_CTX* context = context_.get();
  if (!options.ciphers.empty() && SSL_CTX_set_cipher_list(context, options.ciphers.c_str()) != 1)
    return Say(problem, "ciphers");
  if (!options.ciphersuites.empty() && SSL_CTX_set_ciphersuites(context, options.ciphersuites.c_str()) != 1)
    return Say(problem, "TLS 1.3 ciphersuites");
  if (!options.groups.empty() && SSL_CTX_set1_groups_list(context, options.groups.c_str()) != 1)
    return Say(problem, "groups");
  if (!options.signature_algorithms.empty() &&
      SSL_CTX_set1_sigalgs_list(context, options.signature_algorithms.c_str()) != 1)
    return Say(problem, "signature algorithms");
  if (alpn_.empty() && !options.alpn.empty()) return Say(problem, "ALPN names have 1 to 255 bytes");
  if (!is_server_ && !alpn_.empty() &&
      SSL_CTX_set_alpn_protos(context, alpn_.data(), static_cast<unsigned int>(alpn_.size())) != 0)
    return Say(problem, "ALPN");
  if (!is_server_) return true;
  if (!alpn_.empty()) SSL_CTX_set_alpn_select_cb(context, OnAlpn, this);
  SSL_CTX_set_tlsext_servername_callback(context, OnServerName);
  if (!staples_.empty()) {
    SSL_CTX_set_tlsext_status_cb(context, OnStatus);
    SSL_CTX_set_tlsext_status_arg(context, this);
  }
  return true;
}

void TlsContext::SetSessions(const TlsOptions& options) {
  SSL_CTX* context = context_.get();
  if (options.session_timeout_s > 0) SSL_CTX_set_timeout(context, options.session_timeout_s);
  SSL_CTX_set_max_early_data(context, 0);
  if (is_server_) {
    SetSessionIdContext(context, options);
    SSL_CTX_set_session_cache_mode(context, options.session_cache ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
    SSL_CTX_sess_set_cache_size(context, kServerSessionsMax);
    SSL_CTX_set_num_tickets(context, options.session_tickets || options.session_cache ? 2 : 0);
    return;
  }
  SSL_CTX_set_session_cache_mode(
      context, sessions_per_key_ == 0 ? SSL_SESS_CACHE_OFF : SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, OnNewSession);
}

bool TlsContext::SetTicketKeys(const uint8_t* keys, size_t bytes) {
  if (bytes == 0 || bytes % kTicketKeyBytes != 0) return false;
  std::vector<TicketKey> parsed(bytes / kTicketKeyBytes);
  for (size_t i = 0; i < parsed.size(); i++) {
    const uint8_t* key = keys + i * kTicketKeyBytes;
    std::memcpy(parsed[i].name, key, sizeof parsed[i].name);
    std::memcpy(parsed[i].hmac, key + 16, sizeof parsed[i].hmac);
    std::memcpy(parsed[i].aes, key + 48, sizeof parsed[i].aes);
  }
  ticket_keys_.swap(parsed);
  for (TicketKey& old : parsed) OPENSSL_cleanse(&old, sizeof old);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context_.get(), OnTicketKey);
  return true;
}

int TlsContext::OnUnverified(X509_STORE_CTX*, void*) { return 1; }

// Inside of the handshake, so that a refusal leaves as an alert.
int TlsContext::OnChain(X509_STORE_CTX* store, void*) {
  int is_fine = X509_verify_cert(store);
  if (is_fine <= 0) return is_fine;
  const SSL* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (TlsStream::Of(ssl)->Accepts(X509_STORE_CTX_get0_cert(store))) return 1;
  X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
  return 0;
}

int TlsContext::OnVerify(int is_fine, X509_STORE_CTX* store) {
  if (is_fine == 1) return 1;
  const SSL* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const TlsContext* self = TlsStream::Of(ssl)->context();
  int error = X509_STORE_CTX_get_error(store);
  if (self->allow_expired_ && (error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID)) {
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
  }
  return self->accept_untrusted_ ? 1 : 0;
}

int TlsContext::OnAlpn(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
                       unsigned int in_length, void* self) {
  const auto& ours = static_cast<TlsContext*>(self)->alpn_;
  // In the order of our list: the server prefers.
  int answer = SSL_select_next_proto(const_cast<unsigned char**>(out), out_length, ours.data(),
                                     static_cast<unsigned int>(ours.size()), in, in_length);
  return answer == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

// The name was looked at before startTls(): here it is only acknowledged, and bound to the session.
int TlsContext::OnServerName(SSL* ssl, int*, void*) {
  return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) == nullptr ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_OK;
}

int TlsContext::OnStatus(SSL* ssl, void* self) {
  const X509* leaf = SSL_get_certificate(ssl);
  TlsStream* stream = TlsStream::Of(ssl);
  for (const Staple& staple : static_cast<TlsContext*>(self)->staples_) {
    if (staple.leaf != leaf) continue;
    if (static_cast<int64_t>(std::time(nullptr)) * 1000 >= staple.expires_ms) {
      stream->NoteStaple(staple.policy == kOcspLenient ? TlsStaple::kOmitted : TlsStaple::kFailed);
      return staple.policy == kOcspLenient ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    auto* copy = static_cast<unsigned char*>(OPENSSL_memdup(staple.response.data(), staple.response.size()));
    if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(staple.response.size()));
    stream->NoteStaple(TlsStaple::kSent);
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

// 1: as asked; 2: decrypted, but to be issued anew; 0: no key for it, so a full handshake; below zero: error.
int TlsContext::OnTicketKey(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                            int is_new) {
  TlsContext* self = TlsStream::Of(ssl)->context();
  size_t at = 0;
  size_t count = self->ticket_keys_.size();
  if (is_new == 0)
    while (at < count && std::memcmp(self->ticket_keys_[at].name, name, sizeof self->ticket_keys_[at].name) != 0) at++;
  if (at == count) return is_new == 0 ? 0 : -1;
  TicketKey& key = self->ticket_keys_[at];
  char digest[] = "SHA256";
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.hmac, sizeof key.hmac),
                             OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                             OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, parameters) != 1) return -1;
  if (is_new == 0) {
    if (EVP_DecryptInit_ex2(cipher, self->ticket_cipher_.get(), key.aes, iv, nullptr) != 1) return -1;
    // Clients of TLS 1.3 use a ticket once (RFC 8446 appendix C.4): without another the next connection starts anew.
    return at == 0 && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
  }
  std::memcpy(name, key.name, sizeof key.name);
  if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(self->ticket_cipher_.get())) != 1) return -1;
  return EVP_EncryptInit_ex2(cipher, self->ticket_cipher_.get(), key.aes, iv, nullptr) != 1 ? -1 : 1;
}

int TlsContext::OnNewSession(SSL* ssl, SSL_SESSION* session) {
  TlsStream* stream = TlsStream::Of(ssl);
  if (stream->session_key().empty() || SSL_SESSION_is_resumable(session) != 1) return 0;
  stream->context()->KeepSession(stream->session_key(), session);
  return 1;
}

void TlsContext::KeepSession(const std::string& key, SSL_SESSION* session) {
  auto found = sessions_.find(key);
  if (found == sessions_.end()) {
    if (sessions_.size() >= kSessionKeysMax) {
      auto oldest = sessions_.find(session_order_.front());
      for (SSL_SESSION* old : oldest->second.kept) SSL_SESSION_free(old);
      sessions_.erase(oldest);
      session_order_.pop_front();
    }
    found = sessions_.emplace(key, Sessions{{}, session_order_.insert(session_order_.end(), key)}).first;
  } else {
    session_order_.splice(session_order_.end(), session_order_, found->second.place);
  }
  std::list<SSL_SESSION*>& kept = found->second.kept;
  kept.push_back(session);
  if (kept.size() <= sessions_per_key_) return;
  SSL_SESSION_free(kept.front());
  kept.pop_front();
}

SSL_SESSION* TlsContext::TakeSession(const std::string& key) {
  auto found = sessions_.find(key);
  if (found == sessions_.end()) return nullptr;
  std::list<SSL_SESSION*>& kept = found->second.kept;
  if (kept.empty()) return nullptr;
  SSL_SESSION* newest = kept.back();
  // RFC 8446 C.4: a ticket of TLS 1.3 is used once, so that nobody can link connections by it.
  if (SSL_SESSION_get_protocol_version(newest) >= TLS1_3_VERSION) kept.pop_back();
  else SSL_SESSION_up_ref(newest);
  return newest;
}

}  // namespace millrace
