#include "base/address.h"

#include <gtest/gtest.h>

namespace viaduct {
namespace {

TEST(IpAddress, PrintsWhatItParsed) {
  for (const char* text : {"198.18.0.1", "0.0.0.0", "2001:db8::1", "::1", "::"}) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(IpAddress, FamiliesCompareAlike) {
  EXPECT_EQ(IpAddress::parse("::ffff:198.18.0.1"), IpAddress::v4(198, 18, 0, 1));
  EXPECT_TRUE(IpAddress::parse("::ffff:198.18.0.1")->is_v4());
  EXPECT_FALSE(IpAddress::parse("2001:db8::1")->is_v4());
  EXPECT_EQ(IpAddress::v4(1, 2, 3, 4).v4_bytes()[3], 4);
}

TEST(IpAddress, RefusesWhatIsNoAddress) {
  for (const char* text : {"", "localhost", "1.2.3", "1.2.3.256", "2001:db8::g", "1.2.3.4:5", "[::1]"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
}

TEST(SocketAddress, PrintsWhatItParsed) {
  for (const char* text : {"198.18.0.1:443", "[2001:db8::1]:65535", "[::]:0"}) {
    const auto address = SocketAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(SocketAddress, RefusesWhatIsNone) {
  for (const char* text : {"", "443", ":443", "198.18.0.1", "198.18.0.1:", "198.18.0.1:65536", "198.18.0.1:-1",
                           "198.18.0.1:44x", "2001:db8::1:443", "[198.18.0.1]:443", "[]:443"}) {
    EXPECT_FALSE(SocketAddress::parse(text)) << text;
  }
}

}  // namespace
}  // namespace viaduct
