// The router's last stage: sending to a backend, and what is not a datagram for a service.
#include <algorithm>
#include <cstring>

#include "apps/lb/router.h"
#include "apps/lb/tunnel_headers.h"
#include "apps/lb/udp_checksum.h"
#include "apps/lb/verdicts.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {
namespace {

constexpr ptrdiff_t kCacheLine = 64;

// Bytes of IP that a datagram grows by when it is translated; options go away.
size_t growth(const InnerPacket& inner, uint16_t ip_header, bool to_v6) {
  const size_t header = to_v6 ? net::kIpv6Header : net::kIpv4Header;
  const size_t udp = net::load_u16(inner.ip + ip_header + 4);
  return header + udp > inner.length ? header + udp - inner.length : 0;
}

size_t overhead_of(const Backend& backend, const InnerPacket& inner, uint16_t ip_header) {
  if (is_tunnel(backend)) return backend.overhead;
  if (backend.forwarding == Forwarding::kDirect) return hint_overhead(backend, inner.is_v6);
  return growth(inner, ip_header, backend.outer_v6) + hint_overhead(backend, backend.outer_v6);
}

}  // namespace

SocketAddress Router::client_of(unsigned i) const {
  const uint8_t* ip = burst_.ip[i];
  return {burst_.is_v6[i] ? IpAddress::v6(ip + 8) : IpAddress::v4(ip + 12), net::load_u16(burst_.udp(i))};
}

net::MacAddress Router::sender_of(unsigned i) const {
  net::MacAddress mac;
  std::memcpy(mac.bytes.data(), burst_.packet[i]->data() + 6, mac.bytes.size());
  return mac;
}

// After another snapshot, or a word from the link side.
void Router::write_briefs(const RoutingSnapshot& snapshot) {
  briefs_of_ = next_hops_.version();
  ready_.assign(snapshot.backends().size(), {});
  is_all_direct_ = true;
  for (size_t slot = 0; slot < ready_.size(); ++slot) {
    const Backend& backend = snapshot.backends()[slot];
    Brief& brief = backend_counters_[slot].brief;
    brief = 0;
    if (!backend.is_usable) continue;
    if (backend.needs_hash) brief |= kNeedsHash;
    if (is_tunnel(backend)) brief |= kIsTunnel;
    if (backend.forwarding == Forwarding::kNat) brief |= kIsTranslated;
    const net::MacAddress* to = next_hops_.find(backend.next_hop);
    if (!to) continue;
    if (can_be_ready(backend)) {
      ready_[slot] = ReadyTunnel(backend, *to);
      brief |= kIsReady;
    }
    is_all_direct_ &= backend.forwarding == Forwarding::kDirect;
    if (backend.forwarding != Forwarding::kDirect || backend.mcphint) continue;
    std::memcpy(&brief, to->bytes.data(), to->bytes.size());
    brief |= kIsDirect;
  }
}

// Hashes of those that an ID routed, where the way to the server needs them, and what is known of translated flows:
// step by step for all, so that the tables' lines are on their way when they are read.
void Router::hash_routed(Instant now) {
  SlotList translated;
  for (const uint8_t i : routed_) {
    const Brief brief = brief_of(i);
    if (!(brief & kNeedsHash)) continue;
    if (burst_.step[i] == RoutingStep::kId) hash_addresses(i);
    if (!(brief & kIsTranslated) || is_dry_) continue;
    nat_.prefetch(burst_.hash[i], burst_.slot[i]);
    translated.push(i);
  }
  for (const uint8_t i : translated) session_[i] = nat_.expect(burst_.hash[i], burst_.slot[i], now);
}

// What forwarding reads of a backend, and where it writes, comes closer while others are worked on.
void Router::fetch_frame(const RoutingSnapshot& snapshot, unsigned i) const {
  const Brief brief = brief_of(i);
  if (brief & kIsDirect) return;
  const uint16_t slot = burst_.slot[i];
  if (brief & kIsReady) {
    __builtin_prefetch(&ready_.data()[slot]);
  } else {
    __builtin_prefetch(&snapshot.backend(slot));
    __builtin_prefetch(snapshot.backend(slot).headers.end() - 1);
  }
  if (brief & kIsTunnel) __builtin_prefetch(burst_.ip[i] - kCacheLine, 1);
}

void Router::forward_datagrams(const RoutingSnapshot& snapshot, Instant now) {
  constexpr unsigned kAhead = 3;
  const unsigned count = routed_.size, fetched = is_all_direct_ ? 0 : count;
  const unsigned mtu = snapshot.link().mtu;
  const DirectHeader header(snapshot.link());
  const bool is_counted = !is_dry_;
  for (unsigned n = 0; n < count; ++n) {
    if (n + kAhead < fetched) fetch_frame(snapshot, routed_.at[n + kAhead]);
    const unsigned i = routed_.at[n];
    BackendCounters& backend = backend_counters_.data()[burst_.slot[i]];
    const Brief brief = backend.brief;
    const uint16_t length = burst_.ip_length[i];
    if (brief & kIsDirect && length <= mtu) {
      header.write(*burst_.packet[i], burst_.ip[i], length, brief & kAddress);
    } else if (brief & kIsReady && !burst_.is_v6[i] && length + ReadyTunnel::kOverhead <= mtu) {
      ready_.data()[burst_.slot[i]].write(*burst_.packet[i], burst_.ip[i], length);
    } else if (!forward(snapshot, i, now)) {
      continue;
    }
    if (!is_counted) continue;
    backend.packets[static_cast<size_t>(burst_.step[i])].add(1);
    backend.bytes.add(length);
  }
}

