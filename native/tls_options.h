// What TLS contexts are made from: plain values; see TlsContextOptions of engine/io/tls.ts.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace millrace {

// Frees what OpenSSL gave, with the function that it says.
template <auto Free>
struct OpenSslDelete {
  template <typename T>
  void operator()(T* it) const {
    Free(it);
  }
};
template <typename T, auto Free>
using OpenSslOwned = std::unique_ptr<T, OpenSslDelete<Free>>;

// What is done where no response of OCSP is valid: leave it out, refuse when there was one, refuse in any case.
enum OcspPolicy : int32_t { kOcspLenient = 0, kOcspStrict = 1, kOcspMust = 2 };

struct TlsCertificate {
  std::string chain_pem;
  std::string key_pem;
  std::vector<uint8_t> pkcs12;  // in the place of both
  std::string password;
  bool has_password = false;
  std::vector<uint8_t> ocsp_staple;
  int64_t ocsp_expires_ms = 0;  // epoch
  int32_t ocsp_policy = kOcspLenient;
};

enum TlsVerify : int32_t { kVerifyNone = 0, kVerifyOptional = 1, kVerifyRequire = 2 };

struct TlsOptions {
  bool is_server = true;
  std::vector<TlsCertificate> certificates;
  std::string trusted_ca_pem;
  std::string crl_pem;
  bool crl_for_leaf_only = false;
  int32_t verify = kVerifyNone;
  bool accept_untrusted = false;
  bool allow_expired = false;
  bool judges_peers = false;
  int32_t verify_depth = -1;
  int32_t min_version = 0;
  int32_t max_version = 0;
  std::string ciphers;
  std::string ciphersuites;
  std::string groups;
  std::string signature_algorithms;
  bool prefer_server_ciphers = true;
  std::vector<std::string> alpn;
  bool session_tickets = true;
  bool session_cache = true;
  int32_t session_timeout_s = 0;
  int32_t max_session_keys = 1;
};

}  // namespace millrace
