// TLS contexts: what connections of one configuration share: certificates, trust, tickets, sessions. No Node here.
#pragma once
#include <openssl/ssl.h>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tls_options.h"

namespace millrace {

// ALPN's wire form: each name behind its length. Empty when a name is empty or longer than 255 bytes.
[[nodiscard]] std::vector<uint8_t> AlpnWire(const std::vector<std::string>& names);

// Takes the thread's error queue: "TLS_error:|<code>:<library>:<function>:<reason>...", Envoy's form with OpenSSL's words.
[[nodiscard]] std::string TakeErrors();

class TlsContext {
 public:
  static constexpr size_t kTicketKeyBytes = 80;

  // Null, and what OpenSSL did not take.
  [[nodiscard]] static std::shared_ptr<TlsContext> Make(const TlsOptions& options, std::string* problem);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  [[nodiscard]] SSL_CTX* ssl_context() const { return context_.get(); }
  [[nodiscard]] bool is_server() const { return is_server_; }
  // A policy of ours decides about certificates whose chain OpenSSL has verified.
  [[nodiscard]] bool judges_peers() const { return judges_peers_; }
  // The names in wire form.
  [[nodiscard]] const std::vector<uint8_t>& alpn() const { return alpn_; }
  // False: not a whole number of keys, or none.
  [[nodiscard]] bool SetTicketKeys(const uint8_t* keys, size_t bytes);

  // Client: a session to resume, or null. The caller frees it.
  [[nodiscard]] SSL_SESSION* TakeSession(const std::string& key);

 private:
  struct TicketKey {
    uint8_t name[16];
    uint8_t hmac[32];
    uint8_t aes[32];
  };
  struct Staple {
    X509* leaf;  // the context's own
    std::vector<uint8_t> response;
    int64_t expires_ms;
    int32_t policy;
  };
  // Sessions of one endpoint, newest last; its place in the order of use.
  struct Sessions {
    std::list<SSL_SESSION*> kept;
    std::list<std::string>::iterator place;
  };

  explicit TlsContext(const TlsOptions& options);
  [[nodiscard]] bool Configure(const TlsOptions& options, std::string* problem);
  [[nodiscard]] bool AddCertificate(const TlsCertificate& certificate, std::string* problem);
  [[nodiscard]] bool AddTrust(const TlsOptions& options, std::string* problem);
  [[nodiscard]] bool SetNames(const TlsOptions& options, std::string* problem);
  void SetSessions(const TlsOptions& options);
  void KeepSession(const std::string& key, SSL_SESSION* session);

  static int OnUnverified(X509_STORE_CTX* store, void* nothing);
  static int OnChain(X509_STORE_CTX* store, void* nothing);
  static int OnVerify(int is_fine, X509_STORE_CTX* store);
  static int OnAlpn(SSL* ssl, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
                    unsigned int in_length, void* self);
  static int OnServerName(SSL* ssl, int* alert, void* self);
  static int OnStatus(SSL* ssl, void* self);
  static int OnTicketKey(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                         int is_new);
  static int OnNewSession(SSL* ssl, SSL_SESSION* session);

  OpenSslOwned<SSL_CTX, SSL_CTX_free> context_;
  OpenSslOwned<EVP_CIPHER, EVP_CIPHER_free> ticket_cipher_;
  bool is_server_;
  bool accept_untrusted_;
  bool allow_expired_;
  bool judges_peers_;
  size_t sessions_per_key_;
  std::vector<uint8_t> alpn_;
  std::vector<int> key_types_;
  std::vector<Staple> staples_;
  std::vector<TicketKey> ticket_keys_;
  std::unordered_map<std::string, Sessions> sessions_;
  std::list<std::string> session_order_;
};

}  // namespace millrace
