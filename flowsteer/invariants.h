// What every version of QUIC has in common (RFC 8999): enough to say where a packet goes.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace viaduct::flowsteer {

inline constexpr uint8_t kLongHeaderBit = 0x80;
// The version of a Version Negotiation packet (RFC 8999 section 6).
inline constexpr uint32_t kVersionNegotiation = 0;

// A view of the first packet of a datagram. The spans point into the packet; in a long header of an unknown
// version they hold up to 255 bytes.
struct InvariantHeader {
  uint8_t first_octet = 0;
  bool is_long = false;
  uint32_t version = 0;  // long header only
  Bytes dcid;
  Bytes scid;  // long header only
  Bytes rest;  // what follows, in the version's own form
};

// RFC 8999 section 5. A short header does not say how long its DCID is: short_dcid_length does. Empty where the
// packet ends before its header does. Neither the fixed bit nor a limit of 20 bytes is invariant: both pass.
inline std::optional<InvariantHeader> parse_invariants(Bytes packet, size_t short_dcid_length) {
  ByteReader reader(packet);
  InvariantHeader header;
  header.first_octet = reader.u8();
  header.is_long = (header.first_octet & kLongHeaderBit) != 0;
  if (header.is_long) {
    header.version = reader.u32();
    header.dcid = reader.bytes(reader.u8());
    header.scid = reader.bytes(reader.u8());
  } else {
    header.dcid = reader.bytes(short_dcid_length);
  }
  header.rest = reader.rest();
  if (!reader.ok()) return std::nullopt;
  return header;
}

}  // namespace viaduct::flowsteer
