#include "tests/simulation/nat.h"

#include <gtest/gtest.h>

namespace viaduct::sim {
namespace {

TEST(Nat, ForgetsOldMappings) {
  const SocketAddress first{IpAddress::v4(198, 18, 1, 100), 1234};
  Nat nat(first.ip);
  EXPECT_EQ(nat.outward(first), first);
  EXPECT_EQ(nat.inward(first), first);

  nat.rebind(false);
  const SocketAddress second = nat.outward(first);
  EXPECT_EQ(second.ip, first.ip);
  EXPECT_NE(second.port, first.port);
  EXPECT_EQ(nat.inward(second), first);
  EXPECT_FALSE(nat.inward(first));

  nat.rebind(true);
  const SocketAddress third = nat.outward(first);
  EXPECT_NE(third.ip, first.ip);
  EXPECT_EQ(nat.inward(third), first);
  EXPECT_FALSE(nat.inward(second));
}

}  // namespace
}  // namespace viaduct::sim
