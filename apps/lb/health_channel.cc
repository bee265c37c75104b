#include "apps/lb/health_channel.h"

#include <algorithm>

#include "pmd-glue/ip_header.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {
namespace {

// Null where the backend is gone, or nobody knows where it is.
const net::MacAddress* way_to(uint16_t slot, Router& router, const RoutingSnapshot& snapshot) {
  if (slot >= snapshot.backends().size()) return nullptr;
  router.take_snapshot(snapshot);
  return router.next_hops().find(snapshot.backend(slot).next_hop);
}

// Servers answer as the service that was asked for; behind translation, as themselves.
bool may_answer(const RoutingSnapshot& snapshot, const SocketAddress& from) {
  return snapshot.service_table().find(from.ip.bytes.data(), from.port) != ServiceTable::kNone ||
         snapshot.is_backend(from.ip);
}

}  // namespace

bool HealthChannel::take(Bytes frame, const RoutingSnapshot& snapshot) {
  const LinkFacts& link = snapshot.link();
  net::EthernetHeader ethernet;
  if (read_ethernet(frame, ethernet) != Verdict::kNone || ethernet.destination != link.mac) return false;
  const bool is_v6 = ethernet.type == net::kEtherTypeIpv6;
  if (!is_v6 && ethernet.type != net::kEtherTypeIpv4) return false;
  const Bytes packet = frame.subspan(ethernet.length);
  net::IpHeader ip;
  if ((is_v6 ? read_ipv6(packet, ip) : read_ipv4(packet, false, ip)) != Verdict::kNone) return false;
  if (ip.protocol != net::kProtocolUdp || ip.payload_length < net::kUdpHeader) return false;
  if (ip.destination != link.source4 && ip.destination != link.source6) return false;
  const Bytes udp = packet.subspan(ip.length, ip.payload_length);
  const SocketAddress from{ip.source, net::load_u16(udp.data())};
  const SocketAddress to{ip.destination, net::load_u16(udp.data() + 2)};
  const Bytes payload = udp.subspan(net::kUdpHeader);
  if (to.port >= kFirstConnectionPort && to.port <= kLastConnectionPort)
    return may_answer(snapshot, from) && take_datagram(payload, from, to);
  if (to.port != kProbePort) return false;
  const auto token = read_probe_answer(payload, from);
  return token && answers_.push(*token);
}

bool HealthChannel::take_datagram(Bytes payload, const SocketAddress& from, const SocketAddress& to) {
  if (payload.empty() || payload.size() > ProbeDatagram::kMost) return false;
  ProbeDatagram datagram{.from = from, .to = to, .length = static_cast<uint16_t>(payload.size())};
  std::ranges::copy(payload, datagram.bytes.begin());
  return incoming_.push(datagram);
}

bool HealthChannel::write(Packet& packet, Router& router, const RoutingSnapshot& snapshot) {
  for (Probe probe; questions_.pop(probe);) {
    const net::MacAddress* to = way_to(probe.slot, router, snapshot);
    if (to) return write_probe(packet, probe, snapshot, *to), true;
  }
  for (ProbeDatagram datagram; outgoing_.pop(datagram);) {
    const net::MacAddress* to = way_to(datagram.slot, router, snapshot);
    if (to) return write_probe_datagram(packet, datagram, snapshot, *to), true;
  }
  return false;
}

}  // namespace viaduct::lb
