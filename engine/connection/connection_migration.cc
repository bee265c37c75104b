// A client that moves: from another address of its own, or to the one that its server prefers (RFC 9000 sections 9.2
// and 9.6). The new path is tried first; the connection goes over to it once it has answered.
#include "engine/connection/connection.h"
#include "engine/endpoint/shard.h"

namespace viaduct::quic {

bool Connection::move_to(const Path& path, Instant now) {
  // meets RFC 9000 9-1 9-2 18.2-3
  const bool is_ready = role_ == Role::kClient && state_ == State::kOpen && handshake_confirmed_ && !has_candidate_;
  // RFC 9000 section 18.2: what a server forbids is to come to the handshake's address from elsewhere.
  const bool is_forbidden = peer_disables_migration_ && path.remote == server_address_;
  // Section 9.5: a path of its own has a connection ID of its own.
  if (!is_ready || is_forbidden || !remote_ids_.has_fresh()) return false;
  // One path at a time, so that a preferred address is tried before any move (section 9.6.3).
  // meets RFC 9000 9.6.3-2
  candidate_ = {.path = path,
                .is_trusted = true,
                .remote_id = *remote_ids_.reserve(),
                .challenge_due = true,
                .give_up_at = now + path_patience()};
  has_candidate_ = true;
  want_send();
  return true;
}

// Those that a server is known by: the handshake's, and the one it prefers (RFC 9000 section 9).
bool Connection::is_servers(const SocketAddress& address) const {
  return address == active_.path.remote || address == server_address_ ||
         (has_candidate_ && address == candidate_.path.remote);
}

// The ID of the server's preferred address is another one of its (section 5.1.1).
TransportError Connection::keep_preferred_id() {
  const auto& preferred = handshake_->peer_parameters->preferred_address;
  return preferred ? remote_ids_.on_new_id(1, 0, preferred->id.bytes(), preferred->token) : TransportError{};
}

// Section 9.6.1: of the families offered, the one in use.
// meets RFC 9000 9.6.2-5 21.5.3-1
void Connection::try_preferred_address(Instant now) {
  const auto& preferred = handshake_->peer_parameters->preferred_address;
  if (role_ == Role::kServer || !preferred || !shard_.config.follow_preferred_address) return;
  const SocketAddress& address = active_.path.remote.ip.is_v4() ? preferred->v4 : preferred->v6;
  if (address.port != 0) move_to({active_.path.local, address}, now);
}

// Server: the client has come to another address of ours, as we had asked it to. What is more than a probe goes from
// the old one until the client has answered from there, so that nobody can lead us there in its name (section 9.6.2).
// meets RFC 9000 9.6.2-2 9.6.2-3 9.6.3-3
void Connection::try_own_address(const OpenedPacket& packet, Instant now) {
  const Packet& datagram = *packet.datagram;
  if (has_candidate_ && is_same(datagram.path, candidate_.path)) return;
  // Where a NAT has changed the address, what was tried before goes on with its ID (section 9.5).
  const bool goes_on = datagram.path.local == candidate_.path.local && equal(last_dcid_.bytes(), packet.dcid) &&
                       remote_ids_.find(candidate_.remote_id);
  const auto id = goes_on ? std::optional(candidate_.remote_id) : id_for(packet);
  if (!id) return;
  const uint64_t given_up = has_candidate_ ? candidate_.remote_id : *id;
  candidate_ = {.path = datagram.path,
                .received = datagram.length,
                .remote_id = *id,
                .challenge_due = true,
                .give_up_at = now + path_patience()};
  has_candidate_ = true;
  release_id(given_up);
}

// meets RFC 9000 9.5-1 9.6.1-3 9.6.2-1
void Connection::go_over(Instant now) {
  const PathState left = active_;
  const Path& from = left.path;
  has_candidate_ = false;
  active_ = candidate_;
  active_.on_validated();
  take_id_of(active_);
  leave_path(left, now);
  check_amplification_limit(now);
  shard_.stats.paths_changed.add();
  // Section 9.4: the same hosts by other ports are the same path.
  if (from.local.ip != active_.path.local.ip || from.remote.ip != active_.path.remote.ip) {
    recovery_.on_path_change(now);
    restart_mtu_discovery();
  }
  ping_due_ |= role_ == Role::kClient;  // the server follows what is more than a probe
  want_send();
}

// A server asks at the address that its client left whether it did (section 9.3.3); for that the path keeps its ID.
void Connection::leave_path(const PathState& path, Instant now) {
  if (role_ == Role::kServer) {
    drop_fallback();
    return release_id(path.remote_id);
  }
  keep_as_fallback(path);
  fallback_.give_up_at = now + recovery_.probe_timeout(PacketSpace::kApplication) * 3;
}

void Connection::on_candidate_timer(Instant now) {
  if (!has_candidate_) return;
  if (now >= candidate_.give_up_at) {
    has_candidate_ = false;
    // A server keeps its last ID for when the client comes again: on the old path, which may be dead, it cannot ask for
    // another.
    if (role_ == Role::kClient || remote_ids_.has_fresh()) release_id(candidate_.remote_id);
    shard_.stats.path_validations_failed.add();
  } else if (now >= candidate_.retry_at) {
    candidate_.retry_at = Instant::never();
    candidate_.challenge_due = true;
  }
}

// meets RFC 9000 18.2-5
// A server that prefers another address says so with an ID to be used there (RFC 9000 section 5.1.1).
bool Connection::prepare_preferred_address() {
  const EndpointConfig& config = shard_.config;
  if (config.preferred_v4.port == 0 && config.preferred_v6.port == 0) return true;
  const auto id = shard_.mint_id(*this);
  if (!id) return false;
  local_ids_.add_told(*id);
  return true;
}

void Connection::offer_preferred_address(TransportParameters& own) const {
  if (local_ids_.size() < 2) return;
  const ConnectionId& id = local_ids_.begin()[1].id;
  own.preferred_address = PreferredAddress{.v4 = shard_.config.preferred_v4,
                                           .v6 = shard_.config.preferred_v6,
                                           .id = id,
                                           .token = shard_.own_tokens.token_for(id.bytes())};
}

}  // namespace viaduct::quic
