// What each controller makes of a bottleneck: figures within bands. congestion-table prints them.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "tests/simulation/congestion_figures.h"
#include "tests/simulation/expect_band.h"

namespace viaduct::sim {
namespace {

using quic::ControllerKind;

Instant at_second(int64_t seconds) { return Simulation::kStart + Duration::seconds(seconds); }

struct Controller {
  const char* name;
  ControllerKind kind;
};
constexpr Controller kAll[] = {
    {"newreno", ControllerKind::kNewReno}, {"cubic", ControllerKind::kCubic}, {"bbr", ControllerKind::kBbr}};

class Congestion : public ::testing::TestWithParam<Controller> {
 protected:
  CongestionFigures measure(CongestionOptions options) {
    options.controller = GetParam().kind;
    const CongestionFigures figures = measure_congestion(options);
    RecordProperty("utilisation", std::to_string(figures.utilisation));
    RecordProperty("queue_ms", std::to_string(figures.queue_ms));
    RecordProperty("fairness", std::to_string(figures.fairness));
    return figures;
  }
  // Where a probe or an overflow falls decides about some hundredths of a short run: the median of five.
  double median_utilisation(CongestionOptions options) {
    std::array<double, 5> all{};
    for (double& each : all) {
      each = measure(options).utilisation;
      ++options.seed;
    }
    std::ranges::sort(all);
    return all[all.size() / 2];
  }
  bool is_bbr() const { return GetParam().kind == ControllerKind::kBbr; }
};

INSTANTIATE_TEST_SUITE_P(Controllers, Congestion, ::testing::ValuesIn(kAll),
                         [](const auto& tested) { return tested.param.name; });

// Headers are 2 % of what the link carries.
TEST_P(Congestion, OneFlowFillsTheLink) {
  for (const int64_t ms : {10, 50, 200}) {
    const CongestionFigures figures = measure({.round_trip = Duration::milliseconds(ms)});
    EXPECT_GE(figures.utilisation, 0.88) << ms << " ms";
    EXPECT_LE(figures.utilisation, 0.985) << ms << " ms";
    EXPECT_LE(figures.queue_ms, 1.05 * std::max<double>(static_cast<double>(ms), 12)) << ms << " ms";
  }
}

// Loss-based control fills whatever queue there is; BBR leaves most of a deep one empty.
TEST_P(Congestion, ADeepQueue) {
  const CongestionFigures figures = measure({.queue = 8, .length = Duration::seconds(40)});
  EXPECT_GE(figures.utilisation, 0.93);
  if (is_bbr()) {
    EXPECT_LE(figures.queue_ms, 60);
  } else {
    EXPECT_GE(figures.queue_ms, 60);
  }
}

TEST_P(Congestion, FlowsShare) {
  for (const size_t flows : {2u, 8u}) {
    const CongestionFigures figures =
        measure({.flows = flows, .length = Duration::seconds(40), .measured_from = Duration::seconds(10)});
    EXPECT_GE(figures.fairness, 0.8) << flows << " flows";
    EXPECT_GE(figures.utilisation, 0.93) << flows << " flows";
  }
}

TEST_P(Congestion, RecoversFromAnOutage) {
  const CongestionFigures figures =
      measure({.blackholes = {{at_second(10), at_second(10) + Duration::milliseconds(200)}}});
  EXPECT_GE(figures.megabits(Duration::milliseconds(11'500), Duration::seconds(14)), 20 * 0.7);
  EXPECT_GE(figures.megabits(Duration::seconds(14), Duration::seconds(20)), 20 * 0.85);
}

TEST_P(Congestion, FollowsARateThatFalls) {
  const CongestionFigures figures = measure({.rate_changes = {{at_second(10), 5'000'000}}});
  EXPECT_GE(figures.megabits(Duration::seconds(14), Duration::seconds(20)), 5 * 0.9);
}

TEST_P(Congestion, FollowsARateThatRises) {
  const CongestionFigures figures =
      measure({.length = Duration::seconds(30), .rate_changes = {{at_second(10), 80'000'000}}});
  // BBR asks for more every two to three seconds.
  EXPECT_GE(figures.megabits(Duration::seconds(20), Duration::seconds(30)), 80 * (is_bbr() ? 0.5 : 0.7));
}

// RFC 9438 section 5.1 says what a window that answers each loss can be: a lossy path is not for it.
TEST_P(Congestion, OnePercentRandomLoss) {
  const CongestionFigures figures = measure({.loss = 0.01});
  if (is_bbr()) {
    EXPECT_GE(figures.utilisation, 0.65);
  } else {
    EXPECT_GE(figures.utilisation, 0.1);
    EXPECT_LE(figures.utilisation, 0.5);
  }
}

// 1,700 packets in flight, of which one or two are lost in each round trip.
constexpr CongestionOptions kLongFatPath{
    .megabits = 100, .round_trip = Duration::milliseconds(200), .loss = 0.001, .length = Duration::seconds(15)};

// By the formula of RFC 9438 section 5.1 the window of CUBIC is 56 packets then, 3 % of them, beside what is left of
// its start.
TEST_P(Congestion, ALongFatPathWithALittleLoss) {
  const double utilisation = median_utilisation(kLongFatPath);
  if (is_bbr()) {
    EXPECT_GE(utilisation, 0.9);
  } else {
    EXPECT_GE(utilisation, 0.02);
    EXPECT_LE(utilisation, 0.2);
  }
}

// Where the path is allowed its losses, each of them comes near to what it does without any.
TEST_P(Congestion, ALongFatPathThatMayLoseALittle) {
  CongestionOptions options = kLongFatPath;
  options.loss_tolerance = 0.01;
  const CongestionFigures figures = measure(options);
  if (GetParam().kind == ControllerKind::kNewReno) {
    EXPECT_GE(figures.utilisation, 0.6) << "a packet more in each round trip is little on the way back";
  } else {
    EXPECT_GE(figures.utilisation, 0.85);
  }
  EXPECT_LE(figures.dropped, 0.005);
}

// A queue that overflows is congestion whatever is tolerated: who tolerates losses leaves others their part.
TEST_P(Congestion, ToleranceDoesNotFillQueues) {
  for (const double queue : {0.25, 1.0}) {
    const CongestionFigures strict = measure({.queue = queue}),
                            tolerant = measure({.queue = queue, .loss_tolerance = 0.01});
    EXPECT_GE(tolerant.utilisation, strict.utilisation - 0.05) << queue;
    EXPECT_LE(tolerant.queue_ms, strict.queue_ms * 1.2 + 1) << queue;
    EXPECT_LE(tolerant.dropped, strict.dropped + 0.01) << queue;
  }
}

}  // namespace
}  // namespace viaduct::sim
