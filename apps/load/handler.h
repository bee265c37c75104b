// What the load generator's workers run: an endpoint of clients, HTTP/3 and the driver, inline in the worker loop.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "apps/http3/client.h"
#include "apps/load/driver.h"
#include "apps/load/rebinding.h"
#include "base/packet_handler.h"
#include "base/random.h"
#include "base/slab.h"
#include "base/stage_meter.h"
#include "crypto-offload/packet_protector.h"
#include "crypto-offload/tls_session.h"
#include "engine/endpoint/endpoint.h"
#include "engine/endpoint/server_memory.h"
#include "flowsteer/connection_id_codec.h"
#include "flowsteer/shard_map.h"

namespace viaduct::load {

// What all workers share.
struct Shared {
  SipKey shard_secret{};
  std::atomic<Phase> phase{Phase::kOpening};
};

// A PacketHandler (base/packet_handler.h). One worker's, but for what is said to be for any thread.
class LoadHandler final : public Connector {
 public:
  // Null, with `error` filled, where certificates or the packet protector cannot be had.
  static std::unique_ptr<LoadHandler> make(const Config& config, Shared& shared, unsigned worker, StageMeter& meter,
                                           std::string& error);
  LoadHandler(const LoadHandler&) = delete;
  LoadHandler& operator=(const LoadHandler&) = delete;

  unsigned owner_of(const Packet& packet) const { return shards_.owner_of_datagram(packet.bytes()); }
  void ingest(std::span<Packet*> packets, Instant now);
  bool step(Instant now);
  size_t build(std::span<Packet*> packets, Instant now);
  std::span<Packet*> released() { return endpoint_.released(); }
  Instant deadline() const { return std::min(endpoint_.deadline(), driver_.deadline()); }

  std::optional<quic::ConnectionHandle> connect(uint32_t slot) override;
  bool move(uint32_t slot, quic::ConnectionHandle connection) override;
  bool can_resume(uint32_t slot) const override { return memories_[slot].has_session(config_.server_name); }

  // --- any thread ---
  bool is_empty() const { return empty_.load(std::memory_order_acquire); }
  const quic::Endpoint& endpoint() const { return endpoint_; }
  const Driver& driver() const { return driver_; }

 private:
  LoadHandler(const Config& config, Shared& shared, unsigned worker, StageMeter& meter,
              std::unique_ptr<crypto::TlsContext> tls, std::unique_ptr<crypto::PacketProtector> protector);
  uint16_t port_of(uint32_t slot) const;
  const IpAddress& local_address(uint32_t slot) const;

  const Config& config_;
  Shared& shared_;
  StageMeter& meter_;
  const unsigned worker_;
  std::unique_ptr<crypto::TlsContext> tls_;
  std::unique_ptr<crypto::PacketProtector> protector_;
  Random random_;
  flowsteer::ShardMap shards_;
  flowsteer::ConnectionIdCodec connection_ids_;
  ChunkPool chunks_;
  std::vector<quic::ServerMemory> memories_;  // by slot: what its last connection leaves for the next
  quic::Endpoint endpoint_;
  Driver driver_;
  http3::Client client_;
  Rebinding rebinding_;
  std::vector<IpAddress> local_addresses_;
  uint16_t next_port_ = kFirstMovedPort;  // for a connection that moves itself
  Instant now_;
  bool is_closing_ = false;
  std::atomic<bool> empty_{false};
};

static_assert(PacketHandler<LoadHandler>);

}  // namespace viaduct::load
