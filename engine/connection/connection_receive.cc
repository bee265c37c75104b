// Packets in: from a datagram to frames, one packet at a time.
#include "engine/connection/connection.h"
#include "engine/endpoint/shard.h"
#include "engine/wire/packet_number.h"

namespace viaduct::quic {
namespace {

PacketSpace space_of(PacketType type) {
  if (type == PacketType::kInitial) return PacketSpace::kInitial;
  return type == PacketType::kHandshake ? PacketSpace::kHandshake : PacketSpace::kApplication;
}

}  // namespace

void Connection::on_datagram(const Packet& datagram, Instant now, DatagramOutcome& outcome) {
  if (state_ != State::kOpen) {
    outcome.closing = true;
    active_.received += datagram.length;
    answer_while_closing(now);
    return;
  }
  // meets RFC 9000 9-5 9.6-1
  // RFC 9000 section 9: a client knows its server's address.
  if (role_ == Role::kClient && !is_servers(datagram.path.remote)) {
    outcome.wrong_path = true;
    return;
  }
  // meets RFC 9000 8.1-2
  if (PathState* path = known_path(datagram.path)) path->received += datagram.length;
  if (amplification_limited_) check_amplification_limit(now);
}

// meets RFC 9000 12.2-1 12.2-4 12.2-5 12.2-6
void Connection::receive_datagram(Packet& datagram, size_t offset, Instant now, DatagramOutcome& outcome) {
  Bytes first_dcid;
  while (offset < datagram.length && state_ == State::kOpen) {
    const auto header = parse_packet_header(datagram.bytes().subspan(offset), shard_.services.connection_ids.length());
    if (!header) {
      shard_.stats.packets_malformed.add();
      outcome.malformed = true;
      return;
    }
    // RFC 9000 section 12.2: what is coalesced is for the same connection.
    if (first_dcid.data() == nullptr) first_dcid = header->dcid;
    if (!equal(first_dcid, header->dcid)) return;
    const size_t size = header->size;
    receive_packet(datagram, offset, *header, now, outcome);
    if (outcome.deferred) return;
    offset += size;
  }
}

void Connection::receive_packet(Packet& datagram, size_t offset, const PacketHeader& header, Instant now,
                                DatagramOutcome& outcome) {
  if (header.type == PacketType::kVersionNegotiation) return receive_version_negotiation(header, now, outcome);
  if (header.type == PacketType::kRetry) {
    return receive_retry(datagram.bytes().subspan(offset, header.size), header, outcome, now);
  }
  // meets RFC 9000 17.2.2-1
  // RFC 9000 section 17.2.2: a server's Initial has no token.
  const bool has_odd_token = role_ == Role::kClient && header.type == PacketType::kInitial && !header.token.empty();
  // meets RFC 9000 17.2-1 17.3.1-1
  // RFC 9000 section 14.1: whoever sends an Initial has shown that the path carries datagrams of this size.
  // meets RFC 9000 14.1-3
  const bool is_too_small =
      role_ == Role::kServer && header.type == PacketType::kInitial && datagram.length < kMinInitialDatagram;
  if (!shard_.allows_fixed_bit_of(header.first_octet) || !knows_ids_of(header) || has_odd_token || is_too_small) {
    shard_.stats.packets_malformed.add();
    outcome.malformed = true;
    return;
  }
  uint8_t* const packet = datagram.data() + offset;
  const bool one_rtt = header.type == PacketType::kOneRtt;
  const PacketSpace space = space_of(header.type);
  // RFC 9001 section 5.7: 1-RTT packets wait for the handshake to complete even where there are keys.
  const LevelKeys* level = long_header_keys(header);
  LevelKeys upgraded;
  if (!one_rtt && is_upgrade(header)) {
    upgraded = initial_keys(role_, header.version, initial_dcid_.bytes(), shard_.services.protector);
    level = &upgraded;
  }
  // meets RFC 9001 5.6-5 5.7-1 5.7-2 5.7-3
  const bool has_keys = one_rtt ? takes_one_rtt() : level && level->can_read();
  if (!has_keys) {
    // meets RFC 9001 4.1.4-1 4.1.4-2
    if (is_too_early(header.type) && defer(datagram, offset)) {
      outcome.deferred = true;
      return;
    }
    shard_.stats.packets_without_keys.add();
    outcome.without_keys = true;
    return;
  }

  auto& protector = shard_.services.protector;
  crypto::MaskJob mask{one_rtt ? keys_.read_header() : level->read_header.get(),
                       packet + header.packet_number_offset + kSampleOffset,
                       {}};
  protector.header_masks({&mask, 1});
  packet[0] ^= mask.mask[0] & (one_rtt ? 0x1f : 0x0f);
  const size_t number_size = (packet[0] & kPacketNumberSizeBits) + 1u;
  uint8_t* const number = packet + header.packet_number_offset;
  uint32_t truncated = 0;
  for (size_t i = 0; i < number_size; ++i) {
    number[i] ^= mask.mask[i + 1];
    truncated = truncated << 8 | number[i];
  }
  OpenedPacket opened{.type = header.type,
                      .first_octet = packet[0],
                      .number = decode_packet_number(expected_[index_of(space)], truncated, number_size),
                      .payload = {},
                      .dcid = header.dcid,
                      .datagram = &datagram};
  OneRttKeys::Phase phase = OneRttKeys::Phase::kCurrent;
  if (one_rtt) phase = keys_.phase_of((packet[0] & kKeyPhaseBit) != 0, opened.number, now);
  const size_t header_size = header.packet_number_offset + number_size;
  crypto::OpenJob open{.key = one_rtt ? keys_.read_key(phase) : level->read.get(),
                       .packet_number = opened.number,
                       .associated_data = {packet, header_size},
                       .data = {packet + header_size, header.size - header_size}};
  protector.open({&open, 1});
  if (!open.ok) return on_open_failed(now, outcome);
  opened.payload = open.data.first(open.data.size() - crypto::kTagSize);
  if (one_rtt) return receive_opened(opened, phase, false, now, outcome);
  if (level == &upgraded) {
    go_on_in(header.version, std::move(upgraded));
    shard_.stats.versions_changed.add();
  }
  // meets RFC 9000 7.2-2 7.2-4
  if (role_ == Role::kClient && !handshake_->peer_scid_known) {
    // RFC 9000 section 7.2: from now on the server is addressed as it chose.
    handshake_->peer_scid = ConnectionId(header.scid);
    handshake_->peer_scid_known = true;
    remote_ids_.start(handshake_->peer_scid);
  }
  shard_.stats.packets_received.add();
  process(opened, now, outcome);
}

// The keys of a long header's packet; null for a type that has none here.
const LevelKeys* Connection::long_header_keys(const PacketHeader& header) const {
  if (!handshake_) return nullptr;
  if (header.type == PacketType::kInitial) {
    return header.version == version_ ? &handshake_->initial : &handshake_->first_initial;
  }
  if (header.type == PacketType::kHandshake) return &handshake_->handshake;
  return header.type == PacketType::kZeroRtt && role_ == Role::kServer ? &handshake_->early : nullptr;
}

// Whether there may yet be keys for a packet. 0-RTT waits for the ClientHello alone: once that is answered, it was
// accepted or never will be.
bool Connection::is_too_early(PacketType type) const {
  if (!handshake_ || type == PacketType::kInitial) return false;
  if (type == PacketType::kOneRtt) return !handshake_complete_;
  if (handshake_confirmed_) return false;
  if (type == PacketType::kZeroRtt) return role_ == Role::kServer && !handshake_->handshake.can_write();
  return !handshake_->handshake_discarded;
}

void Connection::receive_opened(const OpenedPacket& packet, OneRttKeys::Phase phase, bool with_old_keys, Instant now,
                                DatagramOutcome& outcome) {
  if (state_ != State::kOpen) {
    outcome.closing = true;
    return;
  }
  shard_.stats.packets_received.add();
  // meets RFC 9001 6.4-2
  if (phase == OneRttKeys::Phase::kNext && with_old_keys) {
    // RFC 9001 section 6.4: old keys, and a higher number than a packet with new ones.
    close({ErrorCode::kKeyUpdateError, 0, "old keys after new ones"}, now);
    outcome.failed = true;
    return;
  }
  const Instant keep_until = now + recovery_.probe_timeout(PacketSpace::kApplication) * 3;
  if (keys_.on_opened(phase, packet.number, keep_until, shard_.services.protector)) shard_.stats.key_updates.add();
  if (role_ == Role::kServer) expect_end_of_early_data(now);
  process(packet, now, outcome);
}

// meets RFC 9001 5.5-1 5.5-2 6.6-6 6.6-7
void Connection::on_open_failed(Instant now, DatagramOutcome& outcome) {
  shard_.stats.packets_undecryptable.add();
  outcome.undecryptable = true;
  if (state_ == State::kOpen && !keys_.on_open_failed()) {
    // RFC 9001 section 6.6.
    close({ErrorCode::kAeadLimitReached, 0, "too many packets that were not authentic"}, now);
  }
}

void Connection::process(const OpenedPacket& packet, Instant now, DatagramOutcome& outcome) {
  const PacketSpace space = space_of(packet.type);
  const uint8_t reserved = packet.type == PacketType::kOneRtt ? kShortReservedBits : kLongReservedBits;
  const auto fail = [&](const TransportError& error) {
    close(error, now);
    outcome.failed = true;
  };
  // meets RFC 9000 17.2-6 17.3.1-3
  if ((packet.first_octet & reserved) != 0) {
    return fail({ErrorCode::kProtocolViolation, 0, "reserved bits are set"});  // RFC 9000 section 17.2
  }
  // meets RFC 9000 12.4-2
  if (packet.payload.empty()) {
    return fail({ErrorCode::kProtocolViolation, 0, "packet without frames"});  // RFC 9000 section 12.4
  }
  AckRanges& received = received_[index_of(space)];
  // meets RFC 9000 12.3-4 12.3-5
  if (received.is_duplicate(packet.number)) {
    shard_.stats.packets_duplicate.add();
    outcome.duplicate = true;
    return;
  }
  // meets RFC 9001 4.9.1-1 4.9.1-2
  // RFC 9001 section 4.9.1: who processes a Handshake packet has proved its address; Initial keys are done with.
  if (role_ == Role::kServer && packet.type == PacketType::kHandshake) {
    active_.on_validated();
    check_amplification_limit(now);
    discard_space(PacketSpace::kInitial, now);
  }
  PayloadSummary summary;
  if (auto error = apply_frames(packet, space, summary, now)) return fail(error);
  if (summary.no_room) {
    outcome.no_room = true;
    return;
  }
  outcome.processed = true;
  if (state_ != State::kOpen) return;
  // meets RFC 9000 13.1-1
  received.insert(packet.number, now);
  expected_[index_of(space)] = std::max(expected_[index_of(space)], packet.number + 1);
  // meets RFC 9000 13.4.1-1
  const Ecn ecn = packet.datagram->ecn;
  EcnCounts& counts = ecn_[index_of(space)];
  counts.ect0 += ecn == Ecn::kEct0;
  counts.ect1 += ecn == Ecn::kEct1;
  counts.ce += ecn == Ecn::kCe;
  ack_policies_[index_of(space)].on_packet_received(packet.number, summary.ack_eliciting, ecn == Ecn::kCe, received,
                                                    now);
  restart_idle_timer(now);
  if (packet.type == PacketType::kOneRtt && !summary.probing) follow_peer(packet, now);
}

bool Connection::defer(Packet& datagram, size_t offset) {
  if (handshake_->deferred_count == Handshake::kMaxDeferred || !shard_.hold(datagram)) return false;
  handshake_->deferred[handshake_->deferred_count++] = {&datagram, static_cast<uint16_t>(offset)};
  return true;
}

// Keys may have come: what waited gets its turn, in the order in which it came.
void Connection::receive_deferred(Instant now) {
  if (!handshake_) return;
  const auto waiting = handshake_->deferred;
  const size_t count = handshake_->deferred_count;
  handshake_->deferred_count = 0;
  for (size_t i = 0; i < count; ++i) {
    DatagramOutcome outcome;
    if (state_ == State::kOpen) receive_datagram(*waiting[i].packet, waiting[i].offset, now, outcome);
    shard_.drop(*waiting[i].packet);
  }
}

void Connection::release_deferred() {
  if (!handshake_) return;
  for (size_t i = 0; i < handshake_->deferred_count; ++i) shard_.drop(*handshake_->deferred[i].packet);
  handshake_->deferred_count = 0;
}

}  // namespace viaduct::quic
