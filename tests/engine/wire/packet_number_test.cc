#include "engine/wire/packet_number.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace viaduct::quic {
namespace {

// RFC 9000 appendix A.2 and A.3.
// proves RFC 9000 17.1-2
TEST(PacketNumber, EncodesTheRfcsExamples) {
  EXPECT_EQ(packet_number_size(0xac5c02, 0xabe8b3 + 1), 2u);
  EXPECT_EQ(packet_number_size(0xace8fe, 0xabe8b3 + 1), 3u);
  EXPECT_EQ(packet_number_size(0, 0), 1u);
}

TEST(PacketNumber, DecodesTheRfcsExample) { EXPECT_EQ(decode_packet_number(0xa82f30ea + 1, 0x9b32, 2), 0xa82f9b32u); }

TEST(PacketNumber, DecodesTheFirstOnes) {
  EXPECT_EQ(decode_packet_number(0, 0, 1), 0u);
  EXPECT_EQ(decode_packet_number(0, 200, 1), 200u);
  EXPECT_EQ(decode_packet_number(1, 0, 4), 0u);
}

TEST(PacketNumber, NeverDecodesBeyondTheLargest) {
  EXPECT_LE(decode_packet_number(kMaxPacketNumber, 0x10, 1), kMaxPacketNumber);
  EXPECT_EQ(decode_packet_number(kMaxPacketNumber, 0xff, 1), kMaxPacketNumber);
}

// proves RFC 9000 17.1-1 17.1-2 17.1-3
TEST(PacketNumber, GrowsWithTheDistanceToTheLowestUnacked) {
  struct Case {
    uint64_t distance;
    size_t size;
  };
  for (const Case& c : {Case{1, 1}, Case{0x7f, 1}, Case{0x80, 2}, Case{0x7fff, 2}, Case{0x8000, 3}, Case{0x7fffff, 3},
                        Case{0x800000, 4}}) {
    EXPECT_EQ(packet_number_size(1'000'000'000 + c.distance - 1, 1'000'000'000), c.size) << c.distance;
  }
}

// Whatever the receiver has processed between the lowest unacknowledged packet and this one, it reads the same number.
RC_GTEST_PROP(PacketNumber, SurvivesAnyProgressOfTheReceiver, ()) {
  const auto unacked = *rc::gen::inRange<uint64_t>(0, uint64_t{1} << 61);
  const auto distance = *rc::gen::inRange<uint64_t>(0, uint64_t{1} << *rc::gen::inRange(1, 31));
  const auto processed = *rc::gen::inRange<uint64_t>(0, distance + 1);
  const uint64_t number = unacked + distance;
  const size_t size = packet_number_size(number, unacked);
  const auto truncated = static_cast<uint32_t>(number & ((uint64_t{1} << 8 * size) - 1));
  RC_ASSERT(decode_packet_number(unacked + processed, truncated, size) == number);
}

}  // namespace
}  // namespace viaduct::quic
