// Recovery and congestion control as one, over a bottleneck in virtual time: how much of the link is used, how much is
// lost, and how long the queue stands. The sender always has data; the receiver acknowledges every second packet.
#include <gtest/gtest.h>

#include <deque>
#include <functional>

#include "engine/recovery/ack_policy.h"
#include "engine/recovery/ack_ranges.h"
#include "engine/recovery/recovery.h"
#include "tests/engine/congestion/packet_size.h"

namespace viaduct::quic {
namespace {

constexpr PacketSpace kSpace = PacketSpace::kApplication;

struct Link {
  double megabits = 100;
  Duration round_trip = Duration::milliseconds(40);
  double queue_in_bdp = 1;  // the bottleneck's buffer, in products of rate and round trip
  unsigned lose_every = 0;  // one packet in so many is lost at random places; 0: none
};

class Simulation final : PacketFateObserver {
 public:
  Simulation(const Link& link, ControllerKind kind)
      : link_(link),
        bytes_per_ns_(link.megabits / 8000),
        queue_limit_(std::max(30.0 * kPacketSize,
                              link.queue_in_bdp * bytes_per_ns_ * static_cast<double>(link.round_trip.ns()))),
        recovery_({.server = true, .controller = kind, .max_datagram_size = kPacketSize}, pool_) {
    recovery_.on_handshake_confirmed(now_);
  }

  void run(Duration length) {
    const Instant end = now_ + length;
    while (true) {
      send();
      const Instant next = std::min({next_arrival(), next_ack(), ack_policy_.deadline(), recovery_.deadline(), wake_});
      if (next > end) break;
      now_ = std::max(now_, next);
      deliver();
    }
    now_ = end;
  }

  // Of what the link could carry since the last call.
  double utilisation() {
    const double could = bytes_per_ns_ * static_cast<double>((now_ - measured_from_).ns());
    const double did = static_cast<double>(delivered_ - delivered_before_);
    measured_from_ = now_;
    delivered_before_ = delivered_;
    return did / could;
  }
  void set_blackhole(bool on) { blackhole_ = on; }
  const Recovery& recovery() const { return recovery_; }
  uint64_t dropped() const { return dropped_; }
  uint64_t delivered() const { return delivered_; }

 private:
  struct InFlight {
    Instant arrival;
    uint64_t number;
  };
  struct Ack {
    Instant arrival;
    std::vector<PacketRange> ranges;
    Duration delay;
  };

  Instant next_arrival() const { return on_link_.empty() ? Instant::never() : on_link_.front().arrival; }
  Instant next_ack() const { return acks_.empty() ? Instant::never() : acks_.front().arrival; }

  void send() {
    wake_ = Instant::never();
    while (true) {
      const bool probe = recovery_.probes_owed(kSpace) > 0;
      if (!probe && !recovery_.window_allows(kPacketSize)) return;
      if (!probe && recovery_.next_send_time(now_) > now_) {
        wake_ = recovery_.next_send_time(now_);
        return;
      }
      if (!recovery_.can_record(kSpace)) return;
      const uint64_t number = recovery_.next_packet_number(kSpace);
      const SentFrame frame{.offset = number, .length = 1100, .type = SentFrameType::kStream};
      recovery_.on_packet_sent(
          kSpace, {.sent_time = now_, .size = kPacketSize, .ack_eliciting = true, .in_flight = true}, {&frame, 1});
      transmit(number);
    }
  }

  void transmit(uint64_t number) {
    link_free_ = std::max(link_free_, now_);
    const double queued = static_cast<double>((link_free_ - now_).ns()) * bytes_per_ns_;
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    const bool unlucky = link_.lose_every > 0 && (random_ >> 33) % link_.lose_every == 0;
    if (blackhole_ || unlucky || queued + kPacketSize > queue_limit_) {
      ++dropped_;
      return;
    }
    link_free_ = link_free_ + Duration::nanoseconds(static_cast<int64_t>(kPacketSize / bytes_per_ns_));
    on_link_.push_back({link_free_ + link_.round_trip / 2, number});
  }

  void deliver() {
    while (next_arrival() <= now_) {
      const uint64_t number = on_link_.front().number;
      on_link_.pop_front();
      delivered_ += kPacketSize;
      received_.insert(number, now_);
      ack_policy_.on_packet_received(number, true, false, received_, now_);
      if (ack_policy_.due(now_)) acknowledge();
    }
    if (ack_policy_.due(now_)) acknowledge();
    while (next_ack() <= now_) {
      const Ack ack = std::move(acks_.front());
      acks_.pop_front();
      EXPECT_FALSE(recovery_.on_ack(kSpace, {.ranges = ack.ranges, .ack_delay = ack.delay}, now_, *this));
    }
    if (recovery_.deadline() <= now_) recovery_.on_timeout(now_, *this);
  }

  void acknowledge() {
    Ack ack{.arrival = now_ + link_.round_trip / 2, .ranges = {}, .delay = now_ - received_.largest_time()};
    for (size_t i = 0; i < received_.size(); ++i) ack.ranges.push_back(received_.from_largest(i));
    acks_.push_back(std::move(ack));
    ack_policy_.on_ack_sent(received_.largest());
  }

