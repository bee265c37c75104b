// Datagrams in: headers, owners, then 1-RTT packets as a burst and everything else one by one.
#include <algorithm>
#include <cstring>

#include "engine/endpoint/shard.h"
#include "engine/verdicts.h"
#include "engine/wire/packet_number.h"

namespace viaduct::quic {

using crypto::OpenJob;

namespace {

StatelessResetToken tail_of(const Packet& datagram) {
  StatelessResetToken tail{};
  const Bytes bytes = stateless_reset_token_of(datagram.bytes());
  if (!bytes.empty()) std::memcpy(tail.data(), bytes.data(), tail.size());
  return tail;
}

constexpr bool has_length(PacketType type) {
  return type == PacketType::kInitial || type == PacketType::kZeroRtt || type == PacketType::kHandshake;
}

// Whether a datagram's packets are the same with more bytes behind them. One without a length extends to the end.
bool can_be_padded(Bytes datagram, size_t short_dcid_size) {
  Bytes first_dcid;
  while (!datagram.empty()) {
    const auto header = parse_packet_header(datagram, short_dcid_size);
    if (!header) return header.error() != HeaderFault::kTooShort;
    if (first_dcid.data() == nullptr) first_dcid = header->dcid;
    if (!equal(first_dcid, header->dcid)) return true;  // never read, as what follows it
    if (!has_length(header->type)) return false;
    datagram = datagram.subspan(header->size);
  }
  return true;
}

// Takes a SCONE packet, which has no content but its header, from the front (draft-ietf-scone-protocol section 5). A
// datagram of long headers keeps its size, which counts for a first flight: what the packet took is padding behind the
// others then.
void remove_scone(Packet& datagram, const flowsteer::InvariantHeader& header, size_t short_dcid_size) {
  const size_t size = 1 + 4 + 1 + header.dcid.size() + 1 + header.scid.size();
  const MutableBytes bytes = datagram.bytes();
  if (bytes.size() > size && can_be_padded(bytes.subspan(size), short_dcid_size)) {
    std::memmove(bytes.data(), bytes.data() + size, bytes.size() - size);
    std::memset(bytes.data() + bytes.size() - size, 0, size);
    return;
  }
  datagram.offset = static_cast<uint16_t>(datagram.offset + size);
  datagram.length = static_cast<uint16_t>(datagram.length - size);
}

}  // namespace

void Shard::ingest(std::span<Packet*> datagrams, Instant now) {
  check_owner();
  while (!datagrams.empty()) {
    const auto burst = datagrams.first(std::min<size_t>(datagrams.size(), kBurst));
    enter(Stage::kHeaders);
    ingest_burst(burst, now);
    datagrams = datagrams.subspan(burst.size());
  }
}

void Shard::ingest_burst(std::span<Packet*> burst, Instant now) {
  std::array<Bytes, kBurst> wanted;
  std::array<uint32_t, kBurst> found;
  size_t count = 0;
  for (Packet* packet : burst) {
    stats.datagrams_received.add();
    stats.bytes_received.add(packet->length);
    auto header = flowsteer::parse_invariants(packet->bytes(), services.connection_ids.length());
    if (header && header->is_long && is_scone(header->version)) {
      remove_scone(*packet, *header, services.connection_ids.length());
      header = flowsteer::parse_invariants(packet->bytes(), services.connection_ids.length());
    }
    if (!header) {
      finish_datagram(*packet, kMalformed);
      continue;
    }
    arrivals_[count] = {packet, *header, CidIndex::kNone};
    wanted[count++] = header->dcid;
  }
  ids.find(std::span(wanted).first(count), found);
  for (size_t i = 0; i < count; ++i) {
    if (found[i] != CidIndex::kNone) __builtin_prefetch(by_index_[found[i]]);
  }

  OneRttBurst& one_rtt = one_rtt_;
  one_rtt.count = 0;
  std::array<Arrival*, kBurst> others;
  size_t other_count = 0;
  for (size_t i = 0; i < count; ++i) {
    Arrival& arrival = arrivals_[i];
    arrival.connection = found[i];
    Connection* connection = found[i] == CidIndex::kNone ? nullptr : by_index_[found[i]];
    const size_t header_size = 1 + arrival.header.dcid.size();
    const bool fast = connection && !arrival.header.is_long && connection->takes_one_rtt() &&
                      allows_fixed_bit_of(arrival.header.first_octet) &&
                      arrival.packet->length >= header_size + kMinProtectedSize;
    if (!fast) {
      others[other_count++] = &arrival;
      continue;
    }
    one_rtt.masks[one_rtt.count] = {
        connection->keys().read_header(), arrival.packet->data() + header_size + kSampleOffset, {}};
    auto& item = one_rtt.items[one_rtt.count++];
    item.packet = arrival.packet;
    item.connection = connection;
    item.header_size = static_cast<uint8_t>(header_size);
    item.tail = tail_of(*arrival.packet);
  }
  receive_one_rtt(one_rtt, now);
  enter(Stage::kFrames);
  for (size_t i = 0; i < other_count; ++i) finish_datagram(*others[i]->packet, receive_slowly(*others[i], now));
}

// Takes the header protection off and hands what belongs to a present phase to the cipher, all at once: nothing that
// stands behind the protection is looked at before the packet has proved authentic.
// meets RFC 9001 9.5-1
void Shard::unmask_one_rtt(OneRttBurst& burst, Instant now) {
  services.protector.header_masks(std::span(burst.masks).first(burst.count));
  size_t opens = 0;
  for (size_t i = 0; i < burst.count; ++i) {
    auto& item = burst.items[i];
    uint8_t* const packet = item.packet->data();
    packet[0] ^= burst.masks[i].mask[0] & 0x1f;
    const size_t number_size = (packet[0] & kPacketNumberSizeBits) + 1u;
    uint8_t* const number = packet + item.header_size;
    uint32_t truncated = 0;
    for (size_t k = 0; k < number_size; ++k) {
      number[k] ^= burst.masks[i].mask[k + 1];
      truncated = truncated << 8 | number[k];
    }
    item.first_octet = packet[0];
    item.header_size = static_cast<uint8_t>(item.header_size + number_size);
    item.number = decode_packet_number(item.connection->expected_number(), truncated, number_size);
    item.phase = item.connection->keys().phase_of((packet[0] & kKeyPhaseBit) != 0, item.number, now);
    item.opened_here = item.phase != OneRttKeys::Phase::kNext;
    if (!item.opened_here) continue;
    burst.opens[opens++] = {.key = item.connection->keys().read_key(item.phase),
                            .packet_number = item.number,
                            .associated_data = {packet, item.header_size},
                            .data = item.packet->bytes().subspan(item.header_size)};
  }
  services.protector.open(std::span(burst.opens).first(opens));
}

void Shard::receive_one_rtt(OneRttBurst& burst, Instant now) {
  if (burst.count == 0) return;
  enter(Stage::kOpen);
  unmask_one_rtt(burst, now);
  enter(Stage::kFrames);
  size_t opens = 0;
  for (size_t i = 0; i < burst.count; ++i) {
    auto& item = burst.items[i];
    Connection& connection = *item.connection;
    const bool phase_bit = (item.first_octet & kKeyPhaseBit) != 0;
    DatagramOutcome outcome;
    OpenJob late;
    OpenJob* job = &late;
    if (item.opened_here) {
      job = &burst.opens[opens++];
    } else {
      // Packets before it in the burst may have begun the phase already.
      item.phase = connection.keys().phase_of(phase_bit, item.number, now);
      late = {.key = connection.keys().read_key(item.phase),
              .packet_number = item.number,
              .associated_data = {item.packet->data(), item.header_size},
              .data = item.packet->bytes().subspan(item.header_size)};
      services.protector.open({&late, 1});
    }
    connection.on_datagram(*item.packet, now, outcome);
    if (outcome.closing || outcome.wrong_path) {
      finish_datagram(*item.packet, verdict_of(outcome));
      continue;
    }
    if (job->ok) {
      if (item.opened_here) item.phase = connection.keys().phase_of(phase_bit, item.number, now);
      const OpenedPacket opened{.type = PacketType::kOneRtt,
                                .first_octet = item.first_octet,
                                .number = item.number,
                                .payload = job->data.first(job->data.size() - crypto::kTagSize),
                                .dcid = item.packet->bytes().subspan(1, services.connection_ids.length()),
                                .datagram = item.packet};
      connection.receive_opened(opened, item.phase, item.opened_here, now, outcome);
    } else if (is_stateless_reset(item.tail, now)) {
      finish_datagram(*item.packet, kResetReceived);
      continue;
    } else {
      connection.on_open_failed(now, outcome);
    }
    finish_datagram(*item.packet, verdict_of(outcome));
    want_send(connection);
  }
}

Verdict Shard::receive_slowly(Arrival& arrival, Instant now) {
  // An earlier datagram of the burst may have begun the connection.
  if (arrival.connection == CidIndex::kNone) arrival.connection = ids.find(arrival.header.dcid);
  if (arrival.connection == CidIndex::kNone) return receive_unknown(arrival, now);
  return receive_for(*by_index_[arrival.connection], arrival, now);
}

Verdict Shard::receive_for(Connection& connection, Arrival& arrival, Instant now) {
  DatagramOutcome outcome;
  const StatelessResetToken tail = tail_of(*arrival.packet);
  connection.on_datagram(*arrival.packet, now, outcome);
  if (!outcome.closing && !outcome.wrong_path) connection.receive_datagram(*arrival.packet, 0, now, outcome);
  if (outcome.undecryptable && !outcome.processed && is_stateless_reset(tail, now)) return kResetReceived;
  want_send(connection);
  return verdict_of(outcome);
}

// The weightiest of what happened to the packets of a datagram.
Verdict Shard::verdict_of(const DatagramOutcome& outcome) const {
  if (outcome.failed) return kProtocolError;
  if (outcome.processed) return kAccepted;
  if (outcome.deferred) return kDeferred;
  if (outcome.no_room) return kNoMemory;
  if (outcome.closing) return kConnectionClosing;
  if (outcome.wrong_path) return kWrongPath;
  if (outcome.duplicate) return kDuplicate;
  if (outcome.undecryptable) return kUnprotectFailed;
  if (outcome.without_keys) return kKeysUnavailable;
  return kMalformed;
}

// RFC 9000 section 10.3.1. The table's keyed hash decides, so that timing says nothing about the tokens in it.
// meets RFC 9000 10.3.1-1 10.3.1-3 10.3.1-4
bool Shard::is_stateless_reset(const StatelessResetToken& tail, Instant now) {
  const uint32_t index = reset_tokens.find(tail);
  if (index == CidIndex::kNone) return false;
  Connection& connection = *by_index_[index];
  if (connection.state() == Connection::State::kOpen) stats.resets_received.add();
  connection.on_stateless_reset(now);
  return true;
}

void Shard::finish_datagram(Packet& packet, Verdict verdict) {
  verdicts.count(verdict);
  if (packet.references == 0) released_.push_back(&packet);
}

}  // namespace viaduct::quic
