// What an endpoint is made of: its limits, what it offers to peers, and the services it stands on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/address.h"
#include "base/instant.h"
#include "engine/congestion/controller.h"
#include "engine/wire/version.h"

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

class Tracer;
struct RetrySharing;

// When a server makes clients prove their address before it keeps state for them (RFC 9000 section 8.1.2).
enum class RetryPolicy : uint8_t { kNever, kUnderLoad, kAlways };

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
  Duration min_ack_delay = Duration::milliseconds(1);  // the shortest that a peer may ask for
  uint64_t max_receive_payload = 1472;                 // largest UDP payload that the port can receive
  // Bytes of a whole DATAGRAM frame that we take (RFC 9221); 0: none. Who offers it consumes what kDatagram brings.
  uint64_t max_datagram_frame_size = 0;

  // --- versions (RFC 9368) ---
  std::vector<uint32_t> versions = {kVersion1, kVersion2};  // spoken; a client prefers the first
  uint32_t preferred_version = 0;  // server: where clients that speak it are led; 0: they stay in theirs
  bool grease_quic_bit = true;     // RFC 9287: the fixed bit of packets means nothing, in both directions

  // --- behaviour ---
  uint16_t max_udp_payload = 1452;  // largest datagram that we send once the handshake is confirmed
  Duration handshake_timeout = Duration::seconds(10);
  ControllerKind congestion = ControllerKind::kCubic;
  // Share of packets whose loss is not answered while the round trip shows no queue: for paths that lose some by
  // themselves. 0, as RFC 9002 and RFC 9438 ask for, or at most LossTolerance::kMost.
  double loss_tolerance = 0;
  bool careful_resume = true;                    // server: NEW_TOKEN tokens remember the path (RFC 9959)
  bool ecn = true;                               // mark 1-RTT packets ECT(0) where the path lets marks through
  uint64_t key_update_after = 1 << 22;           // packets that one 1-RTT key seals before we update it
  unsigned packets_per_visit = 16;               // datagrams one connection may build before the next has its turn
  unsigned tls_steps_per_loop = 4;               // TLS messages handled in one step()
  unsigned commands_per_loop = 1024;             // application commands handled in one step()
  unsigned stateless_replies_per_second = 1000;  // Version Negotiation and stateless reset, each

  bool scramble_initials = false;  // client: its ClientHello goes out of order, as Chrome's does

  // --- addresses (RFC 9000 section 9) ---
  bool disable_active_migration = false;  // server: clients are asked not to change their address on purpose
  SocketAddress preferred_v4;             // server: where clients are asked to go after the handshake; port 0: nowhere
  SocketAddress preferred_v6;
  bool follow_preferred_address = true;  // client

  // --- address validation ---
  RetryPolicy retry = RetryPolicy::kUnderLoad;
  size_t retry_half_open = 512;  // kUnderLoad: while so many handshakes are not complete
  Duration retry_token_life = Duration::seconds(10);
  Duration new_token_life = Duration::seconds(24 * 3600);  // of what NEW_TOKEN brings; 0: none is sent

  // --- capacities ---
  size_t max_connections = 4096;
  size_t max_half_open = 1024;            // handshakes not complete, both roles
  size_t max_half_open_per_prefix = 256;  // of them, begun from one /24 of IPv4 or /56 of IPv6
  size_t max_streams = 16384;            // streams with state, of all connections; an eighth is kept for peers' streams
  uint64_t max_waiting_streams = 512;    // streams of ours that wait for the peer's limit, of one connection
  size_t max_sent_packets = 65536;       // ack-eliciting packets in flight, of all connections
  size_t max_writes = 65536;             // kWrite commands that are not released yet, of all connections
  size_t receive_slab_bytes = 64 << 20;  // memory for received bytes that were not consumed, of all connections
  size_t max_held_packets = 1024;        // received packets that wait for their keys, or carry DATAGRAM frames
  size_t max_datagrams = 1024;           // DATAGRAM frames, each way, of all connections
  uint32_t max_datagrams_of_connection = 64;  // that wait to be sent, or to be told and consumed
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
  Tracer* tracer = nullptr;                       // null: no connection is watched
  std::array<uint8_t, 32> stateless_reset_key{};  // shared by all shards and restarts of one server
  StageMeter* meter = nullptr;                    // the worker loop's; null: nobody asks where time goes
  // Shared by all whose tokens are to be good with each other, as is the clock that `now` and token_clock add up to.
  std::array<uint8_t, 32> token_secret{};
  Duration token_clock;
  const RetrySharing* retry_sharing = nullptr;  // with a balancer in front (address_tokens.h); null: none sends Retry
};

}  // namespace viaduct::quic
