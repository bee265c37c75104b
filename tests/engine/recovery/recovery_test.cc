#include "tests/engine/recovery/recovery_fixture.h"

namespace viaduct::quic {
namespace {

class ClientRecoveryTest : public RecoveryTest {
 protected:
  ClientRecoveryTest() : RecoveryTest(false) {}
};

// proves RFC 9002 7.5-2
TEST_F(RecoveryTest, WhatIsSentIsInFlightUntilAcknowledged) {
  send(kApplication, at_ms(0));
  send(kApplication, at_ms(0));
  EXPECT_EQ(recovery.bytes_in_flight(), 2400u);
  ack(kApplication, {{0, 0}}, at_ms(50));
  EXPECT_EQ(recovery.bytes_in_flight(), 1200u);
  EXPECT_EQ(fates.acked, (FateList{{kApplication, 0}}));
  EXPECT_EQ(recovery.rtt().smoothed(), ms(50));
  EXPECT_EQ(recovery.largest_acked(kApplication), 0u);
}

TEST_F(RecoveryTest, ThePacketOfAnAckIsNotInFlight) {
  send_ack_only(kApplication, at_ms(0));
  EXPECT_EQ(recovery.bytes_in_flight(), 0u);
  EXPECT_EQ(recovery.deadline(), Instant::never());
}

// proves RFC 9002 7-2
TEST_F(RecoveryTest, TheWindowBoundsWhatIsInFlight) {
  EXPECT_EQ(window(), 12'000u);  // RFC 9002 section 7.2: ten datagrams
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(recovery.may_send(1200, at_ms(0)));
    send(kApplication, at_ms(0));
  }
  EXPECT_FALSE(recovery.may_send(1200, at_ms(0)));
}

// RFC 9000 section 13.1.
// proves RFC 9000 13.1-2
TEST_F(RecoveryTest, AnAckOfWhatWasNeverSentClosesTheConnection) {
  send(kApplication, at_ms(0));
  EXPECT_EQ(ack(kApplication, {{0, 1}}, at_ms(10)), ErrorCode::kProtocolViolation);
  EXPECT_EQ(ack(kInitial, {{0, 0}}, at_ms(10)), ErrorCode::kProtocolViolation);
  EXPECT_TRUE(fates.acked.empty());
}

// RFC 9000 section 21.4.
TEST_F(RecoveryTest, AnAckOfASkippedNumberClosesTheConnection) {
  send(kApplication, at_ms(0));
  ASSERT_TRUE(recovery.skip_packet_number(kApplication));
  send(kApplication, at_ms(0));
  EXPECT_EQ(ack(kApplication, {{2, 2}, {0, 0}}, at_ms(10)), ErrorCode::kNoError);
  EXPECT_EQ(ack(kApplication, {{0, 2}}, at_ms(10)), ErrorCode::kProtocolViolation);
}

// RFC 9002 section 6.1.1.
// proves RFC 9000 13.3-7
// proves RFC 9002 6.1.1-1 6.1.1-2 7.4-1
TEST_F(RecoveryTest, ThreePacketsLaterIsLost) {
  for (int i = 0; i < 5; ++i) send(kApplication, at_ms(0));
  ack(kApplication, {{2, 2}}, at_ms(10));
  EXPECT_TRUE(fates.lost.empty());
  ack(kApplication, {{2, 3}}, at_ms(10));
  EXPECT_EQ(fates.lost, (FateList{{kApplication, 0}}));
  ack(kApplication, {{2, 4}}, at_ms(10));
  EXPECT_EQ(fates.lost, (FateList{{kApplication, 0}, {kApplication, 1}}));
  EXPECT_EQ(recovery.bytes_in_flight(), 0u);
}

// RFC 9002 section 6.1.2.
// proves RFC 9002 6.1.2-1 6.1.2-3 6.1.2-4 6.2.1-6
TEST_F(RecoveryTest, AnEarlierPacketIsLostAfterNineEighthsOfTheRoundTrip) {
  send(kApplication, at_ms(0));
  send(kApplication, at_ms(0));
  ack(kApplication, {{1, 1}}, at_ms(80));
  EXPECT_EQ(recovery.deadline(), at_ms(90));
  recovery.on_timeout(at_ms(89), fates);
  EXPECT_TRUE(fates.lost.empty());
  recovery.on_timeout(at_ms(90), fates);
  EXPECT_EQ(fates.lost, (FateList{{kApplication, 0}}));
  EXPECT_EQ(recovery.probes_owed(kApplication), 0u) << "loss is no probe timeout";
  EXPECT_EQ(recovery.pto_count(), 0u);
}

TEST_F(RecoveryTest, AnOldAckIsHarmless) {
  for (int i = 0; i < 5; ++i) send(kApplication, at_ms(i));
  ack(kApplication, {{0, 4}}, at_ms(50));
  const Duration before = recovery.rtt().smoothed();
  ack(kApplication, {{0, 2}}, at_ms(500));
  EXPECT_EQ(recovery.rtt().smoothed(), before);
  EXPECT_EQ(recovery.largest_acked(kApplication), 4u);
}

// proves RFC 9002 5.1-1
TEST_F(RecoveryTest, OnlyTheLargestNewlyAcknowledgedGivesASample) {
  send(kApplication, at_ms(0));
  send(kApplication, at_ms(0));
  ack(kApplication, {{1, 1}}, at_ms(40));
  ack(kApplication, {{0, 1}}, at_ms(44));
  EXPECT_EQ(recovery.rtt().latest(), ms(40));
}

TEST_F(RecoveryTest, ALongerAckDelayCountsForWhatIsInFlightAlready) {
  establish(ms(100));
  send(kApplication, start);
  recovery.allow_ack_delay(ms(80), start);
  send(kApplication, start);
  EXPECT_EQ(recovery.deadline(), start + pto());
}

// RFC 9002 section 5.3.
// proves RFC 9002 5.3-1 5.3-2 5.3-3
TEST_F(RecoveryTest, AckDelayIsLimitedOnceTheHandshakeIsConfirmed) {
  recovery.set_peer_max_ack_delay(ms(25));
  send(kApplication, at_ms(0));
  ack(kApplication, {{0, 0}}, at_ms(100));
  recovery.on_handshake_confirmed(at_ms(100));
  send(kApplication, at_ms(100));
  ack(kApplication, {{1, 1}}, at_ms(300), ms(90));
  EXPECT_EQ(recovery.rtt().smoothed(), (ms(100) * 7 + ms(175)) / 8);
}

TEST_F(RecoveryTest, AckDelayOfHandshakePacketsIsIgnored) {
  send(kHandshake, at_ms(0));
  ack(kHandshake, {{0, 0}}, at_ms(100));
  send(kHandshake, at_ms(100));
  ack(kHandshake, {{1, 1}}, at_ms(300), ms(90));
  EXPECT_EQ(recovery.rtt().smoothed(), (ms(100) * 7 + ms(200)) / 8);
}

// --- Probe timeouts, RFC 9002 section 6.2 ---

// proves RFC 9002 6.2-1 6.2.1-5 6.2.4-1 6.2.4-2
TEST_F(RecoveryTest, AProbeTimeoutAsksForProbesAndBacksOff) {
  establish(ms(100));
  const Duration timeout = pto();
  send(kApplication, start);
  EXPECT_EQ(recovery.deadline(), start + timeout);
  Instant now = start;
  for (int i = 0; i < 6; ++i) {
    now = recovery.deadline();
    recovery.on_timeout(now, fates);
    EXPECT_EQ(recovery.pto_count(), static_cast<unsigned>(i + 1));
    EXPECT_EQ(recovery.probes_owed(kApplication), 2u);
    send(kApplication, now);
    send(kApplication, now);
    EXPECT_EQ(recovery.probes_owed(kApplication), 0u);
    EXPECT_EQ(recovery.deadline(), now + timeout * (2 << i));
  }
  EXPECT_TRUE(fates.lost.empty()) << "a probe timeout declares nothing lost";
  EXPECT_EQ(fates.probed.front(), (Fates::Fate{kApplication, 20}));
  const uint64_t window_before = window();
  ack(kApplication, {{32, 32}}, now + ms(100));
  EXPECT_EQ(recovery.pto_count(), 0u);
  EXPECT_LT(window(), window_before) << "what the acknowledged probe shows lost counts";
}

TEST_F(RecoveryTest, ATimeoutThatComesLateIsOneTimeout) {
  establish(ms(100));
  send(kApplication, start);
  const Instant late = start + Duration::seconds(60);
  recovery.on_timeout(late, fates);
  EXPECT_EQ(recovery.pto_count(), 1u);
  EXPECT_GT(recovery.deadline(), late);
}

// proves RFC 9002 7.5-1 7.5-2
TEST_F(RecoveryTest, ProbesAreSentWhateverTheWindowSays) {
  for (int i = 0; i < 10; ++i) send(kHandshake, at_ms(0));
  recovery.on_timeout(recovery.deadline(), fates);
  EXPECT_FALSE(recovery.window_allows(1));
  EXPECT_GT(recovery.probes_owed(kHandshake), 0u);
}

// A lost ServerHello stops everything: both spaces probe, whichever timer fired.
// proves RFC 9002 6.2.1-2 6.2.4-3
TEST_F(RecoveryTest, InitialAndHandshakeProbeTogether) {
  send(kInitial, at_ms(0));
  send(kInitial, at_ms(0));
  send(kHandshake, at_ms(5));
  send(kHandshake, at_ms(5));
  recovery.on_timeout(recovery.deadline(), fates);
  EXPECT_EQ(recovery.probes_owed(kInitial), 2u);
  EXPECT_EQ(recovery.probes_owed(kHandshake), 1u);
  EXPECT_EQ(fates.probed, (FateList{{kInitial, 0}, {kInitial, 1}, {kHandshake, 0}}));
}

// RFC 9002 section 6.2.1.
// proves RFC 9002 6.2.1-3
TEST_F(RecoveryTest, ApplicationDataHasNoTimerBeforeConfirmation) {
  send(kApplication, at_ms(0));
  EXPECT_EQ(recovery.deadline(), Instant::never());
  recovery.on_handshake_confirmed(at_ms(10));
  EXPECT_EQ(recovery.deadline(), at_ms(0) + pto());
}

// RFC 9002 section 6.2.2.1.
// proves RFC 9002 6.2.2.1-1
TEST_F(RecoveryTest, AtTheAmplificationLimitAServerWaits) {
  send(kInitial, at_ms(0));
  recovery.set_amplification_limited(true, at_ms(0));
  EXPECT_EQ(recovery.deadline(), Instant::never());
  recovery.set_amplification_limited(false, at_ms(5000));
  EXPECT_LT(recovery.deadline(), at_ms(5000)) << "overdue: the caller looks at the timer again";
}

// proves RFC 9000 8.1-4 8.1-5
// proves RFC 9002 6.2.2.1-2 6.2.2.1-3
TEST_F(ClientRecoveryTest, AClientProbesWithNothingInFlight) {
  send(kInitial, at_ms(0));
  ack(kInitial, {{0, 0}}, at_ms(100));
  ASSERT_FALSE(recovery.deadline().is_never()) << "the server may be at its limit";
  recovery.on_timeout(recovery.deadline(), fates);
  EXPECT_EQ(recovery.probes_owed(kInitial), 1u);
  EXPECT_EQ(recovery.pto_count(), 1u);
}

// proves RFC 9000 8.1-5
// proves RFC 9002 6.2.2.1-3
TEST_F(ClientRecoveryTest, WithHandshakeKeysTheProbeIsAHandshakePacket) {
  send(kInitial, at_ms(0));
  ack(kInitial, {{0, 0}}, at_ms(100));
  recovery.on_handshake_keys(at_ms(100));
  recovery.on_timeout(recovery.deadline(), fates);
  EXPECT_EQ(recovery.probes_owed(kInitial), 0u);
  EXPECT_EQ(recovery.probes_owed(kHandshake), 1u);
}

TEST_F(ClientRecoveryTest, AnAckOfAnInitialDoesNotEndTheBackoff) {
  send(kInitial, at_ms(0));
  recovery.on_timeout(recovery.deadline(), fates);
  send(kInitial, at_ms(1000));
  ack(kInitial, {{0, 0}}, at_ms(1100));
  EXPECT_EQ(recovery.pto_count(), 1u);
}

TEST_F(ClientRecoveryTest, AnAckOfAHandshakePacketShowsTheAddressIsValid) {
  send(kHandshake, at_ms(0));
  ack(kHandshake, {{0, 0}}, at_ms(100));
  EXPECT_EQ(recovery.deadline(), Instant::never());
}

// RFC 9002 section 6.4 and appendix A.11.
// proves RFC 9002 6.2.2-3 6.4-1
TEST_F(RecoveryTest, ADiscardedSpaceLeavesTheFlight) {
  send(kInitial, at_ms(0));
  send(kHandshake, at_ms(0), 500);
  recovery.on_timeout(recovery.deadline(), fates);
  recovery.discard_space(kInitial, at_ms(2000));
  EXPECT_EQ(recovery.bytes_in_flight(), 500u);
  EXPECT_EQ(recovery.pto_count(), 0u);
  EXPECT_EQ(recovery.probes_owed(kInitial), 0u);
  EXPECT_TRUE(fates.lost.empty());
  EXPECT_EQ(ack(kInitial, {{0, 0}}, at_ms(2000)), ErrorCode::kNoError);
  recovery.discard_space(kHandshake, at_ms(2000));
  EXPECT_EQ(recovery.deadline(), Instant::never());
}

// proves RFC 9000 17.2.5.3-2
TEST_F(ClientRecoveryTest, ARetryStartsOverWithoutReusingNumbers) {
  send(kInitial, at_ms(0));
  send(kApplication, at_ms(0));  // 0-RTT
  recovery.on_retry(at_ms(50), fates);
  EXPECT_EQ(fates.lost, (FateList{{kInitial, 0}, {kApplication, 0}}));
  EXPECT_EQ(recovery.bytes_in_flight(), 0u);
  EXPECT_EQ(recovery.next_packet_number(kInitial), 1u);
  EXPECT_EQ(window(), 12'000u);
}

// --- Congestion ---

TEST_F(RecoveryTest, ManyLossesOfOneRoundTripAreOneEvent) {
  establish(ms(100));
  const uint64_t before = window();
  const uint64_t first = recovery.next_packet_number(kApplication);
  for (int i = 0; i < 10; ++i) send(kApplication, start);
  ack(kApplication, {{first + 4, first + 4}}, start + ms(100));
  ack(kApplication, {{first + 9, first + 9}, {first + 4, first + 4}}, start + ms(101));
  EXPECT_EQ(fates.lost.size(), 6u);
  EXPECT_EQ(window(), before / 2);
  EXPECT_EQ(recovery.stats().congestion_events, 1u);
}

// RFC 9000 section 14.4.
// proves RFC 9000 14.4-1
TEST_F(RecoveryTest, TheLossOfAnMtuProbeIsNoCongestion) {
  establish(ms(100));
  const uint64_t before = window();
  const uint64_t first = recovery.next_packet_number(kApplication);
  ASSERT_TRUE(recovery.on_packet_sent(
      kApplication, {.sent_time = start, .size = 1500, .ack_eliciting = true, .in_flight = true, .mtu_probe = true},
      {}));
  for (int i = 0; i < 3; ++i) send(kApplication, start);
  ack(kApplication, {{first + 1, first + 3}}, start + ms(100));
  EXPECT_EQ(fates.lost, (FateList{{kApplication, first}}));
  EXPECT_GE(window(), before);
  EXPECT_EQ(recovery.bytes_in_flight(), 0u);
}

TEST_F(RecoveryTest, ALateAcknowledgementUndoesTheReduction) {
  establish(ms(100));
  const uint64_t before = window();
  const uint64_t first = recovery.next_packet_number(kApplication);
  for (int i = 0; i < 6; ++i) send(kApplication, start);
  ack(kApplication, {{first + 4, first + 5}}, start + ms(100));
  EXPECT_EQ(fates.lost.size(), 3u);
  EXPECT_EQ(window(), before / 2);
  ack(kApplication, {{first + 1, first + 5}}, start + ms(102));
  EXPECT_EQ(recovery.stats().spurious_losses, 2u);
  EXPECT_EQ(window(), before / 2) << "one loss may be real";
  ack(kApplication, {{first, first + 5}}, start + ms(103));
  EXPECT_EQ(recovery.stats().spurious_losses, 3u);
  EXPECT_EQ(window(), before);
  EXPECT_EQ(recovery.bytes_in_flight(), 0u) << "each packet leaves the flight once";
}

TEST_F(RecoveryTest, LostPacketsAreForgottenInTime) {
  establish(ms(100));
  const uint64_t first = recovery.next_packet_number(kApplication);
  for (int i = 0; i < 4; ++i) send(kApplication, start);
  ack(kApplication, {{first + 1, first + 3}}, start + ms(100));
  EXPECT_EQ(pool.used(), 1u);
  start = start + Duration::seconds(5);
  establish(ms(100));
  EXPECT_EQ(pool.used(), 0u);
  EXPECT_EQ(ack(kApplication, {{first, first}}, start), ErrorCode::kNoError);
  EXPECT_EQ(recovery.stats().spurious_losses, 0u);
}

// RFC 9002 section 7.6.
class PersistentCongestionTest : public RecoveryTest {
 protected:
  // Sends packets at the times, then one more that is acknowledged; `acked_between` is acknowledged with it.
  void lose_over(Duration length, bool acked_between) {
    const uint64_t first = recovery.next_packet_number(kApplication);
    constexpr int kPackets = 8;
    for (int i = 0; i < kPackets; ++i) send(kApplication, start + length * i / (kPackets - 1));
    const Instant end = start + length + ms(50);
    send(kApplication, end);
    const uint64_t last = first + kPackets;
    if (acked_between) {
      ack(kApplication, {{last, last}, {first + 4, first + 4}}, end + ms(100));
    } else {
      ack(kApplication, {{last, last}}, end + ms(100));
    }
  }
};

// proves RFC 9002 7.6.1-1 7.6.2-1 7.6.2-4
TEST_F(PersistentCongestionTest, EverythingLostOverThreeProbeTimeouts) {
  establish(ms(100));
  lose_over(pto() * 3 + ms(50), false);
  EXPECT_EQ(recovery.stats().persistent_congestions, 1u);
  EXPECT_EQ(window(), 2400u);
}

TEST_F(PersistentCongestionTest, AShorterTimeIsOrdinaryLoss) {
  establish(ms(100));
  const uint64_t before = window();
  lose_over(pto() * 3 - ms(50), false);
  EXPECT_EQ(recovery.stats().persistent_congestions, 0u);
  EXPECT_EQ(window(), before / 2);
}

TEST_F(PersistentCongestionTest, AnAcknowledgementBetweenIsAReprieve) {
  establish(ms(100));
  lose_over(pto() * 3 + ms(50), true);
  EXPECT_EQ(recovery.stats().persistent_congestions, 0u);
}

// proves RFC 9002 7.6.2-2
TEST_F(PersistentCongestionTest, BeforeTheFirstSampleThereIsNone) {
  recovery.on_handshake_confirmed(start);
  lose_over(Duration::seconds(60), false);
  EXPECT_EQ(recovery.stats().persistent_congestions, 0u);
}

// RFC 9000 section 9.4.
// proves RFC 9000 9.4-1 9.4-2
TEST_F(RecoveryTest, ANewPathStartsAfresh) {
  establish(ms(10));
  const uint64_t first = recovery.next_packet_number(kApplication);
  for (int i = 0; i < 5; ++i) send(kApplication, start);
  recovery.on_path_change(start + ms(1));
  EXPECT_EQ(window(), 12'000u);
  EXPECT_EQ(recovery.bytes_in_flight(), 6000u);
  ack(kApplication, {{first + 4, first + 4}}, start + ms(500));
  EXPECT_FALSE(recovery.rtt().has_sample()) << "the old path's time";
  EXPECT_EQ(window(), 12'000u) << "the old path's losses";
  EXPECT_GE(fates.lost.size(), 2u);
}

// proves RFC 9000 13.2.1-6 13.2.7-1
TEST_F(RecoveryTest, AfterManyAcksAPingIsWanted) {
  establish(ms(100));
  for (int i = 0; i < 31; ++i) send_ack_only(kApplication, start);
  EXPECT_FALSE(recovery.wants_ping(kApplication));
  send_ack_only(kApplication, start);
  EXPECT_TRUE(recovery.wants_ping(kApplication));
  send(kApplication, start, 45);
  EXPECT_FALSE(recovery.wants_ping(kApplication));
}

TEST_F(RecoveryTest, WithoutMemoryOnlyAcksAreSent) {
  BlockPool none(0);
  Recovery starved({.server = true}, none);
  EXPECT_FALSE(starved.can_record(kInitial));
  EXPECT_FALSE(starved.on_packet_sent(
      kInitial, {.sent_time = at_ms(0), .size = 1200, .ack_eliciting = true, .in_flight = true}, {}));
  EXPECT_EQ(starved.bytes_in_flight(), 0u);
  EXPECT_TRUE(starved.on_packet_sent(kInitial, {.sent_time = at_ms(0), .size = 40}, {}));
}

TEST_F(RecoveryTest, AnIdleConnectionIsSmall) {
  establish(ms(100));
  EXPECT_EQ(pool.used(), 0u);
  EXPECT_LE(sizeof(Recovery), 1280u);
}

}  // namespace
}  // namespace viaduct::quic
