// What happens to a connection whose path changes or fails.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/simulation/expect_band.h"
#include "tests/simulation/scenario.h"

namespace viaduct::sim {
namespace {

Instant at_ms(int64_t ms) { return Simulation::kStart + Duration::milliseconds(ms); }

constexpr Duration after_ms(int64_t ms) { return Duration::milliseconds(ms); }

// The client has something to say now and then: one that only listens would never tell a server where it is now.
ScenarioConfig transfer_with(std::vector<Rebinding> rebindings, const Transfer& transfer) {
  ScenarioConfig config;
  config.client.transfers = {transfer};
  config.rebindings = std::move(rebindings);
  config.client.heartbeat = Duration::milliseconds(200);
  return config;
}

// The packets that tell of the new address, the challenges and their answers may be lost as any other. Whatever is, it
// takes a few probe timeouts, not the time after which a path is given up; a new host's are a second each at first.
TEST(Rebinding, UnderLossCostsNoMoreThanItsProbes) {
  for (const bool address : {false, true}) {
    for (uint64_t seed = 1; seed <= 60; ++seed) {
      ScenarioConfig config =
          transfer_with({{after_ms(300 + static_cast<int64_t>(seed)), address}}, {.download = kMega});
      config.seed = seed;
      config.to_server.loss = config.to_client.loss = 0.05;
      Scenario scenario(config);
      Instant last = Instant::never();
      Duration silence;
      scenario.simulation().add_delivered_tap([&](const Datagram& datagram) {
        if (datagram.to.ip == kServerIp || datagram.payload.size() < 1'200) return;
        const Instant now = scenario.simulation().now();
        if (!last.is_never() && scenario.completion() < Duration()) silence = std::max(silence, now - last);
        last = now;
      });
      scenario.expect_success(Duration::seconds(120));
      EXPECT_EQ(scenario.server().endpoint().stats().path_validations_failed, 0u) << "seed " << seed;
      EXPECT_LE(silence.ms(), address ? 2'500 : 700) << "seed " << seed;
    }
  }
}

// The server's answers to the first address are lost, and it has one ID for all addresses of the client's there.
TEST(Rebinding, DuringTheMoveToThePreferredAddress) {
  for (int64_t ms = 0; ms <= 60; ++ms) {
    ScenarioConfig config = transfer_with({{after_ms(ms)}}, {.download = kMega});
    config.server_endpoint.preferred_v4 = {kServerIp, 8'443};
    config.server_endpoint.active_connection_ids = 2;
    Scenario scenario(config);
    scenario.expect_success(Duration::seconds(60));
    EXPECT_LE(scenario.completion().ms(), 6'000) << ms;
  }
}

TEST(Rebinding, DuringAnUpload) {
  Scenario scenario(transfer_with({{after_ms(500)}, {after_ms(1'500), true}}, {.upload = 3 * kMega}));
  scenario.expect_success(Duration::seconds(60));
  EXPECT_EQ(scenario.server().endpoint().stats().paths_changed, 2u);
  expect_in({2'500, 4'500}, scenario.completion().ms(), "completion, ms");
}

// Nobody tells the server while the client waits for it; the client's next packet does.
TEST(Rebinding, WhileTheConnectionIsIdle) {
  ScenarioConfig config;
  config.client.transfers = {{.download = 10'000}};
  config.client.close_when_done = false;
  config.rebindings = {{after_ms(1'000)}};
  Scenario scenario(config);
  scenario.start();
  scenario.simulation().run_for(Duration::seconds(2));
  scenario.client_app().close(0, 0);
  scenario.client().wake();
  EXPECT_TRUE(scenario.run_to_end(Duration::seconds(60)));
  EXPECT_EQ(scenario.client_app().connection().error, 0u);
}

TEST(Blackhole, OfASecondCostsLittleMore) {
  ScenarioConfig config;
  config.client.transfers = {{.download = 5 * kMega}};
  config.to_client.blackholes = config.to_server.blackholes = {{at_ms(1'000), at_ms(2'000)}};
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_bands(scenario, {5'100, 8'000}, {150, 3'500}, {3'450, 4'200});
}

TEST(Blackhole, InOneDirection) {
  ScenarioConfig config;
  config.client.transfers = {{.download = 2 * kMega}};
  config.to_server.blackholes = {{at_ms(300), at_ms(1'300)}};
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_in({2'000, 5'500}, scenario.completion().ms(), "completion, ms");
}

}  // namespace
}  // namespace viaduct::sim
