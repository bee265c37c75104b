// The handshake: TLS messages become CRYPTO frames, keys and facts (RFC 9001 section 4).
#include "engine/connection/connection.h"
#include "engine/endpoint/shard.h"

namespace viaduct::quic {

using crypto::Direction;
using crypto::EncryptionLevel;
using crypto::TlsMessage;

// meets RFC 9000 7.3-1
TransportParameters Connection::own_parameters(const ConnectionStart& start) const {
  const EndpointConfig& config = shard_.config;
  TransportParameters own;
  own.initial_source_connection_id = start.local_id;
  if (role_ == Role::kServer) {
    own.original_destination_connection_id = start.original_dcid;
    own.stateless_reset_token = shard_.own_tokens.token_for(start.local_id.bytes());
  }
  own.max_idle_timeout = static_cast<uint64_t>(config.idle_timeout.ms());
  own.max_udp_payload_size = config.max_receive_payload;
  own.initial_max_data = config.connection_window;
  own.initial_max_stream_data_bidi_local = config.stream_window;
  own.initial_max_stream_data_bidi_remote = config.stream_window;
  own.initial_max_stream_data_uni = config.stream_window;
  own.initial_max_streams_bidi = config.max_streams_bidi;
  own.initial_max_streams_uni = config.max_streams_uni;
  own.max_ack_delay = static_cast<uint64_t>(config.max_ack_delay.ms());
  own.active_connection_id_limit = config.active_connection_ids;
  return own;
}

bool Connection::run_tls(Instant now) {
  if (!handshake_ || !handshake_->tls || state_ != State::kOpen) return false;
  TlsMessage message;
  for (const PacketSpace space : kAllPacketSpaces) {
    if (!handshake_) break;
    handshake_->stream(space).deliver([&](Bytes bytes) {
      if (handshake_ && handshake_->tls) handshake_->tls->provide(level_of(space), bytes);
    });
    while (handshake_ && handshake_->tls && state_ == State::kOpen && handshake_->tls->poll(message)) {
      on_tls_message(message, now);
    }
  }
  if (state_ == State::kOpen) receive_deferred(now);
  drop_handshake_state();
  return false;
}

void Connection::on_tls_message(const TlsMessage& message, Instant now) {
  switch (message.type) {
    case TlsMessage::Type::kCrypto:
      if (!handshake_->stream(space_of(message.level)).append(message.bytes)) {
        close({ErrorCode::kInternalError, 0, "too much to send in the handshake"}, now);
      }
      break;
    case TlsMessage::Type::kSecret:
      install_secret(message, now);
      break;
    case TlsMessage::Type::kTransportParameters: {
      TransportParameters peer;
      if (auto error = decode_transport_parameters(message.bytes, peer_of(role_), peer)) return close(error, now);
      handshake_->peer_parameters = peer;
      break;
    }
    case TlsMessage::Type::kAlert:
      // meets RFC 9001 4.8-1
      close({crypto_error(message.alert), 0, "TLS alert"}, now);
      break;
    case TlsMessage::Type::kComplete:
      on_handshake_complete(now);
      break;
    case TlsMessage::Type::kTicket:
    case TlsMessage::Type::kEarlyDataRejected:
      break;
  }
}

void Connection::install_secret(const TlsMessage& message, Instant now) {
  crypto::PacketProtector& protector = shard_.services.protector;
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
  handshake_complete_ = true;
  handshake_deadline_ = Instant::never();
  shard_.stats.handshakes_completed.add();
  adopt_peer_parameters();
  opened_event_ = true;
  want_tell();
  // RFC 9001 section 4.1.2: complete at the server is confirmed.
  if (role_ == Role::kServer) {
    handshake_done_due_ = true;
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
  if (peer.retry_source_connection_id) return mismatch("retry_source_connection_id");
  return {};
}

void Connection::adopt_peer_parameters() {
  const TransportParameters& peer = *handshake_->peer_parameters;
  streams_.set_peer_limits(peer);
  recovery_.set_peer_max_ack_delay(Duration::milliseconds(static_cast<int64_t>(peer.max_ack_delay)));
  peer_ack_delay_exponent_ = peer.ack_delay_exponent;
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
  local_ids_.set_target(peer.active_connection_id_limit, shard_.config.active_connection_ids);
  issue_ids();
}

// meets RFC 9001 4.9.2-1
void Connection::confirm_handshake(Instant now) {
  if (handshake_confirmed_) return;
  handshake_confirmed_ = true;
  discard_space(PacketSpace::kInitial, now);
  discard_space(PacketSpace::kHandshake, now);
  recovery_.on_handshake_confirmed(now);
  restart_mtu_discovery();
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
  handshake_->tls.reset();
  if (!handshake_->stream(PacketSpace::kApplication).is_all_acked()) return;
  shard_.handshakes.release(handshake_handle_);
  handshake_ = nullptr;
}

}  // namespace viaduct::quic
