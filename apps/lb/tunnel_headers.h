// Sending to a backend: the headers that go in front of a packet, or replace its own.
#pragma once

#include <cstdint>
#include <cstring>

#include "apps/lb/routing_snapshot.h"
#include "base/packet.h"
#include "pmd-glue/mac_address.h"

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
