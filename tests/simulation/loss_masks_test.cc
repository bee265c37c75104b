// A handshake completes whichever of its first datagrams are lost.
#include <gtest/gtest.h>

#include "tests/simulation/scenario.h"

namespace viaduct::sim {
namespace {

constexpr unsigned kEachWay = 6;

class LossMasks : public testing::TestWithParam<uint64_t> {};

// All masks over the first six datagrams of each direction, in sixteen parts.
TEST_P(LossMasks, Complete) {
  for (uint64_t low = 0; low < 256; ++low) {
    const uint64_t mask = GetParam() << 8 | low;
    SCOPED_TRACE(testing::Message() << "mask " << mask);
    ScenarioConfig config;
    config.seed = mask + 1;
    config.to_server.loss_mask = mask & ((1u << kEachWay) - 1);
    config.to_client.loss_mask = mask >> kEachWay;
    config.client.transfers = {{.download = 1'000}};
    for (quic::EndpointConfig* endpoint : {&config.client_endpoint, &config.server_endpoint}) {
      endpoint->handshake_timeout = endpoint->idle_timeout = Duration::seconds(600);
      endpoint->max_connections = endpoint->max_half_open = 4;
      endpoint->max_streams = 16;
      endpoint->max_sent_packets = 256;
      endpoint->max_writes = 16;
      endpoint->receive_slab_bytes = 1 << 20;
      endpoint->max_held_packets = 16;
    }
    Scenario scenario(config);
    // Where the close is lost, the server waits for its idle timeout.
    scenario.expect_success(Duration::seconds(1'300));
    if (testing::Test::HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Sixteen, LossMasks, testing::Range<uint64_t>(0, 16));

}  // namespace
}  // namespace viaduct::sim
