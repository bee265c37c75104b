#include "tests/simulation/nat.h"

#include <gtest/gtest.h>

namespace viaduct::sim {
namespace {

Instant at_ms(int64_t ms) { return Instant() + Duration::milliseconds(ms); }

TEST(Nat, ForgetsOldMappings) {
  const SocketAddress inside{IpAddress::v4(198, 18, 1, 100), 1234};
  const Nat nat(inside.ip, {{at_ms(10), false}, {at_ms(20), true}});

  EXPECT_EQ(nat.outward(inside, at_ms(0)), inside);
  const SocketAddress second = nat.outward(inside, at_ms(10));
  EXPECT_EQ(second.ip, inside.ip);
  EXPECT_NE(second.port, inside.port);
  const SocketAddress third = nat.outward(inside, at_ms(20));
  EXPECT_NE(third.ip, inside.ip);

  EXPECT_EQ(nat.inward(inside, at_ms(0)), inside);
  EXPECT_EQ(nat.inward(second, at_ms(15)), inside);
  EXPECT_EQ(nat.inward(third, at_ms(25)), inside);
  EXPECT_FALSE(nat.inward(inside, at_ms(10)));
  EXPECT_FALSE(nat.inward(second, at_ms(20)));
  EXPECT_FALSE(nat.inward(third, at_ms(19)));
}

}  // namespace
}  // namespace viaduct::sim
