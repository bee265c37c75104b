// Which frames may stand where (RFC 9000 section 12.4 table 3), by the table itself.
#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "engine/wire/frames.h"
#include "tests/engine/wire/hex.h"

namespace viaduct::quic {
namespace {

struct Rule {
  const char* bytes;         // a whole frame
  std::string_view packets;  // I, H, 0, 1 as in the table; h: CONNECTION_CLOSE of the application
  bool ack_eliciting = true;
  bool probing = false;
  bool server_only = false;
};

const std::vector<Rule> kRules = {
    {"00", "IH01", false, true},
    {"01", "IH01"},
    {"02 00 00 00 00", "IH_1", false},
    {"03 00 00 00 00 00 00 00", "IH_1", false},
    {"04 00 00 00", "__01"},
    {"05 00 00", "__01"},
    {"06 00 00", "IH_1"},
    {"07 01 aa", "___1", true, false, true},
    {"08 00", "__01"},
    {"09 00", "__01"},
    {"0a 00 00", "__01"},
    {"0b 00 00", "__01"},
    {"0c 00 00", "__01"},
    {"0d 00 00", "__01"},
    {"0e 00 00 00", "__01"},
    {"0f 00 00 00", "__01"},
    {"10 00", "__01"},
    {"11 00 00", "__01"},
    {"12 00", "__01"},
    {"13 00", "__01"},
    {"14 00", "__01"},
    {"15 00 00", "__01"},
    {"16 00", "__01"},
    {"17 00", "__01"},
    {"18 01 00 01 aa 00112233445566778899aabbccddeeff", "__01", true, true},
    {"19 00", "___1"},
    {"1a 0011223344556677", "__01", true, true},
    {"1b 0011223344556677", "___1", true, true},
    {"1c 00 00 00", "IH01", false},
    {"1d 00 00", "__01", false},
    {"1e", "___1", true, false, true},
    {"30", "__01"},
    {"31 00", "__01"},
};

TransportError parse_in(Bytes bytes, PacketType packet, Role sender, Frame& frame) {
  ByteReader reader(bytes);
  return parse_frame(reader, packet, sender, frame);
}

// proves RFC 9000 12.4-3 17.2.4-1
// proves RFC 9001 8.3-2
// proves RFC 9221 5-4
TEST(FrameRules, PacketTypesCarryWhatTheTableSays) {
  const PacketType packets[] = {PacketType::kInitial, PacketType::kHandshake, PacketType::kZeroRtt,
                                PacketType::kOneRtt};
  for (const Rule& rule : kRules) {
    for (size_t i = 0; i < 4; ++i) {
      const auto bytes = from_hex(rule.bytes);
      Frame frame;
      const TransportError error = parse_in(bytes, packets[i], Role::kServer, frame);
      const auto expected = rule.packets[i] == '_' ? ErrorCode::kProtocolViolation : ErrorCode::kNoError;
      EXPECT_EQ(error.code, expected) << rule.bytes << " in " << packet_type_name(packets[i]);
      if (error) {
        EXPECT_EQ(error.frame_type, bytes[0]);
      }
    }
  }
}

// proves RFC 9000 19.7-4 19.20-2
TEST(FrameRules, SomeFramesAreTheServersAlone) {
  for (const Rule& rule : kRules) {
    const auto bytes = from_hex(rule.bytes);
    Frame frame;
    const TransportError error = parse_in(bytes, PacketType::kOneRtt, Role::kClient, frame);
    EXPECT_EQ(error.code, rule.server_only ? ErrorCode::kProtocolViolation : ErrorCode::kNoError) << rule.bytes;
  }
}

TEST(FrameRules, SomeElicitAcknowledgementsAndSomeProbe) {
  for (const Rule& rule : kRules) {
    const auto bytes = from_hex(rule.bytes);
    Frame frame;
    ASSERT_FALSE(parse_in(bytes, PacketType::kOneRtt, Role::kServer, frame));
    EXPECT_EQ(is_ack_eliciting(frame.type), rule.ack_eliciting) << rule.bytes;
    EXPECT_EQ(is_probing(frame.type), rule.probing) << rule.bytes;
  }
}

}  // namespace
}  // namespace viaduct::quic
