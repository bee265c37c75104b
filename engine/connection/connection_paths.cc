// Where the peer is: following it to a new address, and making sure that it is there (RFC 9000 sections 8.2 and 9).
#include "engine/connection/connection.h"
#include "engine/connection/packet_part.h"
#include "engine/endpoint/shard.h"
#include "engine/wire/frame_writer.h"

namespace viaduct::quic {

// A client may leave its port to be filled in.
bool Connection::is_same(const Path& one, const Path& other) {
  const bool is_open = one.local.port == 0 || other.local.port == 0;
  return one.remote == other.remote && (is_open || one.local == other.local);
}

PathState* Connection::known_path(const Path& path) {
  if (is_same(path, active_.path)) return &active_;
  if (has_fallback_ && is_same(path, fallback_.path)) return &fallback_;
  return has_candidate_ && is_same(path, candidate_.path) ? &candidate_ : nullptr;
}

// How long a path may take to answer: its own probe timeout is not known (RFC 9000 section 8.2.4).
// meets RFC 9000 8.2.4-1 8.2.4-2
Duration Connection::path_patience() const {
  return std::max(recovery_.probe_timeout(PacketSpace::kApplication), kInitialRtt * 3) * 3;
}

// A packet with more than probing frames was processed.
void Connection::follow_peer(const OpenedPacket& packet, Instant now) {
  const bool same_path = is_same(packet.datagram->path, active_.path);
  const bool newest = packet.number + 1 == expected_[index_of(PacketSpace::kApplication)];
  // RFC 9000 section 9.3: only the highest-numbered packet moves a connection. A client's server stays.
  const bool moves = !same_path && newest && role_ == Role::kServer && handshake_confirmed_;
  if (moves && !migrate(packet, now)) return;
  if (newest && !equal(last_dcid_.bytes(), packet.dcid)) last_dcid_ = ConnectionId(packet.dcid);
}

// False where it has to stay: who moves on purpose takes another ID of ours, and is answered with another of its
// (section 9.5). A peer that has given too few can no more move than probe; it is followed when it gives another.
// meets RFC 9000 9-3 9-4 9.3-1
bool Connection::migrate(const OpenedPacket& packet, Instant now) {
  const Path& path = packet.datagram->path;
  if (path.local != active_.path.local) return try_own_address(packet, now), true;
  const PathState left = active_;
  if (has_fallback_ && is_same(path, fallback_.path)) {
    active_ = fallback_;
    has_fallback_ = false;
    take_id_of(active_);
    release_id(left.remote_id);
  } else {
    const bool on_purpose = !equal(last_dcid_.bytes(), packet.dcid);
    const auto id = on_purpose ? id_for(packet) : std::optional(left.remote_id);
    if (!id) return false;
    active_ = {.path = path,
               .received = packet.datagram->length,
               .remote_id = *id,
               .challenge_due = true,
               .give_up_at = now + path_patience()};
    take_id_of(active_);
    if (left.validated) {
      keep_as_fallback(left);
      // RFC 9000 section 9.3.3: somebody in between may have been faster than the peer's own packet.
      // meets RFC 9000 9.3.3-1
      fallback_.challenge_due = true;
    } else {
      release_id(left.remote_id);
    }
  }
  shard_.stats.paths_changed.add();
  // RFC 9000 section 9.4: a new port alone is a NAT's doing, and the path the same.
  // meets RFC 9000 9.4-1 9.4-2
  if (path.remote.ip == left.path.remote.ip) {
    recovery_.on_port_change(now);
  } else {
    recovery_.on_path_change(now);
    restart_mtu_discovery();
  }
  check_amplification_limit(now);
  return true;
}

// meets RFC 9000 8.2.2-4
void Connection::on_path_response(const PathData& data, Instant now) {
  if (active_.is_answer(data)) {
    if (active_.on_answer(data)) drop_fallback();
    check_amplification_limit(now);
  } else if (has_fallback_ && fallback_.is_answer(data)) {
    fallback_.on_answer(data);
  } else if (has_candidate_ && candidate_.is_answer(data)) {
    if (candidate_.on_answer(data)) go_over(now);
  }
}

void Connection::on_path_timer(Instant now) {
  on_candidate_timer(now);
  if (has_fallback_ && now >= fallback_.give_up_at) drop_fallback();
  if (now >= active_.give_up_at) return abandon_path(now);
  if (now < active_.retry_at) return;
  active_.retry_at = Instant::never();
  active_.challenge_due = true;
}

// RFC 9000 section 9.3.2: back to the last address that answered; without one the connection ends in silence.
// meets RFC 9000 9.3.2-1 9.3.2-2
void Connection::abandon_path(Instant now) {
  shard_.stats.path_validations_failed.add();
  if (!has_fallback_) {
    forget_streams({static_cast<uint64_t>(ErrorCode::kNoViablePath), false, 0, "no path to the peer"});
    return become_gone(now);
  }
  const bool same_host = fallback_.path.remote.ip == active_.path.remote.ip;
  const uint64_t given_up = active_.remote_id;
  active_ = fallback_;
  active_.on_validated();
  has_fallback_ = false;
  take_id_of(active_);
  release_id(given_up);
  same_host ? recovery_.on_port_change(now) : recovery_.on_path_change(now);
  check_amplification_limit(now);
}

// --- connection IDs: no two paths have the same one of the peer's (RFC 9000 section 9.5) ---

// Packets carry the path's from now on. Where the peer has retired that, they carry what took its place.
void Connection::take_id_of(PathState& path) {
  if (!remote_ids_.use(path.remote_id)) path.remote_id = remote_ids_.current_sequence();
  update_reset_token();
}

// Whether the peer has probed this path. Where it calls us as it did then, at the same address of ours, only a NAT has
// changed since (RFC 9000 section 9.5).
bool Connection::is_probed(const Path& path, uint64_t called) const {
  const bool is_called_so = called != LocalIds::kNone && called == probed_.called;
  return probed_.is_known && (is_same(path, probed_.path) || (is_called_so && path.local == probed_.path.local));
}

// For a path that is new to us: what we have answered there with already, or one that no path had.
std::optional<uint64_t> Connection::id_for(const OpenedPacket& packet) {
  const bool is_old = is_probed(packet.datagram->path, local_ids_.sequence_of(packet.dcid));
  if (!is_old || !remote_ids_.find(probed_.remote_id)) return remote_ids_.reserve();
  probed_.is_known = false;
  return probed_.remote_id;
}

// That of a known path; null where the peer retired it and has given no other.
const ConnectionId* Connection::id_on(PathState& path) {
  if (const ConnectionId* id = remote_ids_.find(path.remote_id)) return id;
  const auto fresh = remote_ids_.reserve();
  if (!fresh) return nullptr;
  path.remote_id = *fresh;
  return remote_ids_.find(*fresh);
}

// For an answer by a path that is none of ours. A peer whose ID is the known one has not moved on purpose, and may be
// called as before; null where the peer has given too few: it cannot probe then.
const ConnectionId* Connection::id_for_response(const PathResponses::Response& response, PathState& path) {
  if (known_path(response.path) == &path) return id_on(path);
  const bool is_here = role_ == Role::kClient || response.path.local == active_.path.local;
  if (response.by_known_id && is_here) return &remote_ids_.current();
  if (!is_probed(response.path, response.called) || !remote_ids_.find(probed_.remote_id)) {
    const auto id = remote_ids_.reserve();
    if (!id) return nullptr;
    const ProbedPath before = probed_;
    probed_ = {response.path, *id, response.called, true};
    if (before.is_known) release_id(before.remote_id);
  }
  return remote_ids_.find(probed_.remote_id);
}

// Of a path that is given up, unless it shares it with another, as after a NAT's change.
void Connection::release_id(uint64_t remote_id) {
  const bool is_shared = (has_fallback_ && fallback_.remote_id == remote_id) ||
                         (has_candidate_ && candidate_.remote_id == remote_id) ||
                         (probed_.is_known && probed_.remote_id == remote_id);
  if (!is_shared) remote_ids_.release(remote_id);
}

void Connection::keep_as_fallback(const PathState& path) {
  const uint64_t forgotten = has_fallback_ ? fallback_.remote_id : path.remote_id;
  fallback_ = path;
  // Somebody has answered there once: it stays for as long as there is no better one.
  fallback_.give_up_at = Instant::never();
  has_fallback_ = true;
  release_id(forgotten);
}

void Connection::drop_fallback() {
  if (!has_fallback_) return;
  has_fallback_ = false;
  release_id(fallback_.remote_id);
  want_send();
}

// --- packets of paths ---

// meets RFC 9000 8.2.2-2
bool Connection::build_path_packet(Packet& packet, SealBatch& batch, Instant now) {
  const bool due = !responses_.empty() || active_.challenge_due || (has_fallback_ && fallback_.challenge_due) ||
                   (has_candidate_ && candidate_.challenge_due);
  if (!due || !can_write(PacketSpace::kApplication) || !recovery_.can_record(PacketSpace::kApplication)) return false;
  while (!responses_.empty()) {
    if (build_response(packet, batch, now)) return true;
  }
  if (active_.challenge_due && build_challenge(active_, packet, batch, now)) return true;
  if (has_fallback_ && fallback_.challenge_due && build_challenge(fallback_, packet, batch, now)) return true;
  return has_candidate_ && candidate_.challenge_due && build_challenge(candidate_, packet, batch, now);
}

// One that the anti-amplification limit holds up stays due, and goes ahead of all else when the peer's next datagram
// lifts that: or stream data would always take what may be sent, and the path would never be validated.
// meets RFC 9000 8.2.1-1 8.2.1-2 8.2.1-4 9.4-3
bool Connection::build_challenge(PathState& path, Packet& packet, SealBatch& batch, Instant now) {
  path.retry_at = Instant::never();
  DatagramPlan plan{packet, batch, datagram_limit(packet, path, kMinInitialDatagram)};
  plan.dcid = id_on(path);
  PacketPart& part = shard_.parts[0];
  if (plan.dcid && !begin_part(part, plan, PacketSpace::kApplication)) return false;
  path.challenge_due = false;
  path.retry_at = now + recovery_.probe_timeout(PacketSpace::kApplication);
  if (!plan.dcid) return false;
  part.ack_eliciting = write_path_challenge(
      part.payload.writer, path.next_challenge(shard_.services.random, plan.limit >= kMinInitialDatagram));
  end_part(part, plan);
  pad_datagram(part, plan, plan.limit);
  finish_datagram({&part, 1}, plan, path, now);
  return true;
}

// On the path that the challenge came by (RFC 9000 section 8.2.2).
// meets RFC 9000 8.2.2-3 8.2.2-5 8.2.2-6
bool Connection::build_response(Packet& packet, SealBatch& batch, Instant now) {
  const PathResponses::Response response = responses_.take();
  PathState stranger{.path = response.path, .received = response.challenge_size};
  PathState* path = known_path(response.path);
  if (!path) path = &stranger;
  DatagramPlan plan{packet, batch, datagram_limit(packet, *path, kMinInitialDatagram)};
  plan.dcid = id_for_response(response, *path);
  if (!plan.dcid) return false;
  PacketPart& part = shard_.parts[0];
  if (!begin_part(part, plan, PacketSpace::kApplication)) return false;
  part.ack_eliciting = write_path_response(part.payload.writer, response.data);
  end_part(part, plan);
  pad_datagram(part, plan, plan.limit);
  finish_datagram({&part, 1}, plan, *path, now);
  return true;
}

}  // namespace viaduct::quic
