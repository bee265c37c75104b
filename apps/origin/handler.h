// What the origin's workers run: an endpoint with its HTTP/3 server and its site, inline in the worker loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "apps/http3/server.h"
#include "apps/origin/config.h"
#include "apps/origin/content_client.h"
#include "apps/origin/site.h"
#include "apps/origin/tls.h"
#include "apps/settings/wall_clock.h"
#include "base/packet_handler.h"
#include "base/random.h"
#include "base/slab.h"
#include "base/stage_meter.h"
#include "crypto-offload/packet_protector.h"
#include "crypto-offload/tls_session.h"
#include "engine/endpoint/address_tokens.h"
#include "engine/endpoint/endpoint.h"
#include "engine/trace/tracer.h"
#include "flowsteer/connection_id_codec.h"
#include "flowsteer/shard_map.h"
#include "pmd-glue/udp_port.h"

namespace viaduct::origin {

// What all workers of a process share; made once, then only read but for the atomics.
struct SharedState {
  SipKey shard_secret{};
  std::array<uint8_t, 32> stateless_reset_key{};
  std::array<uint8_t, 32> token_secret{};
  std::unique_ptr<SharedTls> tls;
  settings::WallClock wall;
  std::optional<crypto::RetryOffloadKeyring> retry_keys;
  std::optional<quic::RetrySharing> retry_sharing;
  // What the control thread wants; workers look once per round, and it wakes them after a change.
  enum class Phase : uint8_t { kServe, kDrain, kClose };
  std::atomic<Phase> phase{Phase::kServe};
  // What new connection IDs say to a balancer, and how often that has changed.
  std::mutex identity_mutex;
  std::optional<flowsteer::ServerIdentity> identity;
  std::atomic<unsigned> identity_changes{0};
};

// A PacketHandler (base/packet_handler.h). One worker's, but for what is said to be for any thread.
class OriginHandler {
 public:
  // tls: this worker's own context. Null, with `error` filled, where the packet protector cannot be had.
  static std::unique_ptr<OriginHandler> make(const Config& config, SharedState& shared, ContentLoader& loader,
                                             unsigned worker, std::unique_ptr<crypto::TlsContext> tls,
                                             StageMeter& meter, std::string& error);
  OriginHandler(const OriginHandler&) = delete;
  OriginHandler& operator=(const OriginHandler&) = delete;

  // Where path-MTU messages come from; before the first step. It outlives the handler.
  void set_port(net::UdpPort& port) { port_ = &port; }

  unsigned owner_of(const Packet& packet) const { return shards_.owner_of_datagram(packet.bytes()); }
  void ingest(std::span<Packet*> packets, Instant now) { endpoint_.ingest(packets, now); }
  bool step(Instant now);
  size_t build(std::span<Packet*> packets, Instant now) { return endpoint_.build(packets, now); }
  std::span<Packet*> released() { return endpoint_.released(); }
  Instant deadline() const;

  // --- any thread ---
  // In phase kDrain: no connection is open any more. In phase kClose: nothing is left at all.
  bool is_drained() const { return drained_.load(std::memory_order_acquire); }
  bool is_empty() const { return empty_.load(std::memory_order_acquire); }
  uint32_t open_connections() const { return connections_.load(std::memory_order_relaxed); }
  const quic::Endpoint& endpoint() const { return endpoint_; }
  const http3::Server& server() const { return server_; }
  const Site& site() const { return site_; }
  const ContentClient& content() const { return content_; }
  const ChunkPool& chunks() const { return chunks_; }
  const crypto::PacketProtector& protector() const { return *protector_; }
  // What its watched connections say; null where none is to be watched. Its ring is the reader's.
  quic::Tracer* tracer() const { return tracer_.get(); }

 private:
  OriginHandler(const Config& config, SharedState& shared, ContentLoader& loader, unsigned worker,
                std::unique_ptr<crypto::TlsContext> tls, std::unique_ptr<crypto::PacketProtector> protector,
                StageMeter& meter);
  void follow_phase(Instant now);
  void tell_progress();
  void take_path_mtu(Instant now);
  void follow_identity();

  SharedState& shared_;
  StageMeter& meter_;
  std::unique_ptr<crypto::TlsContext> tls_;
  uint64_t certificates_seen_ = 0;
  std::unique_ptr<crypto::PacketProtector> protector_;
  Random random_;
  flowsteer::ShardMap shards_;
  const unsigned worker_, workers_;
  // Always one; replaced in its place when what it says to a balancer changes.
  std::optional<flowsteer::ConnectionIdCodec> connection_ids_;
  unsigned identity_changes_ = 0;
  ChunkPool chunks_;
  ContentClient content_;
  std::unique_ptr<quic::Tracer> tracer_;
  quic::Endpoint endpoint_;
  Site site_;
  http3::Server server_;
  net::UdpPort* port_ = nullptr;
  bool is_closing_ = false;
  std::atomic<bool> drained_{false};
  std::atomic<bool> empty_{false};
  std::atomic<uint32_t> connections_{0};
};

static_assert(PacketHandler<OriginHandler>);

}  // namespace viaduct::origin
