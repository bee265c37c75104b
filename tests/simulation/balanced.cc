#include "tests/simulation/balanced.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace viaduct::sim {
namespace {

flowsteer::QuicLbConfig connection_ids(const BalancedConfig& config) {
  flowsteer::QuicLbConfig ids{.id = 3, .server_id_length = 3, .nonce_length = 9};
  if (config.encrypted_ids) ids.key.emplace().fill(static_cast<uint8_t>(config.scenario.seed));
  return ids;
}

}  // namespace

Balanced::Balanced(const BalancedConfig& config)
    : config_(config),
      simulation_(config.scenario.seed),
      connection_ids_(connection_ids(config)),
      configuration_(balancer_configuration(kServer, config.origins, connection_ids_)),
      client_app_(config.scenario.client) {
  const ScenarioConfig& scenario = config.scenario;
  test::TestTlsOptions options = scenario.tls;
  options.seed = scenario.seed * 2;
  tls_client_ = make_test_tls(options);
  ++options.seed;
  tls_server_ = make_test_tls(options);
  simulation_.connect(kClientIp, kServerIp, scenario.to_server, scenario.to_client);
  HostConfig host{.ip = kClientIp, .endpoint = scenario.client_endpoint, .tls_client = tls_client_.get()};
  host.pool_packets = scenario.pool_packets;
  host.seed = scenario.seed * 10;
  client_ = std::make_unique<Host>(simulation_, host, std::vector<Application*>{&client_app_});
  for (size_t i = 0; i < config.origins; ++i) make_origin(i);
  for (auto& balancer : balancers_) balancer = std::make_unique<Balancer>(configuration_);
  // The origins answer from the service's address; what comes for it goes to the balancers.
  simulation_.set_receiver(kServerIp, [this](Datagram datagram) { deliver(std::move(datagram)); });
  if (!scenario.rebindings.empty()) simulation_.set_nat(kClientIp);
  for (const Rebinding& rebinding : scenario.rebindings)
    after_handshakes(rebinding.after, [this, rebinding] { simulation_.rebind(kClientIp, rebinding.address); });
}

void Balanced::make_origin(size_t number) {
  const ScenarioConfig& scenario = config_.scenario;
  origin_apps_.push_back(std::make_unique<FileServer>(scenario.server));
  HostConfig host{.ip = kServerIp, .endpoint = scenario.server_endpoint};
  host.pool_packets = scenario.pool_packets;
  flowsteer::ServerIdentity& identity = host.identity.emplace();
  identity.config = connection_ids_;
  const auto& id = configuration_.pools[0].backends[number].server_ids[0].bytes;
  std::ranges::copy(id, identity.server_id.begin());
  host.tls_server = tls_server_.get();
  host.seed = scenario.seed * 10 + 1 + number;
  host.secret = static_cast<uint8_t>(1 + number);
  origins_.push_back(std::make_unique<Host>(simulation_, host, std::vector<Application*>{origin_apps_.back().get()}));
}

// What the network's equal-cost paths do: a flow has its balancer as long as both live.
void Balanced::deliver(Datagram datagram) {
  const size_t first = (datagram.from.port ^ datagram.from.ip.bytes.back()) % balancers_.size();
  const bool is_lost = !balancers_[first] && simulation_.now() < noticed_at_;
  Balancer* balancer = balancers_[first] ? balancers_[first].get() : balancers_[1 - first].get();
  if (is_lost || !balancer) return;
  auto routed = balancer->route(datagram, simulation_.now());
  if (routed) origins_.at(routed->origin)->receive(std::move(routed->datagram));
}

void Balanced::restart(size_t balancer) { balancers_[balancer] = std::make_unique<Balancer>(configuration_); }

void Balanced::kill(size_t balancer, Duration unnoticed) {
  balancers_[balancer].reset();
  noticed_at_ = simulation_.now() + unnoticed;
}

void Balanced::load(const std::function<void(lb::Configuration&)>& change) {
  change(configuration_);
  for (auto& balancer : balancers_) {
    if (balancer) balancer->load(configuration_);
  }
}

std::vector<size_t> Balanced::accepted() const {
  std::vector<size_t> counts;
  for (const auto& app : origin_apps_) counts.push_back(app->opened());
  return counts;
}

uint64_t Balanced::routed(Verdict verdict) const {
  uint64_t count = 0;
  for (const auto& balancer : balancers_) count += balancer ? balancer->router().verdicts()[verdict] : 0;
  return count;
}

bool Balanced::handshakes_are_complete() const {
  size_t opened = 0;
  for (const size_t count : accepted()) opened += count;
  return opened == config_.scenario.connections &&
         std::ranges::all_of(client_app_.connections(), [](const auto& entry) { return entry.second.heard; });
}

void Balanced::after_handshakes(Duration delay, std::function<void()> action) {
  simulation_.after(Duration::milliseconds(5), [this, delay, action] {
    if (handshakes_are_complete()) return simulation_.after(delay, action);
    after_handshakes(delay, action);
  });
}

bool Balanced::is_empty() const {
  return client_->is_empty() && client_app_.is_idle() &&
         std::ranges::all_of(origins_, [](const auto& origin) { return origin->is_empty(); });
}

void Balanced::expect_success(Duration limit) {
  const ScenarioConfig& scenario = config_.scenario;
  for (uint64_t i = 0; i < scenario.connections; ++i) {
    const auto handle = client_->connect(kServer, static_cast<uint16_t>(Nat::kFirstPort + i), i);
    ASSERT_TRUE(handle) << "connection " << i << " was refused";
    client_app_.started(*handle, i);
  }
  const bool ended =
      simulation_.run_until([&] { return client_app_.all_closed(scenario.connections) && is_empty(); }, limit);
  EXPECT_TRUE(ended) << "not ended at " << simulation_.elapsed().ms() << " ms";
  EXPECT_EQ(client_app_.problem(), "");
  for (const auto& app : origin_apps_) EXPECT_EQ(app->problem(), "");
  for (const auto& [number, connection] : client_app_.connections()) {
    EXPECT_TRUE(connection.opened) << "connection " << number;
    EXPECT_EQ(connection.streams_done, scenario.client.transfers.size()) << "connection " << number;
    EXPECT_EQ(connection.error, 0u) << "connection " << number;
  }
  if (!ended) return;
  client_->expect_baseline();
  for (const auto& origin : origins_) origin->expect_baseline();
}

}  // namespace viaduct::sim
