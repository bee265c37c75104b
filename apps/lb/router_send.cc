// The router's last stage: sending to a backend, and what is not a datagram for a service.
#include <algorithm>
#include <cstring>
#include <utility>

#include "apps/lb/router.h"
#include "apps/lb/tunnel_headers.h"
#include "apps/lb/udp_checksum.h"
#include "apps/lb/verdicts.h"
#include "flowsteer/quic_lb.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {
namespace {

constexpr ptrdiff_t kCacheLine = 64;

constexpr Verdict kVerdictOfStep[] = {Verdict::kNone, kRoutedById,        kRoutedByScid,
                                      kRoutedByDcid,  kRoutedByAddresses, kRoutedAsNew};

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
  return {burst_.is_v6[i] ? IpAddress::v6(ip + 8) : IpAddress::v4(ip + 12), net::load_u16(udp_of(i))};
}

net::MacAddress Router::sender_of(unsigned i) const {
  net::MacAddress mac;
  std::memcpy(mac.bytes.data(), burst_.packet[i]->data() + 6, mac.bytes.size());
  return mac;
}

// After another snapshot, or a word from the link side.
void Router::write_briefs(const RoutingSnapshot& snapshot) {
  briefs_of_ = next_hops_.version();
  briefs_.assign(snapshot.backends().size(), 0);
  for (size_t slot = 0; slot < briefs_.size(); ++slot) {
    const Backend& backend = snapshot.backends()[slot];
    if (!backend.is_usable) continue;
    Brief& brief = briefs_[slot];
    if (backend.needs_hash) brief |= kNeedsHash;
    if (is_tunnel(backend)) brief |= kIsTunnel;
    if (backend.forwarding == Forwarding::kNat) brief |= kIsTranslated;
    if (backend.forwarding != Forwarding::kDirect || backend.mcphint) continue;
    const net::MacAddress* to = next_hops_.find(backend.next_hop);
    if (!to) continue;
    std::memcpy(&brief, to->bytes.data(), to->bytes.size());
    brief |= kIsDirect;
  }
}

// Hashes of those that an ID routed, where the way to the server needs them, and what is known of translated flows:
// step by step for all, so that the tables' lines are on their way when they are read.
void Router::hash_routed(Instant now) {
  SlotList translated;
  for (const uint8_t i : datagrams_) {
    if (burst_.kind[i] != FrameKind::kDatagram) continue;
    const Brief brief = briefs_.data()[burst_.slot[i]];
    if (!(brief & kNeedsHash)) continue;
    if (burst_.step[i] == RoutingStep::kId) hash_addresses(i);
    if (!(brief & kIsTranslated) || is_dry_) continue;
    nat_.prefetch(burst_.hash[i], burst_.slot[i]);
    translated.push(i);
  }
  for (const uint8_t i : translated) session_[i] = nat_.expect(burst_.hash[i], burst_.slot[i], now);
}

// What forwarding reads and counts of a backend comes closer while others are worked on.
void Router::fetch_backend(const RoutingSnapshot& snapshot, unsigned i) const {
  const uint16_t slot = burst_.slot[i];
  if (slot == kNoSlot) return;  // has ended
  __builtin_prefetch(&backend_counters_.data()[slot], 1);
  if (!(briefs_.data()[slot] & kIsDirect)) __builtin_prefetch(&snapshot.backend(slot));
}

// The same for what a tunnel copies, and where.
void Router::fetch_frame(const RoutingSnapshot& snapshot, unsigned i) const {
  const uint16_t slot = burst_.slot[i];
  if (slot == kNoSlot || !(briefs_.data()[slot] & kIsTunnel)) return;
  __builtin_prefetch(snapshot.backend(slot).headers.end() - 1);
  __builtin_prefetch(burst_.ip[i] - kCacheLine, 1);
}

void Router::forward_datagrams(const RoutingSnapshot& snapshot, Instant now) {
  constexpr unsigned kFrameAhead = 3, kBackendAhead = 8;
  for (unsigned n = 0; n < std::min(kBackendAhead, datagrams_.size); ++n) fetch_backend(snapshot, datagrams_.at[n]);
  const uint16_t mtu = snapshot.link().mtu;
  const net::MacAddress own = snapshot.link().mac;
  for (unsigned n = 0; n < datagrams_.size; ++n) {
    if (n + kBackendAhead < datagrams_.size) fetch_backend(snapshot, datagrams_.at[n + kBackendAhead]);
    if (n + kFrameAhead < datagrams_.size) fetch_frame(snapshot, datagrams_.at[n + kFrameAhead]);
    const unsigned i = datagrams_.at[n];
    if (burst_.kind[i] != FrameKind::kDatagram) continue;
    if (remember_routable_ && burst_.step[i] == RoutingStep::kId) [[unlikely]]
      remember_routable(i, now);
    const Brief brief = briefs_.data()[burst_.slot[i]];
    if (brief & kIsDirect && burst_.ip_length[i] <= mtu)
      forward_directly(i, brief, own);
    else
      forward(snapshot, i, now);
    if (sends_[i] && !is_dry_) count_routed(i);
  }
  if (!is_dry_) count_ids(now);
}

