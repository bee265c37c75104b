// BBR's states and bounds on a path of one rate and one round trip. What it makes of a real queue is in
// tests/simulation/congestion_test.cc.
#include "engine/congestion/bbr.h"
#include "tests/engine/congestion/packet_size.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace viaduct::quic {
namespace {

using State = Bbr::State;

// Delivers, once per round trip, what the controller lets into it.
class Path {
 public:
  Bbr bbr{kPacketSize};
  double bandwidth = 1.25e6;  // bytes per second
  Duration round_trip = Duration::milliseconds(40);
  bool app_limited = false;
  Instant now = Instant::from_ns(1'000'000'000'000);

  uint64_t bdp() const { return static_cast<uint64_t>(bandwidth * round_trip.seconds()); }

  // In four acknowledgements.
  void round() {
    for (int i = 0; i < 4; ++i) acknowledge();
    ++rounds;
  }
  bool run_until(State state, int most) {
    for (int i = 0; i < most && bbr.state() != state; ++i) round();
    return bbr.state() == state;
  }
  void lose(uint64_t packets, uint64_t gap) {
    lost = 0;
    for (uint64_t i = 0; i < packets; ++i) {
      lost += kPacketSize;
      next_lost += gap;
      bbr.on_packet_lost({.now = now,
                          .number = next_lost,
                          .size = kPacketSize,
                          .in_flight = in_flight(),
                          .lost_since = lost,
                          .app_limited = app_limited});
    }
    bbr.on_congestion_event(now, now);
  }

  int rounds = 0;
  uint64_t lost = 0;  // of what was in flight at the last loss

 private:
  uint64_t in_flight() const {
    const auto paced = static_cast<uint64_t>(bbr.pacing_rate() * round_trip.seconds());
    return bbr.pacing_rate() > 0 ? std::min(bbr.window(), std::max(paced, 4 * kPacketSize)) : bbr.window();
  }

  void acknowledge() {
    const uint64_t flight = in_flight();
    const double rate = std::min(static_cast<double>(flight) / round_trip.seconds(), bandwidth);
    const auto delivered = static_cast<uint64_t>(rate * round_trip.seconds());
    const auto acked = delivered / 4;
    now = now + round_trip / 4;
    total += acked;
    bbr.on_ack({.now = now,
                .acked_bytes = acked,
                .growth_bytes = acked,
                .latest_sent = now - round_trip,
                .smoothed_rtt = round_trip,
                .latest_rtt = round_trip,
                .recent_flight = flight,
                .in_flight = std::min(flight, bdp()),
                .rate = {.bytes_per_second = rate,
                         .delivered = delivered,
                         .prior_delivered = total > delivered ? total - delivered : 0,
                         .total_delivered = total,
                         .in_flight = flight,
                         .lost = lost,
                         .app_limited = app_limited,
                         .is_valid = true}});
  }

