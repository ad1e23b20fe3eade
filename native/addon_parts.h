// What the addon's files give each other.
#pragma once
#include <napi.h>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tls_stream.h"

namespace millrace {

[[nodiscard]] Napi::Function DefineRateCells(Napi::Env env);
void AddHashing(Napi::Env env, Napi::Object exports);

[[nodiscard]] Napi::Function DefineTlsContext(Napi::Env env);
// Of an object that DefineTlsContext() made.
[[nodiscard]] std::shared_ptr<TlsContext> TlsContextOf(Napi::Value object);
// Null when there is none.
[[nodiscard]] Napi::Value DerOf(Napi::Env env, X509* certificate);
[[nodiscard]] Napi::Value TlsFactOf(Napi::Env env, const TlsStream& tls, int32_t kind);
// An array of strings; null is an empty one.
[[nodiscard]] std::vector<std::string> TextsOf(Napi::Value array);

}  // namespace millrace
