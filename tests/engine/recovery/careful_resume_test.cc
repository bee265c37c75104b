// A connection that knows its path from an earlier one (RFC 9959).
#include "tests/engine/recovery/recovery_fixture.h"

namespace viaduct::quic {
namespace {

using Phase = CarefulResume::Phase;

constexpr uint64_t kPacket = 1200;
constexpr uint64_t kInitialWindow = 10 * kPacket;
constexpr PathKnowledge kKnown{.window = 500 * kPacket, .round_trip = Duration::milliseconds(100)};
constexpr uint64_t kJump = kKnown.window / 2;

class CarefulResumeTest : public RecoveryTest {
 protected:
  CarefulResumeTest() {
    recovery.on_handshake_confirmed(start);
    recovery.resume(kKnown);
  }

  Phase phase() const { return recovery.careful_resume() ? recovery.careful_resume()->phase() : Phase::kNormal; }
  uint64_t next() const { return recovery.next_packet_number(kApplication); }
  // As many packets as the window allows, at once, but no more than `most`.
  void fill_window(Instant now, uint64_t most = ~uint64_t{0}) {
    for (; most > 0 && recovery.window_allows(kPacket); --most) send(kApplication, now, kPacket);
  }
  void ack_until(uint64_t number, Instant now) { ack(kApplication, {{0, number}}, now); }
  // An initial window, there and back.
  void reconnoitre(Duration rtt = ms(100)) {
    fill_window(start);
    start = start + rtt;
    ack_until(next() - 1, start);
  }
};

TEST_F(CarefulResumeTest, TheWindowJumpsToHalfOfWhatIsKnown) {
  EXPECT_EQ(window(), kInitialWindow);
  reconnoitre();
  EXPECT_EQ(phase(), Phase::kUnvalidated);
  EXPECT_EQ(window(), kJump);
}

TEST_F(CarefulResumeTest, TheJumpIsSentOverARoundTrip) {
  reconnoitre();
  Instant now = start;
  for (; recovery.window_allows(kPacket); send(kApplication, now, kPacket)) now = recovery.next_send_time(now);
  EXPECT_GE(now - start, ms(90));
  EXPECT_LE(now - start, ms(101));
}

TEST_F(CarefulResumeTest, LessThanAnInitialWindowShowsNothing) {
  fill_window(start, 9);
  ack_until(8, start + ms(100));
  EXPECT_EQ(phase(), Phase::kReconnaissance);
  EXPECT_LT(window(), 2 * kInitialWindow);
}

TEST_F(CarefulResumeTest, AWindowThatIsNotUsedDoesNotJump) {
  for (int i = 0; i < 20; ++i, start = start + ms(100)) {
    send(kApplication, start, kPacket);
    ack_until(next() - 1, start + ms(100));
  }
  EXPECT_EQ(phase(), Phase::kReconnaissance);
}

TEST_F(CarefulResumeTest, AnotherRoundTripIsAnotherPath) {
  reconnoitre(ms(49));
  EXPECT_EQ(phase(), Phase::kNormal);
  EXPECT_EQ(window(), 2 * kInitialWindow);
  EXPECT_EQ(recovery.path_knowledge().window, 0u) << "what is refuted is not told again";
}

TEST_F(CarefulResumeTest, AMuchLongerRoundTripIsAnotherPath) {
  reconnoitre(ms(1001));
  EXPECT_EQ(phase(), Phase::kNormal);
}

TEST_F(CarefulResumeTest, ALossBeforeTheJumpPreventsIt) {
  fill_window(start);
  ack(kApplication, {{4, 9}}, start + ms(100));
  EXPECT_EQ(phase(), Phase::kNormal);
  EXPECT_LT(window(), kInitialWindow);
}

TEST_F(CarefulResumeTest, AnotherPathEndsIt) {
  reconnoitre();
  recovery.on_path_change(start);
  EXPECT_EQ(phase(), Phase::kNormal);
  EXPECT_EQ(window(), kInitialWindow);
}

TEST_F(CarefulResumeTest, WhatWasNotSentOfTheJumpIsNotTriedAnyMore) {
  reconnoitre();
  fill_window(start, 40);
  ack_until(10, start + ms(100));
  EXPECT_EQ(phase(), Phase::kValidating);
  EXPECT_EQ(window(), 39 * kPacket) << "what is in flight";
}

TEST_F(CarefulResumeTest, AJumpThatIsHardlyUsedLeavesTheWindowThatWas) {
  reconnoitre();
  const uint64_t proved = 2 * kInitialWindow;
  send(kApplication, start, 300);
  ack_until(next() - 1, start + ms(100));
  EXPECT_GE(window(), proved);
  EXPECT_TRUE(recovery.window_allows(kPacket));
}

TEST_F(CarefulResumeTest, AJumpThatWasNotUsedIsNotUsedLater) {
  reconnoitre();
  start = start + Duration::seconds(60);
  fill_window(start);
  EXPECT_LE(recovery.bytes_in_flight(), 2 * kInitialWindow);
}

TEST_F(CarefulResumeTest, PersistentCongestionIsNotTakenBackByTheRetreat) {
  reconnoitre();
  for (int i = 0; i < 16; ++i) send(kApplication, start + ms(100 * i), kPacket);
  ack(kApplication, {{next() - 1, next() - 1}}, start + ms(1600));
  EXPECT_EQ(recovery.stats().persistent_congestions, 1u);
  EXPECT_EQ(window(), 2 * kPacket);
}

TEST_F(CarefulResumeTest, WithTheLastOfTheJumpAllIsAsUsual) {
  reconnoitre();
  fill_window(start);
  const uint64_t last = next() - 1;
  ack_until(last - 1, start + ms(100));
  EXPECT_EQ(phase(), Phase::kValidating);
  ack_until(last, start + ms(101));
  EXPECT_EQ(phase(), Phase::kNormal);
  EXPECT_TRUE(recovery.controller().in_slow_start());
  EXPECT_GE(window(), kJump);
}

TEST_F(CarefulResumeTest, ALossOfTheJumpLeavesHalfOfWhatArrived) {
  reconnoitre();
  fill_window(start);
  const uint64_t last = next() - 1;
  ack(kApplication, {{50, 109}, {0, 9}}, start + ms(100));
  EXPECT_EQ(phase(), Phase::kSafeRetreat);
  EXPECT_EQ(window(), 60 * kPacket / 2);
  EXPECT_EQ(recovery.path_knowledge().window, 0u);

  ack(kApplication, {{50, last}}, start + ms(105));
  EXPECT_EQ(phase(), Phase::kNormal);
  EXPECT_TRUE(recovery.controller().in_slow_start()) << "up to what the path has carried";
}

TEST_F(CarefulResumeTest, ARetreatStaysWhereTheLossWasSpurious) {
  reconnoitre();
  fill_window(start);
  ack(kApplication, {{50, 109}, {0, 9}}, start + ms(100));
  const uint64_t retreated = window();
  ack(kApplication, {{10, 49}}, start + ms(101));
  EXPECT_LE(window(), retreated + 40 * kPacket);
}

TEST_F(CarefulResumeTest, OneRoundTripWithoutAnAnswerEndsTheJump) {
  reconnoitre();
  const uint64_t first = next();
  fill_window(start, 100);
  // An acknowledgement of something else, when the jump should have been answered.
  ack(kApplication, {{first, first}}, start + ms(150));
  EXPECT_EQ(phase(), Phase::kValidating);
}

// --- what is left to later connections ---

class PathKnowledgeTest : public RecoveryTest {
 protected:
  PathKnowledgeTest() { recovery.on_handshake_confirmed(start); }
  void round_trip() {
    while (recovery.window_allows(kPacket)) send(kApplication, start, kPacket);
    start = start + ms(50);
    ack(kApplication, {{0, recovery.next_packet_number(kApplication) - 1}}, start);
  }
};

TEST_F(PathKnowledgeTest, ASmallWindowIsNotWorthIt) {
  round_trip();
  EXPECT_FALSE(recovery.take_path_news());
  EXPECT_EQ(recovery.path_knowledge().window, 0u);
}

TEST_F(PathKnowledgeTest, WhatWasInFlightIsKnown) {
  for (int i = 0; i < 4; ++i) round_trip();
  EXPECT_TRUE(recovery.take_path_news());
  EXPECT_EQ(recovery.path_knowledge().window, 8 * kInitialWindow);
  EXPECT_EQ(recovery.path_knowledge().round_trip, ms(50));
  EXPECT_FALSE(recovery.take_path_news()) << "no news twice";
  round_trip();
  EXPECT_TRUE(recovery.take_path_news()) << "twice as much";
}

TEST_F(PathKnowledgeTest, AWindowThatFellIsNews) {
  for (int i = 0; i < 5; ++i) round_trip();
  recovery.take_path_news();
  for (int i = 0; i < 3; ++i) {
    start = start + ms(1);  // after the losses before
    while (recovery.window_allows(kPacket)) send(kApplication, start, kPacket);
    start = start + ms(50);
    const uint64_t last = recovery.next_packet_number(kApplication) - 1;
    ack(kApplication, {{last - 5, last}}, start);
  }
  round_trip();
  EXPECT_TRUE(recovery.take_path_news());
  EXPECT_LT(recovery.path_knowledge().window, 16 * kInitialWindow);
}

TEST_F(PathKnowledgeTest, WhatIsNotSeenAgainCountsHalf) {
  recovery.resume(kKnown);
  EXPECT_EQ(recovery.path_knowledge().window, kKnown.window / 2);
  EXPECT_FALSE(recovery.take_path_news());
}

}  // namespace
}  // namespace viaduct::quic
