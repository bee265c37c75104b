// Handshakes over the simulated network.
#include <gtest/gtest.h>

#include "tests/simulation/expect_band.h"
#include "tests/simulation/real_tls.h"
#include "tests/simulation/scenario.h"

namespace viaduct::sim {
namespace {

ScenarioConfig handshake() {
  ScenarioConfig config;
  config.client.transfers = {{.download = 1'000}};
  return config;
}

TEST(Handshake, ClientHelloOfTwoDatagrams) {
  ScenarioConfig config = handshake();
  config.tls.client_hello_size = 1'700;
  config.tls.server_hello_size = 1'180;
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(10));
  expect_in({30, 38}, scenario.handshake().ms(), "handshake, ms");
}

// 4,000 bytes are more than three times a datagram of 1,200: the rest waits for the client (RFC 9000 section 8.1).
TEST(Handshake, CertificatesBeyondTheAmplificationLimit) {
  ScenarioConfig config = handshake();
  config.tls.server_flight_size = 4'500;
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(10));
  expect_in({60, 75}, scenario.handshake().ms(), "handshake, ms");
}

// As the interop runner's amplificationlimit test: the client's second flight is lost, and the server may not go on.
// proves RFC 9000 8.1-1 8.1-4
TEST(Handshake, AmplificationLimitWithLostAcknowledgements) {
  ScenarioConfig config = handshake();
  config.tls.server_flight_size = 9'000;
  config.to_server.loss_mask = 0b111'1110;
  config.client_endpoint.handshake_timeout = config.server_endpoint.handshake_timeout = Duration::seconds(60);
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(120));
}

TEST(Handshake, EachCipher) {
  for (const auto aead : {crypto::Aead::kAes128Gcm, crypto::Aead::kAes256Gcm, crypto::Aead::kChaCha20Poly1305}) {
    ScenarioConfig config = handshake();
    config.tls.aead = aead;
    Scenario scenario(config);
    scenario.expect_success(Duration::seconds(10));
  }
}

TEST(Handshake, WithKeysThatChangeAllTheTime) {
  ScenarioConfig config = handshake();
  config.tls.aead = crypto::Aead::kChaCha20Poly1305;
  config.client.transfers = {{.download = 1'000'000}};
  config.client_endpoint.key_update_after = config.server_endpoint.key_update_after = 20;
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(10));
  EXPECT_GE(scenario.client().endpoint().stats().key_updates, 10u);
}

TEST(Handshake, ScrambledWithLosses) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    ScenarioConfig config = handshake();
    config.seed = seed;
    config.client_endpoint.scramble_initials = true;
    config.tls.client_hello_size = 1'700;
    config.to_server.loss = config.to_client.loss = 0.2;
    config.to_server.longest_loss = config.to_client.longest_loss = 2;
    config.client_endpoint.handshake_timeout = config.server_endpoint.handshake_timeout = Duration::seconds(60);
    Scenario scenario(config);
    scenario.expect_success(Duration::seconds(120));
  }
}

TEST(Handshake, ThatEndsAtThePreferredAddress) {
  ScenarioConfig config = handshake();
  config.client.transfers = {{.download = 300'000}};
  config.server_endpoint.preferred_v4 = {kServerIp, 8443};
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(10));
  EXPECT_EQ(scenario.client().endpoint().stats().paths_changed, 1u);
  EXPECT_EQ(scenario.server().endpoint().stats().paths_changed, 1u);
}

// The alert of the server's TLS is the error of both sides (RFC 9001 section 4.8).
TEST(Handshake, RefusedByTls) {
  ScenarioConfig config = handshake();
  config.tls.refuse_with_alert = 40;
  Scenario scenario(config);
  scenario.start();
  EXPECT_TRUE(scenario.run_to_end(Duration::seconds(30)));
  const auto& connection = scenario.client_app().connection();
  EXPECT_FALSE(connection.opened);
  EXPECT_EQ(connection.error, 0x128u);
  EXPECT_FALSE(connection.application_error);
}

TEST(Handshake, WithoutAServerTimesOut) {
  ScenarioConfig config = handshake();
  config.to_server.loss = 1;
  Scenario scenario(config);
  scenario.start();
  EXPECT_TRUE(scenario.run_to_end(Duration::seconds(60)));
  const auto& connection = scenario.client_app().connection();
  EXPECT_FALSE(connection.opened);
  expect_in({10'000, 10'100}, (connection.closed_at - Simulation::kStart).ms(), "closed, ms");
  // 1, 3 and 7 s after the first.
  expect_in({4, 8}, static_cast<int64_t>(scenario.packets_to_server()), "datagrams to the server");
}

TEST(Handshake, WithQuicLbConnectionIds) {
  ScenarioConfig config = handshake();
  config.server_identity.emplace();
  config.server_identity->config = {.id = 1, .server_id_length = 4, .nonce_length = 12};
  config.server_identity->config.key.emplace().fill(7);
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(10));
}

}  // namespace
}  // namespace viaduct::sim
