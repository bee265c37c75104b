#include "pmd-glue/ip_interface.h"

#include <algorithm>
#include <charconv>

#include "base/clock.h"
#include "pmd-glue/device.h"
#include "pmd-glue/frame_port.h"
#include "pmd-glue/neighbour_discovery.h"

namespace viaduct::net {
namespace {

constexpr size_t kMaxAddresses = 32;

bool is_link_local(const IpAddress& ip) { return ip.bytes[0] == 0xfe && (ip.bytes[1] & 0xc0) == 0x80; }

std::string problem_of(const IpInterfaceConfig& config) {
  if (config.addresses.empty()) return "an interface needs at least one address";
  if (config.addresses.size() > kMaxAddresses) return "an interface takes up to 32 addresses";
  for (const LocalAddress& address : config.addresses) {
    if (address.prefix_length > (address.ip.is_v4() ? 32 : 128)) {
      return "the prefix length of " + address.ip.to_string() + " is too large";
    }
  }
  if (config.gateway4 && !config.gateway4->is_v4()) return "the IPv4 gateway is not an IPv4 address";
  if (config.gateway6 && config.gateway6->is_v4()) return "the IPv6 gateway is not an IPv6 address";
  for (const auto& gateway : {config.gateway4, config.gateway6}) {
    const bool is_reachable = !gateway || (!gateway->is_v4() && is_link_local(*gateway)) ||
                              std::any_of(config.addresses.begin(), config.addresses.end(),
                                          [&](const LocalAddress& address) { return address.covers(*gateway); }) ||
                              std::any_of(config.static_neighbours.begin(), config.static_neighbours.end(),
                                          [&](const auto& neighbour) { return neighbour.first == *gateway; });
    if (!is_reachable) return "the gateway " + gateway->to_string() + " is on no prefix of the interface";
  }
  for (const auto& [first, last] : config.udp_ports) {
    if (first > last) return "a range of UDP ports ends before it starts";
  }
  if (config.vlan && (*config.vlan == 0 || *config.vlan > 4094)) return "a VLAN is a number from 1 to 4094";
  return "";
}

}  // namespace

std::optional<LocalAddress> LocalAddress::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto ip = IpAddress::parse(text.substr(0, slash));
  if (!ip || slash == std::string_view::npos) return std::nullopt;
  const std::string_view digits = text.substr(slash + 1);
  unsigned length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  if (length > (ip->is_v4() ? 32 : 128)) return std::nullopt;
  return LocalAddress{*ip, length};
}

bool LocalAddress::covers(const IpAddress& other) const {
  if (ip.is_v4() != other.is_v4()) return false;
  const unsigned bits = ip.is_v4() ? 96 + prefix_length : prefix_length;
  const unsigned whole = bits / 8, rest = bits % 8;
  if (!std::equal(ip.bytes.begin(), ip.bytes.begin() + whole, other.bytes.begin())) return false;
  return rest == 0 || ((ip.bytes[whole] ^ other.bytes[whole]) >> (8 - rest)) == 0;
}

std::expected<std::unique_ptr<IpInterface>, std::string> IpInterface::make(const IpInterfaceConfig& config,
                                                                           const Device& device) {
  if (const std::string problem = problem_of(config); !problem.empty()) return std::unexpected(problem);
  if (device.queues() > kSlots) return std::unexpected("an interface takes up to 64 queues");
  return std::unique_ptr<IpInterface>(new IpInterface(config, device.mac()));
}

IpInterface::IpInterface(const IpInterfaceConfig& config, const MacAddress& mac)
    : config_(config), mac_(mac), now_(config.now ? config.now : &MonotonicClock::now), neighbours_(config.neighbours) {
  for (const LocalAddress& address : config_.addresses) ours_.push_back(address.ip);
  ours_.push_back(link_local_of(mac));
  set_virtual_addresses({});
  for (const auto& [first, last] : config_.udp_ports) {
    for (unsigned port = first; port <= last; ++port) udp_ports_.set(port);
  }
  for (const auto& [ip, neighbour] : config_.static_neighbours) neighbours_.add(ip, neighbour, now(), true);
}

void IpInterface::set_virtual_addresses(std::vector<IpAddress> addresses) {
  virtual_lists_.push_back(std::make_unique<const std::vector<IpAddress>>(std::move(addresses)));
  virtual_.store(virtual_lists_.back().get(), std::memory_order_release);
}

bool IpInterface::is_ours(const IpAddress& ip) const {
  const auto& more = *virtual_.load(std::memory_order_acquire);
  return std::ranges::find(ours_, ip) != ours_.end() || std::ranges::find(more, ip) != more.end();
}

bool IpInterface::is_local(const IpAddress& ip) const {
  return is_ours(ip) || std::ranges::find(config_.service_addresses, ip) != config_.service_addresses.end();
}

bool IpInterface::may_tunnel(const IpAddress& sender) const {
  return std::ranges::any_of(config_.tunnels.from, [&](const LocalAddress& from) { return from.covers(sender); });
}

bool IpInterface::is_for_us(const IpAddress& ip) const {
  if (is_local(ip)) return true;
  return ip.bytes[0] == 0xff &&
         (is_our_group(ip, ours_) || is_our_group(ip, *virtual_.load(std::memory_order_acquire)));
}

bool IpInterface::is_on_link(const IpAddress& ip) const {
  if (!ip.is_v4() && is_link_local(ip)) return true;
  return std::any_of(config_.addresses.begin(), config_.addresses.end(),
                     [&](const LocalAddress& address) { return address.covers(ip); });
}

std::optional<IpAddress> IpInterface::next_hop(const IpAddress& destination) const {
  if (is_on_link(destination) || neighbours_.is_watched(destination)) return destination;
  return destination.is_v4() ? config_.gateway4 : config_.gateway6;
}

const IpAddress* IpInterface::source_for(const IpAddress& neighbour) const {
  const auto covering = std::find_if(config_.addresses.begin(), config_.addresses.end(),
                                     [&](const LocalAddress& address) { return address.covers(neighbour); });
  if (covering != config_.addresses.end()) return &covering->ip;
  if (!neighbour.is_v4()) return &ours_.back();  // the link-local address
  const auto any = std::find_if(ours_.begin(), ours_.end(), [](const IpAddress& ip) { return ip.is_v4(); });
  return any == ours_.end() ? nullptr : &*any;
}

void IpInterface::wake_waiting() {
  for (std::atomic<FramePort*>& waiting : waiting_) {
    if (FramePort* port = waiting.load()) port->wake();
  }
}

}  // namespace viaduct::net
