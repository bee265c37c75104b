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

// A packet with more than probing frames was processed.
void Connection::follow_peer(const OpenedPacket& packet, Instant now) {
  const bool same_path = is_same(packet.datagram->path, active_.path);
  const bool newest = packet.number + 1 == expected_[index_of(PacketSpace::kApplication)];
  // RFC 9000 section 9.3: only the highest-numbered packet moves a connection. A client's server stays.
  if (!same_path && newest && role_ == Role::kServer && handshake_confirmed_) migrate(packet, now);
  if (newest && !equal(last_dcid_.bytes(), packet.dcid)) last_dcid_ = ConnectionId(packet.dcid);
}

// meets RFC 9000 9-3 9-4 9.3-1
void Connection::migrate(const OpenedPacket& packet, Instant now) {
  const Path& path = packet.datagram->path;
  const bool same_host = path.remote.ip == active_.path.remote.ip;
  shard_.stats.paths_changed.add();
  if (has_fallback_ && is_same(path, fallback_.path)) {
    std::swap(active_, fallback_);
    has_fallback_ = false;
  } else {
    if (active_.validated) {
      fallback_ = active_;
      has_fallback_ = true;
      // RFC 9000 section 9.3.3: somebody in between may have been faster than the peer's own packet.
      // meets RFC 9000 9.3.3-1
      fallback_.challenge_due = true;
    }
    active_ = {.path = path, .received = packet.datagram->length, .challenge_due = true};
    // RFC 9000 section 8.2.4: the new path's own probe timeout is not known.
    const Duration initial = kInitialRtt * 3;
    // meets RFC 9000 8.2.4-1 8.2.4-2
    active_.give_up_at = now + std::max(recovery_.probe_timeout(PacketSpace::kApplication), initial) * 3;
  }
  fallback_id_ = remote_ids_.current();
  // RFC 9000 section 9.5: who moves on purpose takes another ID of ours; we answer with another of its.
  if (!equal(last_dcid_.bytes(), packet.dcid) && remote_ids_.use_fresh()) update_reset_token();
  // RFC 9000 section 9.4: a new port alone is a NAT's doing, and the path the same.
  // meets RFC 9000 9.4-1 9.4-2
  if (!same_host) {
    recovery_.on_path_change(now);
    restart_mtu_discovery();
  }
  check_amplification_limit(now);
}

// meets RFC 9000 8.2.2-4
void Connection::on_path_response(const PathData& data, Instant now) {
  if (active_.is_answer(data)) {
    if (active_.on_answer(data)) has_fallback_ = false;
    check_amplification_limit(now);
  } else if (has_fallback_ && fallback_.is_answer(data)) {
    fallback_.on_answer(data);
  } else if (has_candidate_ && candidate_.is_answer(data)) {
    go_over(now);
  }
}

void Connection::on_path_timer(Instant now) {
  on_candidate_timer(now);
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
  active_ = fallback_;
  active_.on_validated();
  has_fallback_ = false;
  if (!same_host) recovery_.on_path_change(now);
  check_amplification_limit(now);
}

// meets RFC 9000 8.2.2-2
bool Connection::build_path_packet(Packet& packet, SealBatch& batch, Instant now) {
  const bool due = !responses_.empty() || active_.challenge_due || (has_fallback_ && fallback_.challenge_due) ||
                   (has_candidate_ && candidate_.challenge_due);
  if (!due || !can_write(PacketSpace::kApplication) || !recovery_.can_record(PacketSpace::kApplication)) return false;
  if (!responses_.empty()) return build_response(packet, batch, now);
  if (active_.challenge_due) return build_challenge(active_, packet, batch, now);
  const bool is_fallback = has_fallback_ && fallback_.challenge_due;
  return build_challenge(is_fallback ? fallback_ : candidate_, packet, batch, now);
}

// meets RFC 9000 8.2.1-1 8.2.1-2 8.2.1-4 9.4-3
bool Connection::build_challenge(PathState& path, Packet& packet, SealBatch& batch, Instant now) {
  path.challenge_due = false;
  path.retry_at = now + recovery_.probe_timeout(PacketSpace::kApplication);
  DatagramPlan plan{packet, batch, datagram_limit(packet, path, kMinInitialDatagram)};
  if (&path == &candidate_) plan.dcid = remote_ids_.fresh();
  if (&path == &fallback_) plan.dcid = &fallback_id_;
  PacketPart& part = shard_.parts[0];
  if (!begin_part(part, plan, PacketSpace::kApplication)) return false;
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
  PathState* path = &stranger;
  if (is_same(response.path, active_.path)) path = &active_;
  if (has_fallback_ && is_same(response.path, fallback_.path)) path = &fallback_;
  DatagramPlan plan{packet, batch, datagram_limit(packet, *path, kMinInitialDatagram)};
  // RFC 9000 section 9.5: another path, another ID; it stays that path's should the peer go over to it.
  if (path == &stranger) plan.dcid = remote_ids_.fresh();
  PacketPart& part = shard_.parts[0];
  if (!begin_part(part, plan, PacketSpace::kApplication)) return false;
  part.ack_eliciting = write_path_response(part.payload.writer, response.data);
  end_part(part, plan);
  pad_datagram(part, plan, plan.limit);
  finish_datagram({&part, 1}, plan, *path, now);
  return true;
}

}  // namespace viaduct::quic
