#include "engine/wire/packet_header.h"

#include "flowsteer/invariants.h"

namespace viaduct::quic {
namespace {

using std::unexpected;

constexpr size_t kLengthSize = 2;

// meets RFC 9000 17.2.1-1
std::expected<PacketHeader, HeaderFault> parse_version_negotiation(PacketHeader header, Bytes datagram, Bytes rest) {
  if (rest.empty() || rest.size() % 4 != 0) return unexpected(HeaderFault::kTruncated);
  header.type = PacketType::kVersionNegotiation;
  header.versions = rest;
  header.size = datagram.size();
  return header;
}

std::expected<PacketHeader, HeaderFault> parse_retry(PacketHeader header, Bytes datagram, Bytes rest) {
  if (rest.size() < kRetryTagSize) return unexpected(HeaderFault::kTruncated);
  header.token = rest.first(rest.size() - kRetryTagSize);
  header.retry_tag = rest.last(kRetryTagSize);
  header.size = datagram.size();
  return header;
}

// meets RFC 9000 10.3-6
// meets RFC 9001 5.4.2-1
std::expected<PacketHeader, HeaderFault> parse_short(PacketHeader header, Bytes datagram, Bytes rest) {
  if (rest.size() < kMinProtectedSize) return unexpected(HeaderFault::kTooShort);
  header.type = PacketType::kOneRtt;
  header.packet_number_offset = datagram.size() - rest.size();
  header.size = datagram.size();
  return header;
}

}  // namespace

std::expected<PacketHeader, HeaderFault> parse_packet_header(Bytes datagram, size_t short_dcid_size) {
  const auto invariant = flowsteer::parse_invariants(datagram, short_dcid_size);
  if (!invariant) return unexpected(HeaderFault::kTruncated);
  PacketHeader header;
  header.first_octet = invariant->first_octet;
  header.version = invariant->version;
  header.dcid = invariant->dcid;
  header.scid = invariant->scid;
  if (!invariant->is_long) return parse_short(header, datagram, invariant->rest);
  if (header.version == flowsteer::kVersionNegotiation) {
    return parse_version_negotiation(header, datagram, invariant->rest);
  }
  if (!is_supported(header.version)) return unexpected(HeaderFault::kUnknownVersion);
  // meets RFC 9000 17.2-3
  if (header.dcid.size() > kMaxConnectionIdSize || header.scid.size() > kMaxConnectionIdSize) {
    return unexpected(HeaderFault::kConnectionIdTooLong);
  }

  header.type = packet_type(header.version, header.first_octet >> 4);
  if (header.type == PacketType::kRetry) return parse_retry(header, datagram, invariant->rest);
  ByteReader reader(invariant->rest);
  if (header.type == PacketType::kInitial) header.token = reader.bytes(reader.varint());
  const uint64_t length = reader.varint();
  if (!reader.ok() || length > reader.remaining()) return unexpected(HeaderFault::kTruncated);
  if (length < kMinProtectedSize) return unexpected(HeaderFault::kTooShort);
  header.packet_number_offset = datagram.size() - reader.remaining();
  header.size = header.packet_number_offset + length;
  return header;
}

size_t long_header_size(const LongHeader& header, size_t packet_number_size) {
  size_t size = 1 + 4 + 1 + header.dcid.size() + 1 + header.scid.size() + kLengthSize + packet_number_size;
  if (header.type == PacketType::kInitial) size += varint_size(header.token.size()) + header.token.size();
  return size;
}

namespace {

void write_ids(ByteWriter& writer, Bytes dcid, Bytes scid) {
  writer.u8(static_cast<uint8_t>(dcid.size()));
  writer.bytes(dcid);
  writer.u8(static_cast<uint8_t>(scid.size()));
  writer.bytes(scid);
}

// meets RFC 9000 17.2-2 17.2-5
uint8_t long_first_octet(uint32_t version, PacketType type) {
  return static_cast<uint8_t>(flowsteer::kLongHeaderBit | kFixedBit | type_bits(version, type) << 4);
}

// The low bytes alone: big_endian() writes as many as asked.
void write_packet_number(ByteWriter& writer, uint64_t number, size_t size) { writer.big_endian(number, size); }

}  // namespace

HeaderLayout write_long_header(ByteWriter& writer, const LongHeader& header, uint64_t packet_number,
                               size_t packet_number_size) {
  const size_t start = writer.size();
  HeaderLayout layout;
  writer.u8(static_cast<uint8_t>(long_first_octet(header.version, header.type) | (packet_number_size - 1)));
  writer.u32(header.version);
  write_ids(writer, header.dcid, header.scid);
  if (header.type == PacketType::kInitial) {
    writer.varint(header.token.size());
    writer.bytes(header.token);
  }
  layout.length_offset = writer.size() - start;
  writer.varint(0, kLengthSize);
  layout.packet_number_offset = writer.size() - start;
  write_packet_number(writer, packet_number, packet_number_size);
  layout.size = writer.size() - start;
  return layout;
}

void set_packet_length(uint8_t* packet, const HeaderLayout& layout, size_t packet_size) {
  ByteWriter writer({packet + layout.length_offset, kLengthSize});
  writer.varint(packet_size - layout.packet_number_offset, kLengthSize);
}

// meets RFC 9000 17.3.1-2 17.4-1 17.4-2 17.4-3 17.4-4
HeaderLayout write_short_header(ByteWriter& writer, Bytes dcid, bool spin, bool key_phase, uint64_t packet_number,
                                size_t packet_number_size) {
  const size_t start = writer.size();
  HeaderLayout layout;
  writer.u8(static_cast<uint8_t>(kFixedBit | (spin ? kSpinBit : 0) | (key_phase ? kKeyPhaseBit : 0) |
                                 (packet_number_size - 1)));
  writer.bytes(dcid);
  layout.packet_number_offset = writer.size() - start;
  write_packet_number(writer, packet_number, packet_number_size);
  layout.size = writer.size() - start;
  return layout;
}

void write_retry(ByteWriter& writer, uint32_t version, Bytes dcid, Bytes scid, Bytes token, uint8_t random) {
  writer.u8(static_cast<uint8_t>(long_first_octet(version, PacketType::kRetry) | (random & 0x0f)));
  writer.u32(version);
  write_ids(writer, dcid, scid);
  writer.bytes(token);
}

// meets RFC 9000 17.2.1-2 17.2.1-3 17.2.1-4 17.2.1-5
void write_version_negotiation(ByteWriter& writer, Bytes received_dcid, Bytes received_scid,
                               std::span<const uint32_t> versions, uint8_t random) {
  // The fixed bit is not required here, but lets other protocols share the port (RFC 9000 section 17.2.1).
  writer.u8(static_cast<uint8_t>(flowsteer::kLongHeaderBit | kFixedBit | (random & 0x3f)));
  writer.u32(flowsteer::kVersionNegotiation);
  write_ids(writer, received_scid, received_dcid);
  for (const uint32_t version : versions) writer.u32(version);
}

size_t version_negotiation_size(size_t dcid_size, size_t scid_size, size_t versions) {
  return 1 + 4 + 1 + dcid_size + 1 + scid_size + 4 * versions;
}

}  // namespace viaduct::quic
