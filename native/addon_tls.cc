// TLS for JavaScript: contexts from plain options, facts of sessions.
#include <napi.h>
#include <openssl/x509.h>
#include <memory>
#include <string>
#include <vector>

#include "addon_parts.h"
#include "tls_context.h"
#include "tls_stream.h"

namespace millrace {
namespace {

std::string TextOf(Napi::Object from, const char* name) {
  Napi::Value value = from.Get(name);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}
int32_t NumberOf(Napi::Object from, const char* name) { return from.Get(name).ToNumber().Int32Value(); }
bool FlagOf(Napi::Object from, const char* name) { return from.Get(name).ToBoolean().Value(); }

std::vector<uint8_t> BytesOf(Napi::Object from, const char* name) {
  Napi::Value value = from.Get(name);
  if (!value.IsTypedArray()) return {};
  auto bytes = value.As<Napi::Uint8Array>();
  return {bytes.Data(), bytes.Data() + bytes.ElementLength()};
}

TlsCertificate CertificateOf(Napi::Object from) {
  TlsCertificate certificate;
  certificate.chain_pem = TextOf(from, "chainPem");
  certificate.key_pem = TextOf(from, "keyPem");
  certificate.has_password = from.Get("password").IsString();
  certificate.password = TextOf(from, "password");
  certificate.pkcs12 = BytesOf(from, "pkcs12");
  certificate.ocsp_staple = BytesOf(from, "ocspStaple");
  certificate.ocsp_expires_ms = from.Get("ocspExpiresMs").ToNumber().Int64Value();
  std::string policy = TextOf(from, "ocspPolicy");
  certificate.ocsp_policy = policy == "must" ? kOcspMust : policy == "strict" ? kOcspStrict : kOcspLenient;
  return certificate;
}

TlsOptions OptionsOf(Napi::Object from) {
  TlsOptions options;
  options.is_server = TextOf(from, "role") == "server";
  auto certificates = from.Get("certificates").As<Napi::Array>();
  for (uint32_t i = 0; i < certificates.Length(); i++)
    options.certificates.push_back(CertificateOf(certificates.Get(i).As<Napi::Object>()));
  options.trusted_ca_pem = TextOf(from, "trustedCaPem");
  options.crl_pem = TextOf(from, "crlPem");
  std::string verify = TextOf(from, "verify");
  options.verify = verify == "require" ? kVerifyRequire : verify == "optional" ? kVerifyOptional : kVerifyNone;
  options.accept_untrusted = FlagOf(from, "acceptUntrusted");
  options.allow_expired = FlagOf(from, "allowExpired");
  options.crl_for_leaf_only = FlagOf(from, "crlForLeafOnly");
  options.judges_peers = FlagOf(from, "judgesPeers");
  options.verify_depth = NumberOf(from, "verifyDepth");
  options.min_version = NumberOf(from, "minVersion");
  options.max_version = NumberOf(from, "maxVersion");
  options.ciphers = TextOf(from, "ciphers");
  options.ciphersuites = TextOf(from, "ciphersuites");
  options.groups = TextOf(from, "groups");
  options.signature_algorithms = TextOf(from, "signatureAlgorithms");
  options.prefer_server_ciphers = FlagOf(from, "preferServerCiphers");
  options.alpn = TextsOf(from.Get("alpn"));
  options.session_tickets = FlagOf(from, "sessionTickets");
  options.session_cache = FlagOf(from, "sessionCache");
  options.session_timeout_s = NumberOf(from, "sessionTimeoutS");
  options.max_session_keys = NumberOf(from, "maxSessionKeys");
  return options;
}

// new TlsContext(options): throws what OpenSSL did not take.
class TlsContextObject : public Napi::ObjectWrap<TlsContextObject> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "TlsContext",
                       {InstanceMethod("setTicketKeys", &TlsContextObject::SetTicketKeys),
                        InstanceMethod("close", &TlsContextObject::Close)});
  }
  explicit TlsContextObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TlsContextObject>(info) {
    std::string problem;
    context_ = TlsContext::Make(OptionsOf(info[0].As<Napi::Object>()), &problem);
    if (context_ == nullptr) Napi::Error::New(info.Env(), problem).ThrowAsJavaScriptException();
  }
  [[nodiscard]] const std::shared_ptr<TlsContext>& context() const { return context_; }

 private:
  void SetTicketKeys(const Napi::CallbackInfo& info) {
    auto keys = info[0].As<Napi::Uint8Array>();
    if (context_ == nullptr || context_->SetTicketKeys(keys.Data(), keys.ElementLength())) return;
    Napi::RangeError::New(info.Env(), "ticket keys have 80 bytes each").ThrowAsJavaScriptException();
  }
  // Connections that use it hold it.
  void Close(const Napi::CallbackInfo&) { context_.reset(); }

  std::shared_ptr<TlsContext> context_;
};

}  // namespace

