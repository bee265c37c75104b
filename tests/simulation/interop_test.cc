// The tests of the QUIC interop runner that are about the transport, over the network of its simulator: 15 ms one way,
// 10 Mbit/s, a queue of 25 packets. Others of its list stand where their subject is: handshake, longrtt,
// amplificationlimit, handshakeloss and handshakecorruption in handshake_test.cc; goodput, multiplexing, transferloss
// and transfercorruption in transfer_test.cc; rebind-port, rebind-addr and blackhole in path_test.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "tests/simulation/expect_band.h"
#include "tests/simulation/scenario.h"

namespace viaduct::sim {
namespace {

constexpr uint64_t kMega = 1'000'000;
// 3 MB are 2,068 datagrams and 2.48 s on the cable; beside them a handshake, a request, and what slow start loses.
constexpr Band kThreeMegabytes = {2'500, 3'000};
constexpr Band kThreeMegabytesDown = {2'060, 2'400};
constexpr Band kThreeMegabytesUp = {100, 1'600};

ScenarioConfig downloads(std::vector<uint64_t> sizes) {
  ScenarioConfig config;
  for (const uint64_t size : sizes) config.client.transfers.push_back({.download = size});
  return config;
}

// Larger than any window: limits must be raised as the client reads.
TEST(Interop, TransferOfThreeFilesAtOnce) {
  Scenario scenario(downloads({2 * kMega, 3 * kMega, 5 * kMega}));
  scenario.expect_success(Duration::seconds(60));
  EXPECT_EQ(scenario.server_app().opened(), 1u) << "one connection";
  expect_bands(scenario, {8'250, 9'000}, {300, 5'000}, {6'900, 7'400});
}

TEST(Interop, ChaCha20) {
  ScenarioConfig config = downloads({3 * kMega});
  config.tls.aead = crypto::Aead::kChaCha20Poly1305;
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_bands(scenario, kThreeMegabytes, kThreeMegabytesUp, kThreeMegabytesDown);
}

// RFC 9001 section 6: who is first to use up a key begins, the other follows.
TEST(Interop, KeyUpdate) {
  ScenarioConfig config = downloads({3 * kMega});
  config.client_endpoint.key_update_after = 200;
  config.server_endpoint.key_update_after = 500;
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  EXPECT_GE(scenario.server().endpoint().stats().key_updates + scenario.client().endpoint().stats().key_updates, 4u);
  expect_bands(scenario, kThreeMegabytes, kThreeMegabytesUp, kThreeMegabytesDown);
}

TEST(Interop, Ipv6) {
  ScenarioConfig config = downloads({5'000, 10'000});
  std::array<uint8_t, 16> address{0x20, 0x01, 0x0d, 0xb8};
  address[15] = 1;
  config.client_ip = IpAddress::v6(address.data());
  address[5] = 1;
  config.server_ip = IpAddress::v6(address.data());
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(10));
  expect_bands(scenario, {72, 130}, {5, 20}, {15, 30});
}

// As its crosstraffic, with another connection of ours for the traffic.
TEST(Interop, CrossTraffic) {
  ScenarioConfig config = downloads({5 * kMega});
  config.connections = 2;
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_bands(scenario, {8'250, 9'500}, {300, 5'500}, {6'900, 7'500});
  const auto done = [&](uint64_t number) {
    return (scenario.client_app().connection(number).done_at - Simulation::kStart).ms();
  };
  // Two of one kind share the cable: none is done before it had a third.
  EXPECT_GT(std::min(done(0), done(1)), 5'500);
}

}  // namespace
}  // namespace viaduct::sim
