// The handshake: TLS messages become CRYPTO frames, keys and facts (RFC 9001 section 4).
#include "engine/connection/connection.h"
#include "engine/connection/early_data.h"
#include "engine/connection/version_choice.h"
#include "engine/endpoint/server_memory.h"
#include "engine/endpoint/shard.h"

namespace viaduct::quic {

using crypto::Direction;
using crypto::EncryptionLevel;
using crypto::TlsMessage;

namespace {

// Probe timeouts that a client keeps its TLS for a ticket, after the handshake is confirmed.
constexpr int kTicketPatience = 10;

}  // namespace

// meets RFC 9000 7.3-1
TransportParameters Connection::own_parameters() const {
  TransportParameters own = offered_parameters(shard_.config);
  const ConnectionId& first_id = local_ids_.begin()->id;
  own.initial_source_connection_id = first_id;
  if (role_ == Role::kServer) {
    own.original_destination_connection_id = original_dcid_;
    if (original_dcid_ != initial_dcid_) own.retry_source_connection_id = initial_dcid_;
    own.stateless_reset_token = shard_.own_tokens.token_for(first_id.bytes());
    own.disable_active_migration = shard_.config.disable_active_migration;
    offer_preferred_address(own);
  }
  return own;
}

std::vector<uint8_t> Connection::encoded_parameters(uint32_t version) const {
  Random& random = shard_.services.random;
  TransportParameters own = own_parameters();
  own.version_information = version_information(version, shard_.config.versions, random.u32());
  std::vector<uint8_t> encoded(kMaxEncodedTransportParameters);
  encoded.resize(encode_transport_parameters(own, role_, random.u64(), encoded));
  return encoded;
}

// The state of a handshake, with its first message at a client.
bool Connection::begin_handshake(LevelKeys initial_keys) {
  handshake_handle_ = shard_.handshakes.acquire(shard_.streams);
  handshake_ = shard_.handshakes.get(handshake_handle_);
  if (!handshake_) return false;
  handshake_->initial = std::move(initial_keys);
  if (role_ == Role::kServer && !prepare_preferred_address()) return false;
  const std::vector<uint8_t> parameters = encoded_parameters(version_);
  if (role_ == Role::kServer) {
    handshake_->tls = shard_.services.tls_server->accept(parameters);
    if (!handshake_->tls) return false;
    handshake_->may_lead = handshake_->tls->choose_parameters([this](Bytes client) { return parameters_for(client); });
    handshake_->tls->set_version(version_);
    handshake_->tls->set_owner(owner_of(handle_));
    return true;
  }
  std::vector<uint8_t> session;
  if (memory_) {
    // meets RFC 9000 8.1.3-1 8.1.3-7
    handshake_->token = memory_->take_token(server_name_, version_);
    // 0-RTT is tried once.
    if (!is_negotiated_) session = memory_->take_session(server_name_, version_);
    awaits_ticket_ = true;
  }
  handshake_->tls = shard_.services.tls_client->connect(server_name_, parameters, session);
  if (!handshake_->tls) return false;
  handshake_->tls->start();
  handshake_->tls->set_owner(owner_of(handle_));
  return true;
}

bool Connection::run_tls(Instant now) {
  if (!handshake_ || !handshake_->tls || state_ != State::kOpen) return false;
  TlsMessage message;
  for (const PacketSpace space : kAllPacketSpaces) {
    if (!handshake_) break;
    provide_to_tls(space, now);
    while (handshake_ && handshake_->tls && state_ == State::kOpen && handshake_->tls->poll(message)) {
      on_tls_message(message, now);
    }
  }
  if (state_ == State::kOpen) receive_deferred(now);
  drop_handshake_state();
  return false;
}

void Connection::provide_to_tls(PacketSpace space, Instant now) {
  const bool is_late = role_ == Role::kClient && space == PacketSpace::kApplication;
  handshake_->stream(space).deliver([&](Bytes bytes) {
    if (state_ != State::kOpen) return;
    if (const auto error = is_late ? late_messages_.take(bytes) : TransportError{}) return close(error, now);
    handshake_->tls->provide(level_of(space), bytes);
  });
}

void Connection::on_tls_message(const TlsMessage& message, Instant now) {
  switch (message.type) {
    case TlsMessage::Type::kCrypto:
      if (!handshake_->stream(space_of(message.level)).append(message.bytes)) {
        close({ErrorCode::kInternalError, 0, "too much to send in the handshake"}, now);
      } else if (message.level == EncryptionLevel::kInitial) {
        plan_scramble();
      }
      break;
    case TlsMessage::Type::kSecret:
      install_secret(message, now);
      break;
    case TlsMessage::Type::kTransportParameters: {
      TransportParameters peer;
      if (auto error = decode_transport_parameters(message.bytes, peer_of(role_), peer)) return close(error, now);
      if (message.level == EncryptionLevel::kEarlyData) {
        remember_parameters(peer);
      } else {
        handshake_->peer_parameters = peer;
        if (role_ != Role::kServer) break;
        if (auto error = follow_client_version(peer)) return close(error, now);
      }
      break;
    }
    case TlsMessage::Type::kAlert:
      // meets RFC 9001 4.8-1
      close({crypto_error(message.alert), 0, "TLS alert"}, now);
      break;
    case TlsMessage::Type::kProtocolViolation:
      close({ErrorCode::kProtocolViolation, static_cast<uint64_t>(FrameType::kCrypto), "TLS against QUIC's rules"},
            now);
      break;
    case TlsMessage::Type::kComplete:
      if (message.is_resumed) shard_.stats.handshakes_resumed.add();
      on_handshake_complete(now);
      break;
    case TlsMessage::Type::kTicket:
      keep_ticket(message);
      break;
    case TlsMessage::Type::kEarlyDataRejected:
      on_early_data_rejected(now);
      break;
  }
}

void Connection::install_secret(const TlsMessage& message, Instant now) {
  crypto::PacketProtector& protector = shard_.services.protector;
  if (message.level == EncryptionLevel::kEarlyData) return begin_early_data(message, now);
  if (message.direction == Direction::kRead) {
    // The level that these keys follow.
    const auto before = message.level == EncryptionLevel::kHandshake ? PacketSpace::kInitial : PacketSpace::kHandshake;
    if (auto error = handshake_->stream(before).end_receiving()) return close(error, now);
  }
  if (message.level == EncryptionLevel::kHandshake) {
    handshake_->handshake.install(message.direction, crypto::derive_keys(version_, message.aead, message.bytes),
                                  protector);
    if (message.direction == Direction::kWrite) recovery_.on_handshake_keys(now);
  } else if (message.level == EncryptionLevel::kOneRtt) {
    keys_.install(message.direction, version_, message.aead, message.bytes, protector);
  }
}

// meets RFC 9000 19.20-1
// meets RFC 9001 4.1.2-1
void Connection::on_handshake_complete(Instant now) {
  if (auto error = check_peer_parameters()) return close(error, now);
  if (is_early_) {
    if (auto error = settle_early_data()) return close(error, now);
  }
  handshake_complete_ = true;
  handshake_->first_one_rtt = recovery_.next_packet_number(PacketSpace::kApplication);
  stop_being_half_open();
  handshake_deadline_ = Instant::never();
  shard_.stats.handshakes_completed.add();
  adopt_peer_parameters();
  if (auto error = keep_preferred_id()) return close(error, now);
  if (trace_) trace_parameters(*handshake_->peer_parameters, now);
  opened_event_ |= !is_early_;
  want_tell();
  // RFC 9001 section 4.1.2: complete at the server is confirmed.
  if (role_ == Role::kServer) {
    handshake_done_due_ = true;
    // meets RFC 9000 19.7-3
    token_due_ = shard_.config.new_token_life > Duration();
    confirm_handshake(now);
  }
}

// RFC 9000 section 7.3: the connection IDs in the parameters are those of the packets.
// meets RFC 9000 7.3-2 7.3-3 7.3-4
// meets RFC 9001 8.2-1
TransportError Connection::check_peer_parameters() const {
  const auto mismatch = [](std::string_view what) {
    return TransportError{ErrorCode::kTransportParameterError, 0, what};
  };
  // RFC 9001 section 8.2: missing_extension.
  if (!handshake_->peer_parameters) return {crypto_error(109), 0, "no transport parameters"};
  const TransportParameters& peer = *handshake_->peer_parameters;
  if (peer.initial_source_connection_id != handshake_->peer_scid) return mismatch("initial_source_connection_id");
  if (role_ == Role::kServer) return {};
  if (peer.original_destination_connection_id != original_dcid_) {
    return mismatch("original_destination_connection_id");
  }
  if (peer.retry_source_connection_id != handshake_->retry_scid) return mismatch("retry_source_connection_id");
  // meets RFC 9000 18.2-4
  if (peer.preferred_address && handshake_->peer_scid.empty()) return mismatch("preferred_address without an ID");
  return check_server_version(original_version_, version_, is_negotiated_, shard_.config.versions, peer);
}

void Connection::adopt_peer_parameters() {
  const TransportParameters& peer = *handshake_->peer_parameters;
  streams_.set_peer_limits(peer);
  recovery_.set_peer_max_ack_delay(Duration::milliseconds(static_cast<int64_t>(peer.max_ack_delay)));
  peer_ack_delay_exponent_ = peer.ack_delay_exponent;
  greases_bit_ = shard_.config.grease_quic_bit && peer.grease_quic_bit;
  datagrams_.peer_limit = peer.max_datagram_frame_size;
  if (peer.min_ack_delay) {
    ack_request_.set_peer_minimum(Duration::microseconds(static_cast<int64_t>(*peer.min_ack_delay)));
  }
  peer_max_payload_ = static_cast<size_t>(std::min<uint64_t>(peer.max_udp_payload_size, 65527));
  if (peer.max_idle_timeout > 0) {
    const auto theirs =
        Duration::milliseconds(static_cast<int64_t>(std::min<uint64_t>(peer.max_idle_timeout, 1 << 30)));
    if (idle_timeout_ == Duration() || theirs < idle_timeout_) idle_timeout_ = theirs;
  }
  if (peer.stateless_reset_token) {
    remote_ids_.set_first_token(*peer.stateless_reset_token);
    update_reset_token();
  }
  peer_disables_migration_ = peer.disable_active_migration;
  local_ids_.set_target(peer.active_connection_id_limit, shard_.config.active_connection_ids);
  issue_ids();
}

void Connection::stop_being_half_open() {
  if (!is_half_open_) return;
  is_half_open_ = false;
  shard_.half_open.remove(half_open_place_);
}

// meets RFC 9001 4.9.2-1
void Connection::confirm_handshake(Instant now) {
  if (handshake_confirmed_) return;
  handshake_confirmed_ = true;
  discard_space(PacketSpace::kInitial, now);
  discard_space(PacketSpace::kHandshake, now);
  recovery_.on_handshake_confirmed(now);
  restart_mtu_discovery();
  try_preferred_address(now);
  if (awaits_ticket_) ticket_deadline_ = now + recovery_.probe_timeout(PacketSpace::kApplication) * kTicketPatience;
  want_send();
}

void Connection::discard_space(PacketSpace space, Instant now) {
  if (!handshake_) return;
  bool& discarded = space == PacketSpace::kInitial ? handshake_->initial_discarded : handshake_->handshake_discarded;
  if (discarded) return;
  discarded = true;
  handshake_->keys(space).discard();
  handshake_->stream(space).clear();
  received_[index_of(space)].clear();
  recovery_.discard_space(space, now);
}

// TLS is needed no more once its tickets are acknowledged.
void Connection::drop_handshake_state() {
  if (!handshake_ || !handshake_confirmed_ || handshake_->deferred_count > 0) return;
  if (!ticket_deadline_.is_never()) return;
  handshake_->tls.reset();
  const CryptoStream& late = handshake_->stream(PacketSpace::kApplication);
  if (!late.is_all_acked()) return;
  if (late.has_gap()) late_messages_.stop();
  shard_.handshakes.release(handshake_handle_);
  handshake_ = nullptr;
}

}  // namespace viaduct::quic
