#include "engine/wire/packet_header.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/engine/wire/hex.h"

namespace viaduct::quic {
namespace {

const std::vector<uint8_t> kDcid = from_hex("8394c8f03e515708");
const std::vector<uint8_t> kScid = from_hex("f067a5502a4262b5");
constexpr size_t kRoom = 1500;

// A packet with `payload` bytes (tag included) behind its packet number, and then something else.
std::vector<uint8_t> long_packet(const LongHeader& header, size_t number_size, size_t payload, size_t behind) {
  std::vector<uint8_t> packet(kRoom);
  ByteWriter writer(packet);
  const HeaderLayout layout = write_long_header(writer, header, 0x12345678, number_size);
  writer.fill(0xab, payload);
  set_packet_length(packet.data(), layout, writer.size());
  writer.fill(0xcd, behind);
  EXPECT_TRUE(writer.ok());
  packet.resize(writer.size());
  return packet;
}

// proves RFC 9000 17.2-2 17.2-5
TEST(PacketHeader, WritesTheHeaderOfRfc9001AppendixA) {
  std::vector<uint8_t> packet(kRoom);
  ByteWriter writer(packet);
  const LongHeader initial{.type = PacketType::kInitial, .version = kVersion1, .dcid = kDcid};
  const HeaderLayout layout = write_long_header(writer, initial, 2, 4);
  set_packet_length(packet.data(), layout, 1200);
  EXPECT_TRUE(equal(writer.written(), from_hex("c300000001088394c8f03e5157080000449e00000002")));
  EXPECT_EQ(layout.packet_number_offset, 18u);
  EXPECT_EQ(layout.size, long_header_size(initial, 4));
}

TEST(PacketHeader, WritesTheHeaderOfRfc9369AppendixA) {
  std::vector<uint8_t> packet(kRoom);
  ByteWriter writer(packet);
  const LongHeader initial{.type = PacketType::kInitial, .version = kVersion2, .dcid = kDcid};
  set_packet_length(packet.data(), write_long_header(writer, initial, 2, 4), 1200);
  EXPECT_TRUE(equal(writer.written(), from_hex("d36b3343cf088394c8f03e5157080000449e00000002")));
}

TEST(PacketHeader, ReadsLongHeadersOfBothVersions) {
  const std::vector<uint8_t> token = from_hex("746f6b656e");
  for (const uint32_t version : kSupportedVersions) {
    for (const auto type : {PacketType::kInitial, PacketType::kZeroRtt, PacketType::kHandshake}) {
      const LongHeader header{.type = type, .version = version, .dcid = kDcid, .scid = kScid, .token = token};
      const auto packet = long_packet(header, 3, 40, 17);
      const auto parsed = parse_packet_header(packet, 0);
      ASSERT_TRUE(parsed.has_value());
      EXPECT_EQ(parsed->type, type);
      EXPECT_EQ(parsed->version, version);
      EXPECT_TRUE(parsed->has_fixed_bit());
      EXPECT_TRUE(equal(parsed->dcid, kDcid));
      EXPECT_TRUE(equal(parsed->scid, kScid));
      EXPECT_EQ(parsed->token.size(), type == PacketType::kInitial ? token.size() : 0);
      EXPECT_EQ(parsed->size, packet.size() - 17);
      EXPECT_EQ(parsed->packet_number_offset, packet.size() - 17 - 40 - 3);
      EXPECT_EQ(parsed->first_octet & kPacketNumberSizeBits, 2);
      EXPECT_EQ(parsed->packet_number_offset + 3, long_header_size(header, 3));
    }
  }
}

TEST(PacketHeader, RefusesALongHeaderCutAnywhere) {
  const auto packet = long_packet({.type = PacketType::kInitial, .dcid = kDcid, .scid = kScid}, 4, 30, 0);
  for (size_t size = 0; size < packet.size(); ++size) {
    const auto parsed = parse_packet_header(Bytes(packet).first(size), 8);
    ASSERT_FALSE(parsed.has_value()) << size;
    EXPECT_EQ(parsed.error(), HeaderFault::kTruncated) << size;
  }
}

// RFC 9001 section 5.4.2: a packet must be long enough to be sampled.
// proves RFC 9000 10.3-6
// proves RFC 9001 5.4.2-1
TEST(PacketHeader, RefusesWhatCannotBeSampled) {
  const LongHeader handshake{.type = PacketType::kHandshake, .dcid = kDcid, .scid = kScid};
  EXPECT_TRUE(parse_packet_header(long_packet(handshake, 2, 18, 0), 0).has_value());
  const auto too_short = long_packet(handshake, 2, 17, 30);
  EXPECT_EQ(parse_packet_header(too_short, 0).error(), HeaderFault::kTooShort);

  std::vector<uint8_t> one_rtt(1 + 8 + kMinProtectedSize, 0x40);
  EXPECT_TRUE(parse_packet_header(one_rtt, 8).has_value());
  one_rtt.pop_back();
  EXPECT_EQ(parse_packet_header(one_rtt, 8).error(), HeaderFault::kTooShort);
}

TEST(PacketHeader, ReadsAShortHeader) {
  std::vector<uint8_t> packet(kRoom);
  ByteWriter writer(packet);
  const HeaderLayout layout = write_short_header(writer, kDcid, true, true, 0x01020304, 2);
  EXPECT_EQ(layout.size, short_header_size(kDcid.size(), 2));
  EXPECT_TRUE(equal(writer.written(), from_hex("65 8394c8f03e515708 0304")));
  writer.fill(0, 30);
  packet.resize(writer.size());
  const auto parsed = parse_packet_header(packet, kDcid.size());
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->type, PacketType::kOneRtt);
  EXPECT_TRUE(equal(parsed->dcid, kDcid));
  EXPECT_EQ(parsed->packet_number_offset, layout.packet_number_offset);
  EXPECT_EQ(parsed->size, packet.size());
}

// RFC 9000 section 17.2: known versions have IDs of 20 bytes at most; unknown ones are left to the invariants.
// proves RFC 9000 17.2-3 17.2-4 17.2.1-6
TEST(PacketHeader, LimitsIdsOfKnownVersionsOnly) {
  const std::vector<uint8_t> id(21, 0x11);
  const auto long_dcid = long_packet({.type = PacketType::kInitial, .dcid = id}, 1, 40, 0);
  EXPECT_EQ(parse_packet_header(long_dcid, 0).error(), HeaderFault::kConnectionIdTooLong);
  const auto long_scid = long_packet({.type = PacketType::kInitial, .scid = id}, 1, 40, 0);
  EXPECT_EQ(parse_packet_header(long_scid, 0).error(), HeaderFault::kConnectionIdTooLong);
  const auto unknown = long_packet({.type = PacketType::kInitial, .version = 0x0a0a0a0a, .dcid = id}, 1, 40, 0);
  EXPECT_EQ(parse_packet_header(unknown, 0).error(), HeaderFault::kUnknownVersion);
}

TEST(PacketHeader, ReadsTheRetryOfRfc9001AppendixA) {
  const auto packet = from_hex("ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba");
  const auto parsed = parse_packet_header(packet, 0);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->type, PacketType::kRetry);
  EXPECT_TRUE(equal(parsed->scid, kScid));
  EXPECT_TRUE(equal(parsed->token, from_hex("746f6b656e")));
  EXPECT_TRUE(equal(parsed->retry_tag, from_hex("04a265ba2eff4d829058fb3f0f2496ba")));
  EXPECT_EQ(parsed->size, packet.size());
  EXPECT_EQ(parse_packet_header(Bytes(packet).first(30), 0).error(), HeaderFault::kTruncated);
}

