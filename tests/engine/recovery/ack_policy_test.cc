#include "engine/recovery/ack_policy.h"

#include <gtest/gtest.h>

#include "tests/support/instants.h"

namespace viaduct::quic {
namespace {

constexpr Duration kDelay = Duration::milliseconds(25);

class AckPolicyTest : public ::testing::Test {
 protected:
  explicit AckPolicyTest(PacketSpace space = PacketSpace::kApplication) : policy(space, kDelay) {}

  void receive(uint64_t number, Instant now, bool eliciting = true, bool ce = false) {
    ranges.insert(number, now);
    policy.on_packet_received(number, eliciting, ce, ranges, now);
  }

  BlockPool pool{1};
  AckRanges ranges{pool};
  AckPolicy policy;
};

class HandshakeAckPolicyTest : public AckPolicyTest {
 protected:
  HandshakeAckPolicyTest() : AckPolicyTest(PacketSpace::kHandshake) {}
};

TEST_F(AckPolicyTest, OwesNothingAtFirst) {
  EXPECT_FALSE(policy.due(at_ms(1000)));
  EXPECT_FALSE(policy.worth_sending());
}

// RFC 9000 section 13.2.2.
// proves RFC 9000 13.2.1-3 13.2.2-1
TEST_F(AckPolicyTest, EverySecondPacketIsAcknowledgedAtOnce) {
  receive(0, at_ms(0));
  EXPECT_FALSE(policy.due(at_ms(0)));
  receive(1, at_ms(1));
  EXPECT_TRUE(policy.due(at_ms(1)));
  policy.on_ack_sent(ranges.largest());
  EXPECT_FALSE(policy.due(at_ms(1)));
  receive(2, at_ms(2));
  EXPECT_FALSE(policy.due(at_ms(2)));
}

// RFC 9000 section 13.2.1.
// proves RFC 9000 13.2.1-1
TEST_F(AckPolicyTest, OnePacketIsAcknowledgedWithinMaxAckDelay) {
  receive(0, at_ms(10));
  EXPECT_EQ(policy.deadline(), at_ms(35));
  EXPECT_FALSE(policy.due(at_ms(34)));
  EXPECT_TRUE(policy.due(at_ms(35)));
}

// proves RFC 9000 13.2.1-4
TEST_F(AckPolicyTest, AnAckIsNotAcknowledged) {
  for (uint64_t i = 0; i < 10; ++i) receive(i, at_ms(0), false);
  EXPECT_EQ(policy.deadline(), Instant::never());
  EXPECT_TRUE(policy.worth_sending()) << "it may ride along";
}

// proves RFC 9000 13.2.1-7
TEST_F(AckPolicyTest, AGapIsReportedAtOnce) {
  receive(0, at_ms(0));
  receive(1, at_ms(0));
  policy.on_ack_sent(ranges.largest());
  receive(3, at_ms(1));
  EXPECT_TRUE(policy.due(at_ms(1)));
}

TEST_F(AckPolicyTest, AnOldGapIsNoReason) {
  receive(0, at_ms(0));
  receive(2, at_ms(0));
  policy.on_ack_sent(ranges.largest());
  receive(3, at_ms(1));
  EXPECT_FALSE(policy.due(at_ms(1)));
}

// proves RFC 9000 13.2.1-7
TEST_F(AckPolicyTest, ALatePacketIsReportedAtOnce) {
  receive(0, at_ms(0));
  receive(2, at_ms(0));
  policy.on_ack_sent(ranges.largest());
  receive(1, at_ms(1));
  EXPECT_TRUE(policy.due(at_ms(1)));
}

TEST_F(AckPolicyTest, AcksBetweenDataAreNoGap) {
  receive(0, at_ms(0));
  receive(1, at_ms(0), false);
  receive(2, at_ms(0), false);
  policy.on_ack_sent(ranges.largest());
  receive(3, at_ms(1));
  EXPECT_FALSE(policy.due(at_ms(1)));
}

TEST_F(AckPolicyTest, WhatWasForgottenIsNoGap) {
  receive(0, at_ms(0));
  for (uint64_t i = 1; i < 5; ++i) receive(i, at_ms(0), false);
  policy.on_ack_sent(ranges.largest());
  ranges.forget_up_to(4);
  receive(5, at_ms(1));
  EXPECT_FALSE(policy.due(at_ms(1)));
}

// proves RFC 9000 13.2.1-8
TEST_F(AckPolicyTest, CongestionExperiencedIsReportedAtOnce) {
  receive(0, at_ms(0), true, true);
  EXPECT_TRUE(policy.due(at_ms(0)));
}

TEST_F(AckPolicyTest, TheThresholdCanBeRaised) {
  policy.set_threshold(10);
  for (uint64_t i = 0; i < 9; ++i) receive(i, at_ms(0));
  EXPECT_FALSE(policy.due(at_ms(0)));
  receive(9, at_ms(0));
  EXPECT_TRUE(policy.due(at_ms(0)));
}

// proves RFC 9000 13.2.1-2
TEST_F(HandshakeAckPolicyTest, EveryPacketIsAcknowledgedAtOnce) {
  receive(0, at_ms(0));
  EXPECT_TRUE(policy.due(at_ms(0)));
}

}  // namespace
}  // namespace viaduct::quic
