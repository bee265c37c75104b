#include "apps/load/handler.h"

#include <algorithm>

#include "apps/load/unauthenticated_protector.h"

namespace viaduct::load {
namespace {

// Room of a chunk for a request's header section.
constexpr uint32_t kHeadRoom = 1024;

quic::EndpointServices services(crypto::PacketProtector& protector, crypto::TlsContext& tls,
                                flowsteer::ConnectionIdCodec& ids, const flowsteer::ShardMap& shards, unsigned worker,
                                Random& random, StageMeter& meter) {
  return {.protector = protector,
          .tls_client = &tls,
          .connection_ids = ids,
          .shards = shards,
          .shard = worker,
          .random = random,
          .meter = &meter};
}

http3::ClientLimits client_limits(const Config& config) {
  return {.max_connections = static_cast<uint32_t>(config.transport.max_connections),
          .max_requests = static_cast<uint32_t>(config.transport.max_streams)};
}

// The addresses of ours that are of the server's family.
std::vector<IpAddress> usable_addresses(const Config& config) {
  std::vector<IpAddress> usable;
  for (const net::LocalAddress& address : config.addresses.addresses) {
    if (address.ip.is_v4() == config.server.ip.is_v4()) usable.push_back(address.ip);
  }
  return usable;
}

}  // namespace

std::unique_ptr<LoadHandler> LoadHandler::make(const Config& config, Shared& shared, unsigned worker, StageMeter& meter,
                                               std::string& error) {
  auto tls = crypto::make_tls_client(config.tls, error);
  if (!tls) return nullptr;
  auto protector =
      crypto::make_protector(config.protector, {.schedules = 2 * (size_t{config.connections} + config.held) + 64});
  if (!protector) {
    error = "--protector: '" + config.protector + "' is not known or cannot be used on this CPU";
    return nullptr;
  }
  if (config.without_authentication) protector = without_authentication(std::move(protector));
  return std::unique_ptr<LoadHandler>(
      new LoadHandler(config, shared, worker, meter, std::move(tls), std::move(protector)));
}

LoadHandler::LoadHandler(const Config& config, Shared& shared, unsigned worker, StageMeter& meter,
                         std::unique_ptr<crypto::TlsContext> tls, std::unique_ptr<crypto::PacketProtector> protector)
    : config_(config),
      shared_(shared),
      meter_(meter),
      worker_(worker),
      tls_(std::move(tls)),
      protector_(std::move(protector)),
      random_(Random::from_system()),
      shards_(shared.shard_secret, config.workers, flowsteer::id_length(std::nullopt)),
      connection_ids_(std::nullopt, shared.shard_secret, worker, config.workers, random_),
      chunks_(static_cast<uint32_t>(config.transport.max_streams) + 64, kHeadRoom),
      memories_(config.resume ? share_of(config, worker).connections : 0, quic::ServerMemory(1)),
      endpoint_(config.transport, services(*protector_, *tls_, connection_ids_, shards_, worker, random_, meter)),
      driver_(config, share_of(config, worker), *this),
      client_(client_limits(config), endpoint_.channel(), chunks_, driver_),
      local_addresses_(usable_addresses(config)) {
  driver_.drive(client_);
}

void LoadHandler::ingest(std::span<Packet*> packets, Instant now) {
  for (Packet* packet : packets) rebinding_.from_wire(*packet);
  endpoint_.ingest(packets, now);
}

size_t LoadHandler::build(std::span<Packet*> packets, Instant now) {
  const size_t built = endpoint_.build(packets, now);
  for (Packet* packet : packets.first(built)) rebinding_.to_wire(*packet);
  return built;
}

bool LoadHandler::step(Instant now) {
  now_ = now;
  bool worked = endpoint_.step(now);
  meter_.enter(Stage::kApplication);
  const Phase phase = shared_.phase.load(std::memory_order_acquire);
  driver_.set_time(now);
  const bool heard = client_.step();
  const bool began = driver_.step(phase, now);
  if (heard || began) worked |= endpoint_.step(now);
  if (phase == Phase::kEnding && driver_.is_done()) {
    if (!is_closing_) endpoint_.shut_down(now);
    is_closing_ = true;
    empty_.store(endpoint_.is_empty(), std::memory_order_release);
  }
  return worked || heard || began;
}

uint16_t LoadHandler::port_of(uint32_t slot) const {
  const uint32_t number = slot * config_.workers + worker_;
  return static_cast<uint16_t>(kFirstPort + number % (kFirstMovedPort - kFirstPort));
}

// Connections go round the ports of an address first, then round the addresses.
const IpAddress& LoadHandler::local_address(uint32_t slot) const {
  return local_addresses_[slot / (kFirstMovedPort - kFirstPort) % local_addresses_.size()];
}

std::optional<quic::ConnectionHandle> LoadHandler::connect(uint32_t slot) {
  return endpoint_.connect({.path = {.local = {local_address(slot), port_of(slot)}, .remote = config_.server},
                            .server_name = config_.server_name,
                            .version = config_.first_version,
                            .cookie = slot,
                            .memory = memories_.empty() ? nullptr : &memories_[slot]},
                           now_);
}

bool LoadHandler::move(uint32_t slot, quic::ConnectionHandle connection) {
  if (!config_.moves_itself) {
    rebinding_.move(port_of(slot));
    return true;
  }
  const uint16_t port = next_port_;
  next_port_ = port == kLastPort ? kFirstMovedPort : static_cast<uint16_t>(port + 1);
  return endpoint_.move(connection, {local_address(slot), port}, now_);
}

}  // namespace viaduct::load
