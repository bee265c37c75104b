#include "engine/wire/version.h"

#include <gtest/gtest.h>

#include "engine/wire/transport_error.h"

namespace viaduct::quic {
namespace {

// RFC 9000 section 17.2 and RFC 9369 section 3.2.
TEST(Version, NumbersPacketTypesAsItsRfcSays) {
  EXPECT_EQ(type_bits(kVersion1, PacketType::kInitial), 0b00);
  EXPECT_EQ(type_bits(kVersion1, PacketType::kZeroRtt), 0b01);
  EXPECT_EQ(type_bits(kVersion1, PacketType::kHandshake), 0b10);
  EXPECT_EQ(type_bits(kVersion1, PacketType::kRetry), 0b11);
  EXPECT_EQ(type_bits(kVersion2, PacketType::kInitial), 0b01);
  EXPECT_EQ(type_bits(kVersion2, PacketType::kZeroRtt), 0b10);
  EXPECT_EQ(type_bits(kVersion2, PacketType::kHandshake), 0b11);
  EXPECT_EQ(type_bits(kVersion2, PacketType::kRetry), 0b00);
  for (const uint32_t version : kSupportedVersions) {
    for (const auto type : {PacketType::kInitial, PacketType::kZeroRtt, PacketType::kHandshake, PacketType::kRetry}) {
      EXPECT_EQ(packet_type(version, type_bits(version, type)), type);
    }
  }
}

TEST(Version, GreasesWithoutClashing) {
  EXPECT_TRUE(is_greased(greased_version(0x12345678)));
  EXPECT_EQ(version_name(greased_version(0xffffffff)), "grease");
  EXPECT_FALSE(is_supported(greased_version(0)));
  EXPECT_EQ(version_name(kVersion1), "v1");
  EXPECT_EQ(version_name(kVersion2), "v2");
  EXPECT_EQ(version_name(0xff00001d), "unknown");
}

TEST(TransportErrorCodes, HaveTheirNames) {
  EXPECT_EQ(error_name(0x03), "FLOW_CONTROL_ERROR");
  EXPECT_EQ(error_name(0x11), "VERSION_NEGOTIATION_ERROR");
  EXPECT_EQ(error_name(TransportError{crypto_error(40)}.wire_code()), "CRYPTO_ERROR");
  EXPECT_EQ(error_name(0x12), "UNKNOWN");
  EXPECT_EQ(packet_type_name(PacketType::kZeroRtt), "0-rtt");
}

}  // namespace
}  // namespace viaduct::quic
