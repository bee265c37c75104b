// HMAC and HKDF (RFC 5869) in the form that TLS 1.3 uses (RFC 8446 section 7.1).
#pragma once

#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace viaduct::crypto {

// Sizes of the hashes that QUIC's cipher suites use: SHA-256 and SHA-384.
inline constexpr size_t kSha256Size = 32;
inline constexpr size_t kSha384Size = 48;

// A secret of up to 48 bytes; wiped when it goes. A traffic secret's size is its hash's.
class Secret {
 public:
  Secret() = default;
  explicit Secret(Bytes bytes);  // what exceeds the room is cut off
  ~Secret();
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Bytes bytes() const { return {bytes_.data(), size_}; }
  // The room for `size` bytes, to be written by the caller.
  MutableBytes resize(size_t size);

 private:
  std::array<uint8_t, kSha384Size> bytes_{};
  uint8_t size_ = 0;
};

// A key of HMAC that has been hashed in: what is left to do for a message is its own blocks and one more. Any thread.
class HmacKey {
 public:
  // hash_size: kSha256Size or kSha384Size.
  HmacKey(size_t hash_size, Bytes key);
  ~HmacKey();
  HmacKey(const HmacKey&) = delete;
  HmacKey& operator=(const HmacKey&) = delete;

  // mac: hash_size bytes. The message is the concatenation of its parts.
  void mac(std::initializer_list<Bytes> message, uint8_t* mac) const;
  // HKDF-Expand-Label of this secret with an empty context; "tls13 " is put before the label. out: up to hash_size
  // bytes.
  void expand_label(std::string_view label, MutableBytes out) const;

 private:
  size_t hash_size_;
  // Inner and outer.
  union {
    SHA256_CTX sha256_[2];
    SHA512_CTX sha384_[2];
  };
};

// With the hash of `hash_size` bytes; any thread.
void hmac(size_t hash_size, Bytes key, std::initializer_list<Bytes> message, uint8_t* mac);
Secret hkdf_extract(size_t hash_size, Bytes salt, Bytes input);

}  // namespace viaduct::crypto
