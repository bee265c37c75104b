// MCPHINT: an IP option that tells a receiver which packets belong together (draft-robinson-intarea-mcphint-00).
//
// The draft's own numbers could not be verified, so that they are configuration: experimental ones (RFC 4727) by
// default. For use within one's own network, from a balancer to its servers.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>

#include "base/bytes.h"

namespace viaduct::flowsteer {

enum class McphintHeader : uint8_t { kDestination, kHopByHop };

struct McphintConfig {
  uint8_t ipv4_type = 0x9e;  // copied into fragments, class 0, number 30
  uint8_t ipv6_type = 0x1e;  // skipped by who does not know it, does not change under way
  McphintHeader ipv6_header = McphintHeader::kDestination;
};

// Bytes that the option adds to a packet: one word behind the IPv4 header; an extension header of IPv6.
inline constexpr size_t kMcphint4 = 4;
inline constexpr size_t kMcphint6 = 8;

// IPv4: the option, kMcphint4 bytes, which leaves no padding to write.
void write_mcphint4(uint8_t* out, const McphintConfig& config, uint16_t hint);
// IPv6: the extension header, kMcphint6 bytes. next_header: what follows it.
void write_mcphint6(uint8_t* out, const McphintConfig& config, uint8_t next_header, uint16_t hint);
// The number of that extension header.
constexpr uint8_t mcphint6_header(const McphintConfig& config) {
  return config.ipv6_header == McphintHeader::kDestination ? 60 : 0;
}

enum class McphintError : uint8_t { kMalformed };
using McphintResult = std::expected<std::optional<uint16_t>, McphintError>;

// options: what follows the fixed 20 bytes of an IPv4 header. The first hint that is in there, if any.
McphintResult read_mcphint4(Bytes options, const McphintConfig& config);
// options: a Hop-by-Hop or Destination Options header, its first two bytes included.
McphintResult read_mcphint6(Bytes options, const McphintConfig& config);

}  // namespace viaduct::flowsteer
