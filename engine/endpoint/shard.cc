#include "engine/endpoint/shard.h"

#include <algorithm>

namespace viaduct::quic {
namespace {

// Packets with their frames that fit one block of the recovery's pool, at least.
constexpr size_t kPacketsPerBlock = BlockPool::kBlockSize / 64;

// While events or commands wait for room that somebody else must make, a look each so often.
constexpr Duration kRoomRetry = Duration::milliseconds(1);

// How long a connection may stay closing or draining once all end. Three probe timeouts (RFC 9000 section 10.2) can be
// many seconds, and whoever comes later finds nobody anyway.
constexpr Duration kLastWords = Duration::seconds(1);

// Path-MTU messages that are looked at: each costs a look at every connection.
constexpr unsigned kPathMtuPerSecond = 20;

SipKey random_key(Random& random) {
  SipKey key;
  random.fill(key);
  return key;
}

StreamCapacities capacities_of(const EndpointConfig& config) {
  return {.streams = static_cast<uint32_t>(config.max_streams),
          .writes = static_cast<uint32_t>(config.max_writes),
          .ranges = static_cast<uint32_t>(config.max_streams * 2),
          .receive_blocks = static_cast<uint32_t>(config.receive_slab_bytes / ReceiveBlock::kSize)};
}

EndpointConfig checked(EndpointConfig config) {
  std::erase_if(config.versions, [](uint32_t version) { return !is_supported(version); });
  if (config.versions.empty()) config.versions = {kVersion1};
  if (config.versions.size() > kSupportedVersions.size()) config.versions.resize(kSupportedVersions.size());
  config.active_connection_ids = std::clamp<uint64_t>(config.active_connection_ids, 2, LocalIds::kMax);
  // A peer would refuse more (draft-ietf-quic-ack-frequency section 3).
  config.min_ack_delay = std::min(config.min_ack_delay, Duration::milliseconds(config.max_ack_delay.ms()));
  config.max_udp_payload = std::max<uint16_t>(config.max_udp_payload, kMinInitialDatagram);
  return config;
}

}  // namespace

Shard::Shard(const EndpointConfig& given, const EndpointServices& given_services)
    : config(checked(given)),
      services(given_services),
      blocks(static_cast<uint32_t>(config.max_sent_packets / kPacketsPerBlock + kPacketSpaces * config.max_half_open)),
      streams(capacities_of(config), services.random.u64()),
      handshakes(static_cast<uint32_t>(config.max_half_open)),
      connections(static_cast<uint32_t>(config.max_connections)),
      datagrams_in(static_cast<uint32_t>(config.max_datagrams)),
      datagrams_out(static_cast<uint32_t>(config.max_datagrams)),
      ids(config.max_connections * (config.active_connection_ids + 1), random_key(services.random)),
      reset_tokens(config.max_connections, random_key(services.random)),
      own_tokens(services.stateless_reset_key),
      half_open(random_key(services.random)),
      channel(config.event_slots, config.command_slots),
      by_index_(config.max_connections, nullptr),
      batch_(services.protector, std::max<size_t>(config.max_udp_payload, kMinInitialDatagram)),
      replies_(config.stateless_replies_per_second),
      tokens_(services.token_secret, {config.retry_token_life, config.new_token_life}, services.token_clock,
              services.retry_sharing),
      path_mtu_limit_(kPathMtuPerSecond) {
  released_.reserve(config.max_held_packets + 4 * kBurst);
}

// Connections give back what they hold while there is still somebody to take it.
Shard::~Shard() {
  connections.for_each([&](Handle handle, Connection&) { connections.release(handle); });
}

void Shard::want_send(Connection& connection) {
  if (!connection.ListNode<ConnectionsToSend>::is_linked()) to_send_.push_back(connection);
}
void Shard::want_tell(Connection& connection) {
  if (!connection.ListNode<ConnectionsToTell>::is_linked()) to_tell_.push_back(connection);
}
void Shard::want_tls(Connection& connection) {
  if (!connection.ListNode<ConnectionsInTls>::is_linked()) in_tls_.push_back(connection);
}

std::optional<ConnectionId> Shard::mint() const {
  const uint8_t octet = services.shards.octet_for(services.shard, services.random);
  return services.connection_ids.mint(services.random, octet);
}

std::optional<ConnectionId> Shard::mint_id(const Connection& connection) {
  const auto id = mint();
  if (!ids.insert(*id, index_of(connection))) return std::nullopt;
  return id;
}

bool Shard::may_mint() const {
  return services.connection_ids.routable() ||
         services.connection_ids.length() == flowsteer::ConnectionIdCodec::kUnroutableLength;
}

bool Shard::speaks(uint32_t version) const {
  return std::ranges::find(config.versions, version) != config.versions.end();
}

bool Shard::hold(Packet& packet) {
  if (held_packets >= config.max_held_packets) return false;
  if (packet.references++ == 0) ++held_packets;
  return true;
}

void Shard::drop(Packet& packet) {
  if (--packet.references > 0) return;
  --held_packets;
  released_.push_back(&packet);
}

std::span<Packet*> Shard::take_released() {
  released_taken_ = true;
  return released_;
}

void Shard::check_owner() {
  static thread_local char this_thread;
  if (!owner_) owner_ = &this_thread;
  if (owner_ != &this_thread) stats.owner_violations.add();
  // What released() gave out is the caller's now.
  if (released_taken_) released_.clear();
  released_taken_ = false;
}

bool Shard::step(Instant now) {
  check_owner();
  last_step_ = now;
  // A stage that has nothing to do is not entered: to read the counter costs more than to look.
  bool worked = false;
  if (!channel.commands.empty()) {
    enter(Stage::kCommands);
    worked = run_commands(now);
  }
  collect_tls();
  if (!in_tls_.empty()) {
    enter(Stage::kTls);
    run_tls(now);
    worked = true;
  }
  enter(Stage::kTimers);
  worked |= wheel.expire(now, [&](TimerNode& node) {
    auto& connection = static_cast<Connection&>(node);
    connection.on_timer(now);
    destroy_if_finished(connection);
  }) > 0;
  if (to_tell_.empty()) return worked;
  enter(Stage::kEvents);
  return deliver_events() || worked;
}

Instant Shard::deadline() const {
  // A command that waits for memory holds up those behind it.
  const bool has_commands = !command_waits_ && !channel.commands.empty();
  const bool has_events = !to_tell_.empty() && channel.events.size() < channel.events.capacity();
  if (!to_send_.empty() || !in_tls_.empty() || !replies_.empty() || has_commands || has_events || has_ready_tls()) {
    return Instant();
  }
  const bool waits_for_room = !to_tell_.empty() || command_waits_;
  return waits_for_room ? std::min(wheel.next_deadline(), last_step_ + kRoomRetry) : wheel.next_deadline();
}

void Shard::shut_down(Instant now) {
  shutting_down_ = true;
  connections.for_each([&](Handle, Connection& connection) {
    connection.close({}, now);
    connection.finish_by(now + kLastWords, now);
    destroy_if_finished(connection);
  });
}

// The quoted ID is the peer's, which no index has: all connections are asked, so only a few messages are looked at.
bool Shard::on_path_mtu(const Path& path, size_t udp_payload, Bytes quoted, Instant now) {
  check_owner();
  if (!path_mtu_limit_.take(now)) {
    stats.path_mtu_ignored.add();
    return false;
  }
  bool believed = false;
  connections.for_each([&](Handle, Connection& connection) {
    believed = believed || connection.on_path_mtu(path, udp_payload, quoted);
  });
  (believed ? stats.path_mtu_believed : stats.path_mtu_ignored).add();
  return believed;
}

std::vector<PoolGauge> Shard::gauges() const {
  const auto of_pool = [](std::string_view name, const auto& pool) {
    return PoolGauge{name, pool.use().used(), pool.use().high_water(), pool.capacity(), pool.use().refused()};
  };
  return {of_pool("connections", connections),
          of_pool("handshakes", handshakes),
          {"connection-ids", ids.size(), ids.high_water(), ids.capacity(), ids.refused()},
          of_pool("streams", streams.table),
          of_pool("writes", streams.writes),
          of_pool("ranges", streams.ranges),
          of_pool("receive-blocks", streams.received),
          of_pool("packet-records", blocks),
          of_pool("datagrams-received", datagrams_in),
          of_pool("datagrams-to-send", datagrams_out),
          {"held-packets", held_packets, held_packets, config.max_held_packets, 0}};
}

}  // namespace viaduct::quic
