// How connections end, and what is said to those that are no connections.
#include <gtest/gtest.h>

#include "engine/verdicts.h"
#include "flowsteer/invariants.h"
#include "tests/simulation/expect_band.h"
#include "tests/simulation/scenario.h"

namespace viaduct::sim {
namespace {

ScenarioConfig kept_open() {
  ScenarioConfig config;
  config.client.transfers = {{.download = 10'000}};
  config.client.close_when_done = false;
  return config;
}

// RFC 9000 section 10.1.
TEST(Lifecycle, IdleConnectionsEndInSilence) {
  ScenarioConfig config = kept_open();
  config.client_endpoint.idle_timeout = Duration::seconds(5);
  Scenario scenario(config);
  scenario.start();
  EXPECT_TRUE(scenario.run_to_end(Duration::seconds(60)));
  expect_in({5'060, 5'500}, (scenario.client_app().connection().closed_at - Simulation::kStart).ms(), "closed, ms");
  EXPECT_EQ(scenario.client().endpoint().stats().idle_timeouts, 1u);
  EXPECT_EQ(scenario.server().endpoint().stats().idle_timeouts, 1u);
  EXPECT_LT(scenario.packets_to_server(), 20u);
}

TEST(Lifecycle, CloseReachesTheOtherSideWithItsCode) {
  ScenarioConfig config = kept_open();
  Scenario scenario(config);
  scenario.start();
  scenario.simulation().run_for(Duration::seconds(1));
  scenario.client_app().close(0, 0x77);
  scenario.client().wake();
  EXPECT_TRUE(scenario.run_to_end(Duration::seconds(10)));
  ASSERT_EQ(scenario.server_app().closed().size(), 1u);
  EXPECT_EQ(scenario.server_app().closed()[0].error, 0x77u);
  EXPECT_TRUE(scenario.server_app().closed()[0].application_error);
}

// The close is lost; packets of the other side bring it again (RFC 9000 section 10.2.1).
// proves RFC 9000 11.1-2
TEST(Lifecycle, CloseIsRepeatedToWhoStillSends) {
  ScenarioConfig config;
  config.client.transfers = {{.download = 5'000'000}};
  config.to_server.blackholes = {
      {Simulation::kStart + Duration::milliseconds(500), Simulation::kStart + Duration::milliseconds(530)}};
  Scenario scenario(config);
  scenario.start();
  scenario.simulation().after(Duration::milliseconds(500), [&] {
    scenario.client_app().close(0, 5);
    scenario.client().wake();
  });
  EXPECT_TRUE(scenario.run_to_end(Duration::seconds(40)));
  ASSERT_EQ(scenario.server_app().closed().size(), 1u);
  EXPECT_EQ(scenario.server_app().closed()[0].error, 5u);
  EXPECT_EQ(scenario.server().endpoint().stats().idle_timeouts, 0u);
}

// RFC 9000 section 10.3.
// proves RFC 9000 10.3.2-1 10.3.2-2 10.3.2-5
TEST(Lifecycle, ARestartedServerResetsConnections) {
  ScenarioConfig config;
  config.client.transfers = {{.upload = 5'000'000}};
  Scenario scenario(config);
  scenario.start();
  scenario.simulation().run_for(Duration::milliseconds(700));
  scenario.restart_server();
  EXPECT_TRUE(scenario.run_to_end(Duration::seconds(40)));
  EXPECT_EQ(scenario.client().endpoint().stats().resets_received, 1u);
  EXPECT_GT(scenario.server().verdict(quic::kResetSent), 0u);
  expect_in({715, 800}, (scenario.client_app().connection().closed_at - Simulation::kStart).ms(), "closed, ms");
}

TEST(Lifecycle, AServerThatShutsDownSaysSo) {
  ScenarioConfig config = kept_open();
  config.connections = 5;
  Scenario scenario(config);
  scenario.start();
  scenario.simulation().run_for(Duration::seconds(1));
  scenario.server().endpoint().shut_down(scenario.simulation().now());
  scenario.server().wake();
  EXPECT_TRUE(scenario.run_to_end(Duration::seconds(10)));
  for (const auto& [number, connection] : scenario.client_app().connections()) {
    EXPECT_EQ(connection.error, 0u);
    expect_in({1'015, 1'030}, (connection.closed_at - Simulation::kStart).ms(), "closed, ms");
  }
}

// A host that is no endpoint, to say what no endpoint says.
class Stranger {
 public:
  static constexpr SocketAddress kAddress{IpAddress::v4(198, 18, 3, 1), 5'000};

  explicit Stranger(Simulation& simulation) : simulation_(simulation) {
    simulation.connect(kAddress.ip, kServerIp, {.delay = Duration::milliseconds(1)});
    simulation.set_receiver(kAddress.ip, [this](Datagram datagram) { answers.push_back(std::move(datagram.payload)); });
  }

  void say(std::vector<uint8_t> payload) {
    simulation_.send({.from = kAddress, .to = kServer, .payload = std::move(payload)});
    simulation_.run_for(Duration::milliseconds(10));
  }

  std::vector<std::vector<uint8_t>> answers;

 private:
  Simulation& simulation_;
};

std::vector<uint8_t> long_header(uint32_t version, size_t id_length, size_t size) {
  std::vector<uint8_t> packet(size);
  ByteWriter writer(packet);
  writer.u8(0xc0);
  writer.u32(version);
  writer.u8(static_cast<uint8_t>(id_length));
  writer.fill(0xdd, id_length);
  writer.u8(static_cast<uint8_t>(id_length));
  writer.fill(0x55, id_length);
  return packet;
}

// RFC 9000 section 6.1; IDs may have 255 bytes (RFC 8999 section 5.1).
// proves RFC 9000 5.2.2-1 17.2.1-7
TEST(Lifecycle, UnknownVersionsAreToldTheKnownOne) {
  Scenario scenario({});
  Stranger stranger(scenario.simulation());
  for (const size_t id_length : {0u, 8u, 20u, 255u}) {
    stranger.answers.clear();
    stranger.say(long_header(0x57414954, id_length, 1'200));
    ASSERT_EQ(stranger.answers.size(), 1u) << id_length;
    const auto header = flowsteer::parse_invariants(stranger.answers[0], 0);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->version, flowsteer::kVersionNegotiation);
    EXPECT_TRUE(equal(header->dcid, std::vector<uint8_t>(id_length, 0x55)));
    EXPECT_TRUE(equal(header->scid, std::vector<uint8_t>(id_length, 0xdd)));
    bool offers_version_1 = false;
    for (ByteReader reader(header->rest); reader.remaining() >= 4;) offers_version_1 |= reader.u32() == 1;
    EXPECT_TRUE(offers_version_1);
  }
  EXPECT_EQ(scenario.server().verdict(quic::kVersionUnknown), 4u);
}

// proves RFC 9000 5.2.2-2
TEST(Lifecycle, SmallDatagramsOfUnknownVersionsGetNoAnswer) {
  Scenario scenario({});
  Stranger stranger(scenario.simulation());
  stranger.say(long_header(0x57414954, 8, 1'199));
  stranger.say(long_header(flowsteer::kVersionNegotiation, 8, 1'200));
  EXPECT_TRUE(stranger.answers.empty());
  EXPECT_EQ(scenario.server().verdict(quic::kVersionUnanswered), 1u);
}

TEST(Lifecycle, GarbageChangesNothing) {
  ScenarioConfig config;
  config.client.transfers = {{.download = 1'000'000}};
  Scenario scenario(config);
  Random random = Random::from_seed(1);
  Stranger stranger(scenario.simulation());
  for (int i = 0; i < 500; ++i) {
    scenario.simulation().after(Duration::milliseconds(i), [&] {
      std::vector<uint8_t> garbage(1 + random.below(1'400));
      random.fill(garbage);
      scenario.simulation().send({.from = Stranger::kAddress, .to = kServer, .payload = std::move(garbage)});
    });
  }
  scenario.expect_success(Duration::seconds(20));
  for (const auto& answer : stranger.answers) EXPECT_LT(answer.size(), 1'200u);
}

}  // namespace
}  // namespace viaduct::sim
