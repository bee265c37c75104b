// How a packet number is cut short for the wire and made whole again (RFC 9000 sections 17.1, A.2 and A.3).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace viaduct::quic {

// Packet numbers go up to the largest variable-length integer (RFC 9000 section 12.3).
inline constexpr uint64_t kMaxPacketNumber = kMaxVarint;

// Bytes, 1 to 4, that let the receiver restore `number` while everything from lowest_unacked on may be missing to it.
// lowest_unacked: one more than the largest number acknowledged in the space, or 0; <= number.
// meets RFC 9000 17.1-1 17.1-2 17.1-3
constexpr size_t packet_number_size(uint64_t number, uint64_t lowest_unacked) {
  const uint64_t unacked = number - lowest_unacked + 1;
  // The smallest window of more than twice the distance.
  const int bits = std::bit_width(unacked) + 1;
  if (bits <= 8) return 1;
  if (bits <= 16) return 2;
  return bits <= 24 ? 3 : 4;
}

// The number nearest to `expected` whose low bytes are `truncated`.
// expected: one more than the largest number processed in the space, or 0. size: 1 to 4.
constexpr uint64_t decode_packet_number(uint64_t expected, uint32_t truncated, size_t size) {
  const uint64_t window = uint64_t{1} << (8 * size);
  const uint64_t half = window / 2;
  const uint64_t candidate = (expected & ~(window - 1)) | truncated;
  if (candidate + half <= expected && candidate + window <= kMaxPacketNumber) return candidate + window;
  if (candidate > expected + half && candidate >= window) return candidate - window;
  return candidate;
}

}  // namespace viaduct::quic