  uint64_t total = 0;
  uint64_t next_lost = 0;
};

TEST(Bbr, FindsTheRateOfThePath) {
  Path path;
  EXPECT_EQ(path.bbr.state(), State::kStartup);
  ASSERT_TRUE(path.run_until(State::kCruise, 40));
  EXPECT_LE(path.rounds, 25) << "the window doubles in each round trip";
  EXPECT_NEAR(path.bbr.max_bandwidth(), path.bandwidth, 0.01 * path.bandwidth);
  EXPECT_EQ(path.bbr.min_rtt(), path.round_trip);
  EXPECT_NEAR(path.bbr.pacing_rate(), 0.99 * path.bandwidth, 0.01 * path.bandwidth);
  EXPECT_LE(path.bbr.window(), 3 * path.bdp());
}

TEST(Bbr, DrainsTheQueueThatStartupFilled) {
  Path path;
  for (int i = 0; i < 40; ++i) path.round();
  EXPECT_FALSE(path.bbr.in_slow_start());
  EXPECT_LT(path.bbr.pacing_rate(), 1.3 * path.bandwidth);
}

// Within 3 s, or 63 round trips, it asks for more (section 5.3.3.5).
TEST(Bbr, ProbesForBandwidthNowAndThen) {
  Path path;
  ASSERT_TRUE(path.run_until(State::kCruise, 40));
  const Instant before = path.now;
  ASSERT_TRUE(path.run_until(State::kUp, 200));
  EXPECT_LE(path.now - before, Duration::milliseconds(3'200));
  for (int i = 0; i < 20 && path.bbr.state() == State::kUp; ++i) path.round();
  EXPECT_NE(path.bbr.state(), State::kUp) << "the path has no more to give";
}

TEST(Bbr, FindsAPathThatBecameTenTimesFaster) {
  Path path;
  ASSERT_TRUE(path.run_until(State::kCruise, 40));
  path.bandwidth *= 10;
  const Instant before = path.now;
  while (path.bbr.max_bandwidth() < 0.9 * path.bandwidth && path.now - before < Duration::seconds(60)) path.round();
  EXPECT_LE(path.now - before, Duration::seconds(40));
}

TEST(Bbr, ForgetsARateThatThePathNoLongerHas) {
  Path path;
  ASSERT_TRUE(path.run_until(State::kCruise, 40));
  path.bandwidth /= 10;
  const Instant before = path.now;
  while (path.bbr.max_bandwidth() > 1.3 * path.bandwidth && path.now - before < Duration::seconds(60)) path.round();
  EXPECT_LE(path.now - before, Duration::seconds(10));
}

// Section 5.3.4: for 200 ms, every 5 s.
TEST(Bbr, LooksAtTheBareRoundTripNowAndThen) {
  Path path;
  ASSERT_TRUE(path.run_until(State::kCruise, 40));
  ASSERT_TRUE(path.run_until(State::kProbeRtt, 300));
  path.round();
  EXPECT_LE(path.bbr.window(), std::max(path.bdp() / 2, 4 * kPacketSize));
  EXPECT_GE(path.bbr.window(), 4 * kPacketSize);
  EXPECT_TRUE(path.bbr.holds_back());
  const Instant before = path.now;
  while (path.bbr.state() == State::kProbeRtt) path.round();
  EXPECT_LE(path.now - before, Duration::milliseconds(400));
  EXPECT_GT(path.bbr.window(), path.bdp() / 2) << "what it had comes back";
}

TEST(Bbr, ARoundTripThatGrewIsBelievedAfterTenSeconds) {
  Path path;
  ASSERT_TRUE(path.run_until(State::kCruise, 40));
  path.round_trip = Duration::milliseconds(80);
  const Instant before = path.now;
  while (path.bbr.min_rtt() < path.round_trip && path.now - before < Duration::seconds(30)) path.round();
  EXPECT_LE(path.now - before, Duration::seconds(16));
}

// Little to send is not a full path.
TEST(Bbr, StaysInStartupWhileThereIsLittleToSend) {
  Path path;
  path.app_limited = true;
  for (int i = 0; i < 50; ++i) path.round();
  EXPECT_EQ(path.bbr.state(), State::kStartup);
}

// As far as a path goes that grows in every round still, so that only what happens then can end it.
void start_up(Path& path) {
  path.bandwidth *= 10;
  for (int i = 0; i < 3; ++i) path.round();
  ASSERT_EQ(path.bbr.state(), State::kStartup);
}

TEST(Bbr, LeavesStartupWhereARoundLosesMuch) {
  Path path;
  start_up(path);
  path.lose(20, 2);
  for (int i = 0; i < 3; ++i) path.round();
  EXPECT_NE(path.bbr.state(), State::kStartup);
}

TEST(Bbr, OneRunOfLossesDoesNotEndStartup) {
  Path path;
  start_up(path);
  path.lose(20, 1);
  for (int i = 0; i < 3; ++i) path.round();
  EXPECT_EQ(path.bbr.state(), State::kStartup);
}

TEST(Bbr, LossesWhileCruisingLowerTheShortTermBounds) {
  Path path;
  ASSERT_TRUE(path.run_until(State::kCruise, 40));
  const uint64_t before = path.bbr.window();
  path.bandwidth /= 2;
  for (int i = 0; i < 4; ++i) {
    path.lose(4, 2);
    path.round();
  }
  EXPECT_LT(path.bbr.window(), before);
  EXPECT_LT(path.bbr.pacing_rate(), 0.85 * 2 * path.bandwidth);
  EXPECT_GE(path.bbr.window(), 4 * kPacketSize);
}

// Marks are congestion as losses are.
TEST(Bbr, AMarkEndsStartup) {
  Path path;
  start_up(path);
  path.bbr.on_ecn_congestion(path.now, path.now);
  path.round();
  EXPECT_NE(path.bbr.state(), State::kStartup);
}

TEST(Bbr, SpuriousLossesInStartupAreTakenBack) {
  Path path;
  start_up(path);
  path.lose(20, 2);
  for (int i = 0; i < 3; ++i) path.round();
  ASSERT_NE(path.bbr.state(), State::kStartup);
  path.bbr.on_spurious_congestion();
  EXPECT_EQ(path.bbr.state(), State::kStartup);
}

// What the losses did not end is not begun again.
TEST(Bbr, SpuriousLossesDoNotTakeAFullPathBack) {
  Path path;
  for (int i = 0; i < 4; ++i) path.round();
  path.lose(2, 2);
  ASSERT_TRUE(path.run_until(State::kCruise, 40));
  path.bbr.on_spurious_congestion();
  EXPECT_EQ(path.bbr.state(), State::kCruise);
}

// RFC 9002 section 7.6.2.
TEST(Bbr, PersistentCongestionLeavesTwoDatagrams) {
  Path path;
  ASSERT_TRUE(path.run_until(State::kCruise, 40));
  path.bbr.on_persistent_congestion();
  EXPECT_EQ(path.bbr.window(), 2 * kPacketSize);
  path.round();
  EXPECT_GE(path.bbr.window(), 4 * kPacketSize) << "it begins to grow at once";
}

// RFC 9002 section 7.3.2: one event in a round trip.
TEST(Bbr, OneEventForTheLossesOfARoundTrip) {
  Bbr bbr(kPacketSize);
  const Instant now = Instant::from_ns(1'000'000'000);
  EXPECT_TRUE(bbr.on_congestion_event(now, now + Duration::milliseconds(10)));
  EXPECT_FALSE(bbr.on_congestion_event(now + Duration::milliseconds(10), now + Duration::milliseconds(11)));
  EXPECT_TRUE(bbr.on_congestion_event(now + Duration::milliseconds(12), now + Duration::milliseconds(13)));
}

}  // namespace
}  // namespace viaduct::quic
