// The three packet number spaces of a connection (RFC 9000 section 12.3).
#pragma once

#include <cstddef>
#include <cstdint>

namespace viaduct::quic {

// 0-RTT and 1-RTT packets share kApplication.
enum class PacketSpace : uint8_t { kInitial, kHandshake, kApplication };

inline constexpr size_t kPacketSpaces = 3;
inline constexpr PacketSpace kAllPacketSpaces[kPacketSpaces] = {PacketSpace::kInitial, PacketSpace::kHandshake,
                                                                PacketSpace::kApplication};

constexpr size_t index_of(PacketSpace space) { return static_cast<size_t>(space); }

// Packet numbers from smallest to largest, both included.
struct PacketRange {
  uint64_t smallest = 0;
  uint64_t largest = 0;
  bool operator==(const PacketRange&) const = default;
};

}  // namespace viaduct::quic
