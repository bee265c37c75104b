// Datagrams for no known connection: new ones, other versions, strays; and connections that we begin.
#include "engine/connection/packet_keys.h"
#include "engine/endpoint/shard.h"
#include "engine/verdicts.h"
#include "engine/wire/packet_number.h"

namespace viaduct::quic {
namespace {

// A client's first destination connection ID is at least so long (RFC 9000 section 7.2).
constexpr size_t kMinFirstDcid = 8;

// Whether the packet at the front of a datagram is authentic, without changing it.
bool is_authentic(Bytes datagram, const PacketHeader& header, const LevelKeys& keys,
                  crypto::PacketProtector& protector) {
  constexpr size_t kMaxCopied = 9216;
  std::array<uint8_t, kMaxCopied> copy;
  if (header.size > copy.size()) return false;
  std::copy_n(datagram.begin(), header.size, copy.begin());
  crypto::MaskJob mask{keys.read_header.get(), copy.data() + header.packet_number_offset + kSampleOffset, {}};
  protector.header_masks({&mask, 1});
  copy[0] ^= mask.mask[0] & 0x0f;
  const size_t number_size = (copy[0] & kPacketNumberSizeBits) + 1u;
  uint32_t truncated = 0;
  for (size_t i = 0; i < number_size; ++i) {
    copy[header.packet_number_offset + i] ^= mask.mask[i + 1];
    truncated = truncated << 8 | copy[header.packet_number_offset + i];
  }
  const size_t header_size = header.packet_number_offset + number_size;
  crypto::OpenJob open{.key = keys.read.get(),
                       .packet_number = decode_packet_number(0, truncated, number_size),
                       .associated_data = {copy.data(), header_size},
                       .data = {copy.data() + header_size, header.size - header_size}};
  protector.open({&open, 1});
  return open.ok;
}

}  // namespace

// meets RFC 9000 11-3
Verdict Shard::receive_unknown(Arrival& arrival, Instant now) {
  Packet& datagram = *arrival.packet;
  // meets RFC 9000 10.3-8
  const Bytes tail = stateless_reset_token_of(datagram.bytes());
  if (!tail.empty()) {
    StatelessResetToken token;
    std::copy(tail.begin(), tail.end(), token.begin());
    if (is_stateless_reset(token, now)) return kResetReceived;
  }
  if (arrival.header.is_long) return receive_unknown_long(arrival, now);
  if (!allows_fixed_bit_of(arrival.header.first_octet)) return kMalformed;
  const StatelessResetToken token = own_tokens.token_for(arrival.header.dcid);
  if (!replies_.answer_reset(datagram, token, services.random, now)) return kNoConnection;
  stats.resets_sent.add();
  return kResetSent;
}

// meets RFC 9000 17.2-4 17.2.1-6
Verdict Shard::receive_unknown_long(Arrival& arrival, Instant now) {
  Packet& datagram = *arrival.packet;
  // meets RFC 9000 6.1-1
  if (arrival.header.version == flowsteer::kVersionNegotiation) return kVersionIgnored;
  if (!speaks(arrival.header.version)) {
    const bool answered =
        services.tls_server && replies_.answer_version(datagram, arrival.header.dcid, arrival.header.scid,
                                                       config.versions, services.random, now);
    if (answered) stats.versions_sent.add();
    return answered ? kVersionUnknown : kVersionUnanswered;
  }
  const auto header = parse_packet_header(datagram.bytes(), services.connection_ids.length());
  if (!header || !allows_fixed_bit_of(header->first_octet)) return kMalformed;
  // meets RFC 9000 5.2.2-5 5.2.2-6
  if (header->type != PacketType::kInitial) return kNoConnection;
  return accept(datagram, *header, now);
}

// meets RFC 9000 7.2-5
Verdict Shard::accept(Packet& datagram, const PacketHeader& header, Instant now) {
  if (!services.tls_server || shutting_down_) return kNotAccepting;
  // meets RFC 9000 14-4 14.1-3
  if (datagram.length < kMinInitialDatagram) return kInitialTooSmall;
  if (header.dcid.size() < kMinFirstDcid) return kInitialInvalid;
  // meets RFC 9000 8.1.3-10
  const TokenFinding token = tokens_.check(header.token, datagram.path.remote, header.version, header.dcid, now);
  if (wants_retry() && token.state == TokenFinding::State::kNone) return send_retry(datagram, header, now);
  if (handshakes.used() == handshakes.capacity()) return kHalfOpenLimit;
  if (half_open.count(half_open.place_of(datagram.path.remote.ip)) >= config.max_half_open_per_prefix) {
    return kHalfOpenPrefixLimit;
  }
  if (connections.used() == connections.capacity()) return kConnectionLimit;
  // No state for a packet that only looks like an Initial.
  LevelKeys keys = initial_keys(Role::kServer, header.version, header.dcid, services.protector);
  if (!is_authentic(datagram.bytes(), header, keys, services.protector)) return kUnprotectFailed;
  if (token.is_bad_retry()) {
    refuse_token(datagram, header, keys);
    return token.state == TokenFinding::State::kExpired ? kTokenExpired : kTokenForged;
  }

  const bool retried = token.state == TokenFinding::State::kRetry;
  const ConnectionId dcid(header.dcid);
  const ConnectionStart start{.role = Role::kServer,
                              .version = header.version,
                              .path = datagram.path,
                              .local_id = *mint(),
                              .original_dcid = retried ? token.original_dcid : dcid,
                              .initial_dcid = dcid,
                              .remote_id = ConnectionId(header.scid),
                              .address_is_proved = token.proves_address(),
                              .path_knowledge = config.careful_resume ? token.path : PathKnowledge()};
  Connection* connection = make_connection(start, std::move(keys), now);
  if (!connection) return kConnectionLimit;
  stats.connections_accepted.add();
  if (token.proves_address()) stats.tokens_accepted.add();
  DatagramOutcome outcome;
  connection->on_datagram(datagram, now, outcome);
  connection->receive_datagram(datagram, 0, now, outcome);
  want_send(*connection);
  return outcome.failed ? kProtocolError : kNewConnection;
}

std::optional<ConnectionHandle> Shard::connect(const ConnectOptions& options, Instant now) {
  check_owner();
  if (!services.tls_client || shutting_down_) return std::nullopt;
  // meets RFC 9000 7.2-1
  // RFC 9000 section 7.2: the first destination ID is unpredictable, and the client's own choice.
  std::array<uint8_t, 12> first;
  services.random.fill(first);
  const ConnectionStart start{.role = Role::kClient,
                              .version = options.version != 0 ? options.version : config.versions.front(),
                              .path = options.path,
                              .local_id = *mint(),
                              .original_dcid = ConnectionId(first),
                              .initial_dcid = ConnectionId(first),
                              .remote_id = ConnectionId(first),
                              .server_name = options.server_name,
                              .cookie = options.cookie,
                              .memory = options.memory};
  LevelKeys keys = initial_keys(Role::kClient, start.version, first, services.protector);
  Connection* connection = make_connection(start, std::move(keys), now);
  if (!connection) return std::nullopt;
  stats.connections_started.add();
  want_tls(*connection);
  return connection->handle();
}

bool Shard::move(ConnectionHandle handle, const SocketAddress& local, Instant now) {
  check_owner();
  Connection* connection = connections.get({handle.index, handle.generation});
  return connection && connection->move_to({local, connection->path().remote}, now);
}

Connection* Shard::make_connection(const ConnectionStart& start, LevelKeys keys, Instant now) {
  const Handle handle = connections.acquire(*this, start, now);
  if (!handle) return nullptr;
  Connection* connection = connections.get(handle);
  by_index_[handle.index] = connection;
  const bool indexed = ids.insert(start.local_id, handle.index) &&
                       (start.role == Role::kClient || ids.insert(start.initial_dcid, handle.index));
  if (indexed && connection->start({handle.index, handle.generation}, start, std::move(keys), now)) return connection;
  for (const LocalIds::Id& id : connection->local_ids()) ids.erase(id.id);
  if (start.role == Role::kServer) ids.erase(start.initial_dcid);
  by_index_[handle.index] = nullptr;
  connections.release(handle);
  return nullptr;
}

}  // namespace viaduct::quic
