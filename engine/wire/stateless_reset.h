// Stateless reset (RFC 9000 section 10.3): how an endpoint that lost its state ends a connection.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace viaduct::quic {

inline constexpr size_t kStatelessResetTokenSize = 16;
using StatelessResetToken = std::array<uint8_t, kStatelessResetTokenSize>;

// Five bytes that look like a short header, and the token.
inline constexpr size_t kMinStatelessReset = 5 + kStatelessResetTokenSize;
// What a packet of ours with a tag would not stay below.
inline constexpr size_t kMaxStatelessReset = 42;

// Bytes of the reset that answers a datagram of `trigger` bytes; 0 for none. Always shorter than the trigger, so that
// two endpoints without state cannot answer each other for ever.
// meets RFC 9000 10.3-4 10.3-5 10.3.3-1
constexpr size_t stateless_reset_size(size_t trigger) {
  return trigger <= kMinStatelessReset ? 0 : std::min(trigger - 1, kMaxStatelessReset);
}

// Makes a reset of `packet`, which the caller has filled with random bytes; at least kMinStatelessReset of them.
// meets RFC 9000 10.3-2 10.3-7
inline void write_stateless_reset(MutableBytes packet, const StatelessResetToken& token) {
  packet[0] = static_cast<uint8_t>((packet[0] & 0x3f) | 0x40);
  std::memcpy(packet.data() + packet.size() - token.size(), token.data(), token.size());
}

// The bytes of a received datagram that would be its token; empty where it is too short to be a reset.
inline Bytes stateless_reset_token_of(Bytes datagram) {
  if (datagram.size() < kMinStatelessReset) return {};
  return datagram.last(kStatelessResetTokenSize);
}

}  // namespace viaduct::quic
