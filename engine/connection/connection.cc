#include "engine/connection/connection.h"

#include "engine/endpoint/shard.h"

namespace viaduct::quic {
namespace {

StreamLimits limits_of(const EndpointConfig& config) {
  return {.connection_window = config.connection_window,
          .max_connection_window = config.connection_window,
          .stream_window = config.stream_window,
          .max_stream_window = config.stream_window,
          .max_streams_bidi = config.max_streams_bidi,
          .max_streams_uni = config.max_streams_uni,
          .max_waiting_streams = config.max_waiting_streams};
}

RecoveryConfig recovery_of(const EndpointConfig& config, Role role) {
  return {.server = role == Role::kServer,
          .controller = config.congestion,
          .max_datagram_size = kMinInitialDatagram,
          .ecn = config.ecn,
          .loss_tolerance = static_cast<float>(config.loss_tolerance)};
}

}  // namespace

Connection::Connection(Shard& shard, const ConnectionStart& start, Instant now)
    : shard_(shard),
      role_(start.role),
      original_version_(start.version),
      version_(start.version),
      remote_ids_(shard.config.active_connection_ids),
      received_{AckRanges(shard.blocks), AckRanges(shard.blocks), AckRanges(shard.blocks)},
      ack_policies_{AckPolicy(PacketSpace::kInitial, shard.config.max_ack_delay),
                    AckPolicy(PacketSpace::kHandshake, shard.config.max_ack_delay),
                    AckPolicy(PacketSpace::kApplication, shard.config.max_ack_delay)},
      streams_(shard.streams, start.role, limits_of(shard.config)),
      recovery_(recovery_of(shard.config, start.role), shard.blocks),
      idle_timeout_(shard.config.idle_timeout),
      idle_from_(now),
      handshake_deadline_(now + shard.config.handshake_timeout),
      last_dcid_(start.local_id),
      original_dcid_(start.original_dcid),
      initial_dcid_(start.initial_dcid),
      cookie_(start.cookie),
      server_name_(name_of(start)),
      memory_(start.memory) {
  active_.path = start.path;
  server_address_ = start.path.remote;
  // A client has chosen its server's address.
  active_.validated = start.role == Role::kClient || start.address_is_proved;
  local_ids_.start(start.local_id);
  remote_ids_.start(start.remote_id);
  recovery_.resume(start.path_knowledge);
  keys_.set_update_interval(shard.config.key_update_after);
  mtu_.start(kMinInitialDatagram, kMinInitialDatagram);
}

// Whoever names no server means the one that has the address: certificates, sessions and tokens are that one's.
std::string Connection::name_of(const ConnectionStart& start) {
  const bool has_none = start.role == Role::kClient && start.server_name.empty();
  return has_none ? start.path.remote.ip.to_string() : std::string(start.server_name);
}

Connection::~Connection() {
  stop_being_half_open();
  forget_datagrams();
  while (OutgoingDatagram* datagram = datagrams_.released.pop_front()) {
    shard_.datagrams_out.release(shard_.datagrams_out.handle_of(*datagram));
  }
  if (!handshake_) return;
  release_deferred();
  shard_.handshakes.release(handshake_handle_);
}

bool Connection::start(ConnectionHandle handle, const ConnectionStart& start, LevelKeys initial_keys, Instant now) {
  handle_ = handle;
  if (role_ == Role::kServer) {
    is_half_open_ = true;
    half_open_place_ = shard_.half_open.place_of(start.path.remote.ip);
    shard_.half_open.add(half_open_place_);
  }
  if (!begin_handshake(std::move(initial_keys))) return false;
  if (role_ == Role::kServer) {
    handshake_->peer_scid = start.remote_id;
    handshake_->peer_scid_known = true;
  }
  trace_started(now);
  schedule(now);
  return true;
}

}  // namespace viaduct::quic
