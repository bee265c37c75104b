#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

#include "engine/wire/frame_writer.h"
#include "tests/engine/wire/hex.h"

namespace viaduct::quic {
namespace {

struct Ranges {
  std::vector<PacketRange> from_top;
  size_t size() const { return from_top.size(); }
  PacketRange from_largest(size_t i) const { return from_top[i]; }
};

TransportError parse(Bytes bytes, Frame& frame) {
  ByteReader reader(bytes);
  return parse_frame(reader, PacketType::kOneRtt, Role::kClient, frame);
}

std::vector<PacketRange> ranges_of(const AckFrame& ack) {
  std::vector<PacketRange> ranges;
  AckRangeReader reader(ack);
  for (PacketRange range; reader.next(range);) ranges.push_back(range);
  return ranges;
}

// RFC 9000 section 19.3.1: smallest = previous smallest - gap - 2 - length.
TEST(AckFrame, RangesAreCountedDownwards) {
  const auto bytes = from_hex("02 0a 00 02 02  00 01  01 00");
  Frame frame;
  ASSERT_FALSE(parse(bytes, frame));
  EXPECT_EQ(ranges_of(frame.ack), (std::vector<PacketRange>{{8, 10}, {5, 6}, {2, 2}}));
}

// proves RFC 9000 19.3.1-1
TEST(AckFrame, RangesBelowZeroAreEncodingErrors) {
  for (const char* bytes : {
           "02 0a 00 00 0b",        // the first
           "02 0a 00 01 0a 00 00",  // a gap below zero
           "02 0a 00 01 05 02 02",  // a range below zero
           "02 0a 00 01 00 ffffffffffffffff 00",
           "02 0a 00 01 00 00 ffffffffffffffff",
       }) {
    Frame frame;
    EXPECT_EQ(parse(from_hex(bytes), frame).code, ErrorCode::kFrameEncodingError) << bytes;
  }
}

TEST(AckFrame, ARangeCountBeyondThePacketIsAnEncodingError) {
  Frame frame;
  EXPECT_EQ(parse(from_hex("02 ffffffffffffffff 00 ffffffffffffffff 00 00 00 00 00"), frame).code,
            ErrorCode::kFrameEncodingError);
}

// proves RFC 9000 13.2.3-1 13.2.3-5
TEST(AckFrame, DropsItsLowestRangesWhereRoomLacks) {
  Ranges ranges;
  for (uint64_t top = 1000; top > 500; top -= 10) ranges.from_top.push_back({top - 3, top});
  const EcnCounts ecn{100, 200, 300};
  for (size_t room = 0; room < 200; ++room) {
    std::vector<uint8_t> bytes(room);
    ByteWriter writer(bytes);
    if (!write_ack(writer, ranges, 12, &ecn)) {
      EXPECT_LT(room, 16u);
      EXPECT_EQ(writer.size(), 0u);
      continue;
    }
    ASSERT_TRUE(writer.ok());
    Frame frame;
    ASSERT_FALSE(parse(writer.written(), frame));
    const auto read = ranges_of(frame.ack);
    ASSERT_LE(read.size(), ranges.size());
    EXPECT_TRUE(std::equal(read.begin(), read.end(), ranges.from_top.begin()));
    EXPECT_EQ(frame.ack.ecn, ecn);
    if (room >= 130) {
      EXPECT_EQ(read.size(), ranges.size());
    }
  }
}

// proves RFC 9000 19.3-1
RC_GTEST_PROP(AckFrame, AnyRangesAreReadAsWritten, ()) {
  Ranges ranges;
  uint64_t bottom = *rc::gen::inRange<uint64_t>(0, uint64_t{1} << 61) + (uint64_t{1} << 40);
  const auto count = *rc::gen::inRange<size_t>(1, 60);
  for (size_t i = 0; i < count; ++i) {
    const auto length = *rc::gen::inRange<uint64_t>(0, uint64_t{1} << *rc::gen::inRange(1, 30));
    const auto gap = *rc::gen::inRange<uint64_t>(2, uint64_t{1} << *rc::gen::inRange(2, 30));
    ranges.from_top.push_back({bottom - length, bottom});
    bottom -= length + gap;
  }
  uint8_t room[1200];
  ByteWriter writer(room);
  RC_ASSERT(write_ack(writer, ranges, 5, nullptr));
  Frame frame;
  RC_ASSERT(!parse(writer.written(), frame));
  RC_ASSERT(ranges_of(frame.ack) == ranges.from_top);
}

}  // namespace
}  // namespace viaduct::quic
