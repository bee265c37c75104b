#include "apps/lb/router.h"

#include <algorithm>

#include "apps/lb/udp_checksum.h"
#include "apps/lb/verdicts.h"
#include "apps/settings/hex.h"
#include "flowsteer/quic_lb.h"

namespace viaduct::lb {

using settings::hex;

Router::Router(const Configuration& configuration, const FrameFacts& facts, Random random)
    : facts_(facts),
      flow_hash_(configuration.hash_key),
      by_dcid_(configuration.flow_state.by_dcid),
      remember_routable_(configuration.flow_state.remember_routable),
      flows_(configuration.flow_state.entries, configuration.flow_state.timeout),
      nat_(facts.nat_ports_of_worker, facts.first_nat_port_of_worker, configuration.flow_state.timeout),
      limiter_(configuration.hash_key),
      icmp_limit_(configuration.icmp_per_second),
      random_(random),
      backend_counters_(SlotDirectory::kMaxSlots) {
  for_owners_.reserve(Burst::kMax);
  notes_.reserve(Burst::kMax);
}

void Router::take_snapshot(const RoutingSnapshot& snapshot) {
  if (snapshot.serial() == known_snapshot_) return;
  known_snapshot_ = snapshot.serial();
  flow_hash_ = FlowHash(snapshot.configuration().hash_key);
  by_dcid_ = snapshot.configuration().flow_state.by_dcid;
  remember_routable_ = snapshot.configuration().flow_state.remember_routable;
  next_hops_.reset(snapshot.next_hops());
  if (snapshot.configuration().retry == retry_config_) return;
  retry_config_ = snapshot.configuration().retry;
  if (retry_ && retry_config_) return retry_->change(*retry_config_, posix_seconds_);
  retry_.reset();
  if (!retry_config_) return;
  std::array<uint8_t, Random::kSeedSize> seed;
  random_.fill(seed);
  retry_.emplace(*retry_config_, Random(seed));
}

void Router::route(const RoutingSnapshot& snapshot, std::span<Packet*> frames, Instant now, Asking asking) {
  take_snapshot(snapshot);
  asking_ = asking;
  notes_.clear();
  burst_.count = static_cast<unsigned>(frames.size());
  std::ranges::copy(frames, burst_.packet);
  run_stages(snapshot, now);
  hand_out();
}

void Router::run_stages(const RoutingSnapshot& snapshot, Instant now) {
  IdStage ids(burst_, routed_, unroutable_, backend_counters_);
  parse_frames(burst_, snapshot, facts_, ids);
  if (ids.has_encrypted()) {
    enter_stage(meter_, Stage::kOpen);
    ids.decrypt();
  }
  const unsigned datagrams = routed_.size + unroutable_.size;
  if (facts_.completes_checksums) {
    for (const uint8_t i : routed_) complete_partial_checksum(inner_of(i), burst_.ip_header[i]);
    for (const uint8_t i : unroutable_) complete_partial_checksum(inner_of(i), burst_.ip_header[i]);
  }
  if (remember_routable_) {
    for (const uint8_t i : routed_) remember_routable(i, now);
  }
  if (!unroutable_.empty()) {
    enter_stage(meter_, Stage::kFrames);
    route_unroutable(snapshot, now);
  }
  enter_stage(meter_, Stage::kBuild);
  if (briefs_of_ != next_hops_.version()) write_briefs(snapshot);
  if (snapshot.needs_hashes()) hash_routed(now);
  forward_datagrams(snapshot, now);
  if (!is_dry_) count_ids(ids, now);
  if (datagrams < burst_.count) route_others(snapshot, now);
}

// What connection IDs do not say, table by table: hashes first, so that a table's lines are on their way when they are
// read. Nearly all packets are found by the first look-up.
void Router::route_unroutable(const RoutingSnapshot& snapshot, Instant now) {
  for (const uint8_t i : unroutable_) hash_scid(i);
  missed_.clear();
  for (const uint8_t i : unroutable_) {
    if (burst_.is_long[i] && look_up(snapshot, i, RoutingStep::kScidTable, scid_hash_[i], now)) continue;
    missed_.push(i);
    hash_dcid(snapshot, i);
  }
  for (const uint8_t i : missed_) {
    if (dcid_hash_[i] != 0 && !owns_dcid(i) && ask_owner(i)) continue;
    const bool is_found = (dcid_hash_[i] != 0 && look_up(snapshot, i, RoutingStep::kDcidTable, dcid_hash_[i], now)) ||
                          give_back(i) || look_up(snapshot, i, RoutingStep::kAddressTable, burst_.hash[i], now);
    if (!is_found) route_as_new(snapshot, i, now);
  }
}

void Router::hash_addresses(unsigned i) {
  burst_.hash[i] = flow_hash_.of_packet(burst_.ip[i], burst_.is_v6[i], burst_.udp(i));
}

void Router::hash_scid(unsigned i) {
  hash_addresses(i);
  scid_hash_[i] = burst_.is_long[i] ? flow_hash_.of_scid(burst_.hash[i], burst_.long_scid[i].bytes()) : 0;
  flows_.prefetch(burst_.is_long[i] ? scid_hash_[i] : burst_.hash[i]);
}

// A short header does not say where its ID ends: only long ones can be looked up by it.
void Router::hash_dcid(const RoutingSnapshot& snapshot, unsigned i) {
  dcid_hash_[i] = 0;
  if (!burst_.is_long[i]) return;
  flows_.prefetch(burst_.hash[i]);
  if (!by_dcid_ || burst_.long_dcid[i].size == 0) return;
  dcid_hash_[i] = flow_hash_.of_dcid(snapshot.service(burst_.service[i]).key, burst_.long_dcid[i].bytes());
  flows_.prefetch(dcid_hash_[i]);
}

// True where the frame is the owner's to look at.
bool Router::ask_owner(unsigned i) {
  if (asking_.dcid != Asking::Dcid::kOwner) return false;
  burst_.kind[i] = FrameKind::kForOwner;
  return true;
}

// What this worker was asked for and does not know; whoever asked decides.
bool Router::give_back(unsigned i) {
  if (asking_.dcid != Asking::Dcid::kOnlyHere) return false;
  burst_.kind[i] = FrameKind::kForOwner;
  return true;
}

// A flow whose server is gone is as good as unknown.
bool Router::look_up(const RoutingSnapshot& snapshot, unsigned i, RoutingStep step, uint64_t hash, Instant now) {
  const uint16_t slot = is_dry_ ? flows_.peek(hash, now) : flows_.find(hash, now);
  if (!snapshot.is_usable(slot)) return false;
  burst_.route(i, slot, step);
  routed_.push(i);
  return true;
}

// The fallback that every balancer has to have: by the addresses alone (section 4.2 of the draft).
void Router::route_as_new(const RoutingSnapshot& snapshot, unsigned i, Instant now) {
  const Pool& pool = snapshot.pool_of(snapshot.service(burst_.service[i]));
  const uint16_t slot = pool.maglev.at(burst_.hash[i]);
  if (slot == flowsteer::MaglevTable::kNobody) return end(i, kNoServer);
  burst_.route(i, slot, RoutingStep::kHash);
  if (!is_dry_) {
    if (!is_admitted(snapshot, i, now)) return;
    remember(i, now);
  }
  routed_.push(i);
}

// Within the limits, or with a token that shows that the address is the client's.
bool Router::is_admitted(const RoutingSnapshot& snapshot, unsigned i, Instant now) {
  const NewFlowLimits& limits = snapshot.configuration().limits;
  const Bytes source = burst_.is_v6[i] ? Bytes(burst_.ip[i] + 8, 16) : Bytes(burst_.ip[i] + 12, 4);
  const bool is_limited =
      (limits.per_second > 0 || limits.prefix_per_second > 0) && !limiter_.admit(limits, source, now);
  const bool asks_all = retry_config_ && retry_config_->always;
  if (!is_limited && !asks_all) return true;

  const auto initial = retry_ ? read_initial(burst_.payload(i).bytes()) : std::nullopt;
  if (initial) {
    switch (retry_->check(*initial, client_of(i), posix_seconds_)) {
      case crypto::RetryOffloadState::kGood:
        return true;
      case crypto::RetryOffloadState::kBad:
        end(i, kTokenRefused);
        return false;
      case crypto::RetryOffloadState::kForeign:
        if (send_retry(snapshot, i, *initial)) return false;
        break;
    }
  }
  if (is_limited) end(i, kNewFlowLimited);
  return !is_limited;
}

bool Router::send_retry(const RoutingSnapshot& snapshot, unsigned i, const InitialView& initial) {
  const net::MacAddress sender = sender_of(i);
  const auto answer = retry_->answer(*burst_.packet[i], inner_of(i), burst_.ip_header[i], initial, client_of(i),
                                     snapshot.service(burst_.service[i]).address, posix_seconds_);
  if (!answer) return false;
  write_link(*burst_.packet[i], *answer, sender, snapshot.link());
  send(i, kRetrySent);
  return true;
}

void Router::remember(unsigned i, Instant now) {
  flows_.insert(burst_.hash[i], burst_.slot[i], now);
  if (!burst_.is_long[i]) return;
  flows_.insert(scid_hash_[i], burst_.slot[i], now);
  if (dcid_hash_[i] == 0) return;
  if (owns_dcid(i))
    flows_.insert(dcid_hash_[i], burst_.slot[i], now);
  else
    notes_.push_back({dcid_hash_[i], burst_.slot[i]});
}

// Only where nothing is known yet: nobody can take a flow away by sending a routable ID from its addresses.
void Router::remember_routable(unsigned i, Instant now) {
  hash_addresses(i);
  if (!is_dry_ && flows_.find(burst_.hash[i], now) == FlowTable::kNone)
    flows_.insert(burst_.hash[i], burst_.slot[i], now);
}

void Router::hand_elsewhere(unsigned i) {
  if (burst_.kind[i] == FrameKind::kForOwner)
    for_owners_.push_back({.hash = dcid_hash_[i], .packet = burst_.packet[i]});
  else
    (burst_.kind[i] == FrameKind::kLink ? for_link_ : for_others_).push(burst_.packet[i]);
}

void Router::hand_out() {
  outgoing_.size = finished_.size = for_link_.size = for_others_.size = 0;
  for_owners_.clear();
  if (!burst_.is_mixed && routed_.size == burst_.count) {
    std::copy_n(burst_.packet, burst_.count, outgoing_.packets);
    outgoing_.size = burst_.count;
    return verdicts_.count(kRoutedById, burst_.count);
  }
  // Nearly all of a burst have one verdict: one addition for each row of equal ones.
  Verdict verdict = Verdict::kNone;
  uint64_t row = 0;
  for (unsigned i = 0; i < burst_.count; ++i) {
    if (burst_.kind[i] != FrameKind::kEnded) {
      hand_elsewhere(i);
      continue;
    }
    if (burst_.verdict[i] != verdict) {
      if (row > 0) verdicts_.count(verdict, row);
      verdict = burst_.verdict[i];
      row = 0;
    }
    ++row;
    (burst_.sends[i] ? outgoing_ : finished_).push(burst_.packet[i]);
  }
  if (row > 0) verdicts_.count(verdict, row);
}

Decision Router::explain(const RoutingSnapshot& snapshot, Packet& frame, Instant now) {
  take_snapshot(snapshot);
  burst_.count = 1;
  burst_.packet[0] = &frame;
  asking_ = {};
  is_dry_ = true;
  run_stages(snapshot, now);
  is_dry_ = false;

  Decision decision;
  decision.kind = burst_.kind[0];
  decision.verdict = burst_.verdict[0];
  decision.step = burst_.step[0];
  if (burst_.service[0] != ServiceTable::kNone) decision.service = snapshot.services()[burst_.service[0]].name;
  if (!routed_.empty() || !unroutable_.empty()) {
    decision.is_long = burst_.is_long[0];
    const Slice id = burst_.dcid(0);
    decision.dcid = hex(id.bytes().first(std::min<size_t>(id.size, 20)));
    if (decision.is_long) decision.scid = hex(burst_.long_scid[0].bytes());
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
