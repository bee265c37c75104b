#include <gtest/gtest.h>

#include <cmath>

#include "engine/congestion/any_controller.h"
#include "engine/congestion/hystart.h"
#include "tests/engine/congestion/packet_size.h"

namespace viaduct::quic {
namespace {

Instant at(double seconds) { return Instant::from_ns(static_cast<int64_t>(seconds * 1e9)); }

// Drives a controller with one ACK per `step`, each for so many bytes, sent one round trip before.
class Driver {
 public:
  explicit Driver(Controller& controller, double rtt = 0.1) : controller_(controller), rtt_(rtt) {}

  // The window is used in full unless told otherwise.
  void ack(double now, uint64_t bytes, uint64_t flight = ~uint64_t{0} / 4) {
    const Instant sent = at(now - rtt_);
    controller_.on_ack({.now = at(now),
                        .acked_bytes = bytes,
                        .growth_bytes = sent > controller_.recovery_start() ? bytes : 0,
                        .latest_sent = sent,
                        .smoothed_rtt = Duration::nanoseconds(static_cast<int64_t>(rtt_ * 1e9)),
                        .latest_rtt = Duration::nanoseconds(static_cast<int64_t>(rtt_ * 1e9)),
                        .recent_flight = flight});
  }
  // A window per round trip, in ten ACKs each, from `from` on.
  double round_trips(double from, double until, uint64_t flight = ~uint64_t{0} / 4) {
    double now = from;
    for (; now < until; now += rtt_ / 10) ack(now, controller_.window() / 10, flight);
    return now;
  }

