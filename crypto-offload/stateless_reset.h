// Stateless reset tokens (RFC 9000 section 10.3.2).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "crypto-offload/hkdf.h"

namespace viaduct::crypto {

using StatelessResetToken = std::array<uint8_t, 16>;

// Makes the token of each connection ID from a key, so that a server that has lost a connection still
// knows its tokens: the front of HMAC-SHA-256(key, connection ID).
class StatelessResetKey {
 public:
  // key: 32 bytes, shared by whoever may answer for the same connection IDs and by nobody else.
  explicit StatelessResetKey(Bytes key) : key_(key) {}

  StatelessResetToken token(Bytes connection_id) const {
    std::array<uint8_t, kSha256Size> mac;
    hmac(kSha256Size, key_.bytes(), {connection_id}, mac.data());
    StatelessResetToken token;
    std::copy_n(mac.begin(), token.size(), token.begin());
    return token;
  }

 private:
  Secret key_;
};

}  // namespace viaduct::crypto
