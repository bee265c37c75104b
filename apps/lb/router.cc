#include "apps/lb/router.h"

#include <algorithm>
#include <format>

#include "apps/lb/id_stage.h"
#include "apps/lb/tunnel_headers.h"
#include "apps/lb/verdicts.h"
#include "flowsteer/quic_lb.h"

namespace viaduct::lb {
namespace {

constexpr Verdict kVerdictOfStep[] = {Verdict::kNone, kRoutedById,        kRoutedByScid,
                                      kRoutedByDcid,  kRoutedByAddresses, kRoutedAsNew};

std::string hex(Bytes bytes) {
  std::string text;
  for (const uint8_t byte : bytes) text += std::format("{:02x}", byte);
  return text;
}

}  // namespace

Router::Router(const Configuration& configuration, const FrameFacts& facts)
    : facts_(facts),
      flow_hash_(configuration.hash_key),
      by_dcid_(configuration.flow_state.by_dcid),
      remember_routable_(configuration.flow_state.remember_routable),
      flows_(configuration.flow_state.entries, configuration.flow_state.timeout),
      backend_counters_(SlotDirectory::kMaxSlots) {}

void Router::take_snapshot(const RoutingSnapshot& snapshot) {
  if (snapshot.serial() == known_snapshot_) return;
  known_snapshot_ = snapshot.serial();
  flow_hash_ = FlowHash(snapshot.configuration().hash_key);
  by_dcid_ = snapshot.configuration().flow_state.by_dcid;
  remember_routable_ = snapshot.configuration().flow_state.remember_routable;
  next_hops_.reset(snapshot.next_hops());
}

void Router::route(const RoutingSnapshot& snapshot, std::span<Packet*> frames, Instant now) {
  take_snapshot(snapshot);
  burst_.count = static_cast<unsigned>(frames.size());
  std::ranges::copy(frames, burst_.packet.begin());
  run_stages(snapshot, now);
  hand_out();
}

void Router::run_stages(const RoutingSnapshot& snapshot, Instant now) {
  sends_.fill(false);
  parse_frames(burst_, snapshot, facts_);
  list_datagrams();
  unroutable_.clear();
  route_by_id(burst_, datagrams_, snapshot, unroutable_);
  if (!unroutable_.empty()) route_unroutable(snapshot, now);
  for (const uint8_t i : datagrams_) {
    if (burst_.kind[i] == FrameKind::kEnded) continue;
    forward(snapshot, i);
    if (sends_[i]) count_routed(i, now);
  }
}

void Router::list_datagrams() {
  datagrams_.clear();
  for (unsigned i = 0; i < burst_.count; ++i) {
    if (burst_.kind[i] == FrameKind::kDatagram) datagrams_.push(i);
  }
}

// What connection IDs do not say. All hashes first, so that the tables' lines are on their way when they are read.
void Router::route_unroutable(const RoutingSnapshot& snapshot, Instant now) {
  for (const uint8_t i : unroutable_) hash_ids(snapshot, i);
  for (const uint8_t i : unroutable_) {
    const bool is_found = (burst_.is_long[i] && look_up(snapshot, i, RoutingStep::kScidTable, scid_hash_[i], now)) ||
                          (dcid_hash_[i] != 0 && look_up(snapshot, i, RoutingStep::kDcidTable, dcid_hash_[i], now)) ||
                          look_up(snapshot, i, RoutingStep::kAddressTable, burst_.hash[i], now);
    if (!is_found) route_as_new(snapshot, i, now);
  }
}

// A short header does not say where its ID ends: only long ones can be looked up by it.
void Router::hash_ids(const RoutingSnapshot& snapshot, unsigned i) {
  const uint64_t hash = flow_hash_.of_packet(burst_.ip[i], burst_.is_v6[i], burst_.ip[i] + burst_.ip_header[i]);
  burst_.hash[i] = hash;
  scid_hash_[i] = dcid_hash_[i] = 0;
  flows_.prefetch(hash);
  if (!burst_.is_long[i]) return;
  scid_hash_[i] = flow_hash_.of_scid(hash, burst_.scid[i].bytes());
  flows_.prefetch(scid_hash_[i]);
  if (!by_dcid_ || burst_.dcid[i].size == 0) return;
  dcid_hash_[i] = flow_hash_.of_dcid(snapshot.services()[burst_.service[i]].key, burst_.dcid[i].bytes());
  flows_.prefetch(dcid_hash_[i]);
}

// A flow whose server is gone is as good as unknown.
bool Router::look_up(const RoutingSnapshot& snapshot, unsigned i, RoutingStep step, uint64_t hash, Instant now) {
  const uint16_t slot = is_dry_ ? flows_.peek(hash, now) : flows_.find(hash, now);
  if (!snapshot.is_usable(slot)) return false;
  burst_.slot[i] = slot;
  burst_.step[i] = step;
  return true;
}

// The fallback that every balancer has to have: by the addresses alone (section 4.2 of the draft).
void Router::route_as_new(const RoutingSnapshot& snapshot, unsigned i, Instant now) {
  const Pool& pool = snapshot.pool_of(snapshot.services()[burst_.service[i]]);
  burst_.slot[i] = pool.maglev.at(burst_.hash[i]);
  if (burst_.slot[i] == flowsteer::MaglevTable::kNobody) return end(i, kNoServer);
  burst_.step[i] = RoutingStep::kHash;
  if (!is_dry_) remember(i, now);
}

void Router::remember(unsigned i, Instant now) {
  flows_.insert(burst_.hash[i], burst_.slot[i], now);
  if (!burst_.is_long[i]) return;
  flows_.insert(scid_hash_[i], burst_.slot[i], now);
  if (dcid_hash_[i] != 0) flows_.insert(dcid_hash_[i], burst_.slot[i], now);
}

void Router::forward(const RoutingSnapshot& snapshot, unsigned i) {
  const Backend& backend = snapshot.backend(burst_.slot[i]);
  const net::MacAddress* to = next_hops_.find(backend.next_hop);
  if (!to) return end(i, kNextHopUnknown);
  if (burst_.step[i] == RoutingStep::kId)
    burst_.hash[i] = flow_hash_.of_packet(burst_.ip[i], burst_.is_v6[i], burst_.ip[i] + burst_.ip_header[i]);
  const InnerPacket inner{burst_.ip[i], burst_.ip_length[i], burst_.is_v6[i], burst_.hash[i]};
  if (is_tunnel(backend)) {
    write_tunnel(*burst_.packet[i], inner, backend, *to);
  } else {
    write_direct(*burst_.packet[i], inner, backend, *to, snapshot.link(), snapshot.configuration().mcphint);
  }
  burst_.verdict[i] = kVerdictOfStep[static_cast<size_t>(burst_.step[i])];
  sends_[i] = true;
}

void Router::count_routed(unsigned i, Instant now) {
  if (is_dry_) return;
  BackendCounters& counters = backend_counters_[burst_.slot[i]];
  counters.packets[static_cast<size_t>(burst_.step[i])].add(1);
  counters.bytes.add(burst_.ip_length[i]);
  if (burst_.step[i] != RoutingStep::kId) return;
  IdCounters& ids = id_counters_[flowsteer::config_id(burst_.dcid[i].data[0])];
  ids.packets.add(1);
  ids.last_seen_ns.set(static_cast<uint64_t>(now.ns()));
}

void Router::hand_out() {
  outgoing_.size = finished_.size = for_link_.size = 0;
  for (unsigned i = 0; i < burst_.count; ++i) {
    if (burst_.kind[i] == FrameKind::kLink) {
      for_link_.push(burst_.packet[i]);
      continue;
    }
    verdicts_.count(burst_.verdict[i]);
    (sends_[i] ? outgoing_ : finished_).push(burst_.packet[i]);
  }
}

Decision Router::explain(const RoutingSnapshot& snapshot, Packet& frame, Instant now) {
  take_snapshot(snapshot);
  burst_.count = 1;
  burst_.packet[0] = &frame;
  is_dry_ = true;
  run_stages(snapshot, now);
  is_dry_ = false;

  Decision decision;
  decision.kind = burst_.kind[0];
  decision.verdict = burst_.verdict[0];
  decision.step = burst_.step[0];
  if (burst_.service[0] != ServiceTable::kNone) decision.service = snapshot.services()[burst_.service[0]].name;
  if (!datagrams_.empty()) {
    decision.is_long = burst_.is_long[0];
    const Slice id = burst_.dcid[0];
    decision.dcid = hex(id.bytes().first(std::min<size_t>(id.size, 20)));
    if (decision.is_long) decision.scid = hex(burst_.scid[0].bytes());
    if (id.size > 0) decision.config_id = flowsteer::config_id(id.data[0]);
  }
  if (snapshot.is_usable(burst_.slot[0])) {
    const Backend& backend = snapshot.backend(burst_.slot[0]);
    decision.backend = backend.name;
    decision.forwarding = kForwardingNames[static_cast<size_t>(backend.forwarding)];
  }
  return decision;
}

}  // namespace viaduct::lb
