#include "apps/lb/configuration.h"

#include <algorithm>
#include <bitset>
#include <format>
#include <map>
#include <set>

namespace viaduct::lb {
namespace {

using Problems = std::vector<std::string>;

constexpr uint32_t kMostWeight = 10'000;
constexpr size_t kMostServices = 4096;

bool is_prime(size_t number) {
  if (number < 2) return false;
  for (size_t divisor = 2; divisor * divisor <= number; ++divisor) {
    if (number % divisor == 0) return false;
  }
  return true;
}

std::string key_of(const ServerId& id) { return {id.bytes.begin(), id.bytes.end()}; }

void check_quic_lb(const Configuration& configuration, Problems& problems) {
  std::bitset<8> seen;
  for (const flowsteer::QuicLbConfig& config : configuration.quic_lb) {
    if (const auto problem = config.problem(); !problem.empty()) {
      problems.push_back(std::format("quic_lb {}: {}", config.id, problem));
      continue;
    }
    if (seen[config.id]) problems.push_back(std::format("quic_lb {}: the id occurs twice", config.id));
    seen.set(config.id);
  }
}

void check_server_ids(const Configuration& configuration, const PoolConfig& pool, Problems& problems) {
  std::set<std::pair<uint8_t, std::string>> seen;
  for (const BackendConfig& backend : pool.backends) {
    for (const ServerId& id : backend.server_ids) {
      const std::string where =
          std::format("backend {}/{}: server id of configuration {}", pool.name, backend.name, id.config_id);
      const auto config = std::ranges::find(configuration.quic_lb, id.config_id, &flowsteer::QuicLbConfig::id);
      if (config == configuration.quic_lb.end()) {
        problems.push_back(where + ": there is no such configuration");
      } else if (id.bytes.size() != config->server_id_length) {
        problems.push_back(
            std::format("{}: has {} bytes instead of {}", where, id.bytes.size(), config->server_id_length));
      }
      if (!seen.emplace(id.config_id, key_of(id)).second) problems.push_back(where + ": another backend has the same");
    }
  }
}

// An ID that was once sent in the clear tells an observer what an encrypted one with the same server id hides
// (draft-ietf-quic-load-balancers section 9.3).
void check_shared_ids(const Configuration& configuration, const PoolConfig& pool, Problems& problems) {
  std::map<std::string, std::bitset<2>> kinds;
  for (const BackendConfig& backend : pool.backends) {
    for (const ServerId& id : backend.server_ids) {
      const auto config = std::ranges::find(configuration.quic_lb, id.config_id, &flowsteer::QuicLbConfig::id);
      if (config != configuration.quic_lb.end()) kinds[key_of(id)].set(config->key ? 1 : 0);
    }
  }
  const bool is_shared = std::ranges::any_of(kinds, [](const auto& kind) { return kind.second.all(); });
  if (is_shared)
    problems.push_back(std::format("pool {}: a plaintext and an encrypted configuration share a server id", pool.name));
}

void check_pool(const Configuration& configuration, const PoolConfig& pool, Problems& problems) {
  std::set<std::string> names;
  for (const BackendConfig& backend : pool.backends) {
    const std::string where = std::format("backend {}/{}", pool.name, backend.name);
    if (backend.name.empty()) problems.push_back(std::format("pool {}: a backend without a name", pool.name));
    if (!names.insert(backend.name).second) problems.push_back(where + ": the name occurs twice");
    if (backend.address.ip == IpAddress{}) problems.push_back(where + ": has no address");
    if (backend.weight > kMostWeight) problems.push_back(std::format("{}: the weight is above {}", where, kMostWeight));
  }
  check_server_ids(configuration, pool, problems);
  check_shared_ids(configuration, pool, problems);
}

void check_services(const Configuration& configuration, Problems& problems) {
  if (configuration.services.empty()) problems.emplace_back("there is no service");
  std::set<std::string> names;
  std::set<SocketAddress> addresses;
  for (const ServiceConfig& service : configuration.services) {
    if (!names.insert(service.name).second)
      problems.push_back(std::format("service {}: the name occurs twice", service.name));
    if (service.addresses.empty()) problems.push_back(std::format("service {}: has no address", service.name));
    for (const SocketAddress& address : service.addresses) {
      if (!addresses.insert(address).second)
        problems.push_back(std::format("service {}: {} occurs twice", service.name, address.to_string()));
    }
    if (std::ranges::find(configuration.pools, service.pool, &PoolConfig::name) == configuration.pools.end())
      problems.push_back(std::format("service {}: there is no pool {}", service.name, service.pool));
  }
  if (addresses.size() > kMostServices)
    problems.push_back(std::format("there are more than {} service addresses", kMostServices));
}

}  // namespace

std::vector<std::string> problems_of(const Configuration& configuration) {
  Problems problems;
  check_quic_lb(configuration, problems);
  check_services(configuration, problems);
  std::set<std::string> names;
  for (const PoolConfig& pool : configuration.pools) {
    if (!names.insert(pool.name).second) problems.push_back(std::format("pool {}: the name occurs twice", pool.name));
    check_pool(configuration, pool, problems);
  }
  // QUIC's idle timeouts are agreed on end to end; two minutes is what RFC 4787 asks of UDP state.
  if (configuration.flow_state.timeout < FlowStateConfig::kLeastTimeout)
    problems.emplace_back("flow_state.timeout: is below 120 s");
  if (configuration.limits.prefix4 > 32 || configuration.limits.prefix6 > 128)
    problems.emplace_back("limits: a prefix is longer than an address");
  if (configuration.retry && configuration.retry->key_sequence > 127)
    problems.emplace_back("retry.key_sequence: is above 127");
  if (!is_prime(configuration.maglev_size) || configuration.maglev_size < 101)
    problems.emplace_back("maglev_size: is no prime number above 100");
  return problems;
}

}  // namespace viaduct::lb
