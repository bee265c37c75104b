// Sending to a backend: the headers that go in front of a packet, or replace its own.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "apps/lb/routing_snapshot.h"
#include "base/packet.h"
#include "pmd-glue/mac_address.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {

inline constexpr uint8_t kProtocolIpv4 = 4, kProtocolIpv6 = 41;
inline constexpr size_t kGueHeader = 4;
// Source ports of GUE that routers and NICs spread by: the dynamic range (RFC 6335 section 6).
inline constexpr uint16_t kFirstSourcePort = 0xc000;

// Prepares what forwarding to the backend writes in front of packets: address, family and mcphint are set.
void make_headers(Backend& backend, const LinkFacts& link, const Configuration& configuration);

// A packet under way through the balancer.
struct InnerPacket {
  uint8_t* ip = nullptr;  // its IP header
  uint16_t length = 0;    // bytes of IP
  bool is_v6 = false;
  uint64_t hash = 0;  // of its flow
};

constexpr bool is_tunnel(const Backend& backend) {
  return backend.forwarding == Forwarding::kIpInIp || backend.forwarding == Forwarding::kGue;
}

// Bytes of IP that a packet has more when it is sent on unchanged but for its option.
constexpr size_t hint_overhead(const Backend& backend, bool is_v6) {
  return !backend.mcphint ? 0 : is_v6 ? flowsteer::kMcphint6 : flowsteer::kMcphint4;
}

// Moves the link-layer header and the fixed IP header forward and puts the option behind them.
void insert_hint(Packet& packet, const InnerPacket& inner, const flowsteer::McphintConfig& mcphint);
// Rewrites the frame's link-layer addresses (direct return).
inline void write_direct(Packet& packet, const InnerPacket& inner, const Backend& backend, const net::MacAddress& to,
                         const LinkFacts& link, const flowsteer::McphintConfig& mcphint) {
  uint8_t* frame = packet.data();
  packet.length = static_cast<uint16_t>(inner.ip - frame + inner.length);
  packet.flags = 0;
  std::memcpy(frame, to.bytes.data(), 6);
  std::memcpy(frame + 6, link.mac.bytes.data(), 6);
  if (backend.mcphint) insert_hint(packet, inner, mcphint);
}

// Direct return where nothing changes but link-layer addresses, in two stores.
class DirectHeader {
 public:
  explicit DirectHeader(const LinkFacts& link)
      : size_(link.vlan == 0 ? net::kEthernetHeader : net::kEthernetHeader + net::kVlanTag) {
    std::memcpy(&own_front_, link.mac.bytes.data(), sizeof own_front_);
    std::memcpy(&own_rest_, link.mac.bytes.data() + sizeof own_front_, sizeof own_rest_);
  }

  // ip: the packet's IP header; length: bytes of IP; to: an address as it is in memory, in the low 48 bits.
  void write(Packet& packet, uint8_t* ip, uint16_t length, uint64_t to) const {
    const uint64_t front = to | uint64_t{own_front_} << 48;
    uint8_t* frame = ip - size_;
    std::memcpy(frame, &front, sizeof front);
    std::memcpy(frame + sizeof front, &own_rest_, sizeof own_rest_);
    packet.offset = static_cast<uint16_t>(frame - packet.buffer);  // a priority tag is left behind
    packet.length = static_cast<uint16_t>(size_ + length);
    packet.flags = 0;
  }

 private:
  size_t size_;
  uint16_t own_front_;
  uint32_t own_rest_;
};

// What most tunnels are: IPv4 in IPv4, without a tag or an option. All of the headers is known beforehand but length,
// traffic class and, of these, the checksum; it lies in one cache line and is written in four stores.
class alignas(64) ReadyTunnel {
 public:
  static constexpr unsigned kOverhead = net::kIpv4Header;

  ReadyTunnel() = default;
  // can_be_ready(backend)
  ReadyTunnel(const Backend& backend, const net::MacAddress& to);

  // ip: a packet of IPv4; length: bytes of it.
  void write(Packet& packet, uint8_t* ip, uint16_t length) const {
    const auto whole = std::byteswap(static_cast<uint16_t>(length + kOverhead));
    const uint8_t traffic_class = ip[1];
    const uint64_t front = front_ | uint64_t{traffic_class} << 8 | uint64_t{whole} << 16;
    uint32_t sum = sum_ + whole + (uint32_t{traffic_class} << 8);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    const uint32_t middle = middle_ | (~sum & 0xffff) << 16;
    uint8_t* outer = ip - kOverhead;
    std::memcpy(outer - net::kEthernetHeader, link_.data(), link_.size());
    std::memcpy(outer, &front, sizeof front);
    std::memcpy(outer + 8, &middle, sizeof middle);
    std::memcpy(outer + 12, &addresses_, sizeof addresses_);
    packet.offset = static_cast<uint16_t>(outer - net::kEthernetHeader - packet.buffer);
    packet.length = static_cast<uint16_t>(net::kEthernetHeader + kOverhead + length);
    packet.flags = 0;
  }

 private:
  static_assert(std::endian::native == std::endian::little);

  // As they are in memory: the link-layer header and two octets that `front` overwrites; the outer header's fields up
  // to the fragment's offset, hop limit to checksum, and addresses.
  std::array<uint8_t, 16> link_{};
  uint64_t front_ = 0;
  uint32_t middle_ = 0;
  uint32_t sum_ = 0;
  uint64_t addresses_ = 0;
};

constexpr bool can_be_ready(const Backend& backend) {
  return backend.forwarding == Forwarding::kIpInIp && !backend.outer_v6 && !backend.mcphint &&
         backend.outer_at == net::kEthernetHeader;
}

// Puts the backend's tunnel headers in front. DSCP and ECN are copied to the outer header (RFC 6040 section 4.1).
void write_tunnel(Packet& packet, const InnerPacket& inner, const Backend& backend, const net::MacAddress& to);

// Where a translated packet for a service goes.
inline SocketAddress server_address(const Backend& backend, const SocketAddress& service) {
  return {backend.address.ip, backend.address.port != 0 ? backend.address.port : service.port};
}
// Our own side of translated flows.
inline IpAddress own_address(const RoutingSnapshot& snapshot, bool is_v6) {
  return is_v6 ? *snapshot.link().source6 : *snapshot.link().source4;
}

// What of a flow's hash goes into MCPHINT, and into the source port of GUE.
constexpr uint16_t hint_of(uint64_t hash) { return static_cast<uint16_t>(hash >> 32); }

}  // namespace viaduct::lb