TEST(PacketHeader, WritesTheRetriesOfTheAppendices) {
  struct Case {
    uint32_t version;
    const char* packet;  // without its tag
  };
  for (const Case& c : {Case{kVersion1, "ff000000010008f067a5502a4262b5746f6b656e"},
                        Case{kVersion2, "cf6b3343cf0008f067a5502a4262b5746f6b656e"}}) {
    std::vector<uint8_t> packet(kRoom);
    ByteWriter writer(packet);
    write_retry(writer, c.version, {}, kScid, from_hex("746f6b656e"), 0xff);
    EXPECT_TRUE(equal(writer.written(), from_hex(c.packet)));
  }
}

// proves RFC 9000 17.2.1-2 17.2.1-3 17.2.1-4 17.2.1-5
TEST(PacketHeader, AnswersAnUnknownVersionWithItsOwnIdsSwapped) {
  const std::vector<uint8_t> long_id(255, 0x33);
  const std::vector<uint32_t> versions = {kVersion1, kVersion2, greased_version(0)};
  std::vector<uint8_t> packet(kRoom);
  ByteWriter writer(packet);
  write_version_negotiation(writer, long_id, kScid, versions, 0xff);
  ASSERT_EQ(writer.size(), version_negotiation_size(long_id.size(), kScid.size(), versions.size()));
  packet.resize(writer.size());

  const auto parsed = parse_packet_header(packet, 0);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->type, PacketType::kVersionNegotiation);
  EXPECT_TRUE(equal(parsed->dcid, kScid));
  EXPECT_TRUE(equal(parsed->scid, long_id));
  EXPECT_TRUE(equal(parsed->versions, from_hex("00000001 6b3343cf 0a0a0a0a")));

  packet.pop_back();
  EXPECT_FALSE(parse_packet_header(packet, 0).has_value());
  packet.resize(packet.size() - 11);
  EXPECT_FALSE(parse_packet_header(packet, 0).has_value()) << "an empty list";
}

TEST(PacketHeader, IsNotWrittenWhereRoomLacks) {
  std::vector<uint8_t> packet(20);
  ByteWriter writer(packet);
  write_long_header(writer, {.dcid = kDcid, .scid = kScid}, 0, 4);
  EXPECT_FALSE(writer.ok());
}

}  // namespace
}  // namespace viaduct::quic
