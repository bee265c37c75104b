// The versions of QUIC spoken here, and how each numbers its long-header packets.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace viaduct::quic {

inline constexpr uint32_t kVersion1 = 0x00000001;  // RFC 9000
inline constexpr uint32_t kVersion2 = 0x6b3343cf;  // RFC 9369
inline constexpr std::array<uint32_t, 2> kSupportedVersions = {kVersion1, kVersion2};

constexpr bool is_supported(uint32_t version) { return version == kVersion1 || version == kVersion2; }

// Versions of the form 0x?a?a?a?a exist to be refused (RFC 9000 section 15). `random` fills the free bits.
constexpr uint32_t greased_version(uint32_t random) { return (random & 0xf0f0f0f0) | 0x0a0a0a0a; }
constexpr bool is_greased(uint32_t version) { return (version & 0x0f0f0f0f) == 0x0a0a0a0a; }

// A SCONE packet, in front of others; its highest bit is part of what it signals (draft-ietf-scone-protocol section 5).
constexpr bool is_scone(uint32_t version) { return (version & 0x7fffffff) == 0x6f7dc0fd; }

constexpr std::string_view version_name(uint32_t version) {
  if (version == kVersion1) return "v1";
  if (version == kVersion2) return "v2";
  return is_greased(version) ? "grease" : "unknown";
}

// The first four as RFC 9000 section 17.2 numbers them.
enum class PacketType : uint8_t { kInitial, kZeroRtt, kHandshake, kRetry, kOneRtt, kVersionNegotiation };

constexpr std::string_view packet_type_name(PacketType type) {
  constexpr std::string_view kNames[] = {"initial", "0-rtt", "handshake", "retry", "1-rtt", "version-negotiation"};
  return kNames[static_cast<size_t>(type)];
}

// The two type bits of a long header, which v2 rotates by one (RFC 9369 section 3.2). Types up to kRetry only.
constexpr uint8_t type_bits(uint32_t version, PacketType type) {
  return (static_cast<uint8_t>(type) + (version == kVersion2 ? 1 : 0)) & 0x03;
}
constexpr PacketType packet_type(uint32_t version, uint8_t bits) {
  return static_cast<PacketType>((bits - (version == kVersion2 ? 1 : 0)) & 0x03);
}

}  // namespace viaduct::quic
