// Connections through balancers: what they survive, alone and under everything that a network does.
#include "tests/simulation/balanced.h"

#include <gtest/gtest.h>

#include "apps/lb/verdicts.h"
#include "tests/simulation/swarm.h"

namespace viaduct::sim {
namespace {

constexpr Duration kLimit = Duration::seconds(120);

BalancedConfig downloads(size_t connections, uint64_t bytes, bool encrypted = true) {
  BalancedConfig config;
  config.encrypted_ids = encrypted;
  config.scenario.connections = connections;
  config.scenario.client.transfers = {{.download = bytes}};
  config.scenario.client.heartbeat = Duration::milliseconds(200);
  return config;
}

TEST(Balancing, SpreadsConnectionsAndRoutesByTheirIds) {
  for (const bool encrypted : {false, true}) {
    Balanced balanced(downloads(12, 200'000, encrypted));
    balanced.expect_success(kLimit);
    for (const size_t accepted : balanced.accepted()) EXPECT_GT(accepted, 0u);
    EXPECT_GE(balanced.routed(lb::kRoutedAsNew), 12u);
    EXPECT_GT(balanced.routed(lb::kRoutedById), 500u);
    EXPECT_LT(balanced.routed(lb::kRoutedByScid) + balanced.routed(lb::kRoutedByDcid), 200u);
  }
}

TEST(Balancing, SurvivesARestartOfEachBalancer) {
  Balanced balanced(downloads(6, 2 * kMega));
  for (int64_t i = 0; i < 20; ++i)
    balanced.simulation().after(Duration::milliseconds(50 + 300 * i),
                                [&balanced, i] { balanced.restart(static_cast<size_t>(i % 2)); });
  balanced.expect_success(kLimit);
}

TEST(Balancing, SurvivesTheDeathOfOneBalancer) {
  Balanced balanced(downloads(6, 2 * kMega));
  balanced.simulation().after(Duration::seconds(1), [&] { balanced.kill(0); });
  balanced.expect_success(kLimit);
}

// The servers are at the limits of their streams, and each update of a limit is lost with the balancer: once the
// routers know, clients have to say again what nobody asks them for.
TEST(Balancing, SurvivesADeathThatRoutersNoticeLate) {
  for (const int64_t unnoticed : {100, 300, 1'000, 3'000}) {
    BalancedConfig config = downloads(6, 2 * kMega);
    config.scenario.client.heartbeat = {};
    config.scenario.client_endpoint.stream_window = 32'000;
    Balanced balanced(config);
    balanced.after_handshakes(Duration::milliseconds(500),
                              [&] { balanced.kill(0, Duration::milliseconds(unnoticed)); });
    balanced.expect_success(kLimit);
  }
}

TEST(Balancing, SurvivesMigrationsAndAChangeOfThePool) {
  BalancedConfig config = downloads(6, 2 * kMega);
  config.scenario.rebindings = {{Duration::seconds(1)}, {Duration::seconds(2), true}, {Duration::seconds(4), true}};
  Balanced balanced(config);
  balanced.after_handshakes(Duration::milliseconds(500), [&] {
    balanced.load([](lb::Configuration& configuration) {
      configuration.pools[0].backends[0].state = lb::BackendState::kDraining;
      configuration.pools[0].backends[1].weight = 10;
    });
  });
  balanced.after_handshakes(Duration::milliseconds(1'500), [&] { balanced.restart(0), balanced.restart(1); });
  balanced.expect_success(kLimit);
}

// New connections keep away from a server that drains.
TEST(Balancing, GivesNothingNewToADrainingServer) {
  Balanced balanced(downloads(9, 100'000));
  balanced.load(
      [](lb::Configuration& configuration) { configuration.pools[0].backends[1].state = lb::BackendState::kDraining; });
  balanced.expect_success(kLimit);
  EXPECT_EQ(balanced.accepted()[1], 0u);
}

// Links, endpoints and transfers are the swarm's; what happens to the balancers is drawn beside them.
void run_drawn(uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random random = Random::from_seed(seed ^ 0xba1a);
  BalancedConfig config;
  config.scenario = draw_scenario(seed, false);
  config.encrypted_ids = random.below(2) == 0;
  config.origins = 1 + random.below(5);
  Balanced balanced(config);
  for (uint64_t restarts = random.below(6); restarts > 0; --restarts)
    balanced.simulation().after(Duration::milliseconds(static_cast<int64_t>(random.below(5'000))),
                                [&balanced, which = random.below(2)] { balanced.restart(which); });
  if (random.below(3) == 0) balanced.after_handshakes(Duration::milliseconds(300), [&] { balanced.kill(0); });
  for (uint64_t changes = random.below(4); changes > 0; --changes) {
    balanced.after_handshakes(Duration::milliseconds(static_cast<int64_t>(random.below(5'000))),
                              [&, weight = random.below(100)] {
                                balanced.load([&](lb::Configuration& configuration) {
                                  configuration.pools[0].backends[0].weight = static_cast<uint32_t>(weight);
                                  configuration.pools[0].backends[0].state =
                                      weight < 50 ? lb::BackendState::kDraining : lb::BackendState::kActive;
                                });
                              });
  }
  balanced.expect_success(Duration::seconds(1'500));
}

class BalancedSwarm : public ::testing::TestWithParam<uint64_t> {};

TEST_P(BalancedSwarm, LosesNoConnectionThatTheDraftSaysSurvives) {
  for (uint64_t seed = GetParam(); seed < GetParam() + 10; ++seed) run_drawn(seed);
}

INSTANTIATE_TEST_SUITE_P(Seeds, BalancedSwarm, ::testing::Values(1, 11, 21, 31, 41));

}  // namespace
}  // namespace viaduct::sim
