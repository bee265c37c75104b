// Versions that change under way: Version Negotiation packets (RFC 9000 section 6.2) and compatible version negotiation
// (RFC 9368 section 2.3, RFC 9369 section 4).
#include <algorithm>

#include "engine/connection/connection.h"
#include "engine/connection/version_choice.h"
#include "engine/endpoint/shard.h"

namespace viaduct::quic {

// A peer does not change its own ID while it uses long headers (RFC 9000 section 7.2).
// meets RFC 9000 5.2.1-1 7.2-3 7.2-6
bool Connection::knows_ids_of(const PacketHeader& header) const {
  if (header.type == PacketType::kOneRtt) return true;
  if (!speaks_version_of(header)) return false;
  return !handshake_ || !handshake_->peer_scid_known || equal(header.scid, handshake_->peer_scid.bytes());
}

bool Connection::speaks_version_of(const PacketHeader& header) const {
  // 0-RTT stays in the version that the client began with; its Initials may until it has heard of another.
  if (header.type == PacketType::kZeroRtt) return header.version == original_version_;
  if (header.version == version_) return true;
  const bool is_first_version = header.type == PacketType::kInitial && header.version == original_version_;
  return (is_first_version && role_ == Role::kServer) || is_upgrade(header);
}

// Client: the server's first Initial in another version of ours says that it goes on in that.
bool Connection::is_upgrade(const PacketHeader& header) const {
  return role_ == Role::kClient && header.type == PacketType::kInitial && handshake_ && version_ == original_version_ &&
         header.version != version_ && !handshake_->initial_discarded && !handshake_->handshake.can_read() &&
         shard_.speaks(header.version);
}

// The TLS messages of the new version come after this.
void Connection::go_on_in(uint32_t version, LevelKeys initial_keys) {
  version_ = version;
  handshake_->first_initial = std::move(handshake_->initial);
  handshake_->initial = std::move(initial_keys);
  handshake_->tls->set_version(version);
}

// Server: the client's parameters are there, and its own are to be sent.
std::vector<uint8_t> Connection::parameters_for(Bytes client) const {
  TransportParameters peer;
  const bool is_good = !decode_transport_parameters(client, Role::kClient, peer);
  return encoded_parameters(is_good ? choose_version(version_, shard_.config.preferred_version, peer) : version_);
}

TransportError Connection::follow_client_version(const TransportParameters& client) {
  if (auto error = check_client_version(original_version_, client)) return error;
  if (!handshake_->may_lead) return {};
  const uint32_t chosen = choose_version(version_, shard_.config.preferred_version, client);
  if (chosen == version_) return {};
  go_on_in(chosen, initial_keys(role_, chosen, initial_dcid_.bytes(), shard_.services.protector));
  shard_.stats.versions_changed.add();
  return {};
}

// RFC 9000 section 6.2: only as the first answer, and only where it does not offer what we asked for.
// meets RFC 9000 6.2-1 6.2-2 6.2-3
void Connection::receive_version_negotiation(const PacketHeader& header, Instant now, DatagramOutcome& outcome) {
  const bool is_answer = role_ == Role::kClient && handshake_ && !handshake_->peer_scid_known &&
                         !handshake_->retry_scid && !is_negotiated_ && equal(header.scid, original_dcid_.bytes());
  std::array<uint32_t, 64> offered{};
  size_t count = 0;
  for (ByteReader versions(header.versions); versions.remaining() >= 4 && count < offered.size();) {
    offered[count++] = versions.u32();
  }
  const auto theirs = std::span(offered).first(count);
  if (!is_answer || std::ranges::find(theirs, version_) != theirs.end()) {
    outcome.malformed = true;
    return;
  }
  outcome.processed = true;
  if (const uint32_t next = first_common(shard_.config.versions, theirs)) return begin_again_in(next, now);
  forget_streams({static_cast<uint64_t>(ErrorCode::kVersionNegotiationError), false, 0, "no common version"});
  become_gone(now);
}

// A new first flight; packet numbers go on, so that nobody can take the old one's answers for the new one's.
void Connection::begin_again_in(uint32_t version, Instant now) {
  on_early_data_rejected(now);
  recovery_.on_retry(now, *this);
  release_deferred();
  shard_.handshakes.release(handshake_handle_);
  version_ = original_version_ = version;
  is_negotiated_ = true;
  shard_.stats.versions_changed.add();
  auto keys = initial_keys(role_, version, initial_dcid_.bytes(), shard_.services.protector);
  if (!begin_handshake(std::move(keys))) {
    forget_streams({static_cast<uint64_t>(ErrorCode::kInternalError), false, 0, "no TLS"});
    return become_gone(now);
  }
  shard_.want_tls(*this);
}

}  // namespace viaduct::quic
