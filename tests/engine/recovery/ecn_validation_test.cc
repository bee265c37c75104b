// What proves that ECN works on a path, and what that it does not (RFC 9000 section 13.4.2).
#include "engine/recovery/ecn_validation.h"

#include "tests/engine/recovery/recovery_fixture.h"

namespace viaduct::quic {
namespace {

EcnValidation after_sending(unsigned packets) {
  EcnValidation ecn;
  for (unsigned i = 0; i < packets; ++i) ecn.on_sent();
  return ecn;
}

TEST(EcnValidation, MarksFromTheStart) { EXPECT_TRUE(EcnValidation().is_marking()); }

TEST(EcnValidation, ReportsOfWhatWasSentKeepItGoing) {
  EcnValidation ecn = after_sending(10);
  EcnCounts counts{.ect0 = 4};
  EXPECT_FALSE(ecn.on_ack(4, &counts));
  counts = {.ect0 = 7, .ce = 1};
  EXPECT_TRUE(ecn.on_ack(4, &counts)) << "one of four was marked by a router";
  EXPECT_FALSE(ecn.on_ack(0, &counts)) << "and not again";
  EXPECT_TRUE(ecn.is_marking());
}

// Acknowledgements may get lost: then the next reports more than it newly acknowledges.
TEST(EcnValidation, MoreThanWasNewlyAcknowledgedIsFine) {
  EcnValidation ecn = after_sending(10);
  const EcnCounts counts{.ect0 = 9};
  EXPECT_FALSE(ecn.on_ack(2, &counts));
  EXPECT_TRUE(ecn.is_marking());
}

struct Broken {
  const char* what;
  uint64_t newly_marked;
  std::optional<EcnCounts> counts;
};
const Broken kBroken[] = {
    {"a peer that does not report", 2, std::nullopt},
    {"marks that were cleared on the way", 3, EcnCounts{.ect0 = 4}},
    {"counts that fall", 0, EcnCounts{.ect0 = 1}},
    {"CE counts that fall", 0, EcnCounts{.ect0 = 4, .ce = 0}},
    {"ECT(1), which was never sent", 1, EcnCounts{.ect0 = 4, .ect1 = 1, .ce = 1}},
    {"more than was sent", 1, EcnCounts{.ect0 = 11}},
    {"more than was sent, with CE", 1, EcnCounts{.ect0 = 5, .ce = 6}},
};

// proves RFC 9000 13.4.2.2-1 13.4.2.2-2
TEST(EcnValidation, WhatCannotBeEndsIt) {
  for (const Broken& broken : kBroken) {
    EcnValidation ecn = after_sending(10);
    const EcnCounts before{.ect0 = 2, .ce = 1};
    EXPECT_TRUE(ecn.on_ack(3, &before));
    EXPECT_FALSE(ecn.on_ack(broken.newly_marked, broken.counts ? &*broken.counts : nullptr)) << broken.what;
    EXPECT_FALSE(ecn.is_marking()) << broken.what;
  }
}

TEST(EcnValidation, AnAckOfNothingMarkedNeedsNoCounts) {
  EcnValidation ecn = after_sending(3);
  EXPECT_FALSE(ecn.on_ack(0, nullptr));
  EXPECT_TRUE(ecn.is_marking());
}

// A network that drops what is marked.
TEST(EcnValidation, IfNothingMarkedArrivesItEnds) {
  EcnValidation ecn = after_sending(20);
  for (unsigned i = 1; i < EcnValidation::kTestPackets; ++i) ecn.on_lost();
  EXPECT_TRUE(ecn.is_marking());
  ecn.on_lost();
  EXPECT_FALSE(ecn.is_marking());
  ecn.restart();
  EXPECT_TRUE(ecn.is_marking()) << "another path may do better";
}

TEST(EcnValidation, OnceSomethingArrivedLossesAreOnlyLosses) {
  EcnValidation ecn = after_sending(200);
  const EcnCounts counts{.ect0 = 1};
  ecn.on_ack(1, &counts);
  for (int i = 0; i < 100; ++i) ecn.on_lost();
  EXPECT_TRUE(ecn.is_marking());
}

class EcnRecoveryTest : public RecoveryTest {
 protected:
  EcnRecoveryTest() : RecoveryTest(true, true) {}

  void send_marked(Instant now) {
    const SentPacket packet{
        .sent_time = now, .size = 1200, .ack_eliciting = true, .in_flight = true, .ecn = Ecn::kEct0};
    ASSERT_TRUE(recovery.on_packet_sent(kApplication, packet, {}));
  }
  void ack_with(PacketRange range, Instant now, EcnCounts counts) {
    const AckReport report{.ranges = {&range, 1}, .ack_delay = {}, .ecn = &counts};
    EXPECT_FALSE(recovery.on_ack(kApplication, report, now, fates));
  }
};

// RFC 9002 section 7.1: as a loss, once in a round trip.
TEST_F(EcnRecoveryTest, ARouterThatMarksHalvesTheWindowOnce) {
  const uint64_t before = window();
  for (int i = 0; i < 6; ++i) send_marked(at_ms(1));
  ack_with({0, 1}, at_ms(50), {.ect0 = 1, .ce = 1});
  EXPECT_EQ(window(), before / 2);
  ack_with({0, 3}, at_ms(51), {.ect0 = 2, .ce = 2});
  EXPECT_EQ(window(), before / 2) << "sent before the reduction";
  EXPECT_EQ(recovery.stats().ecn_congestions, 2u);
  EXPECT_EQ(recovery.stats().congestion_events, 1u);
  send_marked(at_ms(60));
  ack_with({0, 6}, at_ms(110), {.ect0 = 4, .ce = 3});
  EXPECT_LT(window(), before / 2);
}

// Losses that prove spurious do not make a router's word undone.
TEST_F(EcnRecoveryTest, AMarkIsNotUndone) {
  for (int i = 0; i < 8; ++i) send_marked(at_ms(1));
  ack_with({4, 4}, at_ms(50), {.ect0 = 1});
  EXPECT_EQ(recovery.stats().packets_lost, 2u);
  const uint64_t reduced = window();
  ack_with({4, 5}, at_ms(51), {.ect0 = 1, .ce = 1});
  ack_with({0, 7}, at_ms(52), {.ect0 = 7, .ce = 1});
  EXPECT_GE(recovery.stats().spurious_losses, 2u);
  EXPECT_EQ(window(), reduced);
}

// proves RFC 9000 13.4.2.1-1
TEST_F(EcnRecoveryTest, CountsOfAnOlderAckAreLeftAlone) {
  for (int i = 0; i < 6; ++i) send_marked(at_ms(1));
  ack_with({0, 3}, at_ms(50), {.ect0 = 4});
  ack_with({0, 1}, at_ms(51), {.ect0 = 2});
  EXPECT_TRUE(recovery.marks_ecn());
}

TEST_F(EcnRecoveryTest, APeerThatDoesNotReportEndsMarking) {
  for (int i = 0; i < 2; ++i) send_marked(at_ms(1));
  EXPECT_TRUE(recovery.marks_ecn());
  ack(kApplication, {{0, 1}}, at_ms(50));
  EXPECT_FALSE(recovery.marks_ecn());
  recovery.on_path_change(at_ms(60));
  EXPECT_TRUE(recovery.marks_ecn());
}

}  // namespace
}  // namespace viaduct::quic
