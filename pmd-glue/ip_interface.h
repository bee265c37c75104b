// The IP side of a device: addresses, routes, neighbours and path-MTU messages, shared by the UDP ports of its queues.
#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/instant.h"
#include "pmd-glue/mac_address.h"
#include "pmd-glue/neighbour_table.h"
#include "pmd-glue/path_mtu.h"

namespace viaduct::net {

class Device;
class FramePort;

// An address of ours and the length of the prefix that is reached without a gateway (32 or 128: nothing is).
struct LocalAddress {
  IpAddress ip;
  unsigned prefix_length = 0;

  // "198.18.0.1/24" or "2001:db8::1/64".
  static std::optional<LocalAddress> parse(std::string_view text);
  bool covers(const IpAddress& other) const;
};

// Packets that a balancer wraps into others: RFC 2003 and RFC 2473, and generic UDP encapsulation.
struct TunnelConfig {
  bool ip_in_ip = false;
  std::optional<uint16_t> gue_port;
  // Who may send them, to any address of ours: anybody could forge what is inside.
  std::vector<LocalAddress> from;
};

struct IpInterfaceConfig {
  std::vector<LocalAddress> addresses;  // up to 32; an IPv6 link-local address is added
  std::optional<IpAddress> gateway4;
  std::optional<IpAddress> gateway6;
  // A balancer's addresses, whose packets it gives to us: taken and answered from, but never announced, because on the
  // link they are the balancer's.
  std::vector<IpAddress> service_addresses;
  TunnelConfig tunnels;
  // UDP ports that datagrams are received on, as first and last.
  std::vector<std::pair<uint16_t, uint16_t>> udp_ports;
  // Frames carry this tag (1 to 4094). Without: untagged or priority-tagged.
  std::optional<uint16_t> vlan;
  // Neighbours that are given and not asked for.
  std::vector<std::pair<IpAddress, MacAddress>> static_neighbours;
  // A neighbour's address is learned from answers to our own questions and kept up to date from its announcements.
  // With this also from the sender of a question to us, if it is on one of our prefixes.
  bool learn_from_questions = false;
  unsigned neighbours = 256;            // that can be known at a time
  unsigned pending_per_neighbour = 64;  // packets of one worker that wait for one neighbour's address
  unsigned pending = 256;               // packets of one worker that wait in all
  unsigned echo_per_second = 100;       // ICMP echo requests that one worker answers
  // Tests' own clock; null: the monotonic clock.
  Instant (*now)() = nullptr;
};

class IpInterface {
 public:
  // The error says which setting cannot be. The device must outlive it. Control thread.
  static std::expected<std::unique_ptr<IpInterface>, std::string> make(const IpInterfaceConfig& config,
                                                                       const Device& device);

  // Further addresses of ours, instead of those of the call before: a balancer's, which come and go while it runs. None
  // of them is the source of a question. Control thread.
  void set_virtual_addresses(std::vector<IpAddress> addresses);

  // For the UDP ports; any thread.
  bool is_ours(const IpAddress& ip) const;
  // is_ours(), or an address of a balancer that gives us packets.
  bool is_local(const IpAddress& ip) const;
  // Whether a tunnel from this address is ours to take apart.
  bool may_tunnel(const IpAddress& sender) const;
  // is_local(), or a group of IPv6 whose neighbour discovery concerns us.
  bool is_for_us(const IpAddress& ip) const;
  bool listens_on(uint16_t udp_port) const { return udp_ports_[udp_port]; }
  bool is_on_link(const IpAddress& ip) const;
  // Who gets a packet for this address: itself, a gateway, or nobody.
  std::optional<IpAddress> next_hop(const IpAddress& destination) const;
  // The address of ours to ask a neighbour from.
  const IpAddress* source_for(const IpAddress& neighbour) const;

  const IpInterfaceConfig& config() const { return config_; }
  const std::vector<IpAddress>& addresses() const { return ours_; }
  const MacAddress& mac() const { return mac_; }
  NeighbourTable& neighbours() { return neighbours_; }
  const NeighbourTable& neighbours() const { return neighbours_; }
  PathMtuLog& path_mtu() { return path_mtu_; }
  Instant now() const { return now_(); }

  // A neighbour's answer may come to another worker's queue than the packets that wait for it: a port says so while
  // some of its packets wait, and whoever learns an address wakes all that do. slot: the port's queue.
  static constexpr unsigned kSlots = 64;
  void set_waiting(unsigned slot, FramePort* port) { waiting_[slot].store(port); }
  void wake_waiting();

 private:
  IpInterface(const IpInterfaceConfig& config, const MacAddress& mac);

  const IpInterfaceConfig config_;
  const MacAddress mac_;
  Instant (*now_)();
  std::vector<IpAddress> ours_;
  // Workers read the newest; the old ones stay, a few bytes for each reload, because nobody knows who reads them.
  std::vector<std::unique_ptr<const std::vector<IpAddress>>> virtual_lists_;
  std::atomic<const std::vector<IpAddress>*> virtual_;
  std::bitset<65536> udp_ports_;
  NeighbourTable neighbours_;
  PathMtuLog path_mtu_;
  std::array<std::atomic<FramePort*>, kSlots> waiting_{};
};

}  // namespace viaduct::net
