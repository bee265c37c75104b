// Loss detection over networks that reorder, mark and change what they carry.
#include <gtest/gtest.h>

#include "tests/simulation/expect_band.h"
#include "tests/simulation/scenario.h"

namespace viaduct::sim {
namespace {

// Nothing is lost: the window stays below what the queue holds.
ScenarioConfig reordering(double share, Duration delay) {
  ScenarioConfig config = download(20 * kMega);
  config.to_client.queue_packets = config.to_server.queue_packets = kUnlimited;
  config.client_endpoint.stream_window = 200'000;
  config.server_endpoint.max_udp_payload = 1'200;  // no search for more, whose probes would count among the lost
  config.to_client.reordering = share;
  config.to_client.reorder_delay = delay;
  return config;
}

// Once the disorder is known no more than so many packets are wrongly declared lost.
void expect_adaptation(const ScenarioConfig& config, uint64_t tolerated = 0) {
  Scenario scenario(config);
  scenario.start();
  const uint64_t half = config.client.transfers[0].download / 2;
  ASSERT_TRUE(scenario.simulation().run_until([&] { return scenario.client_app().bytes_received() >= half; },
                                              Duration::seconds(120)));
  const uint64_t lost_at_first = scenario.server().endpoint().stats().packets_lost;
  EXPECT_GT(lost_at_first, 0u) << "there was nothing to learn from";
  EXPECT_TRUE(scenario.run_to_end(Duration::seconds(120)));
  EXPECT_LE(scenario.server().endpoint().stats().packets_lost, lost_at_first + tolerated);
  EXPECT_EQ(scenario.to_client().dropped_by_queue + scenario.to_client().lost, 0u);
}

TEST(Recovery, TwoPercentReorderedAreNotTakenForLostOnceThatIsKnown) {
  for (const int64_t delay : {5, 10, 20}) {
    SCOPED_TRACE(std::to_string(delay) + " ms");
    expect_adaptation(reordering(0.02, Duration::milliseconds(delay)));
  }
}

// Of some 8,000 packets.
TEST(Recovery, HardlyAnyOfManyThatAreReorderedIs) { expect_adaptation(reordering(0.2, Duration::milliseconds(10)), 2); }

// RFC 9002 section 7.1: a queue that marks early loses next to nothing.
TEST(Recovery, MarksKeepTheQueueFromOverflowing) {
  for (const auto controller : {quic::ControllerKind::kNewReno, quic::ControllerKind::kCubic}) {
    ScenarioConfig config = download(10 * kMega);
    config.server_endpoint.congestion = controller;
    config.to_client.queue_packets = 100;
    config.to_client.mark_above = 20;
    Scenario scenario(config);
    scenario.expect_success(Duration::seconds(60));
    EXPECT_GT(scenario.to_client().marked, 0u);
    EXPECT_EQ(scenario.to_client().dropped_by_queue, 0u);
    expect_bands(scenario, {8'250, 9'000}, {300, 5'000}, {6'900, 7'400});
  }
}

TEST(Recovery, WhereMarksAreClearedAllGoesOnWithoutThem) {
  ScenarioConfig config = download(2 * kMega);
  config.to_client.bleach_ecn = config.to_server.bleach_ecn = true;
  size_t marked = 0;
  Scenario scenario(config);
  scenario.simulation().add_sent_tap([&](const Datagram& datagram) { marked += datagram.ecn != Ecn::kNotEct; });
  scenario.expect_success(Duration::seconds(60));
  EXPECT_GT(marked, 0u);
  EXPECT_LT(marked, 60u) << "a round trip's worth in each direction";
}

}  // namespace
}  // namespace viaduct::sim
