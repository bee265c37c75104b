// 100 MB over a long fat path that loses a little: by a first connection, and by one that comes after it and knows what
// the path carries (RFC 9959).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "tests/simulation/congestion_figures.h"

namespace viaduct::sim {
namespace {

using quic::ControllerKind;

constexpr double kBitsPerSecond = 100e6;
constexpr uint64_t kIpUdpHeaders = 28;  // the link carries them, too

struct Case {
  const char* name;
  ControllerKind kind;
  double first;  // share of the link, at least
  double later;  // median of the connections after it
};

class KnownPath : public ::testing::TestWithParam<Case> {
 protected:
  static ScenarioConfig long_fat_path(uint64_t download) {
    ScenarioConfig config = congestion_scenario({.controller = GetParam().kind,
                                                 .megabits = kBitsPerSecond / 1e6,
                                                 .round_trip = Duration::milliseconds(200),
                                                 .loss = 0.001,
                                                 .loss_tolerance = 0.01});
    config.client.transfers = {{.download = download}};
    return config;
  }
  // What of the link a download takes, from the request to the last byte.
  double share_of(uint64_t download) {
    ScenarioConfig config = long_fat_path(download);
    config.memory = &memory;
    config.seed = ++seed;
    Scenario scenario(config);
    scenario.expect_success(Duration::seconds(60));
    const LinkStats& link = scenario.to_client();
    const auto bytes = static_cast<double>(link.delivered_bytes + link.delivered * kIpUdpHeaders);
    const double share = bytes * 8 / kBitsPerSecond / (scenario.completion() - scenario.handshake()).seconds();
    RecordProperty("share_of_connection_" + std::to_string(seed), std::to_string(share));
    return share;
  }

  quic::ServerMemory memory;
  uint64_t seed = 0;
};

// Both are allowed the path's losses: see Congestion.ALongFatPathThatMayLoseALittle. To its start BBR adds a probe of
// the round trip.
INSTANTIATE_TEST_SUITE_P(Controllers, KnownPath,
                         ::testing::Values(Case{"cubic", ControllerKind::kCubic, 0.8, 0.88},
                                           Case{"bbr", ControllerKind::kBbr, 0.78, 0.9}),
                         [](const auto& tested) { return tested.param.name; });

TEST_P(KnownPath, CarriesAHundredMegabytes) {
  EXPECT_GE(share_of(100 * kMega), GetParam().first);
  std::array<double, 5> later;
  for (double& share : later) share = share_of(100 * kMega);
  std::ranges::sort(later);
  EXPECT_GE(later[2], GetParam().later) << "from " << later.front() << " to " << later.back();
}

// The path has become a tenth of what it was: the jump is taken back, and the connection is no slower for it than one
// that knows nothing.
TEST_P(KnownPath, ThatHasBecomeNarrow) {
  share_of(30 * kMega);
  const auto completion = [](quic::ServerMemory* known) {
    ScenarioConfig config = long_fat_path(10 * kMega);
    config.to_client.bits_per_second /= 10;
    config.to_client.queue_packets /= 10;
    config.memory = known;
    Scenario scenario(config);
    scenario.expect_success(Duration::seconds(60));
    return scenario.completion().seconds();
  };
  EXPECT_LE(completion(&memory), 1.1 * completion(nullptr));
}

}  // namespace
}  // namespace viaduct::sim
