// PEM and PKCS #12 by OpenSSL, which never asks anybody for a password.
#include "tls_certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <cstring>
#include <utility>

namespace millrace {

namespace {
int OnPassword(char* buffer, int size, int, void* certificate) {
  const auto* known = static_cast<const TlsCertificate*>(certificate);
  if (!known->has_password || known->password.size() > static_cast<size_t>(size)) return -1;
  std::memcpy(buffer, known->password.data(), known->password.size());
  return static_cast<int>(known->password.size());
}

void FreeAll(STACK_OF(X509) * certificates) { sk_X509_pop_free(certificates, X509_free); }

bool ReadPkcs12(const TlsCertificate& from, OwnCertificate* own) {
  const unsigned char* at = from.pkcs12.data();
  OpenSslOwned<PKCS12, PKCS12_free> sealed(d2i_PKCS12(nullptr, &at, static_cast<long>(from.pkcs12.size())));
  EVP_PKEY* key = nullptr;
  X509* leaf = nullptr;
  STACK_OF(X509)* others = nullptr;
  if (sealed == nullptr) return false;
  const char* password = from.has_password ? from.password.c_str() : nullptr;
  if (PKCS12_parse(sealed.get(), password, &key, &leaf, &others) != 1) return false;
  own->key.reset(key);
  own->leaf.reset(leaf);
  OpenSslOwned<STACK_OF(X509), FreeAll> chain(others);
  for (int i = 0; i < sk_X509_num(others); i++) {
    X509_up_ref(sk_X509_value(others, i));
    own->chain.emplace_back(sk_X509_value(others, i));
  }
  return own->leaf != nullptr && own->key != nullptr;
}
}  // namespace

OpenSslOwned<BIO, BIO_free_all> PemText(const std::string& pem) {
  return OpenSslOwned<BIO, BIO_free_all>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

bool TakeEndOfPem() {
  unsigned long last = ERR_peek_last_error();
  bool is_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  if (is_end) ERR_clear_error();
  return is_end;
}

bool OwnCertificate::Read(const TlsCertificate& from, const char** what) {
  *what = "PKCS #12";
  if (!from.pkcs12.empty()) return ReadPkcs12(from, this);
  *what = "certificate chain";
  void* user = const_cast<TlsCertificate*>(&from);
  auto text = PemText(from.chain_pem);
  leaf.reset(PEM_read_bio_X509_AUX(text.get(), nullptr, OnPassword, user));
  if (leaf == nullptr) return false;
  while (X509* next = PEM_read_bio_X509(text.get(), nullptr, OnPassword, user)) chain.emplace_back(next);
  if (!TakeEndOfPem()) return false;
  *what = "private key";
  auto key_text = PemText(from.key_pem);
  key.reset(PEM_read_bio_PrivateKey(key_text.get(), nullptr, OnPassword, user));
  return key != nullptr;
}

}  // namespace millrace
