// HMAC and HKDF (RFC 5869) in the form that TLS 1.3 uses (RFC 8446 section 7.1).
#pragma once

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

// All of these use the hash of `hash_size` bytes; any thread.

// mac: hash_size bytes. The message is the concatenation of its parts.
void hmac(size_t hash_size, Bytes key, std::initializer_list<Bytes> message, uint8_t* mac);
Secret hkdf_extract(size_t hash_size, Bytes salt, Bytes input);
// HKDF-Expand-Label with an empty context; "tls13 " is put before the label. out: up to hash_size bytes.
void hkdf_expand_label(size_t hash_size, Bytes secret, std::string_view label, MutableBytes out);

}  // namespace viaduct::crypto
