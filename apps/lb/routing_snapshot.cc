#include "apps/lb/routing_snapshot.h"

#include <algorithm>
#include <atomic>
#include <format>

#include "apps/lb/tunnel_headers.h"

namespace viaduct::lb {
namespace {

using Errors = std::vector<std::string>;

bool covers(const IpAddress& prefix, unsigned length, const IpAddress& ip) {
  if (prefix.is_v4() != ip.is_v4()) return false;
  const unsigned bits = prefix.is_v4() ? 96 + length : length;
  for (unsigned bit = 0; bit < bits; ++bit) {
    if ((prefix.bytes[bit / 8] ^ ip.bytes[bit / 8]) & 0x80 >> bit % 8) return false;
  }
  return true;
}

uint64_t identity_of(const SipKey& key, const std::string& name) {
  return siphash24(key, {reinterpret_cast<const uint8_t*>(name.data()), name.size()});
}

std::atomic<uint64_t> next_serial{1};

}  // namespace

std::optional<uint16_t> SlotDirectory::slot_of(const std::string& name) {
  if (const auto found = slots_.find(name); found != slots_.end()) return found->second;
  if (slots_.size() == kMaxSlots) return std::nullopt;
  return slots_[name] = static_cast<uint16_t>(slots_.size());
}

IpAddress LinkFacts::next_hop(const IpAddress& destination) const {
  const auto& gateway = destination.is_v4() ? gateway4 : gateway6;
  const bool is_on_link = on_link.empty() || std::ranges::any_of(on_link, [&](const auto& prefix) {
                            return covers(prefix.first, prefix.second, destination);
                          });
  return is_on_link || !gateway ? destination : *gateway;
}

std::expected<std::unique_ptr<const RoutingSnapshot>, Errors> RoutingSnapshot::make(const Configuration& configuration,
                                                                                    const LinkFacts& link,
                                                                                    SlotDirectory& slots) {
  if (const auto problems = problems_of(configuration); !problems.empty()) {
    Errors errors;
    for (const Problem& problem : problems) errors.push_back(problem.to_string());
    return std::unexpected(errors);
  }
  std::unique_ptr<RoutingSnapshot> snapshot(new RoutingSnapshot);
  snapshot->serial_ = next_serial.fetch_add(1);
  snapshot->configuration_ = configuration;
  snapshot->link_ = link;
  for (const flowsteer::QuicLbConfig& config : configuration.quic_lb)
    snapshot->quic_lb_[config.id] = std::make_unique<flowsteer::QuicLb>(config);
  for (const PoolConfig& pool : configuration.pools) {
    if (std::string problem = snapshot->add_pool(pool, slots); !problem.empty())
      return std::unexpected(Errors{std::move(problem)});
  }
  std::ranges::sort(snapshot->backend_addresses_, {}, &IpAddress::bytes);

  std::vector<SocketAddress> addresses;
  for (const ServiceConfig& service : configuration.services) {
    const auto pool = std::ranges::find(configuration.pools, service.pool, &PoolConfig::name);
    for (const SocketAddress& address : service.addresses) {
      snapshot->services_.push_back({service.name, address, static_cast<uint16_t>(pool - configuration.pools.begin()),
                                     identity_of(configuration.hash_key, address.to_string())});
      addresses.push_back(address);
      if (!snapshot->is_virtual(address.ip)) snapshot->virtual_.push_back(address.ip);
    }
  }
  snapshot->service_table_ = ServiceTable(addresses);
  return std::unique_ptr<const RoutingSnapshot>(std::move(snapshot));
}

std::string RoutingSnapshot::add_pool(const PoolConfig& config, SlotDirectory& slots) {
  Pool pool;
  pool.name = config.name;
  std::vector<flowsteer::MaglevMember> members;
  std::array<std::vector<std::pair<flowsteer::ServerIdBlock, uint16_t>>, 8> ids;
  for (const BackendConfig& backend : config.backends) {
    const std::string name = config.name + "/" + backend.name;
    const auto slot = slots.slot_of(name);
    if (!slot) return std::format("{}: no number is left for another backend; start the program anew", name);
    if (std::string problem = add_backend(config, backend, *slot); !problem.empty()) return problem;
    if (!backends_[*slot].is_usable) continue;
    const uint32_t weight = backends_[*slot].is_active ? backend.weight : 0;
    members.push_back({identity_of(configuration_.hash_key, name), weight, *slot});
    for (const ServerId& id : backend.server_ids)
      ids[id.config_id].emplace_back(flowsteer::ServerIdBlock(id.bytes), *slot);
  }
  pool.maglev = flowsteer::MaglevTable(members, configuration_.maglev_size);
  for (size_t id = 0; id < quic_lb_.size(); ++id) {
    if (!quic_lb_[id]) continue;
    const flowsteer::QuicLbConfig& quic_lb = quic_lb_[id]->config();
    const uint8_t plain_length = quic_lb.key ? 0 : quic_lb.server_id_length;
    const bool is_short = plain_length > 0 && plain_length <= flowsteer::ServerIdMap::kMostShort;
    pool.routes[id] = {quic_lb_[id].get(), static_cast<uint16_t>(quic_lb.routable_length()), plain_length,
                       is_short ? (uint64_t{1} << 8 * plain_length) - 1 : 0,
                       flowsteer::ServerIdMap(quic_lb.server_id_length, ids[id])};
  }
  pools_.push_back(std::move(pool));
  return {};
}

std::string RoutingSnapshot::add_backend(const PoolConfig& pool, const BackendConfig& config, uint16_t slot) {
  if (slot >= backends_.size()) backends_.resize(slot + 1u);
  Backend& backend = backends_[slot];
  backend.name = pool.name + "/" + config.name;
  backend.is_usable = config.state != BackendState::kDown;
  backend.is_active = config.state == BackendState::kActive;
  backend.mcphint = config.mcphint;
  backend.forwarding = config.forwarding;
  backend.address = config.address;
  backend_addresses_.push_back(config.address.ip);
  backend.outer_v6 = !config.address.ip.is_v4();
  backend.next_hop = next_hop_index(config);
  if (config.forwarding != Forwarding::kDirect) {
    const auto& source = backend.outer_v6 ? link_.source6 : link_.source4;
    if (!source)
      return std::format("backend {}: forwarding by {} needs an {} address of our own", backend.name,
                         kForwardingNames[static_cast<size_t>(config.forwarding)], backend.outer_v6 ? "IPv6" : "IPv4");
  }
  make_headers(backend, link_, configuration_);
  needs_hashes_ |= backend.needs_hash;
  return {};
}

uint16_t RoutingSnapshot::next_hop_index(const BackendConfig& config) {
  const bool is_neighbour = config.forwarding == Forwarding::kDirect || config.mac;
  const NextHop wanted{is_neighbour ? config.address.ip : link_.next_hop(config.address.ip), config.mac};
  const auto found = std::ranges::find_if(
      next_hops_, [&](const NextHop& hop) { return hop.ip == wanted.ip && hop.mac == wanted.mac; });
  if (found != next_hops_.end()) return static_cast<uint16_t>(found - next_hops_.begin());
  next_hops_.push_back(wanted);
  return static_cast<uint16_t>(next_hops_.size() - 1);
}

bool RoutingSnapshot::is_backend(const IpAddress& ip) const {
  return std::ranges::binary_search(backend_addresses_, ip.bytes, {}, &IpAddress::bytes);
}

bool RoutingSnapshot::is_virtual(const IpAddress& ip) const {
  return std::ranges::find(virtual_, ip) != virtual_.end();
}

}  // namespace viaduct::lb
