#include "tests/simulation/scenario.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/simulation/real_tls.h"

namespace viaduct::sim {

LinkConfig interop_link() {
  return {.bits_per_second = 10'000'000, .queue_packets = 25, .delay = Duration::milliseconds(15)};
}

ScenarioConfig download(uint64_t bytes) {
  ScenarioConfig config;
  config.client.transfers = {{.download = bytes}};
  return config;
}

quic::EndpointConfig small_endpoint() {
  quic::EndpointConfig config;
  config.max_connections = 64;
  config.max_half_open = 64;
  config.max_streams = 1024;
  config.max_sent_packets = 8192;
  config.max_writes = 4096;
  config.receive_slab_bytes = 8 << 20;
  config.max_held_packets = 256;
  return config;
}

namespace {

ClientOptions client_options(const ScenarioConfig& config) {
  ClientOptions options = config.client;
  options.transfer.window = config.client_endpoint.connection_window;
  return options;
}

}  // namespace

Scenario::Scenario(const ScenarioConfig& config)
    : config_(config), simulation_(config.seed), client_app_(client_options(config)), amplification_(config.server_ip) {
  if (config.real_tls) {
    seed_openssl(config.seed);
    own_tls_client_ = make_real_tls_client();
    own_tls_server_ = make_real_tls_server();
  } else if (!config.tls_server) {
    test::TestTlsOptions options = config.tls;
    options.seed = config.seed * 2;
    own_tls_client_ = make_test_tls(options);
    ++options.seed;
    own_tls_server_ = make_test_tls(options);
  }
  tls_client_ = config.tls_client ? config.tls_client : own_tls_client_.get();
  tls_server_ = config.tls_server ? config.tls_server : own_tls_server_.get();
  simulation_.connect(config.client_ip, config.server_ip, config.to_server, config.to_client);
  if (!config.rebindings.empty()) {
    simulation_.set_nat(config.client_ip);
    after_handshakes([this] {
      for (const Rebinding& rebinding : config_.rebindings)
        simulation_.after(rebinding.after,
                          [this, rebinding] { simulation_.rebind(config_.client_ip, rebinding.address); });
    });
  }
  simulation_.add_sent_tap([this](const Datagram& datagram) {
    record(datagram);
    amplification_.sent(datagram);
  });
  simulation_.add_delivered_tap([this](const Datagram& datagram) { amplification_.delivered(datagram); });

  HostConfig host{.ip = config.client_ip, .endpoint = config.client_endpoint, .tls_client = tls_client_};
  host.memory = config.memory;
  host.pool_packets = config.pool_packets;
  host.seed = config.seed * 10;
  client_ = std::make_unique<Host>(simulation_, host, std::vector<Application*>{&client_app_});
  make_server(config.seed * 10 + 1);
  for (const Move& move : config.moves) prepare(move);
}

Scenario::~Scenario() {
  if (config_.real_tls) unseed_openssl();
}

void Scenario::make_server(uint64_t seed) {
  std::vector<Application*> applications;
  server_apps_.clear();
  for (unsigned i = 0; i < config_.server_workers; ++i) {
    TransferOptions options = config_.server;
    options.window = config_.server_endpoint.connection_window;
    server_apps_.push_back(std::make_unique<FileServer>(options));
    applications.push_back(server_apps_.back().get());
  }
  HostConfig host{.ip = config_.server_ip, .workers = config_.server_workers, .endpoint = config_.server_endpoint};
  host.pool_packets = config_.pool_packets;
  host.identity = config_.server_identity;
  host.tls_server = tls_server_;
  host.seed = seed;
  server_ = std::make_unique<Host>(simulation_, host, applications);
}

bool Scenario::handshakes_are_complete() const {
  size_t accepted = 0;
  for (const auto& app : server_apps_) accepted += app->opened();
  return accepted == config_.connections &&
         std::ranges::all_of(client_app_.connections(), [](const auto& entry) { return entry.second.heard; });
}

// Looks every few milliseconds whether it is time.
void Scenario::after_handshakes(std::function<void()> action) {
  simulation_.after(Duration::milliseconds(5), [this, action = std::move(action)] {
    handshakes_are_complete() ? action() : after_handshakes(action);
  });
}

void Scenario::prepare(const Move& move) {
  if (move.local.ip != config_.client_ip) {
    simulation_.connect(move.local.ip, config_.server_ip, config_.to_server, config_.to_client);
    simulation_.set_receiver(move.local.ip, [this](Datagram datagram) { client_->receive(std::move(datagram)); });
  }
  after_handshakes([this, move] {
    simulation_.after(move.after, [this, move] {
      client_->endpoint().move(started_.at(0), move.local, simulation_.now());
      client_->wake();
    });
  });
}

void Scenario::restart_server() {
  server_.reset();
  make_server(config_.seed * 10 + 2);
}

void Scenario::start() {
  for (uint64_t i = 0; i < config_.connections; ++i) {
    const auto handle =
        client_->connect({config_.server_ip, kServer.port}, static_cast<uint16_t>(Nat::kFirstPort + i), i);
    ASSERT_TRUE(handle) << "connection " << i << " was refused";
    started_.push_back(*handle);
    client_app_.started(*handle, i);
  }
}

bool Scenario::run_to_end(Duration limit) {
  const bool ended =
      simulation_.run_until([&] { return client_app_.all_closed(config_.connections) && is_empty(); }, limit);
  check_end();
  return ended;
}

bool Scenario::is_empty() const {
  return client_->is_empty() && server_->is_empty() && client_app_.is_idle() &&
         std::ranges::all_of(server_apps_, [](const auto& app) { return app->is_idle(); });
}

void Scenario::check_end() {
  SCOPED_TRACE("seed " + std::to_string(config_.seed));
  EXPECT_EQ(client_app_.problem(), "");
  for (const auto& server : server_apps_) EXPECT_EQ(server->problem(), "");
  EXPECT_EQ(amplification_.violation(), "");
  if (!is_empty()) return;
  EXPECT_EQ(client_app_.writes_outstanding(), 0u);
  for (const auto& server : server_apps_) {
    EXPECT_EQ(server->writes_outstanding(), 0u);
    EXPECT_EQ(server->closed().size(), server->opened()) << "every connection that opened is told to be closed, once";
  }
  client_->expect_baseline();
  server_->expect_baseline();
}

void Scenario::expect_success(Duration limit) {
  SCOPED_TRACE("seed " + std::to_string(config_.seed));
  start();
  const bool ended = run_to_end(limit);
  bool complete = ended;
  for (const auto& [number, connection] : client_app_.connections()) {
    if (connection.opened && connection.streams_done == config_.client.transfers.size() && connection.error == 0)
      continue;
    complete = false;
    ADD_FAILURE() << "connection " << number << (connection.opened ? " opened, " : " did not open, ")
                  << connection.streams_done << " of " << config_.client.transfers.size() << " streams done, "
                  << (connection.closed ? "closed" : "not closed") << " at "
                  << (connection.closed_at - Simulation::kStart).ms() << " ms with " << connection.error;
  }
  // Who is done says so; who is not must not give up in silence.
  EXPECT_EQ(client_->endpoint().stats().idle_timeouts, 0u) << client_->counters() << server_->counters();
  EXPECT_TRUE(complete) << (ended ? "ended at " : "not ended at ") << simulation_.elapsed().ms() << " ms; "
                        << summary(*this) << client_->counters() << server_->counters();
}

Duration Scenario::completion() const {
  Instant last;
  for (const auto& [number, connection] : client_app_.connections()) last = std::max(last, connection.done_at);
  return last - Simulation::kStart;
}

Duration Scenario::handshake() const {
  const auto& connections = client_app_.connections();
  return connections.empty() ? Duration() : connections.begin()->second.opened_at - Simulation::kStart;
}

void Scenario::record(const Datagram& datagram) {
  std::array<uint8_t, 29> head;
  ByteWriter writer(head);
  writer.u64(static_cast<uint64_t>(simulation_.now().ns()));
  writer.bytes(datagram.from.ip.bytes);
  writer.u16(datagram.from.port);
  writer.u16(static_cast<uint16_t>(datagram.payload.size()));
  writer.u8(static_cast<uint8_t>(datagram.ecn));
  trace_.insert(trace_.end(), head.begin(), head.end());
  trace_.insert(trace_.end(), datagram.payload.begin(), datagram.payload.end());
}

std::string summary(const Scenario& scenario) {
  const LinkStats& down = scenario.to_client();
  return "handshake " + std::to_string(scenario.handshake().ms()) + " ms, completion " +
         std::to_string(scenario.completion().ms()) + " ms, packets " + std::to_string(scenario.packets_to_server()) +
         " up " + std::to_string(scenario.packets_to_client()) + " down, dropped " +
         std::to_string(down.dropped_by_queue) + ", lost " + std::to_string(down.lost);
}

}  // namespace viaduct::sim
