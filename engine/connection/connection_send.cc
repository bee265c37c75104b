// Packets out: which spaces have something to say, and the frames that say it.
#include "engine/connection/connection.h"
#include "engine/connection/packet_part.h"
#include "engine/endpoint/shard.h"
#include "engine/wire/frame_writer.h"
#include "engine/wire/packet_number.h"

namespace viaduct::quic {
namespace {

// A packet with less payload than this is not worth its header.
constexpr size_t kMinPayloadRoom = 24;
// Stream bytes below this are copied beside their frame's header: a span of their own would cost the cipher more.
constexpr size_t kCopyBelow = 128;
constexpr unsigned kAckDelayExponent = 3;  // ours, as announced
constexpr size_t kLargestAckFrequency = 2 + 4 * 8;
// While the pool of packet records is used up, a connection looks again so much later.
constexpr Duration kRecordRetry = Duration::milliseconds(5);

PacketType long_type_of(PacketSpace space) {
  if (space == PacketSpace::kApplication) return PacketType::kZeroRtt;
  return space == PacketSpace::kInitial ? PacketType::kInitial : PacketType::kHandshake;
}

}  // namespace

// meets RFC 9000 12.2-2
// meets RFC 9001 4-2
bool Connection::build(Packet& packet, SealBatch& batch, Instant now) {
  if (state_ == State::kClosing) return build_close(packet, batch, now);
  if (state_ != State::kOpen) return false;
  if (build_path_packet(packet, batch, now) || build_mtu_probe(packet, batch, now)) return true;
  DatagramPlan plan{packet, batch, datagram_limit(packet, active_, mtu_.current())};
  auto& parts = shard_.parts;
  size_t count = 0;
  for (const PacketSpace space : kAllPacketSpaces) {
    if (can_write(space) && build_part(parts[count], plan, space, now)) ++count;
  }
  if (count == 0) {
    const bool could_send = can_write(PacketSpace::kApplication) && recovery_.may_send(mtu_.current(), now);
    if (could_send && !has_eliciting(PacketSpace::kApplication)) recovery_.on_nothing_to_send();
    return false;
  }
  finish_datagram(std::span(parts).first(count), plan, active_, now);
  return true;
}

// While the path's limit leaves less than `least`, no timer runs for what could not be sent (RFC 9002 section 6.2.2.1).
void Connection::check_amplification_limit(Instant now, size_t least) {
  amplification_limited_ = active_.budget() < least;
  recovery_.set_amplification_limited(amplification_limited_, now);
}

// What may be sent on the path at once: its MTU, the packet's room, and the anti-amplification limit.
size_t Connection::datagram_limit(const Packet& packet, const PathState& path, size_t mtu) const {
  return static_cast<size_t>(std::min<uint64_t>({mtu, packet.room(), path.budget()}));
}

// meets RFC 9001 4.9-2 5.6-4
bool Connection::can_write(PacketSpace space) const {
  // A server whose client is early may answer before it knows that the handshake is complete (RFC 9001 section 5.7).
  const bool one_rtt = handshake_complete_ || (is_early_ && role_ == Role::kServer);
  if (space == PacketSpace::kApplication && one_rtt) return keys_.can_write();
  if (space == PacketSpace::kApplication) return handshake_ && handshake_->early.can_write();
  return handshake_ && handshake_->keys(space).can_write();
}

bool Connection::may_send_eliciting(PacketSpace space, size_t limit, Instant now) {
  // meets RFC 9000 14.1-2
  // A server's ack-eliciting Initial must fill 1200 bytes (RFC 9000 section 14.1).
  if (space == PacketSpace::kInitial && limit < kMinInitialDatagram) return false;
  // The three spaces of a handshake draw from the same pool of records.
  const bool room = recovery_.can_record(space) && (!handshake_ || shard_.blocks.available() >= kPacketSpaces);
  if (!room) {
    pacing_deadline_ = now + kRecordRetry;
    return false;
  }
  // meets RFC 9002 7.5-1
  if (recovery_.probes_owed(space) > 0) return true;
  // What is in flight may be of a later level, which the peer can't read or which has no timer before this arrives
  // (RFC 9002 section 6.2.1): one packet of the handshake is always let through, as a probe would be.
  if (space != PacketSpace::kApplication && !recovery_.ack_eliciting_in_flight(space)) return true;
  // meets RFC 9002 7-2
  // meets RFC 9221 5.3-1
  if (!recovery_.window_allows(limit)) return false;
  const Instant next = recovery_.next_send_time(now);
  if (next <= now) return true;
  pacing_deadline_ = next;
  return false;
}

bool Connection::has_eliciting(PacketSpace space) const {
  if (recovery_.probes_owed(space) > 0) return true;
  if (handshake_ && handshake_->stream(space).has_next()) return true;
  if (handshake_ && space == PacketSpace::kInitial && !handshake_->scrambled.empty()) return true;
  if (space != PacketSpace::kApplication) return false;
  uint64_t sequence;
  return streams_.has_data() || streams_.has_control() || ping_due_ || handshake_done_due_ || token_due_ ||
         !datagrams_.waiting.empty() || local_ids_.has_announcement() || remote_ids_.next_to_retire(sequence);
}

bool Connection::build_part(PacketPart& part, DatagramPlan& plan, PacketSpace space, Instant now) {
  const AckPolicy& acks = ack_policies_[index_of(space)];
  const bool eliciting = has_eliciting(space) && may_send_eliciting(space, plan.limit, now);
  // meets RFC 9002 7.7-4
  if (!eliciting && !acks.due(now)) return false;
  if (!begin_part(part, plan, space)) return false;
  // meets RFC 9000 13.2-1 13.2.1-5
  if (acks.worth_sending()) write_ack_frame(part, space, now);
  if (eliciting) write_eliciting(part, space, now);
  // meets RFC 9000 13.2.1-6 13.2.7-1
  if (!part.ack_eliciting && recovery_.wants_ping(space) && recovery_.can_record(space)) {
    part.ack_eliciting = write_ping(part.payload.writer);
  }
  // meets RFC 9000 12.4-1
  if (part.is_empty()) return false;
  end_part(part, plan);
  return true;
}

bool Connection::begin_part(PacketPart& part, const DatagramPlan& plan, PacketSpace space) {
  if (space == PacketSpace::kApplication && skips_.due(recovery_.next_packet_number(space), shard_.services.random)) {
    recovery_.skip_packet_number(space);
  }
  part.space = space;
  part.number = recovery_.next_packet_number(space);
  part.frame_count = 0;
  part.ack_eliciting = part.padded = part.mtu_probe = false;
  part.start = plan.packet.data() + plan.used;
  const uint64_t acked = recovery_.largest_acked(space);
  const size_t number_size = packet_number_size(part.number, acked == Recovery::kNoneAcked ? 0 : acked + 1);
  ByteWriter header({part.start, plan.limit - plan.used});
  if (space == PacketSpace::kApplication && !writes_zero_rtt()) {
    const bool may_update = handshake_confirmed_;
    // meets RFC 9001 6.6-4
    if (!keys_.before_seal(part.number, acked, may_update, shard_.services.protector)) {
      keys_used_up_ = true;
      return false;
    }
    const ConnectionId& dcid = plan.dcid ? *plan.dcid : remote_ids_.current();
    part.layout = write_short_header(header, dcid.bytes(), false, keys_.write_phase(), part.number, number_size);
  } else {
    const LongHeader fields{.type = long_type_of(space),
                            .version = space == PacketSpace::kApplication ? original_version_ : version_,
                            .dcid = remote_ids_.current().bytes(),
                            .scid = local_ids_.begin()->id.bytes(),
                            .token = handshake_->token};
    part.layout = write_long_header(header, fields, part.number, number_size);
  }
  if (!header.ok() || header.remaining() < kMinPayloadRoom + crypto::kTagSize) return false;
  if (greases_bit_ && shard_.services.random.bit()) part.start[0] &= static_cast<uint8_t>(~kFixedBit);
  part.payload = PayloadWriter(plan.batch.scratch() + plan.scratch_used, header.remaining() - crypto::kTagSize);
  return true;
}

void Connection::end_part(PacketPart& part, DatagramPlan& plan) {
  // Header protection takes its sample from behind four bytes of packet number (RFC 9001 section 5.4.2).
  const size_t least = kSampleOffset - (part.layout.size - part.layout.packet_number_offset);
  if (part.payload.size() < least) part.payload.writer.fill(0, least - part.payload.size());
  plan.used += part.size();
  plan.scratch_used += part.payload.scratch_used();
}

// meets RFC 9000 13.2.5-1 13.2.5-3 13.2.6-1 13.2.6-2 13.2.6-3 17.2.3-4
void Connection::write_ack_frame(PacketPart& part, PacketSpace space, Instant now) {
  const AckRanges& received = received_[index_of(space)];
  if (received.empty()) return;
  const auto delay = static_cast<uint64_t>(std::max<int64_t>((now - received.largest_time()).us(), 0));
  const EcnCounts& ecn = ecn_[index_of(space)];
  const bool marked = ecn != EcnCounts{};
  if (!write_ack(part.payload.writer, received, delay >> kAckDelayExponent, marked ? &ecn : nullptr)) return;
  part.record({.offset = received.largest(), .type = SentFrameType::kAck});
  ack_policies_[index_of(space)].on_ack_sent(received.largest());
}

// meets RFC 9000 12.5-2
// meets RFC 9002 6.2.4-4 6.2.4-5
void Connection::write_eliciting(PacketPart& part, PacketSpace space, Instant now) {
  if (space == PacketSpace::kInitial) write_scrambled(part);
  if (handshake_) write_crypto_frames(part, space);
  if (space == PacketSpace::kApplication) {
    write_connection_frames(part, now);
    write_ack_frequency_request(part, now);
    write_datagrams(part);
    write_streams(part, now);
  }
  // RFC 9002 section 6.2.4: a probe with nothing to say is a PING.
  const bool ping = recovery_.probes_owed(space) > 0 || (ping_due_ && space == PacketSpace::kApplication);
  if (ping && !part.ack_eliciting) part.ack_eliciting = write_ping(part.payload.writer);
  if (part.ack_eliciting && space == PacketSpace::kApplication) ping_due_ = false;
}

// meets RFC 9001 4-1 4.9-1
void Connection::write_crypto_frames(PacketPart& part, PacketSpace space) {
  CryptoStream& stream = handshake_->stream(space);
  ByteWriter& writer = part.payload.writer;
  while (stream.has_next() && !part.is_full()) {
    const size_t room = crypto_data_room(writer.remaining(), stream.next_offset());
    if (room == 0) return;
    const CryptoSpan span = stream.next(room);
    write_crypto(writer, span.offset, span.data);
    part.record_eliciting(
        {.offset = span.offset, .length = static_cast<uint32_t>(span.data.size()), .type = SentFrameType::kCrypto});
  }
}

void Connection::write_connection_frames(PacketPart& part, Instant now) {
  ByteWriter& writer = part.payload.writer;
  if (handshake_done_due_ && !part.is_full() && write_handshake_done(writer)) {
    handshake_done_due_ = false;
    part.record_eliciting({.type = SentFrameType::kHandshakeDone});
  }
  if (token_due_ && !part.is_full() && write_token_frame(writer, now)) {
    token_due_ = false;
    part.record_eliciting({.type = SentFrameType::kNewToken});
    shard_.stats.tokens_sent.add();
  }
  while (LocalIds::Id* id = part.is_full() ? nullptr : local_ids_.next_to_announce()) {
    // meets RFC 9000 5.1.2-7 19.15-5
    const NewConnectionIdFrame frame{id->sequence, 0, id->id, shard_.own_tokens.token_for(id->id.bytes())};
    if (!write_new_connection_id(writer, frame)) break;
    id->announce = false;
    part.record_eliciting({.offset = id->sequence, .type = SentFrameType::kNewConnectionId});
  }
  for (uint64_t sequence; !part.is_full() && remote_ids_.next_to_retire(sequence);) {
    if (!write_retire_connection_id(writer, sequence)) break;
    remote_ids_.on_retirement_sent(sequence);
    part.record_eliciting({.offset = sequence, .type = SentFrameType::kRetireConnectionId});
  }
}

// A large window is acknowledged in larger steps, where the peer offers that.
void Connection::write_ack_frequency_request(PacketPart& part, Instant now) {
  const Duration rtt = recovery_.rtt().smoothed();
  if (!handshake_confirmed_ || !ack_request_.is_offered()) return;
  // Of 32 bits: it is asked for each packet, and a division of more takes twice as long.
  const auto window = static_cast<uint32_t>(std::min<uint64_t>(recovery_.controller().window(), UINT32_MAX));
  const uint32_t packets = window / static_cast<uint32_t>(mtu_.current());
  if (!ack_request_.wants(packets, rtt) || part.is_full() || part.payload.writer.remaining() < kLargestAckFrequency)
    return;
  const AckFrequencyFrame frame = ack_request_.next(packets, rtt);
  write_ack_frequency(part.payload.writer, frame);
  part.record_eliciting({.offset = frame.sequence, .type = SentFrameType::kAckFrequency});
  recovery_.allow_ack_delay(ack_request_.requested(), now);
}

void Connection::write_streams(PacketPart& part, Instant now) {
  PayloadWriter& payload = part.payload;
  SentFrame record;
  while (streams_.has_control() && !part.is_full()) {
    if (!streams_.write_control(payload.writer, record, now, recovery_.rtt().smoothed())) break;
    part.record_eliciting(record);
  }
  StreamData data;
  while (streams_.has_data() && !part.is_full() && streams_.next_data(payload.writer.remaining(), data)) {
    const Bytes bytes(data.span.data, data.span.length);
    write_stream_header(payload.writer, data.stream, data.span.offset, bytes.size(), data.span.fin);
    if (payload.can_adopt() && bytes.size() >= kCopyBelow) {
      payload.adopt(bytes);
    } else {
      payload.writer.bytes(bytes);
    }
    part.record_eliciting(StreamSet::record_of(data));
  }
}

// Pads, notes what was sent, and hands the packets to the batch.
void Connection::finish_datagram(std::span<PacketPart> parts, DatagramPlan& plan, PathState& path, Instant now) {
  const PacketPart& first = parts.front();
  // RFC 9000 section 14.1.
  // meets RFC 9000 6-1 8.1-3 14.1-1 14-1
  // meets RFC 9001 9.3-1
  const bool must_fill = first.space == PacketSpace::kInitial && (role_ == Role::kClient || first.ack_eliciting);
  if (must_fill && plan.used < kMinInitialDatagram) pad_datagram(parts.back(), plan, kMinInitialDatagram);
  // RFC 9000 section 13.4: marks count for a packet number space and a path.
  const bool mark = first.space == PacketSpace::kApplication && &path == &active_ && recovery_.marks_ecn();
  plan.packet.ecn = mark ? Ecn::kEct0 : Ecn::kNotEct;
  for (PacketPart& part : parts) {
    commit_part(part, plan, now);
    // RFC 9001 section 4.9.1. The packets of the batch still need the keys.
    // meets RFC 9001 4.9.1-1 4.9.1-2
    if (role_ == Role::kClient && part.space == PacketSpace::kHandshake) discard_initial_due_ = true;
  }
  plan.batch.use_scratch(plan.scratch_used);
  plan.packet.length = static_cast<uint16_t>(plan.used);
  plan.packet.path = path.path;
  path.sent += plan.used;
  if (&path == &active_ && !active_.validated) check_amplification_limit(now, mtu_.current());
}

void Connection::pad_datagram(PacketPart& last, DatagramPlan& plan, size_t size) {
  if (plan.used >= size) return;
  const size_t missing = size - plan.used;
  last.pad(missing);
  plan.used += missing;
  plan.scratch_used += missing;
}

void Connection::commit_part(PacketPart& part, DatagramPlan& plan, Instant now) {
  SealBatch& batch = plan.batch;
  const SentPacket sent{.sent_time = now,
                        .size = static_cast<uint32_t>(part.size()),
                        .ack_eliciting = part.ack_eliciting,
                        .in_flight = part.ack_eliciting || part.padded,
                        .mtu_probe = part.mtu_probe,
                        .ecn = plan.packet.ecn};
  recovery_.on_packet_sent(part.space, sent, std::span(part.frames).first(part.frame_count));
  if (trace_) trace_sent(part, now);
  if (part.ack_eliciting && !eliciting_since_receipt_) {
    eliciting_since_receipt_ = true;
    idle_from_ = now;  // RFC 9000 section 10.1
  }
  const bool zero_rtt = part.space == PacketSpace::kApplication && writes_zero_rtt();
  if (part.space == PacketSpace::kApplication && !zero_rtt) {
    batch.add(part.start, part.layout, part.number, part.payload, keys_.write_key(), keys_.write_header());
    return;
  }
  set_packet_length(part.start, part.layout, part.size());
  const LevelKeys& keys = zero_rtt ? handshake_->early : handshake_->keys(part.space);
  batch.add(part.start, part.layout, part.number, part.payload, keys.write.get(), keys.write_header.get());
}

void Connection::after_build(Instant now) {
  if (discard_initial_due_) {
    discard_initial_due_ = false;
    discard_space(PacketSpace::kInitial, now);
  }
  if (keys_used_up_ && state_ != State::kGone) {
    // RFC 9001 section 6.6: nothing more may be sealed, not even the close.
    if (state_ == State::kOpen) forget_streams({static_cast<uint64_t>(ErrorCode::kAeadLimitReached)});
    return become_gone(now);
  }
  if (streams_.was_blocked() && stall_deadline_.is_never()) stall_deadline_ = now + blocked_interval();
  schedule(now);
}

}  // namespace viaduct::quic
