#include "tools/impair/rebinding.h"

#include <gtest/gtest.h>

namespace viaduct::impair {
namespace {

const SocketAddress kClient = *SocketAddress::parse("198.18.0.2:40000");
const SocketAddress kOther = *SocketAddress::parse("198.18.0.2:40001");

TEST(Rebinding, ChangesNothingBeforeTheFirst) {
  Rebinding nat(1);
  EXPECT_EQ(nat.outward(kClient), kClient);
  EXPECT_EQ(nat.inward(kClient), kClient);
}

TEST(Rebinding, GivesEachFlowAPortOfItsOwnAndFindsTheWayBack) {
  Rebinding nat(1);
  nat.rebind(false);
  const SocketAddress first = nat.outward(kClient), second = nat.outward(kOther);
  EXPECT_EQ(first.ip, kClient.ip);
  EXPECT_NE(first.port, kClient.port);
  EXPECT_NE(first, second);
  EXPECT_EQ(nat.outward(kClient), first);
  EXPECT_EQ(nat.inward(first), kClient);
  EXPECT_EQ(nat.inward(second), kOther);
}

TEST(Rebinding, WhatComesForAnOldPortGoesNowhere) {
  Rebinding nat(1);
  nat.rebind(false);
  const SocketAddress old = nat.outward(kClient);
  nat.rebind(false);
  EXPECT_EQ(nat.inward(old), std::nullopt);
  EXPECT_EQ(nat.inward(kClient), std::nullopt);
  EXPECT_NE(nat.outward(kClient), old);
}

TEST(Rebinding, ChangesTheAddressWithinItsNetwork) {
  Rebinding nat(1);
  nat.rebind(true);
  const SocketAddress outside = nat.outward(kClient);
  EXPECT_NE(outside.ip, kClient.ip);
  EXPECT_EQ(outside.ip.bytes[14], kClient.ip.bytes[14]);
  EXPECT_EQ(nat.inward(outside), kClient);
  nat.rebind(true);
  EXPECT_NE(nat.outward(kClient).ip, outside.ip);
}

TEST(Rebinding, ForgetsTheOldestFlowWhereThereAreTooMany) {
  Rebinding nat(1);
  nat.rebind(false);
  const SocketAddress first = nat.outward(kClient);
  SocketAddress last;
  for (size_t i = 0; i < Rebinding::kMaxFlows; ++i) {
    SocketAddress flow = kOther;
    flow.port = static_cast<uint16_t>(2000 + i);
    last = nat.outward(flow);
  }
  EXPECT_EQ(nat.inward(first), std::nullopt);
  EXPECT_TRUE(nat.inward(last).has_value());
}

}  // namespace
}  // namespace viaduct::impair
