#include "apps/lb/configuration.h"

#include <algorithm>
#include <bitset>
#include <format>
#include <map>
#include <set>

namespace viaduct::lb {
namespace {

using Problems = std::vector<Problem>;

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

const flowsteer::QuicLbConfig* config_of(const Configuration& configuration, uint8_t id) {
  const auto found = std::ranges::find(configuration.quic_lb, id, &flowsteer::QuicLbConfig::id);
  return found == configuration.quic_lb.end() ? nullptr : &*found;
}

void check_quic_lb(const Configuration& configuration, Problems& problems) {
  std::bitset<8> seen;
  for (const flowsteer::QuicLbConfig& config : configuration.quic_lb) {
    const std::string subject = std::format("quic_lb {}", config.id);
    if (const auto problem = config.problem(); !problem.empty()) {
      problems.push_back({subject, std::string(problem)});
      continue;
    }
    if (seen[config.id]) problems.push_back({subject, "the id occurs twice"});
    seen.set(config.id);
  }
}

void check_server_ids(const Configuration& configuration, const PoolConfig& pool, Problems& problems) {
  std::set<std::pair<uint8_t, std::string>> seen;
  for (const BackendConfig& backend : pool.backends) {
    const std::string subject = std::format("backend {}/{}", pool.name, backend.name);
    for (const ServerId& id : backend.server_ids) {
      const flowsteer::QuicLbConfig* config = config_of(configuration, id.config_id);
      if (!config) {
        problems.push_back(
            {subject, std::format("a server id is of configuration {}, which is not there", id.config_id)});
      } else if (id.bytes.size() != config->server_id_length) {
        problems.push_back({subject, std::format("a server id of configuration {} has {} bytes instead of {}",
                                                 id.config_id, id.bytes.size(), config->server_id_length)});
      }
      if (!seen.emplace(id.config_id, key_of(id)).second)
        problems.push_back({subject, std::format("a server id of configuration {} occurs twice", id.config_id)});
    }
  }
}

// An ID that was once sent in the clear tells an observer what an encrypted one with the same server id hides
// (draft-ietf-quic-load-balancers section 9.3).
void check_shared_ids(const Configuration& configuration, const PoolConfig& pool, Problems& problems) {
  std::map<std::string, std::bitset<2>> kinds;
  for (const BackendConfig& backend : pool.backends) {
    for (const ServerId& id : backend.server_ids) {
      if (const auto* config = config_of(configuration, id.config_id)) kinds[key_of(id)].set(config->key ? 1 : 0);
    }
  }
  const bool is_shared = std::ranges::any_of(kinds, [](const auto& kind) { return kind.second.all(); });
  if (is_shared)
    problems.push_back({"pool " + pool.name, "a plaintext and an encrypted configuration share a server id"});
}

void check_pool(const Configuration& configuration, const PoolConfig& pool, Problems& problems) {
  std::set<std::string> names;
  for (const BackendConfig& backend : pool.backends) {
    const std::string subject = std::format("backend {}/{}", pool.name, backend.name);
    if (backend.name.empty()) problems.push_back({subject, "has no name"});
    if (!names.insert(backend.name).second) problems.push_back({subject, "the name occurs twice"});
    if (backend.address.ip == IpAddress{}) problems.push_back({subject, "has no address"});
    if (backend.weight > kMostWeight) problems.push_back({subject, std::format("the weight is above {}", kMostWeight)});
  }
  check_server_ids(configuration, pool, problems);
  check_shared_ids(configuration, pool, problems);
}

void check_services(const Configuration& configuration, Problems& problems) {
  if (configuration.services.empty()) problems.push_back({"service", "there is none"});
  std::set<std::string> names;
  std::set<SocketAddress> addresses;
  for (const ServiceConfig& service : configuration.services) {
    const std::string subject = "service " + service.name;
    if (!names.insert(service.name).second) problems.push_back({subject, "the name occurs twice"});
    if (service.addresses.empty()) problems.push_back({subject, "has no address"});
    for (const SocketAddress& address : service.addresses) {
      if (!addresses.insert(address).second) problems.push_back({subject, address.to_string() + " occurs twice"});
    }
    if (std::ranges::find(configuration.pools, service.pool, &PoolConfig::name) == configuration.pools.end())
      problems.push_back({subject, std::format("there is no pool \"{}\"", service.pool)});
  }
  if (addresses.size() > kMostServices)
    problems.push_back({"service", std::format("there are more than {} addresses", kMostServices)});
}

}  // namespace

std::vector<Problem> problems_of(const Configuration& configuration) {
  Problems problems;
  check_quic_lb(configuration, problems);
  check_services(configuration, problems);
  std::set<std::string> names;
  for (const PoolConfig& pool : configuration.pools) {
    if (!names.insert(pool.name).second) problems.push_back({"pool " + pool.name, "the name occurs twice"});
    check_pool(configuration, pool, problems);
  }
  // QUIC's idle timeouts are agreed on end to end; two minutes is what RFC 4787 asks of UDP state.
  if (configuration.flow_state.timeout < FlowStateConfig::kLeastTimeout)
    problems.push_back({"flow_state", "the timeout is below 120 s"});
  if (configuration.limits.prefix4 > 32 || configuration.limits.prefix6 > 128)
    problems.push_back({"limits", "a prefix is longer than an address"});
  if (configuration.retry && configuration.retry->key_sequence > 127)
    problems.push_back({"retry", "the key sequence is above 127"});
  if (!is_prime(configuration.maglev_size) || configuration.maglev_size < 101)
    problems.push_back({"maglev_size", "is no prime number above 100"});
  return problems;
}

}  // namespace viaduct::lb