  void packet_acked(PacketSpace, uint64_t, const SentPacket&, std::span<const SentFrame>) override {}
  void packet_lost(PacketSpace, uint64_t, const SentPacket&, std::span<const SentFrame>) override {}
  void packet_probed(PacketSpace, uint64_t, const SentPacket&, std::span<const SentFrame>) override {}

  Link link_;
  double bytes_per_ns_;
  double queue_limit_;  // bytes
  BlockPool pool_{4096};
  Recovery recovery_;
  AckRanges received_{pool_};
  AckPolicy ack_policy_{kSpace, Duration::milliseconds(25)};
  std::deque<InFlight> on_link_;
  std::deque<Ack> acks_;
  Instant now_ = Instant::from_ns(1'000'000'000);
  Instant link_free_ = now_;
  Instant wake_ = Instant::never();
  Instant measured_from_ = now_;
  uint64_t delivered_ = 0;
  uint64_t delivered_before_ = 0;
  uint64_t dropped_ = 0;
  uint64_t random_ = 1;
  bool blackhole_ = false;
};

struct Case {
  const char* name;
  Link link;
  double seconds;      // measured, after as many to settle
  double least_cubic;  // utilisation
  double least_new_reno;
};

class LinkTest : public ::testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(
    Links, LinkTest,
    ::testing::Values(
        Case{"slow", {.megabits = 10}, 8, 0.98, 0.97}, Case{"ordinary", {.megabits = 100}, 3, 0.98, 0.97},
        Case{"fast_and_short", {.megabits = 1000, .round_trip = Duration::milliseconds(2)}, 0.3, 0.98, 0.97},
        Case{"very_short", {.megabits = 1000, .round_trip = Duration::microseconds(100)}, 0.2, 0.98, 0.97},
        Case{"fast_and_far", {.megabits = 250, .round_trip = Duration::milliseconds(50)}, 2, 0.98, 0.97},
        Case{"small_queue", {.megabits = 100, .queue_in_bdp = 0.1}, 4, 0.87, 0.82}),
    [](const auto& tested) { return tested.param.name; });

TEST_P(LinkTest, IsFilledWithoutMuchLoss) {
  for (const ControllerKind kind : {ControllerKind::kCubic, ControllerKind::kNewReno}) {
    SCOPED_TRACE(kind == ControllerKind::kCubic ? "cubic" : "newreno");
    Simulation simulation(GetParam().link, kind);
    const Duration length = Duration::nanoseconds(static_cast<int64_t>(GetParam().seconds * 1e9));
    simulation.run(length);
    simulation.utilisation();
    simulation.run(length);
    const double used = simulation.utilisation();
    EXPECT_GE(used, kind == ControllerKind::kCubic ? GetParam().least_cubic : GetParam().least_new_reno);
    EXPECT_LE(used, 1.001);
    const RecoveryStats& stats = simulation.recovery().stats();
    EXPECT_LE(static_cast<double>(stats.packets_lost), 0.05 * static_cast<double>(stats.packets_sent));
    EXPECT_LE(stats.packets_lost, simulation.dropped()) << "what is declared lost was dropped";
    EXPECT_LE(simulation.dropped() - stats.packets_lost, simulation.recovery().bytes_in_flight() / kPacketSize)
        << "and what was dropped is found, or still in flight";
    EXPECT_EQ(stats.spurious_losses, 0u);
    EXPECT_EQ(stats.probe_timeouts, 0u);
  }
}

TEST(LinkSimulation, SlowStartFillsTheLinkWithinASecond) {
  Simulation simulation({.megabits = 100}, ControllerKind::kCubic);
  simulation.run(Duration::seconds(1));
  simulation.utilisation();
  simulation.run(Duration::seconds(1));
  EXPECT_GE(simulation.utilisation(), 0.9);
}

// NewReno has no HyStart++.
TEST(LinkSimulation, HyStartLosesLessThanHalfInSlowStart) {
  const Link deep{.megabits = 100, .queue_in_bdp = 2};
  Simulation with(deep, ControllerKind::kCubic);
  Simulation without(deep, ControllerKind::kNewReno);
  with.run(Duration::seconds(2));
  without.run(Duration::seconds(2));
  EXPECT_LT(with.dropped(), without.dropped() / 2);
}

TEST(LinkSimulation, RandomLossCostsLittleOnAShortPath) {
  Simulation simulation({.megabits = 100, .round_trip = Duration::milliseconds(4), .lose_every = 10'000},
                        ControllerKind::kCubic);
  simulation.run(Duration::seconds(3));
  EXPECT_GE(simulation.utilisation(), 0.9);
}

TEST(LinkSimulation, ComesBackAfterABlackhole) {
  Simulation simulation({.megabits = 100}, ControllerKind::kCubic);
  simulation.run(Duration::seconds(3));
  simulation.set_blackhole(true);
  simulation.run(Duration::seconds(2));
  EXPECT_GE(simulation.recovery().stats().probe_timeouts, 3u);
  EXPECT_LE(simulation.recovery().stats().probe_timeouts, 6u) << "the backoff doubles";
  simulation.set_blackhole(false);
  simulation.run(Duration::seconds(4));
  simulation.utilisation();
  simulation.run(Duration::seconds(1));
  EXPECT_GE(simulation.utilisation(), 0.9);
  EXPECT_GE(simulation.recovery().stats().persistent_congestions, 1u);
}

}  // namespace
}  // namespace viaduct::quic
