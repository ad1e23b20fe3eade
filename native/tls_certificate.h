// A certificate of our own with its chain and key, read from PEM or from PKCS #12.
#pragma once
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string>
#include <vector>

#include "tls_options.h"

namespace millrace {

using X509Owned = OpenSslOwned<X509, X509_free>;

struct OwnCertificate {
  X509Owned leaf;
  std::vector<X509Owned> chain;  // issuers, as they were given
  OpenSslOwned<EVP_PKEY, EVP_PKEY_free> key;

  // False: what could not be read is in *what, and why in the error queue.
  [[nodiscard]] bool Read(const TlsCertificate& from, const char** what);
};

// PEM text as OpenSSL reads it; `pem` must outlive it.
[[nodiscard]] OpenSslOwned<BIO, BIO_free_all> PemText(const std::string& pem);

// The end of PEM text is an error of the queue as well: takes it and says true when it is that.
[[nodiscard]] bool TakeEndOfPem();

}  // namespace millrace
