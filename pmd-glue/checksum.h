// The Internet checksum (RFC 1071), in the byte order of the machine: sums are stored as they are.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace viaduct::net {

// Adds bytes to a sum that starts at 0. Only the last piece of a checksummed area may have an odd length.
uint64_t checksum_add(uint64_t sum, Bytes bytes);

// The sum in 16 bits, not complemented.
inline uint16_t checksum_fold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}

// What is stored in a checksum field that was zero when summed.
inline uint16_t checksum_finish(uint64_t sum) { return static_cast<uint16_t>(~checksum_fold(sum)); }

// The sum of a pseudo-header (RFC 768, RFC 8200 section 8.1): both addresses (4 or 16 bytes each, side by side as both
// IP headers have them), protocol and upper-layer length.
uint64_t pseudo_header_sum(Bytes addresses, uint8_t protocol, uint16_t length);

}  // namespace viaduct::net