 private:
  Controller& controller_;
  double rtt_;
};

class EachController : public ::testing::TestWithParam<ControllerKind> {
 protected:
  AnyController any{GetParam(), kPacketSize};
  Controller& controller = any.get();
  Driver driver{controller};
};
INSTANTIATE_TEST_SUITE_P(Kinds, EachController, ::testing::Values(ControllerKind::kNewReno, ControllerKind::kCubic));

TEST(Controllers, AreChosenByName) {
  for (const std::string_view name : {"newreno", "cubic"}) {
    const auto kind = controller_kind(name);
    ASSERT_TRUE(kind.has_value());
    AnyController controller(*kind, kPacketSize);
    EXPECT_EQ(controller.get().name(), name);
  }
  EXPECT_FALSE(controller_kind("vegas").has_value());
}

// RFC 9002 section 7.2.
// proves RFC 9002 7.2-1
TEST(Controllers, InitialWindow) {
  EXPECT_EQ(initial_window(1200), 12'000u);
  EXPECT_EQ(initial_window(1472), 14'720u);
  EXPECT_EQ(initial_window(9000), 18'000u);
}

TEST_P(EachController, SlowStartAddsWhatWasAcknowledged) {
  EXPECT_TRUE(controller.in_slow_start());
  driver.ack(1, 5000);
  EXPECT_EQ(controller.window(), 17'000u);
}

// RFC 9002 section 7.8.
// proves RFC 9002 7.8-1
TEST_P(EachController, AWindowThatIsNotUsedDoesNotGrow) {
  for (int i = 0; i < 100; ++i) driver.ack(1 + i * 0.01, 1200, 2400);
  EXPECT_EQ(controller.window(), 12'000u);
  controller.on_congestion_event(at(3), at(3));
  const uint64_t window = controller.window();
  driver.round_trips(4, 60, 1200);
  EXPECT_EQ(controller.window(), window);
}

// proves RFC 9002 7.3.1-1 7.3.2-1 7.3.2-2
TEST_P(EachController, OneReductionPerRecoveryPeriod) {
  EXPECT_TRUE(controller.on_congestion_event(at(1), at(1.1)));
  const uint64_t window = controller.window();
  EXPECT_LT(window, 12'000u);
  EXPECT_FALSE(controller.on_congestion_event(at(1.05), at(1.15))) << "sent before the period began";
  EXPECT_EQ(controller.window(), window);
  EXPECT_TRUE(controller.on_congestion_event(at(1.2), at(1.3)));
  EXPECT_LT(controller.window(), window);
}

// proves RFC 9002 7.2-4
TEST_P(EachController, TheWindowHasAMinimum) {
  for (int i = 0; i < 50; ++i) controller.on_congestion_event(at(i + 1), at(i + 1));
  EXPECT_EQ(controller.window(), 2 * kPacketSize);
}

// proves RFC 9002 7.6.2-4
TEST_P(EachController, PersistentCongestionGoesToTheMinimumAndIntoSlowStart) {
  controller.on_congestion_event(at(1), at(1));
  controller.on_persistent_congestion();
  EXPECT_EQ(controller.window(), 2 * kPacketSize);
  EXPECT_TRUE(controller.in_slow_start());
}

TEST_P(EachController, SpuriousCongestionIsUndoneOnce) {
  driver.ack(1, 88'000);
  const uint64_t window = controller.window();
  controller.on_congestion_event(at(1.5), at(1.6));
  controller.on_spurious_congestion();
  EXPECT_EQ(controller.window(), window);
  EXPECT_TRUE(controller.in_slow_start());
  controller.on_spurious_congestion();
  EXPECT_EQ(controller.window(), window);
}

TEST_P(EachController, NothingIsUndoneAfterPersistentCongestion) {
  controller.on_congestion_event(at(1), at(1));
  controller.on_persistent_congestion();
  controller.on_spurious_congestion();
  EXPECT_EQ(controller.window(), 2 * kPacketSize);
}

// proves RFC 9002 7.2-2
TEST_P(EachController, ALargerDatagramRaisesTheMinimum) {
  controller.on_congestion_event(at(1), at(1));
  controller.on_persistent_congestion();
  controller.set_max_datagram_size(9000);
  EXPECT_EQ(controller.window(), 18'000u);
}

// proves RFC 9002 7.3.3-1
TEST(NewReno, GrowsByADatagramPerRoundTrip) {
  NewReno reno(kPacketSize);
  Driver driver(reno);
  driver.ack(1, 88'000);
  reno.on_congestion_event(at(1), at(1));
  EXPECT_EQ(reno.window(), 50'000u);
  driver.round_trips(1.2, 2.2);
  EXPECT_NEAR(static_cast<double>(reno.window()), 50'000 + 10 * 1200, 1300);
}

class CubicTest : public ::testing::Test {
 protected:
  // A window of so many datagrams, reached in slow start, then a loss at second 1.
  void reach(uint64_t datagrams) {
    driver.ack(0.5, datagrams * kPacketSize - cubic.window());
    cubic.on_congestion_event(at(0.99), at(1));
  }
  double datagrams() const { return static_cast<double>(cubic.window()) / kPacketSize; }

  Cubic cubic{kPacketSize};
  Driver driver{cubic};
};

// proves RFC 9002 7-1
TEST_F(CubicTest, ReducesToSevenTenths) {
  reach(1000);
  EXPECT_NEAR(datagrams(), 700, 1);
}

// RFC 9438 section 4.2: W(t) = 0.4 (t - K)³ + W_max, K = ³√((W_max - cwnd) / 0.4).
TEST_F(CubicTest, FollowsItsCurve) {
  reach(1000);
  const double k = std::cbrt(300 / 0.4);  // 9.09 s
  const double begin = 1.11;
  double now = begin;
  for (const double t : {2.0, 5.0, 8.0, 9.0, 11.0, 14.0}) {
    now = driver.round_trips(now, begin + t);
    const double expected = 0.4 * std::pow(t - k, 3) + 1000;
    EXPECT_NEAR(datagrams(), expected, 0.02 * expected) << t;
  }
}

TEST_F(CubicTest, IsNoSlowerThanRenoOnShortPaths) {
  Driver fast(cubic, 0.005);
  fast.ack(0.5, 20 * kPacketSize - cubic.window());
  cubic.on_congestion_event(at(0.99), at(1));
  // 14 datagrams after the loss. Reno with a factor of 0.7 gains 3 (1 - 0.7) / (1 + 0.7) = 0.53 datagrams per round
  // trip until 20, then one.
  fast.round_trips(1.006, 1.006 + 0.005 * 30);
  EXPECT_NEAR(datagrams(), 20 + (30 - 6 / 0.529), 2.5);
}

// RFC 9438 section 4.7.
TEST_F(CubicTest, FastConvergenceLeavesRoomForOthers) {
  reach(1000);
  cubic.on_congestion_event(at(1.99), at(2));  // at 700, below the last maximum: W_max = 700 · 0.85
  EXPECT_NEAR(datagrams(), 490, 1);
  const double k = std::cbrt((595 - 490) / 0.4);
  driver.round_trips(2.11, 2.11 + k);
  EXPECT_NEAR(datagrams(), 595, 12);
}

// RFC 9438 section 5.8.
TEST_F(CubicTest, IdleTimeDoesNotMoveAlongTheCurve) {
  reach(1000);
  double now = driver.round_trips(1.11, 3.11);
  const double before = datagrams();
  driver.ack(now + 60, 1200, 2400);  // after a minute of silence
  now = driver.round_trips(now + 60.1, now + 61.1);
  EXPECT_LT(datagrams(), before + 100);
  EXPECT_GT(datagrams(), before);
}

TEST_F(CubicTest, NeverGrowsByMoreThanHalfPerRoundTrip) {
  reach(100);
  Driver slow(cubic, 1.0);
  slow.ack(3.1, 1200);
  const double before = datagrams();
  slow.round_trips(103, 103.95);
  EXPECT_LE(datagrams(), before * 1.7);
}

// --- HyStart++, RFC 9406 ---

class HyStartTest : public ::testing::Test {
 protected:
  // One round trip of `rtt` milliseconds in ten ACKs.
  HyStart::Advice round(double rtt_ms) {
    HyStart::Advice advice = HyStart::Advice::kGrow;
    const Instant sent_from = now;
    const Duration rtt = Duration::nanoseconds(static_cast<int64_t>(rtt_ms * 1e6));
    now = now + rtt;
    for (int i = 0; i < 10; ++i) {
      // Only the first acknowledges a packet sent in this round.
      advice = hystart.on_ack({.now = now + Duration::microseconds(i),
                               .acked_bytes = kPacketSize,
                               .growth_bytes = kPacketSize,
                               .latest_sent = i == 0 ? sent_from : sent_from - Duration::microseconds(1),
                               .smoothed_rtt = rtt,
                               .latest_rtt = rtt});
    }
    return advice;
  }

  HyStart hystart;
  Instant now = at(1);
};

TEST_F(HyStartTest, AStableRoundTripLetsItGrow) {
  for (int i = 0; i < 30; ++i) EXPECT_EQ(round(40), HyStart::Advice::kGrow);
}

TEST_F(HyStartTest, ARiseByAnEighthSlowsThenEndsIt) {
  for (int i = 0; i < 3; ++i) round(40);
  EXPECT_EQ(round(44), HyStart::Advice::kGrow) << "below an eighth";
  EXPECT_EQ(round(50), HyStart::Advice::kConservative);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(round(50), HyStart::Advice::kConservative);
  EXPECT_EQ(round(50), HyStart::Advice::kExit);
}

TEST_F(HyStartTest, ARiseThatPassesResumesSlowStart) {
  for (int i = 0; i < 3; ++i) round(40);
  EXPECT_EQ(round(50), HyStart::Advice::kConservative);
  EXPECT_EQ(round(41), HyStart::Advice::kGrow);
}

TEST_F(HyStartTest, JitterBelowFourMillisecondsIsIgnored) {
  for (int i = 0; i < 3; ++i) round(1);
  EXPECT_EQ(round(4), HyStart::Advice::kGrow);
}

}  // namespace
}  // namespace viaduct::quic
