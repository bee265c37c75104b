#include "flowsteer/mcphint.h"

#include <gtest/gtest.h>

#include "tests/flowsteer/hex.h"

namespace viaduct::flowsteer {
namespace {

const McphintConfig kConfig;

TEST(Mcphint, FillsOneWordOfIpv4) {
  uint8_t option[kMcphint4];
  write_mcphint4(option, kConfig, 0xbeef);
  EXPECT_TRUE(equal(option, from_hex("9e04beef")));
  EXPECT_EQ(read_mcphint4(option, kConfig), 0xbeef);
}

TEST(Mcphint, FillsOneExtensionHeaderOfIpv6) {
  uint8_t header[kMcphint6];
  write_mcphint6(header, kConfig, 17, 0xbeef);
  EXPECT_TRUE(equal(header, from_hex("11001e02beef0100")));
  EXPECT_EQ(read_mcphint6(header, kConfig), 0xbeef);
  EXPECT_EQ(mcphint6_header(kConfig), 60);
  EXPECT_EQ(mcphint6_header({.ipv6_header = McphintHeader::kHopByHop}), 0);
}

TEST(Mcphint, IsFoundAmongOtherOptions) {
  EXPECT_EQ(read_mcphint4(from_hex("01019404000101019e04123400000000"), kConfig), 0x1234);
  EXPECT_EQ(read_mcphint6(from_hex("110101061e0212340000000000000000"), kConfig), std::nullopt) << "within an option";
  EXPECT_EQ(read_mcphint6(from_hex("11010502000000001e02123401020000"), kConfig), 0x1234);
}

TEST(Mcphint, CountsTheFirstOfTwo) { EXPECT_EQ(read_mcphint4(from_hex("9e0411119e042222"), kConfig), 0x1111); }

TEST(Mcphint, IsAbsentWhereItIsNot) {
  EXPECT_EQ(read_mcphint4({}, kConfig), std::nullopt);
  EXPECT_EQ(read_mcphint4(from_hex("00009e04"), kConfig), std::nullopt) << "behind the end of the list";
  EXPECT_EQ(read_mcphint6(from_hex("1100010400000000"), kConfig), std::nullopt);
}

TEST(Mcphint, IsMalformedWhereLengthsCannotBe) {
  const std::unexpected malformed(McphintError::kMalformed);
  for (const char* options : {"9e", "9e00", "9e01beef", "9e03be00", "9e05beef0000000000", "9e08beef", "0701"})
    EXPECT_EQ(read_mcphint4(from_hex(options), kConfig), McphintResult(malformed)) << options;
  for (const char* options : {"", "11", "11001e", "11001e03beef0000", "11001e01be010000", "1100050900000000"})
    EXPECT_EQ(read_mcphint6(from_hex(options), kConfig), McphintResult(malformed)) << options;
}

}  // namespace
}  // namespace viaduct::flowsteer
