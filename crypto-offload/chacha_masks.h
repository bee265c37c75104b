// ChaCha20 header-protection masks (RFC 9001 section 5.4.4), eight keys at a time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace viaduct::crypto::chacha {

inline constexpr size_t kLanes = 8;

struct Lane {
  const uint8_t* key;     // 32 bytes
  const uint8_t* sample;  // 16 bytes: counter and nonce
  uint8_t* mask;          // 5 bytes
};

// 1 to kLanes lanes. Constant time.
void masks(const Lane* lanes, size_t count);

}  // namespace viaduct::crypto::chacha
