// The same seed gives the same packets at the same times; another one does not.
#include <gtest/gtest.h>

#include <ctime>

#include "tests/simulation/expect_band.h"
#include "tests/simulation/scenario.h"

namespace viaduct::sim {
namespace {

ScenarioConfig rough(uint64_t seed, bool real_tls) {
  ScenarioConfig config;
  config.seed = seed;
  config.real_tls = real_tls;
  config.connections = 3;
  config.server_workers = 2;
  config.client.transfers = {{.download = 200'000}, {.download = 50'000, .upload = 100'000}};
  config.to_server.loss = config.to_client.loss = 0.02;
  config.to_client.reordering = 0.01;
  config.to_client.jitter = Duration::milliseconds(2);
  config.to_server.corruption = 0.01;
  config.rebindings = {{Duration::milliseconds(400)}};
  config.client.heartbeat = Duration::milliseconds(100);
  return config;
}

std::vector<uint8_t> trace_of(const ScenarioConfig& config) {
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  return scenario.trace();
}

TEST(Determinism, TheSameSeedGivesTheSameTrace) {
  const auto first = trace_of(rough(1, false));
  EXPECT_GT(first.size(), 900'000u);
  EXPECT_TRUE(first == trace_of(rough(1, false)));
  EXPECT_FALSE(first == trace_of(rough(2, false)));
}

// Within one second of the wall clock, which OpenSSL writes into tickets.
TEST(Determinism, WithOpenSslToo) {
  std::vector<uint8_t> first, second;
  std::time_t began;
  do {
    began = std::time(nullptr);
    first = trace_of(rough(1, true));
    second = trace_of(rough(1, true));
  } while (std::time(nullptr) != began);
  EXPECT_TRUE(first == second);
  EXPECT_FALSE(first == trace_of(rough(2, true)));
}

}  // namespace
}  // namespace viaduct::sim
