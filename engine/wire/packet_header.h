// Packet headers of QUIC v1 and v2 (RFC 9000 section 17, RFC 9369 section 3): parsed to views, and written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include "base/bytes.h"
#include "engine/wire/version.h"
#include "flowsteer/connection_id.h"

namespace viaduct::quic {

using flowsteer::ConnectionId;

inline constexpr size_t kMaxConnectionIdSize = ConnectionId::kMaxSize;
inline constexpr size_t kMinInitialDatagram = 1200;  // RFC 9000 section 14.1
inline constexpr size_t kRetryTagSize = 16;
// A packet's sample for header protection begins this far behind the start of its packet number, whatever that
// number's size, and has 16 bytes (RFC 9001 section 5.4.2). Packets that end before are refused by parsing.
inline constexpr size_t kSampleOffset = 4;
inline constexpr size_t kMinProtectedSize = kSampleOffset + 16;

inline constexpr uint8_t kFixedBit = 0x40;
// Bits of the first octet that are readable once header protection is removed.
inline constexpr uint8_t kLongReservedBits = 0x0c;
inline constexpr uint8_t kShortReservedBits = 0x18;
inline constexpr uint8_t kSpinBit = 0x20;
inline constexpr uint8_t kKeyPhaseBit = 0x04;
inline constexpr uint8_t kPacketNumberSizeBits = 0x03;  // size - 1

// A view of one packet, its header protection still on. Spans point into the packet.
struct PacketHeader {
  PacketType type = PacketType::kOneRtt;
  uint8_t first_octet = 0;
  uint32_t version = 0;             // long header only
  Bytes dcid;                       // up to 20 bytes; in a Version Negotiation packet, as the scid, up to 255
  Bytes scid;                       // long header only
  Bytes token;                      // Initial; Retry, without its tag
  Bytes retry_tag;                  // Retry only: kRetryTagSize bytes
  Bytes versions;                   // Version Negotiation only: four bytes each, at least one
  size_t packet_number_offset = 0;  // from the start of the packet; 0 where there is none
  size_t size = 0;                  // bytes of the whole packet; the datagram's next one follows

  // To be checked unless grease_quic_bit was offered (RFC 9287).
  bool has_fixed_bit() const { return (first_octet & kFixedBit) != 0; }
};

// Why no packet could be read. None of these lets the rest of the datagram be read.
enum class HeaderFault : uint8_t {
  kTruncated,           // ends before its header does, or before its length says
  kTooShort,            // too short to be protected (RFC 9001 section 5.4.2)
  kUnknownVersion,      // flowsteer/invariants.h can still read it
  kConnectionIdTooLong  // over 20 bytes in a known version (RFC 9000 section 17.2)
};

// Reads the packet at the front of `datagram`; a short header's DCID has short_dcid_size bytes.
std::expected<PacketHeader, HeaderFault> parse_packet_header(Bytes datagram, size_t short_dcid_size);

// --- Writing. The packet number is cut to packet_number_size bytes (1 to 4) by the writer. ---

// Where in a written packet the fields are that are known, or encrypted, only later. Offsets from its start.
struct HeaderLayout {
  size_t length_offset = 0;  // of the two-byte Length; 0 in a short header
  size_t packet_number_offset = 0;
  size_t size = 0;  // of the header, packet number included: the AEAD's associated data
};

struct LongHeader {
  PacketType type = PacketType::kInitial;  // kInitial, kZeroRtt or kHandshake
  uint32_t version = kVersion1;
  Bytes dcid;
  Bytes scid;
  Bytes token;  // kInitial only
};

size_t long_header_size(const LongHeader& header, size_t packet_number_size);
constexpr size_t short_header_size(size_t dcid_size, size_t packet_number_size) {
  return 1 + dcid_size + packet_number_size;
}

// The Length field is left zero for set_packet_length(). writer.ok() is false where room lacks.
HeaderLayout write_long_header(ByteWriter& writer, const LongHeader& header, uint64_t packet_number,
                               size_t packet_number_size);
// Fills in the Length of a packet that ends, its tag included, packet_size bytes after its start (below 16384).
void set_packet_length(uint8_t* packet, const HeaderLayout& layout, size_t packet_size);

HeaderLayout write_short_header(ByteWriter& writer, Bytes dcid, bool spin, bool key_phase, uint64_t packet_number,
                                size_t packet_number_size);

// A Retry packet up to its integrity tag, which the caller computes over it and appends (RFC 9001 section 5.8).
// dcid: the client's SCID; scid: the new one it is to use; random: fills four unused bits.
void write_retry(ByteWriter& writer, uint32_t version, Bytes dcid, Bytes scid, Bytes token, uint8_t random);

// A Version Negotiation packet in answer to a packet with these IDs, each up to 255 bytes and sent back to its owner
// (RFC 9000 section 17.2.1). random: fills the unused bits.
void write_version_negotiation(ByteWriter& writer, Bytes received_dcid, Bytes received_scid,
                               std::span<const uint32_t> versions, uint8_t random);
size_t version_negotiation_size(size_t dcid_size, size_t scid_size, size_t versions);

}  // namespace viaduct::quic
