#include "flowsteer/invariants.h"

#include <gtest/gtest.h>

#include <vector>

namespace viaduct::flowsteer {
namespace {

std::vector<uint8_t> long_header(uint32_t version, size_t dcid_length, size_t scid_length, size_t rest) {
  std::vector<uint8_t> packet(7 + dcid_length + scid_length + rest);
  ByteWriter writer(packet);
  writer.u8(0x80);
  writer.u32(version);
  writer.u8(static_cast<uint8_t>(dcid_length));
  writer.fill(0xdd, dcid_length);
  writer.u8(static_cast<uint8_t>(scid_length));
  writer.fill(0x55, scid_length);
  writer.fill(0x11, rest);
  return packet;
}

// RFC 8999 section 5.1: any version, IDs of 0 to 255 bytes.
TEST(Invariants, ReadsLongHeadersOfAnyVersionAndLength) {
  for (const uint32_t version : {0u, 1u, 0x6b3343cfu, 0x57414954u, 0xffffffffu}) {
    for (const size_t dcid : {0u, 8u, 20u, 21u, 255u}) {
      for (const size_t scid : {0u, 1u, 20u, 255u}) {
        const auto packet = long_header(version, dcid, scid, 3);
        const auto header = parse_invariants(packet, 12);
        ASSERT_TRUE(header);
        EXPECT_TRUE(header->is_long);
        EXPECT_EQ(header->version, version);
        EXPECT_TRUE(equal(header->dcid, std::vector<uint8_t>(dcid, 0xdd)));
        EXPECT_TRUE(equal(header->scid, std::vector<uint8_t>(scid, 0x55)));
        EXPECT_EQ(header->rest.size(), 3u);
      }
    }
  }
}

// The fixed bit is version 1's, not an invariant.
TEST(Invariants, ReadsShortHeadersByTheLocalLength) {
  std::vector<uint8_t> packet(30, 0x22);
  for (const uint8_t first : {0x00, 0x40, 0x7f}) {
    packet[0] = first;
    const auto header = parse_invariants(packet, 20);
    ASSERT_TRUE(header);
    EXPECT_FALSE(header->is_long);
    EXPECT_EQ(header->first_octet, first);
    EXPECT_EQ(header->dcid.size(), 20u);
    EXPECT_TRUE(header->scid.empty());
    EXPECT_EQ(header->rest.size(), 9u);
  }
}

TEST(Invariants, RefusesWhatEndsBeforeItsHeader) {
  const auto packet = long_header(1, 255, 20, 0);
  for (size_t size = 0; size < packet.size(); ++size)
    EXPECT_FALSE(parse_invariants(Bytes(packet.data(), size), 0)) << size;
  EXPECT_TRUE(parse_invariants(packet, 0));

  const std::vector<uint8_t> short_header(12, 0x40);
  EXPECT_FALSE(parse_invariants(short_header, 12));
  EXPECT_TRUE(parse_invariants(short_header, 11));
  EXPECT_FALSE(parse_invariants({}, 0));
}

// A probe that interoperability tools send: version "WAIT" and empty IDs.
TEST(Invariants, ReadsAPacketWithoutIds) {
  std::vector<uint8_t> probe(1200);
  const uint8_t start[] = {0xc0, 0x57, 0x41, 0x49, 0x54, 0, 0};
  std::copy(std::begin(start), std::end(start), probe.begin());
  const auto header = parse_invariants(probe, 8);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->version, 0x57414954u);
  EXPECT_TRUE(header->dcid.empty());
}

}  // namespace
}  // namespace viaduct::flowsteer
