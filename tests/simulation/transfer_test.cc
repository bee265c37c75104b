// Transfers over the simulated network: how long they take and how many datagrams.
#include <gtest/gtest.h>

#include "tests/simulation/expect_band.h"
#include "tests/simulation/scenario.h"

namespace viaduct::sim {
namespace {

// The cable carries 10 MB in 8.0 s; headers make it 8.3.
TEST(Transfer, OneMegabyte) {
  Scenario scenario(download(kMega));
  scenario.expect_success(Duration::seconds(20));
  expect_bands(scenario, {860, 1'100}, {30, 500}, {690, 800});
}

TEST(Transfer, TenMegabytesByNewReno) {
  ScenarioConfig config = download(10 * kMega);
  config.server_endpoint.congestion = quic::ControllerKind::kNewReno;
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_bands(scenario, {8'250, 9'500}, {300, 5'000}, {6'900, 7'400});
}

TEST(Transfer, UploadOfTenMegabytes) {
  ScenarioConfig config;
  config.client.transfers = {{.upload = 10 * kMega}};
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_bands(scenario, {8'250, 9'000}, {6'900, 7'400}, {300, 5'000});
}

TEST(Transfer, BothWaysAtOnce) {
  ScenarioConfig config;
  config.client.transfers = {{.download = 5 * kMega, .upload = 5 * kMega}};
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_bands(scenario, {4'100, 5'500}, {3'400, 6'500}, {3'400, 6'500});
}

// A window that reacts to each loss as CUBIC's does beside Reno carries 12 packets per round trip on average: 4.6
// Mbit/s.
TEST(Transfer, OnePercentLoss) {
  ScenarioConfig config = download(10 * kMega);
  config.to_client.loss = config.to_server.loss = 0.01;
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_bands(scenario, {14'000, 21'000}, {300, 5'500}, {6'950, 7'600});
}

TEST(Transfer, Reordering) {
  ScenarioConfig config = download(2 * kMega);
  config.to_client.reordering = config.to_server.reordering = 0.02;
  config.to_client.reorder_delay = config.to_server.reorder_delay = Duration::milliseconds(3);
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_bands(scenario, {1'700, 6'000}, {60, 1'500}, {1'380, 1'700});
}

TEST(Transfer, DuplicatesChangeNothing) {
  ScenarioConfig config = download(2 * kMega);
  config.to_client.duplication = config.to_server.duplication = 0.1;
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_bands(scenario, {1'680, 2'100}, {60, 1'500}, {1'380, 1'600});
}

TEST(Transfer, Jitter) {
  ScenarioConfig config = download(2 * kMega);
  config.to_client.jitter = config.to_server.jitter = Duration::milliseconds(10);
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_bands(scenario, {1'680, 2'600}, {60, 1'500}, {1'380, 1'600});
}

// No queue in the way and nothing lost: the windows alone set the pace.
TEST(Transfer, FastAndShort) {
  ScenarioConfig config = download(50 * kMega);
  config.to_client = config.to_server = {.bits_per_second = 1'000'000'000, .delay = Duration::microseconds(100)};
  config.client_endpoint.connection_window = 16 << 20;
  config.client_endpoint.stream_window = 16 << 20;
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(20));
  expect_bands(scenario, {410, 600}, {1'000, 25'000}, {34'000, 38'000});
}

TEST(Transfer, LimitedByFlowControl) {
  ScenarioConfig config = download(kMega);
  config.to_client.bits_per_second = config.to_server.bits_per_second = 100'000'000;
  config.client_endpoint.stream_window = 20'000;  // for 30 ms: 5.3 Mbit/s
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_bands(scenario, {1'450, 3'300}, {50, 2'000}, {690, 1'500});
}

TEST(Transfer, TinyWindows) {
  ScenarioConfig config;
  config.client.transfers = std::vector<Transfer>(4, {.download = 20'000, .upload = 20'000});
  config.client_endpoint.stream_window = config.server_endpoint.stream_window = 500;
  config.client_endpoint.connection_window = config.server_endpoint.connection_window = 1'200;
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(120));
}

TEST(Transfer, SlowReader) {
  ScenarioConfig config = download(500'000);
  config.client.transfer.consume_delay = Duration::milliseconds(200);
  config.client_endpoint.stream_window = 64 << 10;
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_in({1'400, 3'500}, scenario.completion().ms(), "completion, ms");
}

TEST(Transfer, MoreWritesThanTheStreamLimitAllows) {
  ScenarioConfig config;
  config.client.transfers = std::vector<Transfer>(300, {.download = 3'000, .upload = 300});
  config.server_endpoint.max_streams_bidi = 10;
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
}

TEST(Transfer, UnidirectionalStreams) {
  ScenarioConfig config;
  config.client.transfers = std::vector<Transfer>(50, {.upload = 20'000, .unidirectional = true});
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
}

TEST(Transfer, AbandonedStreamsLeaveTheOthersAlone) {
  ScenarioConfig config;
  config.client.transfers = {{.download = 300'000},
                             {.download = kMega, .abandon_after = 50'000},
                             {.download = kMega, .upload = kMega, .abandon_after = 1},
                             {.download = 300'000, .upload = 100'000}};
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_in({550, 2'500}, scenario.completion().ms(), "completion, ms");
}

TEST(Transfer, TwentyConnectionsShareTheCable) {
  ScenarioConfig config = download(200'000);
  config.connections = 20;
  config.to_client.queue_packets = 100;
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_in({3'300, 6'000}, scenario.completion().ms(), "completion, ms");
}

TEST(Transfer, SmallMtu) {
  ScenarioConfig config = download(kMega);
  config.to_client.mtu = config.to_server.mtu = 1'280;
  Scenario scenario(config);
  scenario.expect_success(Duration::seconds(60));
  expect_in({860, 2'500}, scenario.completion().ms(), "completion, ms");
}

}  // namespace
}  // namespace viaduct::sim
