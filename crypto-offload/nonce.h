// What all providers do alike around the cipher.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "crypto-offload/packet_protector.h"

namespace viaduct::crypto {

using Nonce = std::array<uint8_t, kIvSize>;

// The IV with the packet number, as 8 bytes in network order, exclusive-ored to its end (RFC 9001 section 5.3).
inline Nonce make_nonce(const Nonce& iv, uint64_t packet_number) {
  Nonce nonce = iv;
  uint64_t tail;
  std::memcpy(&tail, iv.data() + kIvSize - sizeof tail, sizeof tail);
  tail ^= std::endian::native == std::endian::little ? __builtin_bswap64(packet_number) : packet_number;
  std::memcpy(nonce.data() + kIvSize - sizeof tail, &tail, sizeof tail);
  return nonce;
}

// Compares all of both, whatever differs first.
inline bool same_tag(const uint8_t* a, const uint8_t* b) {
  uint64_t x[2];
  uint64_t y[2];
  std::memcpy(x, a, kTagSize);
  std::memcpy(y, b, kTagSize);
  return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

}  // namespace viaduct::crypto
