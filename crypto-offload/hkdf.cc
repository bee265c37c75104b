#include "crypto-offload/hkdf.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>

#include <algorithm>

#include "crypto-offload/openssl_algorithms.h"

namespace viaduct::crypto {
namespace {

// A context that has its digest already, so that using it is only setting a key.
class HmacContext {
 public:
  explicit HmacContext(const char* digest) : context_(EVP_MAC_CTX_new(openssl_algorithms().hmac)) {
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>(digest), 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC_CTX_set_params(context_, parameters);
  }
  ~HmacContext() { EVP_MAC_CTX_free(context_); }
  HmacContext(const HmacContext&) = delete;
  HmacContext& operator=(const HmacContext&) = delete;

  EVP_MAC_CTX* get() { return context_; }

 private:
  EVP_MAC_CTX* context_;
};

EVP_MAC_CTX* hmac_context(size_t hash_size) {
  thread_local HmacContext sha256("SHA256");
  thread_local HmacContext sha384("SHA384");
  return hash_size == kSha384Size ? sha384.get() : sha256.get();
}

}  // namespace

Secret::Secret(Bytes bytes) {
  const size_t count = std::min(bytes.size(), bytes_.size());
  std::copy_n(bytes.data(), count, resize(count).data());
}

Secret::~Secret() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

MutableBytes Secret::resize(size_t size) {
  size_ = static_cast<uint8_t>(std::min(size, bytes_.size()));
  return {bytes_.data(), size_};
}

void hmac(size_t hash_size, Bytes key, std::initializer_list<Bytes> message, uint8_t* mac) {
  static constexpr uint8_t kNoKey = 0;  // OpenSSL takes a null key for "the one before"
  EVP_MAC_CTX* context = hmac_context(hash_size);
  EVP_MAC_init(context, key.empty() ? &kNoKey : key.data(), key.size(), nullptr);
  for (const Bytes part : message) EVP_MAC_update(context, part.data(), part.size());
  size_t written = 0;
  EVP_MAC_final(context, mac, &written, hash_size);
}

Secret hkdf_extract(size_t hash_size, Bytes salt, Bytes input) {
  Secret secret;
  hmac(hash_size, salt, {input}, secret.resize(hash_size).data());
  return secret;
}

void hkdf_expand_label(size_t hash_size, Bytes secret, std::string_view label, MutableBytes out) {
  static constexpr std::string_view kPrefix = "tls13 ";
  uint8_t info[64];
  ByteWriter writer(info);
  writer.u16(static_cast<uint16_t>(out.size()));
  writer.u8(static_cast<uint8_t>(kPrefix.size() + label.size()));
  for (const char c : kPrefix) writer.u8(static_cast<uint8_t>(c));
  for (const char c : label) writer.u8(static_cast<uint8_t>(c));
  writer.u8(0);  // no context
  writer.u8(1);  // the first block of HKDF-Expand, and the last: no output is longer than the hash
  Secret block;
  hmac(hash_size, secret, {writer.written()}, block.resize(hash_size).data());
  std::copy_n(block.bytes().data(), std::min(out.size(), block.size()), out.data());
}

}  // namespace viaduct::crypto