// Once a burst: hardly one has IDs of more than a configuration or two.
void Router::count_ids(const IdStage& ids, Instant now) {
  for (unsigned config = 0; config < id_counters_.size(); ++config) {
    const unsigned count = ids.routed_by(config);
    if (count == 0) continue;
    id_counters_[config].packets.add(count);
    id_counters_[config].last_seen_ns.set(static_cast<uint64_t>(now.ns()));
  }
}

bool Router::forward(const RoutingSnapshot& snapshot, unsigned i, Instant now) {
  const Backend& backend = snapshot.backend(burst_.slot[i]);
  const net::MacAddress* to = next_hops_.find(backend.next_hop);
  if (!to) {
    end(i, kNextHopUnknown);
    return false;
  }
  const InnerPacket inner = inner_of(i);
  const size_t overhead = overhead_of(backend, inner, burst_.ip_header[i]);
  if (inner.length + overhead > snapshot.link().mtu) {
    answer_too_big(snapshot, i, overhead, now);
    return false;
  }
  if (is_tunnel(backend)) {
    write_tunnel(*burst_.packet[i], inner, backend, *to);
  } else if (backend.forwarding == Forwarding::kDirect) {
    write_direct(*burst_.packet[i], inner, backend, *to, snapshot.link(), snapshot.configuration().mcphint);
  } else {
    return forward_translated(snapshot, i, *to, now);
  }
  return true;
}

bool Router::forward_translated(const RoutingSnapshot& snapshot, unsigned i, const net::MacAddress& to, Instant now) {
  if (is_dry_) return true;
  const Backend& backend = snapshot.backend(burst_.slot[i]);
  const SocketAddress& service = snapshot.service(burst_.service[i]).address;
  const uint64_t hash = burst_.hash[i];
  uint16_t session = nat_.check(session_[i], hash, burst_.slot[i], now);
  // A packet of the same burst may have opened it.
  if (session == NatTable::kNone) session = nat_.find(hash, burst_.slot[i], now);
  if (session == NatTable::kNone) {
    session = nat_.open(hash, burst_.slot[i], now);
    if (session == NatTable::kNone) {
      end(i, kNatPortsUsedUp);
      return false;
    }
    nat_[session].client = client_of(i);
    nat_[session].service = service;
  }
  nat_[session].client_mac = sender_of(i);
  const SocketAddress source{own_address(snapshot, backend.outer_v6), nat_.port_of(session)};
  Packet& packet = *burst_.packet[i];
  const InnerPacket translated =
      translate(packet, inner_of(i), burst_.ip_header[i], source, server_address(backend, service));
  write_link(packet, translated, to, snapshot.link());
  if (backend.mcphint) insert_hint(packet, translated, snapshot.configuration().mcphint);
  return true;
}

void Router::answer_too_big(const RoutingSnapshot& snapshot, unsigned i, size_t overhead, Instant now) {
  const InnerPacket inner = inner_of(i);
  if (is_dry_ || !wants_too_big(inner) || !icmp_limit_.take(now)) return end(i, kTooBigDropped);
  const net::MacAddress sender = sender_of(i);
  const InnerPacket message = write_too_big(inner, static_cast<uint16_t>(snapshot.link().mtu - overhead));
  write_link(*burst_.packet[i], message, sender, snapshot.link());
  send(i, kTooBigAnswered);
}

void Router::route_others(const RoutingSnapshot& snapshot, Instant now) {
  for (unsigned i = 0; i < burst_.count; ++i) {
    if (burst_.kind[i] == FrameKind::kIcmpError) route_icmp(snapshot, i, now);
    if (burst_.kind[i] == FrameKind::kOwnIcmpError) return_icmp(snapshot, i, now);
    if (burst_.kind[i] == FrameKind::kNatReturn) return_translated(snapshot, i, now);
  }
}

// A server's answer on its way to the client.
void Router::return_translated(const RoutingSnapshot& snapshot, unsigned i, Instant now) {
  const NatSession* session = nat_.by_port(net::load_u16(burst_.udp(i) + 2), now);
  if (!session || session->slot >= snapshot.backends().size()) return end(i, kNatStray);
  const Backend& backend = snapshot.backend(session->slot);
  if (client_of(i) != server_address(backend, session->service)) return end(i, kNatStray);
  InnerPacket inner = inner_of(i);
  if (facts_.completes_checksums) complete_partial_checksum(inner, burst_.ip_header[i]);
  const size_t overhead = growth(inner, burst_.ip_header[i], !session->client.ip.is_v4());
  if (inner.length + overhead > snapshot.link().mtu) return answer_too_big(snapshot, i, overhead, now);
  if (!is_dry_) {
    inner = translate(*burst_.packet[i], inner, burst_.ip_header[i], session->service, session->client);
    write_link(*burst_.packet[i], inner, session->client_mac, snapshot.link());
  }
  send(i, kNatReturned);
}

}  // namespace viaduct::lb