Napi::Value DerOf(Napi::Env env, X509* certificate) {
  int length = certificate == nullptr ? -1 : i2d_X509(certificate, nullptr);
  if (length <= 0) return env.Null();
  Napi::Uint8Array bytes = Napi::Uint8Array::New(env, static_cast<size_t>(length));
  unsigned char* to = bytes.Data();
  i2d_X509(certificate, &to);
  return bytes;
}

namespace {
// A server's list of its client leaves the leaf out.
Napi::Value ChainOf(Napi::Env env, SSL* ssl) {
  Napi::Array chain = Napi::Array::New(env);
  X509* leaf = SSL_get0_peer_certificate(ssl);
  STACK_OF(X509)* certificates = SSL_get_peer_cert_chain(ssl);
  uint32_t count = 0;
  if (leaf != nullptr) chain.Set(count++, DerOf(env, leaf));
  for (int i = SSL_is_server(ssl) == 1 ? 0 : 1; i < sk_X509_num(certificates); i++)
    chain.Set(count++, DerOf(env, sk_X509_value(certificates, i)));
  return chain;
}

Napi::Value SessionIdOf(Napi::Env env, SSL* ssl) {
  unsigned int length = 0;
  const SSL_SESSION* session = SSL_get_session(ssl);
  const unsigned char* id = session == nullptr ? nullptr : SSL_SESSION_get_id(session, &length);
  Napi::Uint8Array bytes = Napi::Uint8Array::New(env, length);
  for (unsigned int i = 0; i < length; i++) bytes[i] = id[i];
  return bytes;
}

Napi::Value Text(Napi::Env env, const char* text) { return Napi::String::New(env, text == nullptr ? "" : text); }

Napi::Value GroupOf(Napi::Env env, SSL* ssl) {
  int group = static_cast<int>(SSL_get_negotiated_group(ssl));
  return Text(env, group == 0 ? nullptr : SSL_group_to_name(ssl, group));
}

// As TLS 1.3 names it (RFC 8446 §4.2.3); empty when the peer has signed nothing.
std::string SignatureOf(SSL* ssl) {
  int type = NID_undef;
  int digest = NID_undef;
  if (SSL_get_peer_signature_type_nid(ssl, &type) != 1) return "";
  if (type == NID_ED25519 || type == NID_ED448) return type == NID_ED448 ? "ed448" : "ed25519";
  if (SSL_get_peer_signature_nid(ssl, &digest) != 1) return "";
  int bits = digest == NID_sha256 ? 256 : digest == NID_sha384 ? 384 : digest == NID_sha512 ? 512 : 0;
  if (bits == 0) return "";
  std::string hash = "_sha" + std::to_string(bits);
  if (type == EVP_PKEY_EC) return "ecdsa_secp" + std::to_string(bits == 512 ? 521 : bits) + "r1" + hash;
  return (type == EVP_PKEY_RSA_PSS ? "rsa_pss_rsae" : "rsa_pkcs1") + hash;
}
}  // namespace

Napi::Function DefineTlsContext(Napi::Env env) { return TlsContextObject::Define(env); }

std::shared_ptr<TlsContext> TlsContextOf(Napi::Value object) {
  return TlsContextObject::Unwrap(object.As<Napi::Object>())->context();
}

std::vector<std::string> TextsOf(Napi::Value array) {
  std::vector<std::string> texts;
  if (!array.IsArray()) return texts;
  auto from = array.As<Napi::Array>();
  for (uint32_t i = 0; i < from.Length(); i++) texts.push_back(from.Get(i).As<Napi::String>().Utf8Value());
  return texts;
}

// Version, cipher and whether the session was resumed: in one number, so that a handshake makes no strings.
static int32_t SuiteOf(const SSL* ssl) {
  int32_t cipher = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl));
  int32_t version = SSL_version(ssl) & 0xff;
  return (SSL_session_reused(ssl) == 1 ? 1 << 24 : 0) | version << 16 | cipher;
}

// The kinds are those of engine/io/tls-native.ts.
Napi::Value TlsFactOf(Napi::Env env, const TlsStream& tls, int32_t kind) {
  SSL* ssl = tls.ssl();
  long verified = SSL_get_verify_result(ssl);
  switch (kind) {
    case 0: return Text(env, SSL_get_version(ssl));
    case 1: return Text(env, SSL_get_cipher_name(ssl));
    case 2: return GroupOf(env, ssl);
    case 3: return Text(env, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    case 4: return Napi::Number::New(env, SuiteOf(ssl));
    case 5: return DerOf(env, SSL_get0_peer_certificate(ssl));
    case 6: return ChainOf(env, ssl);
    case 7: return SessionIdOf(env, ssl);
    case 8: return Napi::Number::New(env, static_cast<double>(verified));
    case 9: return Text(env, verified == X509_V_OK ? "" : X509_verify_cert_error_string(verified));
    case 10: return Napi::String::New(env, tls.failure());
    case 11: return Napi::Number::New(env, static_cast<double>(tls.staple()));
    case 12: return Napi::String::New(env, SignatureOf(ssl));
    case 13: return Napi::Number::New(env, static_cast<double>(SSL_get_negotiated_group(ssl)));
    default: return env.Null();
  }
}

}  // namespace millrace
