#include "crypto-offload/key_schedule.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "crypto-offload/openssl_algorithms.h"

namespace viaduct::crypto {
namespace {

// What a version of QUIC has of its own in the key schedule.
struct VersionConstants {
  std::array<uint8_t, 20> salt;
  std::array<uint8_t, 16> retry_key;
  std::array<uint8_t, kIvSize> retry_nonce;
  std::string_view key_label;
  std::string_view iv_label;
  std::string_view header_label;
  std::string_view update_label;
};

// RFC 9001 sections 5.1, 5.2, 5.8 and 6.1.
constexpr VersionConstants kVersion1Constants = {
    {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
     0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a},
    {0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e},
    {0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb},
    "quic key",
    "quic iv",
    "quic hp",
    "quic ku"};

// RFC 9369 section 3.3.
constexpr VersionConstants kVersion2Constants = {
    {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
     0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9},
    {0x8f, 0xb4, 0xb0, 0x1b, 0x56, 0xac, 0x48, 0xe2, 0x60, 0xfb, 0xcb, 0xce, 0xad, 0x7c, 0xcc, 0x92},
    {0xd8, 0x69, 0x69, 0xbc, 0x2d, 0x7c, 0x6d, 0x99, 0x90, 0xef, 0xb0, 0x4a},
    "quicv2 key",
    "quicv2 iv",
    "quicv2 hp",
    "quicv2 ku"};

const VersionConstants& constants(uint32_t version) {
  return version == kQuicVersion2 ? kVersion2Constants : kVersion1Constants;
}

Secret initial_secret_of(const HmacKey& common, std::string_view label) {
  Secret secret;
  common.expand_label(label, secret.resize(kSha256Size));
  return secret;
}

}  // namespace

RawKeys::~RawKeys() { OPENSSL_cleanse(this, sizeof *this); }

InitialSecrets initial_secrets(uint32_t version, Bytes destination_connection_id) {
  const Secret common = hkdf_extract(kSha256Size, constants(version).salt, destination_connection_id);
  const HmacKey hashed(kSha256Size, common.bytes());
  return {initial_secret_of(hashed, "client in"), initial_secret_of(hashed, "server in")};
}

RawKeys derive_keys(uint32_t version, Aead aead, Bytes secret) {
  const VersionConstants& c = constants(version);
  const size_t size = key_size(aead);
  RawKeys keys;
  keys.aead = aead;
  const HmacKey hashed(secret.size(), secret);
  hashed.expand_label(c.key_label, {keys.key.data(), size});
  hashed.expand_label(c.iv_label, keys.iv);
  hashed.expand_label(c.header_label, {keys.header_key.data(), size});
  return keys;
}

Secret next_secret(uint32_t version, Bytes secret) {
  Secret next;
  HmacKey(secret.size(), secret).expand_label(constants(version).update_label, next.resize(secret.size()));
  return next;
}

RawKeys derive_next_keys(uint32_t version, Aead aead, Bytes next_secret) {
  const VersionConstants& c = constants(version);
  RawKeys keys;
  keys.aead = aead;
  const HmacKey hashed(next_secret.size(), next_secret);
  hashed.expand_label(c.key_label, {keys.key.data(), key_size(aead)});
  hashed.expand_label(c.iv_label, keys.iv);
  return keys;
}

RetryTag retry_integrity_tag(uint32_t version, Bytes original_destination_connection_id, Bytes retry) {
  thread_local const CipherContext context(EVP_CIPHER_CTX_new());
  const VersionConstants& c = constants(version);
  const uint8_t id_size = static_cast<uint8_t>(original_destination_connection_id.size());
  RetryTag tag{};
  int written = 0;
  // The tag of an empty message whose associated data is the Retry pseudo-packet.
  EVP_EncryptInit_ex(context.get(), openssl_algorithms().aes_128_gcm, nullptr, c.retry_key.data(),
                     c.retry_nonce.data());
  EVP_EncryptUpdate(context.get(), nullptr, &written, &id_size, 1);
  if (id_size > 0)
    EVP_EncryptUpdate(context.get(), nullptr, &written, original_destination_connection_id.data(), id_size);
  EVP_EncryptUpdate(context.get(), nullptr, &written, retry.data(), static_cast<int>(retry.size()));
  EVP_EncryptFinal_ex(context.get(), nullptr, &written);
  EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize, tag.data());
  return tag;
}

bool verify_retry(uint32_t version, Bytes original_destination_connection_id, Bytes retry) {
  if (retry.size() < kTagSize) return false;
  const Bytes tag = retry.last(kTagSize);
  const RetryTag expected =
      retry_integrity_tag(version, original_destination_connection_id, retry.first(retry.size() - kTagSize));
  return CRYPTO_memcmp(tag.data(), expected.data(), kTagSize) == 0;
}

}  // namespace viaduct::crypto