// What forward() would do, without a look at the backend: two stores into the frame.
void Router::forward_directly(unsigned i, Brief brief, const net::MacAddress& own) {
  const size_t header = facts_.vlan == 0 ? net::kEthernetHeader : net::kEthernetHeader + net::kVlanTag;
  uint16_t own_front;
  uint32_t own_rest;
  std::memcpy(&own_front, own.bytes.data(), sizeof own_front);
  std::memcpy(&own_rest, own.bytes.data() + sizeof own_front, sizeof own_rest);
  const uint64_t front = (brief & kAddress) | uint64_t{own_front} << 48;
  uint8_t* frame = burst_.ip[i] - header;
  std::memcpy(frame, &front, sizeof front);
  std::memcpy(frame + sizeof front, &own_rest, sizeof own_rest);
  Packet& packet = *burst_.packet[i];
  packet.length = static_cast<uint16_t>(header + burst_.ip_length[i]);
  packet.flags = 0;
  send(i, kVerdictOfStep[static_cast<size_t>(burst_.step[i])]);
}

void Router::count_routed(unsigned i) {
  BackendCounters& counters = backend_counters_.data()[burst_.slot[i]];
  counters.packets[static_cast<size_t>(burst_.step[i])].add(1);
  counters.bytes.add(burst_.ip_length[i]);
  if (burst_.step[i] == RoutingStep::kId) ++routed_ids_[flowsteer::config_id(burst_.dcid[i].data[0])];
}

// Once a burst: hardly one has IDs of more than a configuration or two.
void Router::count_ids(Instant now) {
  for (size_t id = 0; id < std::size(routed_ids_); ++id) {
    if (routed_ids_[id] == 0) continue;
    id_counters_[id].packets.add(std::exchange(routed_ids_[id], 0));
    id_counters_[id].last_seen_ns.set(static_cast<uint64_t>(now.ns()));
  }
}

void Router::forward(const RoutingSnapshot& snapshot, unsigned i, Instant now) {
  const Backend& backend = snapshot.backend(burst_.slot[i]);
  const net::MacAddress* to = next_hops_.find(backend.next_hop);
  if (!to) return end(i, kNextHopUnknown);
  const InnerPacket inner = inner_of(i);
  const size_t overhead = overhead_of(backend, inner, burst_.ip_header[i]);
  if (inner.length + overhead > snapshot.link().mtu) return answer_too_big(snapshot, i, overhead, now);
  if (is_tunnel(backend)) {
    write_tunnel(*burst_.packet[i], inner, backend, *to);
  } else if (backend.forwarding == Forwarding::kDirect) {
    write_direct(*burst_.packet[i], inner, backend, *to, snapshot.link(), snapshot.configuration().mcphint);
  } else {
    return forward_translated(snapshot, i, *to, now);
  }
  send(i, kVerdictOfStep[static_cast<size_t>(burst_.step[i])]);
}

void Router::forward_translated(const RoutingSnapshot& snapshot, unsigned i, const net::MacAddress& to, Instant now) {
  const Verdict verdict = kVerdictOfStep[static_cast<size_t>(burst_.step[i])];
  if (is_dry_) return send(i, verdict);
  const Backend& backend = snapshot.backend(burst_.slot[i]);
  const SocketAddress& service = snapshot.service(burst_.service[i]).address;
  const uint64_t hash = burst_.hash[i];
  uint16_t session = nat_.check(session_[i], hash, burst_.slot[i], now);
  // A packet of the same burst may have opened it.
  if (session == NatTable::kNone) session = nat_.find(hash, burst_.slot[i], now);
  if (session == NatTable::kNone) {
    session = nat_.open(hash, burst_.slot[i], now);
    if (session == NatTable::kNone) return end(i, kNatPortsUsedUp);
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
  send(i, verdict);
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
  const NatSession* session = nat_.by_port(net::load_u16(udp_of(i) + 2), now);
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
