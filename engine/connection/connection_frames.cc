// What each frame from the peer means to a connection (RFC 9000 section 19).
#include "engine/connection/connection.h"
#include "engine/endpoint/shard.h"

namespace viaduct::quic {
namespace {

TransportError violation(FrameType type, std::string_view reason) {
  return {ErrorCode::kProtocolViolation, static_cast<uint64_t>(type), reason};
}

}  // namespace

// meets RFC 9000 5.2-1
TransportError Connection::apply_frames(const OpenedPacket& packet, PacketSpace space, PayloadSummary& summary,
                                        Instant now) {
  ByteReader payload(packet.payload);
  Frame frame;
  while (!payload.empty()) {
    if (auto error = parse_frame(payload, packet.type, peer_of(role_), frame)) return error;
    if (trace_) trace_frame(frame, now);
    summary.ack_eliciting |= is_ack_eliciting(frame.type);
    summary.probing &= is_probing(frame.type);
    const FrameOutcome outcome = apply(frame, packet, space, now);
    if (outcome.error) return outcome.error;
    if (outcome.no_room) {
      summary.no_room = true;
      return {};
    }
    if (state_ != State::kOpen) break;
  }
  if (trace_) trace_received(packet, now);
  return {};
}

FrameOutcome Connection::apply(const Frame& frame, const OpenedPacket& packet, PacketSpace space, Instant now) {
  switch (frame.type) {
    case FrameType::kPadding:
    case FrameType::kPing:
    case FrameType::kDataBlocked:
    case FrameType::kStreamsBlocked:
      return {};
    case FrameType::kAck:
      return apply_ack(frame.ack, space, now);
    case FrameType::kCrypto:
      return apply_crypto(frame.crypto, space);
    case FrameType::kNewToken:
      apply_new_token(frame.new_token);
      return {};
    case FrameType::kNewConnectionId:
      return apply_new_connection_id(frame.new_connection_id);
    case FrameType::kRetireConnectionId:
      return apply_retire_connection_id(frame.retire_connection_id, packet);
    case FrameType::kPathChallenge:
      // meets RFC 9000 8.2.2-1 8.2.2-7 19.17-1 8.2.1-6
      responses_.add({.path = packet.datagram->path,
                      .data = frame.path_challenge.data,
                      .challenge_size = packet.datagram->length,
                      .called = local_ids_.sequence_of(packet.dcid),
                      .by_known_id = equal(packet.dcid, last_dcid_.bytes())});
      return {};
    case FrameType::kPathResponse:
      on_path_response(frame.path_response.data, now);
      return {};
    case FrameType::kConnectionClose:
      apply_peer_close(frame.connection_close, now);
      return {};
    case FrameType::kHandshakeDone:
      return apply_handshake_done(now);
    case FrameType::kDatagram:
      return apply_datagram(frame.datagram, packet);
    case FrameType::kAckFrequency:
      return apply_ack_frequency(frame.ack_frequency);
    case FrameType::kImmediateAck:
      ack_policies_[index_of(space)].ask_at_once(now);
      return {};
    case FrameType::kStream:
      expect_more(now);
      return apply_stream_frame(frame);
    default:
      return apply_stream_frame(frame);
  }
}

FrameOutcome Connection::apply_stream_frame(const Frame& frame) {
  FrameOutcome outcome;
  switch (frame.type) {
    case FrameType::kStream:
      outcome = streams_.on_stream(frame.stream);
      break;
    case FrameType::kResetStream:
      outcome = streams_.on_reset_stream(frame.reset_stream);
      break;
    case FrameType::kStopSending:
      outcome = streams_.on_stop_sending(frame.stop_sending);
      break;
    case FrameType::kMaxStreamData:
      outcome = streams_.on_max_stream_data(frame.max_stream_data);
      break;
    case FrameType::kStreamDataBlocked:
      outcome = streams_.on_stream_data_blocked(frame.stream_data_blocked);
      break;
    case FrameType::kMaxData:
      streams_.on_max_data(frame.max_data);
      break;
    case FrameType::kMaxStreams:
      streams_.on_max_streams(frame.max_streams);
      break;
    default:
      break;
  }
  if (streams_.has_events()) want_tell();
  return outcome;
}

TransportError Connection::apply_ack(const AckFrame& frame, PacketSpace space, Instant now) {
  auto& ranges = shard_.acked_ranges;
  size_t count = 0;
  for (AckRangeReader reader(frame); count < ranges.size() && reader.next(ranges[count]);) ++count;
  // Microseconds on the wire; a delay beyond an hour is nonsense and would overflow.
  constexpr uint64_t kMaxDelay = uint64_t{3600} * 1000 * 1000;
  const uint64_t exponent = space == PacketSpace::kApplication ? peer_ack_delay_exponent_ : 3;
  const uint64_t delay = std::min(frame.delay, kMaxDelay >> exponent) << exponent;
  const AckReport report{std::span(ranges).first(count), Duration::microseconds(static_cast<int64_t>(delay)),
                         frame.has_ecn ? &frame.ecn : nullptr};
  trace_time_ = now;
  const auto error = recovery_.on_ack(space, report, now, *this);
  tell_stream_acked();
  count_ecn();
  if (recovery_.take_path_news()) tell_of_path();
  if (trace_) trace_metrics(now);
  if (error) shard_.stats.acks_refused.add();
  // RFC 9001 section 4.1.2 lets a client take this for a HANDSHAKE_DONE that was lost, and so probe with 1-RTT packets.
  // An acknowledgement of 0-RTT packets, which share their numbers, says nothing of its Finished.
  const bool shows_completion = space == PacketSpace::kApplication && handshake_complete_ && handshake_ &&
                                recovery_.largest_acked(space) != Recovery::kNoneAcked &&
                                recovery_.largest_acked(space) >= handshake_->first_one_rtt;
  if (!error && shows_completion && role_ == Role::kClient) confirm_handshake(now);
  if (streams_.has_events()) want_tell();
  return error;
}

// What became of our marks, where an acknowledgement has changed it.
void Connection::count_ecn() {
  const EcnValidation::State state = recovery_.ecn().state();
  if (state == ecn_counted_) return;
  ecn_counted_ = state;
  if (state == EcnValidation::State::kCapable) shard_.stats.ecn_validated.add();
  if (state == EcnValidation::State::kFailed) shard_.stats.ecn_failed.add();
}

// meets RFC 9000 7.5-3
FrameOutcome Connection::apply_crypto(const CryptoFrame& frame, PacketSpace space) {
  if (!handshake_) return apply_late_crypto(frame);
  FrameOutcome outcome = handshake_->stream(space).on_frame(frame);
  shard_.want_tls(*this);
  return outcome;
}

// A server hears no more TLS after the handshake (RFC 9001 sections 4.4 and 6). Tickets that come late a client leaves.
FrameOutcome Connection::apply_late_crypto(const CryptoFrame& frame) {
  if (role_ == Role::kServer) return TransportError{crypto_error(10), 0x06, "CRYPTO after the handshake"};
  if (late_messages_.is_stopped() || frame.offset + frame.data.size() <= late_messages_.taken()) return {};
  // What came too early is not acknowledged, and so comes again.
  if (frame.offset > late_messages_.taken()) return FrameOutcome::lacks_room();
  return late_messages_.take(frame.data.subspan(late_messages_.taken() - frame.offset));
}

// draft-ietf-quic-ack-frequency section 4.
TransportError Connection::apply_ack_frequency(const AckFrequencyFrame& frame) {
  constexpr uint64_t kDelayLimit = (uint64_t{1} << 14) * 1000;  // microseconds
  if (frame.max_delay_us >= kDelayLimit ||
      frame.max_delay_us < static_cast<uint64_t>(shard_.config.min_ack_delay.us())) {
    return violation(FrameType::kAckFrequency, "ACK_FREQUENCY with a delay that was not offered");
  }
  if (frame.sequence < ack_frequency_next_) return {};
  ack_frequency_next_ = frame.sequence + 1;
  AckPolicy& policy = ack_policies_[index_of(PacketSpace::kApplication)];
  policy.set_threshold(static_cast<uint32_t>(std::min<uint64_t>(frame.threshold, 1 << 16) + 1));
  policy.set_max_ack_delay(Duration::microseconds(static_cast<int64_t>(frame.max_delay_us)));
  policy.set_reordering(frame.reordering);
  return {};
}

TransportError Connection::apply_new_connection_id(const NewConnectionIdFrame& frame) {
  if (auto error = remote_ids_.on_new_id(frame.sequence, frame.retire_prior_to, frame.id.bytes(), frame.token)) {
    return error;
  }
  active_.remote_id = remote_ids_.current_sequence();
  update_reset_token();
  return {};
}

TransportError Connection::apply_retire_connection_id(const RetireConnectionIdFrame& frame,
                                                      const OpenedPacket& packet) {
  std::optional<ConnectionId> retired;
  if (auto error = local_ids_.on_retire(frame.sequence, packet.dcid, retired)) return error;
  if (!retired) return {};
  shard_.forget_id(*retired);
  // Who no longer calls us so has given up the path that it probed with it.
  if (probed_.is_known && probed_.called == frame.sequence) {
    probed_.is_known = false;
    release_id(probed_.remote_id);
  }
  issue_ids();
  return {};
}

TransportError Connection::apply_handshake_done(Instant now) {
  if (!handshake_complete_) return violation(FrameType::kHandshakeDone, "HANDSHAKE_DONE before completion");
  confirm_handshake(now);
  return {};
}

void Connection::apply_peer_close(const ConnectionCloseFrame& frame, Instant now) {
  begin_draining({frame.error, frame.application, frame.frame_type, "closed by the peer"}, now);
}

}  // namespace viaduct::quic
