// Thresholds that learn from spurious losses, and packet numbers that are skipped.
#include <set>

#include "engine/recovery/skip_policy.h"
#include "tests/engine/recovery/recovery_fixture.h"

namespace viaduct::quic {
namespace {

// --- reordering ---

TEST(Reordering, BeginsWithTheThresholdsOfTheRfc) {
  const ReorderingTolerance tolerance;
  EXPECT_EQ(tolerance.packets(), 3u);
  EXPECT_EQ(tolerance.delay(ms(80)), ms(90));
}

TEST(Reordering, LearnsWhatASpuriousLossWouldHaveNeeded) {
  ReorderingTolerance tolerance;
  tolerance.on_spurious_loss(12, ms(130), ms(100));
  EXPECT_EQ(tolerance.packets(), 24u);
  EXPECT_GE(tolerance.delay(ms(100)), ms(130));
  EXPECT_GE(tolerance.delay(ms(60)), ms(90)) << "what holds a packet back does not shrink with the queue";
  tolerance.on_spurious_loss(5, ms(100), ms(100));
  EXPECT_EQ(tolerance.packets(), 24u) << "less is no reason to forget";
  EXPECT_GE(tolerance.delay(ms(100)), ms(130));
}

// A peer that holds acknowledgements back for long may not make us blind to losses.
TEST(Reordering, IsBounded) {
  ReorderingTolerance tolerance;
  tolerance.on_spurious_loss(1'000'000, Duration::seconds(60), ms(1));
  EXPECT_EQ(tolerance.packets(), ReorderingTolerance::kMostPackets);
  EXPECT_EQ(tolerance.delay(ms(40)), ms(80));
}

TEST(Reordering, IsForgottenAfterLossesThatWereReal) {
  ReorderingTolerance tolerance;
  tolerance.on_spurious_loss(12, ms(130), ms(100));
  for (unsigned i = 1; i < ReorderingTolerance::kEpisodesToForget; ++i) tolerance.on_genuine_losses();
  EXPECT_EQ(tolerance.packets(), 24u);
  tolerance.on_genuine_losses();
  EXPECT_EQ(tolerance.packets(), 3u);
  EXPECT_EQ(tolerance.delay(ms(80)), ms(90));
}

TEST_F(RecoveryTest, APacketAsLateAsOneBeforeIsNotTakenForLostAgain) {
  establish(ms(100));
  for (int round = 0; round < 2; ++round) {
    const uint64_t first = recovery.next_packet_number(kApplication);
    for (int i = 0; i < 8; ++i) send(kApplication, start);
    ack(kApplication, {{first + 1, first + 7}}, start + ms(100));
    ack(kApplication, {{first, first + 7}}, start + ms(102));
    EXPECT_EQ(recovery.stats().spurious_losses, 1u) << "in round " << round;
    start = start + ms(200);
  }
}

TEST_F(RecoveryTest, TheTimeThresholdAdaptsToo) {
  establish(ms(100));
  for (int round = 0; round < 2; ++round) {
    const uint64_t first = recovery.next_packet_number(kApplication);
    send(kApplication, start);
    send(kApplication, start);
    ack(kApplication, {{first + 1, first + 1}}, start + ms(100));
    recovery.on_timeout(start + ms(115), fates);
    ack(kApplication, {{first, first + 1}}, start + ms(120));
    EXPECT_EQ(recovery.stats().spurious_losses, 1u) << "in round " << round;
    start = start + ms(200);
  }
}

// proves RFC 9002 6.1.2-2 6.1.2-5
TEST_F(RecoveryTest, TheTimeThresholdIsNotBelowTheGranularity) {
  establish(Duration::microseconds(100));
  const uint64_t first = recovery.next_packet_number(kApplication);
  send(kApplication, start);
  send(kApplication, start);
  ack(kApplication, {{first + 1, first + 1}}, start + Duration::microseconds(100));
  EXPECT_EQ(recovery.deadline(), start + kGranularity);
}

// RFC 9000 section 9.4: another path may keep order.
TEST_F(RecoveryTest, ANewPathForgetsReordering) {
  establish(ms(100));
  const uint64_t first = recovery.next_packet_number(kApplication);
  for (int i = 0; i < 8; ++i) send(kApplication, start);
  ack(kApplication, {{first + 1, first + 7}}, start + ms(100));
  ack(kApplication, {{first, first + 7}}, start + ms(102));
  EXPECT_GT(recovery.reordering().packets(), 3u);
  recovery.on_path_change(start + ms(103));
  EXPECT_EQ(recovery.reordering().packets(), 3u);
}

// A NAT has another port for the peer: what timed out before went to nobody.
TEST_F(RecoveryTest, ANewPortEndsTheBackoffAndKeepsTheRest) {
  establish(ms(10));
  for (int i = 0; i < 5; ++i) send(kApplication, start);
  for (int i = 0; i < 6; ++i) recovery.on_timeout(recovery.deadline(), fates);
  const Instant now = start + pto() * 63;
  EXPECT_EQ(recovery.deadline(), now + pto() * 64);
  recovery.on_port_change(now);
  EXPECT_EQ(recovery.deadline(), now + pto());
  EXPECT_TRUE(recovery.rtt().has_sample());
  EXPECT_EQ(recovery.bytes_in_flight(), 6'000u);
}

// --- losses that a path is allowed ---

class LossToleranceTest : public RecoveryTest {
 protected:
  LossToleranceTest() : RecoveryTest(true, false, 0.01F) {}
  // A window of packets, of which the first `lost` do not arrive.
  void lose(unsigned lost, Duration rtt) {
    const uint64_t first = recovery.next_packet_number(kApplication);
    for (int i = 0; i < 10; ++i) send(kApplication, start, 1'000);
    start = start + rtt;
    ack(kApplication, {{first + lost, first + 9}}, start);
  }
};

TEST_F(LossToleranceTest, FewLossesWithoutAQueueAreNoCongestion) {
  establish(ms(100));
  const uint64_t before = window();
  lose(2, ms(100));
  EXPECT_EQ(fates.lost.size(), 2u);
  EXPECT_GE(window(), before);
  EXPECT_EQ(recovery.stats().congestion_events, 0u);
}

TEST_F(LossToleranceTest, MoreAreAndSoAreThoseThatComeAgainAndAgain) {
  establish(ms(100));
  lose(4, ms(100));
  EXPECT_EQ(recovery.stats().congestion_events, 1u);
  start = start + ms(200);
  recovery.on_path_change(start);
  establish(ms(100));
  for (int i = 0; i < 4; ++i) lose(1, ms(100));
  EXPECT_EQ(recovery.stats().congestion_events, 2u) << "of 10 in 100";
}

TEST_F(LossToleranceTest, BesideAQueueEachIs) {
  establish(ms(100));
  lose(1, ms(120));
  EXPECT_EQ(recovery.stats().congestion_events, 1u);
}

TEST_F(RecoveryTest, WithoutAToleranceEachLossIsCongestion) {
  establish(ms(100));
  const uint64_t first = recovery.next_packet_number(kApplication);
  for (int i = 0; i < 10; ++i) send(kApplication, start, 1'000);
  ack(kApplication, {{first + 1, first + 9}}, start + ms(100));
  EXPECT_EQ(recovery.stats().congestion_events, 1u);
}

TEST(LossTolerance, IsBounded) {
  LossTolerance tolerance;
  for (int i = 0; i < 10; ++i) tolerance.on_acked(1, 1'000'000, 1'000'000, 1'000);
  EXPECT_TRUE(tolerance.covers(39)) << "2 % of a thousand packets, twice";
  EXPECT_FALSE(tolerance.covers(2));
}

// --- skipped numbers ---

std::vector<uint64_t> skipped_in(uint64_t seed, uint64_t packets) {
  Random random = Random::from_seed(seed);
  SkipPolicy policy;
  std::vector<uint64_t> skipped;
  for (uint64_t number = 0; number < packets; ++number) {
    if (policy.due(number, random)) skipped.push_back(number);
  }
  return skipped;
}

TEST(SkippedNumbers, CannotBeForetold) {
  std::set<uint64_t> firsts;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto skipped = skipped_in(seed, 1'000);
    ASSERT_FALSE(skipped.empty()) << seed;
    EXPECT_LE(skipped[0], 2 * SkipPolicy::kFirstGap);
    firsts.insert(skipped[0]);
  }
  EXPECT_GT(firsts.size(), 25u);
}

TEST(SkippedNumbers, BecomeRareAndNeverEnd) {
  const auto skipped = skipped_in(1, 2'000'000);
  EXPECT_LT(skipped.size(), 2'000'000 / SkipPolicy::kLongestGap * 3);
  EXPECT_GT(skipped.size(), 2'000'000 / SkipPolicy::kLongestGap / 3);
  for (size_t i = 1; i < skipped.size(); ++i) {
    EXPECT_LE(skipped[i] - skipped[i - 1], 2 * SkipPolicy::kLongestGap);
  }
}

}  // namespace
}  // namespace viaduct::quic
