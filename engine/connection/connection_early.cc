// 0-RTT: a client that resumes a session speaks with its first flight, and is answered with the server's first
// (RFC 9001 section 4.6).
#include "engine/connection/connection.h"
#include "engine/connection/early_data.h"
#include "engine/endpoint/server_memory.h"
#include "engine/endpoint/shard.h"

namespace viaduct::quic {

using crypto::TlsMessage;

void Connection::remember_parameters(const TransportParameters& server) {
  handshake_->remembered = remembered_parameters(server);
}

// TLS has keys for it: a client may use them, a server has accepted. Where it has not, its packets stay unread.
// meets RFC 9001 4.6.2-1
void Connection::begin_early_data(const TlsMessage& message, Instant now) {
  if (role_ == Role::kServer) {
    // The parameters are the ClientHello's, which the session's key has made authentic.
    if (auto error = check_peer_parameters()) return close(error, now);
    adopt_peer_parameters();
    shard_.stats.early_data_accepted.add();
  } else {
    if (!handshake_->remembered) return;
    // meets RFC 9000 7.4.1-9
    // meets RFC 9221 3-5
    streams_.set_peer_limits(*handshake_->remembered);
    datagrams_.peer_limit = handshake_->remembered->max_datagram_frame_size;
    shard_.stats.early_data_offered.add();
  }
  handshake_->early.install(message.direction, crypto::derive_keys(original_version_, message.aead, message.bytes),
                            shard_.services.protector);
  is_early_ = opened_event_ = true;
  want_tell();
}

// The server has seen nothing of it. The application need not know: all is sent again, under the limits that come.
// meets RFC 9001 4.6.2-3
void Connection::on_early_data_rejected(Instant now) {
  if (!is_early_) return;
  shard_.stats.early_data_rejected.add();
  handshake_->remembered.reset();
  recovery_.on_early_data_rejected(now, *this);
  streams_.unsend();
}

// The client knows what became of its 0-RTT packets.
TransportError Connection::settle_early_data() {
  completed_event_ = true;
  if (role_ == Role::kServer) return {};
  // meets RFC 9001 5.6-6
  // meets RFC 9000 7.4.1-3 17.2.3-3
  handshake_->early.discard();
  const bool is_broken = handshake_->remembered && !are_kept(*handshake_->remembered, *handshake_->peer_parameters);
  if (is_broken) return {ErrorCode::kProtocolViolation, 0, "0-RTT accepted with lower limits"};
  early_taken_ = handshake_->remembered.has_value();
  return {};
}

// Server: a 1-RTT packet came, so that the client sends no more 0-RTT; some of it may have been overtaken.
// meets RFC 9001 4.9.3-2
void Connection::expect_end_of_early_data(Instant now) {
  if (!handshake_ || !handshake_->early.can_read() || !handshake_->early_until.is_never()) return;
  handshake_->early_until = now + recovery_.probe_timeout(PacketSpace::kApplication) * 3;
}

// A ticket comes after the handshake; TLS stays for it, though not for ever.
void Connection::keep_ticket(const TlsMessage& message) {
  ticket_deadline_ = Instant::never();
  awaits_ticket_ = false;
  if (memory_) memory_->keep_session(server_name_, version_, message.bytes);
}

}  // namespace viaduct::quic
