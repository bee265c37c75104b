#include "base/bytes.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <vector>

namespace viaduct {
namespace {

// RFC 9000 appendix A.1.
TEST(Varint, MatchesTheRfcSamples) {
  const struct {
    std::vector<uint8_t> encoded;
    uint64_t value;
    bool shortest;
  } samples[] = {
      {{0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c}, 151288809941952652, true},
      {{0x9d, 0x7f, 0x3e, 0x7d}, 494878333, true},
      {{0x7b, 0xbd}, 15293, true},
      {{0x25}, 37, true},
      {{0x40, 0x25}, 37, false},
  };
  for (const auto& sample : samples) {
    ByteReader reader(sample.encoded);
    EXPECT_EQ(reader.varint(), sample.value);
    EXPECT_TRUE(reader.ok() && reader.empty());
    std::array<uint8_t, 8> room;
    ByteWriter writer(room);
    if (sample.shortest) {
      writer.varint(sample.value);
    } else {
      writer.varint(sample.value, sample.encoded.size());
    }
    EXPECT_TRUE(equal(writer.written(), sample.encoded));
  }
}

RC_GTEST_PROP(Varint, RoundTripsInTheStatedSize, ()) {
  const uint64_t value = *rc::gen::arbitrary<uint64_t>() >> *rc::gen::inRange(2, 64);
  std::array<uint8_t, 8> room;
  ByteWriter writer(room);
  writer.varint(value);
  RC_ASSERT(writer.ok());
  RC_ASSERT(writer.size() == varint_size(value));
  ByteReader reader(writer.written());
  RC_ASSERT(reader.varint() == value);
}

TEST(ByteReader, FailsForGoodAtTheFirstReadPastTheEnd) {
  const std::array<uint8_t, 3> bytes = {1, 2, 3};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.u16(), 0x0102);
  EXPECT_EQ(reader.u32(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0u) << "the byte that is left is not to be read any more";
  EXPECT_TRUE(reader.bytes(0).empty());
  EXPECT_TRUE(reader.rest().empty());
}

TEST(ByteReader, TruncatedVarintFails) {
  const std::array<uint8_t, 3> bytes = {0xc0, 0, 0};
  for (size_t size = 0; size < bytes.size(); ++size) {
    ByteReader reader(Bytes(bytes).first(size));
    reader.varint();
    EXPECT_FALSE(reader.ok()) << size;
  }
}

TEST(ByteWriter, WritesNothingOfWhatDoesNotFit) {
  std::array<uint8_t, 3> room{};
  ByteWriter writer(room);
  writer.u16(0x0102);
  writer.u32(0xffffffff);
  EXPECT_FALSE(writer.ok());
  writer.u8(9);
  EXPECT_EQ(room, (std::array<uint8_t, 3>{1, 2, 0}));
  EXPECT_EQ(writer.size(), 2u);
}

RC_GTEST_PROP(ByteReader, ReadsWhatTheWriterWrote,
              (uint8_t a, uint16_t b, uint32_t c, uint64_t d, std::vector<uint8_t> e)) {
  std::vector<uint8_t> room(18 + e.size());
  ByteWriter writer(room);
  writer.u8(a);
  writer.u16(b);
  writer.u24(c & 0xffffff);
  writer.u32(c);
  writer.u64(d);
  writer.bytes(e);
  RC_ASSERT(writer.ok() && writer.remaining() == 0);
  ByteReader reader(room);
  RC_ASSERT(reader.u8() == a);
  RC_ASSERT(reader.u16() == b);
  RC_ASSERT(reader.u24() == (c & 0xffffff));
  RC_ASSERT(reader.u32() == c);
  RC_ASSERT(reader.u64() == d);
  RC_ASSERT(equal(reader.rest(), e));
  RC_ASSERT(reader.ok());
}

}  // namespace
}  // namespace viaduct
