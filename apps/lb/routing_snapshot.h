// What workers decide by: the configuration in the form in which a packet asks. Immutable; replaced as a whole.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/lb/configuration.h"
#include "apps/lb/service_table.h"
#include "flowsteer/maglev.h"
#include "flowsteer/quic_lb.h"
#include "flowsteer/server_id_map.h"

namespace viaduct::lb {

inline constexpr uint16_t kNoSlot = 0xffff;

// Gives each backend a number that it keeps for the life of the process, and gives no number twice. So what flow
// tables say stays true over reloads. Control thread.
class SlotDirectory {
 public:
  // Most backends that one process can come to know.
  static constexpr size_t kMaxSlots = 16384;

  // The slot of "pool/backend"; empty when all numbers are used up.
  std::optional<uint16_t> slot_of(const std::string& name);

 private:
  std::map<std::string, uint16_t> slots_;
};

// The balancer's own side of the link: what it writes into frames.
struct LinkFacts {
  net::MacAddress mac;
  uint16_t vlan = 0;  // 0: frames carry no tag
  uint16_t mtu = 1500;
  std::optional<IpAddress> source4;  // our own, as the outer source of tunnels and for translated flows
  std::optional<IpAddress> source6;
  // Who gets a packet for an address that is not on the link; none: it is asked for itself.
  std::optional<IpAddress> gateway4;
  std::optional<IpAddress> gateway6;
  std::vector<std::pair<IpAddress, unsigned>> on_link;  // prefixes; none: everything is

  IpAddress next_hop(const IpAddress& destination) const;
};

// Whose link-layer address a backend's packets are sent to.
struct NextHop {
  IpAddress ip;
  std::optional<net::MacAddress> mac;  // given, not asked for
};

// What a worker reads to send a packet to a backend. One that is gone or down is not usable. What every packet needs
// is in the first cache line; headers end with the last one.
struct alignas(64) Backend {
  static constexpr size_t kMaxHeaders = 96;

  bool is_usable = false;
  bool is_active = false;  // gets new flows
  bool mcphint = false;
  bool needs_hash = false;  // of a packet that its ID already routed
  bool outer_v6 = false;    // tunnels: the outer family; NAT: the server's
  Forwarding forwarding = Forwarding::kDirect;
  uint8_t headers_length = 0;  // tunnels: all that is written in front of the inner packet, at the end of `headers`
  uint8_t outer_at = 0;        // where the outer IP header starts in it
  uint8_t protocol_at = 0;     // where the inner protocol's number stands in it
  uint8_t hint_at = 0;         // where MCPHINT's data stands in it
  uint16_t overhead = 0;       // bytes of IP that the forwarding adds
  uint16_t next_hop = 0;       // index of RoutingSnapshot::next_hops()
  uint64_t checksum = 0;       // the outer IPv4 header's sum without what changes from packet to packet
  SocketAddress address;
  std::string name;  // "pool/backend"
  alignas(32) std::array<uint8_t, kMaxHeaders> headers{};
};
static_assert(sizeof(Backend) == 3 * 64);

// Reads server ids of one QUIC-LB configuration for one pool.
struct IdRoute {
  static constexpr uint16_t kNever = 0xffff;  // more than any ID has

  const flowsteer::QuicLb* config = nullptr;  // null: the configuration is not in use
  uint16_t length = kNever;                   // bytes that an ID must have at least
  uint8_t plain_length = 0;                   // of a server id that stands in the clear; 0: it is encrypted
  uint64_t short_mask = 0;                    // of one of at most ServerIdMap::kMostShort bytes; 0: it is another
  flowsteer::ServerIdMap servers;
};

struct Pool {
  std::string name;
  flowsteer::MaglevTable maglev;
  IdRoute routes[8];  // by the first octet's configuration id; the last is never in use
};

// A virtual address and port.
struct Service {
  std::string name;
  SocketAddress address;
  uint16_t pool = 0;
  uint64_t key = 0;  // a hash of the address: stands for it in keys of tables
};

class RoutingSnapshot {
 public:
  // The errors are sentences, those of problems_of() included. Control thread.
  static std::expected<std::unique_ptr<const RoutingSnapshot>, std::vector<std::string>> make(
      const Configuration& configuration, const LinkFacts& link, SlotDirectory& slots);

  // Different for each one that is made in the life of the process.
  uint64_t serial() const { return serial_; }
  const Configuration& configuration() const { return configuration_; }
  const LinkFacts& link() const { return link_; }
  const ServiceTable& service_table() const { return service_table_; }
  const std::vector<Service>& services() const { return services_; }
  // index: of services().
  const Service& service(uint16_t index) const { return services_.data()[index]; }
  const std::vector<Pool>& pools() const { return pools_; }
  const Pool& pool_of(const Service& service) const { return pools_.data()[service.pool]; }
  const std::vector<NextHop>& next_hops() const { return next_hops_; }
  // Indexed by slot; slots that this configuration has not are not usable.
  const std::vector<Backend>& backends() const { return backends_; }
  // slot: of a backend of this configuration.
  const Backend& backend(uint16_t slot) const { return backends_.data()[slot]; }
  bool is_usable(uint16_t slot) const { return slot < backends_.size() && backend(slot).is_usable; }
  // Whether an address is one of a service's.
  bool is_virtual(const IpAddress& ip) const;
  // Whether it is one of a backend's.
  bool is_backend(const IpAddress& ip) const;
  // Whether packets of any backend need their flow's hash even where an ID routes them.
  bool needs_hashes() const { return needs_hashes_; }

 private:
  RoutingSnapshot() = default;
  std::string add_pool(const PoolConfig& config, SlotDirectory& slots);
  std::string add_backend(const PoolConfig& pool, const BackendConfig& config, uint16_t slot);
  uint16_t next_hop_index(const BackendConfig& config);

  uint64_t serial_ = 0;
  Configuration configuration_;
  LinkFacts link_;
  ServiceTable service_table_;
  std::vector<Service> services_;
  std::vector<Pool> pools_;
  std::vector<Backend> backends_;
  std::vector<NextHop> next_hops_;
  std::array<std::unique_ptr<flowsteer::QuicLb>, 7> quic_lb_;
  std::vector<IpAddress> virtual_;
  std::vector<IpAddress> backend_addresses_;  // in order
  bool needs_hashes_ = false;
};

}  // namespace viaduct::lb
