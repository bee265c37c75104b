#include "crypto-offload/tls_kdf_provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/sha.h>
#include <strings.h>

#include <algorithm>
#include <cstring>

#include "crypto-offload/hkdf.h"

// OpenSSL calls the key derivation TLS13-KDF: HKDF-Extract over a salt that is itself derived from the secret before,
// and HKDF-Expand-Label (RFC 8446 section 7.1).

namespace viaduct::crypto {
namespace {

// What OpenSSL says of one derivation. The bytes stay its own.
struct KdfRequest {
  int mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
  size_t hash_size = 0;
  Bytes key;
  Bytes salt;
  Bytes prefix;
  Bytes label;
  Bytes data;
};

bool is_name(const OSSL_PARAM& parameter, const char* name) { return std::strcmp(parameter.key, name) == 0; }
Bytes bytes_of(const OSSL_PARAM& parameter) {
  return {static_cast<const uint8_t*>(parameter.data), parameter.data == nullptr ? 0 : parameter.data_size};
}

size_t hash_size_of(const OSSL_PARAM& parameter) {
  const char* name = static_cast<const char*>(parameter.data);
  for (const char* sha256 : {"SHA256", "SHA2-256", "SHA-256"}) {
    if (strcasecmp(name, sha256) == 0) return kSha256Size;
  }
  for (const char* sha384 : {"SHA384", "SHA2-384", "SHA-384"}) {
    if (strcasecmp(name, sha384) == 0) return kSha384Size;
  }
  return 0;
}

KdfRequest read(const OSSL_PARAM parameters[]) {
  KdfRequest request;
  for (const OSSL_PARAM* p = parameters; p != nullptr && p->key != nullptr; ++p) {
    if (is_name(*p, OSSL_KDF_PARAM_MODE)) OSSL_PARAM_get_int(p, &request.mode);
    if (is_name(*p, OSSL_KDF_PARAM_DIGEST)) request.hash_size = hash_size_of(*p);
    if (is_name(*p, OSSL_KDF_PARAM_KEY)) request.key = bytes_of(*p);
    if (is_name(*p, OSSL_KDF_PARAM_SALT)) request.salt = bytes_of(*p);
    if (is_name(*p, OSSL_KDF_PARAM_PREFIX)) request.prefix = bytes_of(*p);
    if (is_name(*p, OSSL_KDF_PARAM_LABEL)) request.label = bytes_of(*p);
    if (is_name(*p, OSSL_KDF_PARAM_DATA)) request.data = bytes_of(*p);
  }
  return request;
}

// HKDF-Expand-Label with a context.
bool expand(const KdfRequest& request, Bytes secret, Bytes context, MutableBytes out) {
  uint8_t head[3];
  uint8_t context_size = static_cast<uint8_t>(context.size());
  static constexpr uint8_t kFirstBlock = 1;
  if (out.size() > request.hash_size || request.prefix.size() + request.label.size() > 255 || context.size() > 255) {
    return false;
  }
  ByteWriter writer(head);
  writer.u16(static_cast<uint16_t>(out.size()));
  writer.u8(static_cast<uint8_t>(request.prefix.size() + request.label.size()));
  Secret block;
  HmacKey(request.hash_size, secret)
      .mac({head, request.prefix, request.label, {&context_size, 1}, context, {&kFirstBlock, 1}},
           block.resize(request.hash_size).data());
  std::copy_n(block.bytes().data(), out.size(), out.data());
  return true;
}

// The salt is Derive-Secret(secret before, "derived", ""), or zeros at the beginning; no key is zeros too.
bool extract(const KdfRequest& request, MutableBytes out) {
  if (out.size() != request.hash_size) return false;
  static constexpr uint8_t kZeros[kSha384Size] = {};
  const Bytes zeros(kZeros, request.hash_size);
  Secret salt(zeros);
  if (!request.salt.empty()) {
    // OpenSSL gives the label alone; the context is the hash of nothing.
    uint8_t nothing[kSha384Size];
    request.hash_size == kSha384Size ? SHA384(nullptr, 0, nothing) : SHA256(nullptr, 0, nothing);
    if (!expand(request, request.salt, Bytes(nothing, request.hash_size), salt.resize(request.hash_size))) return false;
  }
  hmac(request.hash_size, salt.bytes(), {request.key.empty() ? zeros : request.key}, out.data());
  return true;
}

int derive(void*, unsigned char* out, size_t size, const OSSL_PARAM parameters[]) {
  const KdfRequest request = read(parameters);
  if (request.hash_size == 0) return 0;
  const MutableBytes result(out, size);
  if (request.mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY) return extract(request, result) ? 1 : 0;
  return request.mode == EVP_KDF_HKDF_MODE_EXPAND_ONLY && expand(request, request.key, request.data, result) ? 1 : 0;
}

// A derivation keeps nothing between calls: all contexts are one.
void* new_context(void* provider) { return provider; }
void free_context(void*) {}
void reset(void*) {}

template <class Function>
constexpr OSSL_DISPATCH entry(int id, Function function) {
  return {id, reinterpret_cast<void (*)(void)>(function)};
}

const OSSL_ALGORITHM* algorithms_of(void*, int operation, int* no_cache) {
  static const OSSL_DISPATCH kFunctions[] = {
      entry(OSSL_FUNC_KDF_NEWCTX, &new_context), entry(OSSL_FUNC_KDF_FREECTX, &free_context),
      entry(OSSL_FUNC_KDF_RESET, &reset), entry(OSSL_FUNC_KDF_DERIVE, &derive), OSSL_DISPATCH_END};
  static const OSSL_ALGORITHM kAlgorithms[] = {{"TLS13-KDF", "provider=viaduct", kFunctions, "TLS 1.3 key derivation"},
                                               {nullptr, nullptr, nullptr, nullptr}};
  *no_cache = 0;
  return operation == OSSL_OP_KDF ? kAlgorithms : nullptr;
}

int start(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH*, const OSSL_DISPATCH** functions, void** provider) {
  static const OSSL_DISPATCH kFunctions[] = {entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, &algorithms_of),
                                             OSSL_DISPATCH_END};
  *functions = kFunctions;
  *provider = const_cast<OSSL_CORE_HANDLE*>(handle);
  return 1;
}

}  // namespace

const char* tls_kdf_query() {
  // Loaded for the life of the process.
  static OSSL_PROVIDER* const provider = OSSL_PROVIDER_add_builtin(nullptr, "viaduct", &start) == 1
                                             ? OSSL_PROVIDER_try_load(nullptr, "viaduct", 1)
                                             : nullptr;
  return provider ? "?provider=viaduct" : nullptr;
}

}  // namespace viaduct::crypto
