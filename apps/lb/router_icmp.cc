// ICMP errors in the router: about what servers sent, and about what we sent to servers.
#include <algorithm>

#include "apps/lb/icmp_messages.h"
#include "apps/lb/id_stage.h"
#include "apps/lb/router.h"
#include "apps/lb/tunnel_headers.h"
#include "apps/lb/verdicts.h"
#include "flowsteer/invariants.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {
namespace {

// The client's source ID in an answer of its server is the server's own: the one that clients send to.
uint16_t server_of_quoted(const QuotedPacket& quoted, const Pool& pool) {
  const auto header = flowsteer::parse_invariants(quoted.payload, 0);
  return header && header->is_long ? server_of_id(header->scid, pool) : kNoSlot;
}

// Bytes of IP that every link takes (RFC 791, RFC 8200 section 5).
constexpr uint16_t least_mtu(bool is_v6) { return is_v6 ? 1280 : 68; }

}  // namespace

// An error about a packet of a server concerns that server: it is the one that the packet's source ID names, or the
// one that the flow's own packets go to.
void Router::route_icmp(const RoutingSnapshot& snapshot, unsigned i, Instant now) {
  const auto quoted = read_quoted(inner_of(i), burst_.ip_header[i]);
  if (!quoted) return end(i, kIcmpRefused);
  burst_.service[i] = snapshot.service_table().find(quoted->source.ip.bytes.data(), quoted->source.port);
  if (burst_.service[i] == ServiceTable::kNone) return end(i, kIcmpRefused);
  const Pool& pool = snapshot.pool_of(snapshot.service(burst_.service[i]));
  burst_.hash[i] = flow_hash_.of_addresses(quoted->destination, quoted->source);
  burst_.step[i] = RoutingStep::kId;
  burst_.slot[i] = server_of_quoted(*quoted, pool);
  if (burst_.slot[i] == kNoSlot) {
    burst_.step[i] = RoutingStep::kAddressTable;
    burst_.slot[i] = flows_.peek(burst_.hash[i], now);
    if (!snapshot.is_usable(burst_.slot[i]) && leave_to_others(i, now)) return;
  }
  if (!snapshot.is_usable(burst_.slot[i])) {
    burst_.step[i] = RoutingStep::kHash;
    burst_.slot[i] = pool.maglev.at(burst_.hash[i]);
  }
  if (burst_.slot[i] == kNoSlot) return end(i, kNoServer);
  forward_icmp(snapshot, i, *quoted, now);
}

bool Router::leave_to_others(unsigned i, Instant now) {
  if (!asking_.icmp || !asking_limit_.take(now)) return false;
  burst_.kind[i] = FrameKind::kForOthers;
  return true;
}

void Router::forward_icmp(const RoutingSnapshot& snapshot, unsigned i, const QuotedPacket& quoted, Instant now) {
  const Backend& backend = snapshot.backend(burst_.slot[i]);
  const net::MacAddress* to = next_hops_.find(backend.next_hop);
  if (!to) return end(i, kNextHopUnknown);
  Packet& packet = *burst_.packet[i];
  const InnerPacket inner = inner_of(i);
  if (inner.length + backend.overhead > snapshot.link().mtu) return end(i, kTooBigDropped);
  if (is_tunnel(backend)) {
    write_tunnel(packet, inner, backend, *to);
  } else if (backend.forwarding == Forwarding::kDirect) {
    write_direct(packet, inner, backend, *to, snapshot.link(), snapshot.configuration().mcphint);
  } else {
    const uint16_t session = nat_.find(burst_.hash[i], burst_.slot[i], now);
    if (session == NatTable::kNone && leave_to_others(i, now)) return;
    // A message of the other family would have to be another message.
    if (session == NatTable::kNone || backend.outer_v6 != inner.is_v6) return end(i, kIcmpRefused);
    const SocketAddress source{own_address(snapshot, inner.is_v6), nat_.port_of(session)};
    translate_quoted(inner, burst_.ip_header[i], server_address(backend, quoted.source), source);
    write_link(packet, inner, *to, snapshot.link());
  }
  send(i, kIcmpRouted);
}

// An error about a packet of ours, in a tunnel or translated, concerns the client that sent what is inside (RFC 2003
// section 4, RFC 2473 section 8, RFC 5508 section 4). Of those errors one says something that a client can act on: what
// fits. Whether a server is there is for health checks to find out.
void Router::return_icmp(const RoutingSnapshot& snapshot, unsigned i, Instant now) {
  const InnerPacket message = inner_of(i);
  const auto quoted = read_quoted_of_ours(message, burst_.ip_header[i], snapshot.configuration().gue_port);
  if (!quoted || (!quoted->is_tunnelled && !nat_.owns(quoted->source.port))) {
    burst_.kind[i] = FrameKind::kLink;  // about something else that we sent
    return;
  }
  auto mtu = read_too_big(message, burst_.ip_header[i]);
  if (!mtu || !quoted->is_enough || (!is_dry_ && !icmp_limit_.take(now))) return end(i, kIcmpOfOurs);
  const auto back =
      quoted->is_tunnelled ? way_back_of(snapshot, i, *quoted) : translate_back(snapshot, i, *quoted, now);
  if (!back || *mtu <= back->overhead) return end(i, kIcmpOfOurs);
  *mtu = static_cast<uint16_t>(*mtu - back->overhead);
  // What would have fitted is no error, and nobody has to send less than any link takes.
  if (*mtu >= back->whole || *mtu < least_mtu(back->packet.is_v6)) return end(i, kIcmpOfOurs);
  write_link(*burst_.packet[i], write_too_big(back->packet, *mtu), back->to, snapshot.link());
  send(i, kIcmpReturned);
}

// What a tunnel carries is as its client sent it. The message goes back to whoever brought the error: a router.
std::optional<Router::WayBack> Router::way_back_of(const RoutingSnapshot& snapshot, unsigned i,
                                                   const QuotedOfOurs& quoted) const {
  const SocketAddress& service = quoted.destination;
  if (snapshot.service_table().find(service.ip.bytes.data(), service.port) == ServiceTable::kNone) return std::nullopt;
  return WayBack{quoted.packet, sender_of(i), quoted.whole, quoted.overhead};
}

std::optional<Router::WayBack> Router::translate_back(const RoutingSnapshot& snapshot, unsigned i,
                                                      const QuotedOfOurs& quoted, Instant now) {
  // Anybody can send errors: they keep nothing alive.
  const NatSession* session = nat_.peek_port(quoted.source.port, now);
  if (!session || session->slot >= snapshot.backends().size()) return std::nullopt;
  if (quoted.destination != server_address(snapshot.backend(session->slot), session->service)) return std::nullopt;
  // Without a checksum, one would have to be made from bytes that are not there.
  const bool has_checksum = net::load_u16(quoted.packet.ip + quoted.ip_header + 6) != 0;
  if (!has_checksum && !session->client.ip.is_v4()) return std::nullopt;
  const size_t udp = size_t{quoted.packet.length} - quoted.ip_header;
  InnerPacket packet = translate(*burst_.packet[i], quoted.packet, quoted.ip_header, session->client, session->service);
  const uint16_t whole = packet.length;
  const size_t header = packet.is_v6 ? net::kIpv6Header : net::kIpv4Header;
  packet.length = static_cast<uint16_t>(std::min<size_t>(header + udp, whole));
  return WayBack{packet, session->client_mac, whole, size_t{quoted.whole} - std::min(quoted.whole, whole)};
}

}  // namespace viaduct::lb
