// A handshake completes whichever of its first datagrams are lost.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <tuple>

#include "crypto-offload/replay_window.h"
#include "tests/simulation/real_tls.h"
#include "tests/simulation/scenario.h"

namespace viaduct::sim {
namespace {

constexpr unsigned kEachWay = 6;
constexpr unsigned kParts = 16;

// What masks are tried on. The contexts, and the session where there is one, serve for all of them.
struct Handshake {
  std::string name;
  quic::RetryPolicy retry = quic::RetryPolicy::kNever;
  std::unique_ptr<crypto::TlsContext> client, server;  // null: the test TLS
  quic::ServerMemory memory;
  bool early_data = false;
};

ScenarioConfig one_request() {
  ScenarioConfig config;
  config.client.transfers = {{.download = 1'000}};
  config.pool_packets = 256;
  for (quic::EndpointConfig* endpoint : {&config.client_endpoint, &config.server_endpoint}) {
    endpoint->handshake_timeout = endpoint->idle_timeout = Duration::seconds(600);
    endpoint->max_connections = endpoint->max_half_open = 4;
    endpoint->max_streams = 16;
    endpoint->max_sent_packets = 256;
    endpoint->max_writes = 16;
    endpoint->receive_slab_bytes = 1 << 20;
    endpoint->max_held_packets = 16;
  }
  return config;
}

// A connection without losses, of which the client remembers a session.
void meet(Handshake& handshake) {
  ScenarioConfig config = one_request();
  config.tls_client = handshake.client.get();
  config.tls_server = handshake.server.get();
  config.memory = &handshake.memory;
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(1'300));
  ASSERT_FALSE(quic::ServerMemory(handshake.memory).take_session("server.test", quic::kVersion1).empty());
  handshake.memory.take_token("server.test", quic::kVersion1);
}

Handshake make(const std::string& name) {
  Handshake handshake;
  handshake.name = name;
  if (name == "Retry") handshake.retry = quic::RetryPolicy::kAlways;
  handshake.early_data = name == "ZeroRtt";
  if (handshake.early_data || name == "Resumed") {
    // Each first flight is a new one, far more within half a minute than there would be.
    const auto window = std::make_shared<crypto::ReplayWindow>(1 << 20);
    handshake.client = make_real_tls_client({.groups = "X25519", .early_data = handshake.early_data});
    handshake.server = make_real_tls_server({.groups = "X25519", .early_data = true, .replay_window = window});
    meet(handshake);
  } else if (name == "PostQuantum") {
    handshake.client = make_real_tls_client({.groups = "X25519MLKEM768"});
    handshake.server = make_real_tls_server({.certificate_file = long_certificate_chain(), .groups = "X25519MLKEM768"});
  }
  return handshake;
}

const Handshake& handshake_called(const std::string& name) {
  static std::map<std::string, Handshake> made;
  const auto found = made.find(name);
  return found != made.end() ? found->second : made.emplace(name, make(name)).first->second;
}

class LossMasks : public testing::TestWithParam<std::tuple<std::string, uint64_t>> {};

// All masks over the first six datagrams of each direction, in sixteen parts.
TEST_P(LossMasks, Complete) {
  const auto& [name, part] = GetParam();
  const Handshake& handshake = handshake_called(name);
  for (uint64_t low = 0; low < (1u << (2 * kEachWay)) / kParts; ++low) {
    const uint64_t mask = part << 8 | low;
    SCOPED_TRACE(testing::Message() << name << ", mask " << mask);
    ScenarioConfig config = one_request();
    config.seed = mask + 1;
    config.to_server.loss_mask = mask & ((1u << kEachWay) - 1);
    config.to_client.loss_mask = mask >> kEachWay;
    config.server_endpoint.retry = handshake.retry;
    config.tls_client = handshake.client.get();
    config.tls_server = handshake.server.get();
    quic::ServerMemory memory = handshake.memory;
    config.memory = &memory;
    Scenario scenario(config);
    // Where the close is lost, the server waits for its idle timeout.
    scenario.expect_success(Duration::seconds(1'300));
    const quic::EndpointStats& stats = scenario.server().endpoint().stats();
    EXPECT_EQ(stats.early_data_accepted, handshake.early_data ? 1u : 0u);
    EXPECT_EQ(stats.retries_sent > 0, handshake.retry == quic::RetryPolicy::kAlways);
    if (testing::Test::HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(All, LossMasks,
                         testing::Combine(testing::Values("Full", "Retry", "Resumed", "ZeroRtt", "PostQuantum"),
                                          testing::Range<uint64_t>(0, kParts)),
                         [](const auto& parameter) {
                           return std::get<0>(parameter.param) + std::to_string(std::get<1>(parameter.param));
                         });

}  // namespace
}  // namespace viaduct::sim
