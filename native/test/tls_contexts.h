// TLS contexts of tests; their keys are made here.
#pragma once
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <cstdio>
#include <memory>
#include <string>

#include "../tls_context.h"
#include "check.h"

namespace millrace {

inline std::string TextOf(BIO* bio) {
  char* text = nullptr;
  long length = BIO_get_mem_data(bio, &text);
  std::string answer(text, static_cast<size_t>(length));
  BIO_free(bio);
  return answer;
}

inline TlsCertificate SelfSigned() {
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

inline std::shared_ptr<TlsContext> ContextOf(bool is_server, int32_t version = TLS1_3_VERSION) {
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

}  // namespace millrace
