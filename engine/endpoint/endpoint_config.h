// What an endpoint is made of: its limits, what it offers to peers, and the services it stands on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/instant.h"
#include "engine/congestion/controller.h"

namespace viaduct {
class Random;
class StageMeter;
}  // namespace viaduct
namespace viaduct::crypto {
class PacketProtector;
class TlsContext;
}  // namespace viaduct::crypto
namespace viaduct::flowsteer {
class ConnectionIdCodec;
class ShardMap;
}  // namespace viaduct::flowsteer

namespace viaduct::quic {

// Every capacity is allocated at construction and is a hard bound: what exceeds it ends in a verdict or
// in a transport error, and is counted by the pool's gauge.
struct EndpointConfig {
  // --- offered to peers (RFC 9000 section 18.2) ---
  Duration idle_timeout = Duration::seconds(30);  // 0: none of ours
  uint64_t connection_window = 4 << 20;           // bytes a peer may send ahead of what was consumed, in all
  uint64_t stream_window = 1 << 20;               // the same on one stream
  uint64_t max_streams_bidi = 128;                // peer-opened streams open at a time
  uint64_t max_streams_uni = 128;
  uint64_t active_connection_ids = 4;  // of the peer's that we keep, and of ours that it gets; 2 to 8
  Duration max_ack_delay = Duration::milliseconds(25);
  uint64_t max_receive_payload = 1472;  // largest UDP payload that the port can receive

  // --- behaviour ---
  uint16_t max_udp_payload = 1452;  // largest datagram that we send once the handshake is confirmed
  Duration handshake_timeout = Duration::seconds(10);
  ControllerKind congestion = ControllerKind::kCubic;
  uint64_t key_update_after = 1 << 22;           // packets that one 1-RTT key seals before we update it
  unsigned packets_per_visit = 16;               // datagrams one connection may build before the next has its turn
  unsigned tls_steps_per_loop = 4;               // TLS messages handled in one step()
  unsigned commands_per_loop = 1024;             // application commands handled in one step()
  unsigned stateless_replies_per_second = 1000;  // Version Negotiation and stateless reset, each

  // --- capacities ---
  size_t max_connections = 4096;
  size_t max_half_open = 1024;           // handshakes not complete, both roles
  size_t max_streams = 16384;            // streams with state, of all connections
  size_t max_sent_packets = 65536;       // ack-eliciting packets in flight, of all connections
  size_t max_writes = 65536;             // kWrite commands that are not released yet, of all connections
  size_t receive_slab_bytes = 64 << 20;  // memory for received bytes that were not consumed, of all connections
  size_t max_held_packets = 1024;        // received packets that wait for their keys
  size_t event_slots = 4096;
  size_t command_slots = 4096;
};

// Not owned; all outlive the endpoint and are used by its worker's thread alone.
struct EndpointServices {
  crypto::PacketProtector& protector;
  crypto::TlsContext* tls_server = nullptr;  // null: connections are not accepted
  crypto::TlsContext* tls_client = nullptr;  // null: connect() is refused
  flowsteer::ConnectionIdCodec& connection_ids;
  const flowsteer::ShardMap& shards;
  unsigned shard = 0;
  Random& random;
  std::array<uint8_t, 32> stateless_reset_key{};  // shared by all shards and restarts of one server
  StageMeter* meter = nullptr;                    // the worker loop's; null: nobody asks where time goes
};

}  // namespace viaduct::quic
