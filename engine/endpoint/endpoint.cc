#include "engine/endpoint/endpoint.h"

#include "engine/endpoint/shard.h"

namespace viaduct::quic {

Endpoint::Endpoint(const EndpointConfig& config, const EndpointServices& services)
    : shard_(std::make_unique<Shard>(config, services)) {}
Endpoint::~Endpoint() = default;

void Endpoint::ingest(std::span<Packet*> datagrams, Instant now) { shard_->ingest(datagrams, now); }
bool Endpoint::step(Instant now) { return shard_->step(now); }
size_t Endpoint::build(std::span<Packet*> packets, Instant now) { return shard_->build(packets, now); }
std::span<Packet*> Endpoint::released() { return shard_->take_released(); }
Instant Endpoint::deadline() const { return shard_->deadline(); }

std::optional<ConnectionHandle> Endpoint::connect(const ConnectOptions& options, Instant now) {
  return shard_->connect(options, now);
}
bool Endpoint::move(ConnectionHandle connection, const SocketAddress& local, Instant now) {
  return shard_->move(connection, local, now);
}
bool Endpoint::on_path_mtu(const Path& path, size_t udp_payload, Bytes quoted, Instant now) {
  return shard_->on_path_mtu(path, udp_payload, quoted, now);
}
AppChannel& Endpoint::channel() { return shard_->channel; }

void Endpoint::shut_down(Instant now) { shard_->shut_down(now); }
bool Endpoint::is_empty() const { return shard_->is_empty(); }

const VerdictCounters& Endpoint::verdicts() const { return shard_->verdicts; }
const EndpointStats& Endpoint::stats() const { return shard_->stats; }
std::vector<PoolGauge> Endpoint::pools() const { return shard_->gauges(); }

}  // namespace viaduct::quic
