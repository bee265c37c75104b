// Two workers with a shard each: packets reach the owner of their connection wherever they arrive.
#include <gtest/gtest.h>

#include "base/verdicts.h"
#include "engine/verdicts.h"
#include "tests/simulation/expect_band.h"
#include "tests/simulation/scenario.h"

namespace viaduct::sim {
namespace {

ScenarioConfig sharded(unsigned workers) {
  ScenarioConfig config;
  config.server_workers = workers;
  config.to_server = config.to_client = {.bits_per_second = 100'000'000, .delay = Duration::milliseconds(5)};
  return config;
}

// No packet with a connection ID of ours may miss its connection.
void expect_every_packet_found_its_connection(Scenario& scenario) {
  EXPECT_GT(scenario.server().handed_off(), 0u);
  EXPECT_EQ(scenario.server().verdict(quic::kNoConnection), 0u);
  EXPECT_EQ(scenario.server().verdict(quic::kResetSent), 0u);
  EXPECT_EQ(scenario.server().verdict(kHandOffFull), 0u);
}

TEST(Sharding, ConnectionsSpreadOverTheWorkers) {
  ScenarioConfig config = sharded(2);
  config.connections = 40;
  config.client.transfers = {{.download = 50'000, .upload = 10'000}};
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(30));
  expect_every_packet_found_its_connection(scenario);
  size_t opened = 0;
  for (unsigned worker = 0; worker < 2; ++worker) {
    EXPECT_GT(scenario.server_app(worker).opened(), 5u);
    opened += scenario.server_app(worker).opened();
  }
  EXPECT_EQ(opened, 40u);
}

// A new port arrives at another worker; its owner goes on as if nothing were.
// proves RFC 9000 5.2.3-2 21.11-1 21.11-2
TEST(Sharding, RebindingsReachTheSameOwner) {
  ScenarioConfig config = sharded(2);
  config.connections = 8;
  config.client.transfers = {{.download = 4'000'000}};
  for (int64_t i = 1; i <= 5; ++i) config.rebindings.push_back({Duration::milliseconds(200 * i), i % 2 == 0});
  config.client.heartbeat = Duration::milliseconds(50);
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_every_packet_found_its_connection(scenario);
  uint64_t changed = 0;
  for (unsigned worker = 0; worker < 2; ++worker) changed += scenario.server().endpoint(worker).stats().paths_changed;
  EXPECT_GE(changed, 8u * 5);
}

// The first packet and its repetition carry the client's own choice of a connection ID.
// proves RFC 9000 21.11-1
TEST(Sharding, RepeatedInitialsMeetTheSameOwner) {
  ScenarioConfig config = sharded(4);
  config.connections = 30;
  config.client.transfers = {{.download = 5'000}};
  config.tls.client_hello_size = 1'700;
  config.to_server.loss = config.to_client.loss = 0.2;
  config.client_endpoint.handshake_timeout = config.server_endpoint.handshake_timeout = Duration::seconds(60);
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(120));
  EXPECT_GT(scenario.server().handed_off(), 0u);
  size_t opened = 0;
  for (unsigned worker = 0; worker < 4; ++worker) opened += scenario.server_app(worker).opened();
  EXPECT_EQ(opened, 30u);
}

}  // namespace
}  // namespace viaduct::sim
