// Everything that the connections of one shard share, and the passes over them: what is behind Endpoint.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/intrusive_list.h"
#include "base/pool.h"
#include "base/random.h"
#include "base/stage_meter.h"
#include "base/timing_wheel.h"
#include "base/verdict.h"
#include "engine/connection/connection.h"
#include "engine/connection/packet_part.h"
#include "engine/connection/seal_batch.h"
#include "engine/endpoint/address_tokens.h"
#include "engine/endpoint/cid_index.h"
#include "engine/endpoint/endpoint.h"
#include "engine/endpoint/half_open.h"
#include "engine/endpoint/stateless_replies.h"
#include "engine/recovery/block_pool.h"
#include "engine/stream/stream_resources.h"
#include "flowsteer/connection_id_codec.h"
#include "flowsteer/invariants.h"
#include "flowsteer/shard_map.h"

namespace viaduct::quic {

class Shard {
 public:
  Shard(const EndpointConfig& config, const EndpointServices& services);
  ~Shard();

  // --- the passes, as endpoint.h describes them ---
  void ingest(std::span<Packet*> datagrams, Instant now);
  bool step(Instant now);
  size_t build(std::span<Packet*> packets, Instant now);
  std::span<Packet*> take_released();
  Instant deadline() const;
  std::optional<ConnectionHandle> connect(const ConnectOptions& options, Instant now);
  bool move(ConnectionHandle handle, const SocketAddress& local, Instant now);
  void shut_down(Instant now);
  bool on_path_mtu(const Path& path, size_t udp_payload, Bytes quoted, Instant now);
  bool is_empty() const { return connections.used() == 0 && held_packets == 0; }
  std::vector<PoolGauge> gauges() const;

  // --- for connections ---
  void want_send(Connection& connection);
  void want_tell(Connection& connection);
  void want_tls(Connection& connection);
  // A new connection ID of ours for it, in the index; empty where the index is full.
  std::optional<ConnectionId> mint_id(const Connection& connection);
  // Whether a balancer could read another ID; if not, a connection keeps the one it has.
  bool may_mint() const;
  void forget_id(const ConnectionId& id) { ids.erase(id); }
  // Keeps a received packet beyond its pass; false at the limit. Each hold() is followed by one drop().
  bool hold(Packet& packet);
  void drop(Packet& packet);
  AddressTokens& tokens() { return tokens_; }
  bool speaks(uint32_t version) const;
  // RFC 9287: who offered to takes packets with either.
  bool allows_fixed_bit_of(uint8_t first_octet) const {
    return (first_octet & kFixedBit) != 0 || config.grease_quic_bit;
  }
  uint32_t index_of(const Connection& connection) const { return connection.handle().index; }

  const EndpointConfig config;
  const EndpointServices services;
  BlockPool blocks;
  StreamResources streams;
  Pool<Handshake> handshakes;
  Pool<Connection> connections;
  ReceivedDatagramPool datagrams_in;
  OutgoingDatagramPool datagrams_out;
  CidIndex ids;           // ours, and the first of each client
  CidIndex reset_tokens;  // of our peers, as IDs of 16 bytes
  ResetTokens own_tokens;
  HalfOpenCounts half_open;
  TimingWheel wheel;
  AppChannel channel;
  VerdictCounters verdicts;
  EndpointStats stats;
  size_t held_packets = 0;
  std::array<PacketPart, kPacketSpaces> parts;  // of the datagram being built
  // Ranges of the ACK frame at hand: as many as are looked at. What a peer reports beyond has been reported before.
  std::array<PacketRange, 256> acked_ranges;

 private:
  // A datagram on its way through ingest().
  struct Arrival {
    Packet* packet = nullptr;
    flowsteer::InvariantHeader header;
    uint32_t connection = CidIndex::kNone;
  };
  // Short-header packets of established connections, stage by stage.
  struct OneRttBurst {
    struct Item {
      Packet* packet;
      Connection* connection;
      uint64_t number;
      uint8_t header_size;
      uint8_t first_octet;
      OneRttKeys::Phase phase;
      bool opened_here;          // by the burst's own call; what begins a phase is opened later, alone
      StatelessResetToken tail;  // the last bytes as received: opening in place destroys them
    };
    std::array<Item, kBurst> items;
    std::array<crypto::MaskJob, kBurst> masks;
    std::array<crypto::OpenJob, kBurst> opens;
    size_t count = 0;
  };

  // endpoint_ingest.cc
  void ingest_burst(std::span<Packet*> burst, Instant now);
  void receive_one_rtt(OneRttBurst& burst, Instant now);
  void unmask_one_rtt(OneRttBurst& burst, Instant now);
  Verdict receive_slowly(Arrival& arrival, Instant now);
  Verdict receive_for(Connection& connection, Arrival& arrival, Instant now);
  Verdict verdict_of(const DatagramOutcome& outcome) const;
  bool is_stateless_reset(const StatelessResetToken& tail, Instant now);
  void finish_datagram(Packet& packet, Verdict verdict);

  // endpoint_accept.cc
  Verdict receive_unknown(Arrival& arrival, Instant now);
  Verdict receive_unknown_long(Arrival& arrival, Instant now);
  Verdict accept(Packet& datagram, const PacketHeader& header, Instant now);
  Connection* make_connection(const ConnectionStart& start, LevelKeys keys, Instant now);
  std::optional<ConnectionId> mint() const;

  // endpoint_retry.cc
  bool wants_retry() const;
  Verdict send_retry(const Packet& datagram, const PacketHeader& header, Instant now);
  void refuse_token(const Packet& datagram, const PacketHeader& header, const LevelKeys& keys);

  // endpoint_events.cc
  bool run_commands(Instant now);
  bool run_command(const Command& command, Instant now);
  bool return_chunk(const Command& command);
  void consume(uint64_t token, Connection* connection);
  void consume_datagram(uint64_t token);
  void run_tls(Instant now);
  void collect_tls();
  bool has_ready_tls() const;
  bool deliver_events();
  void destroy_if_finished(Connection& connection);

  // endpoint_build.cc
  size_t build_burst(std::span<Packet*> packets, Instant now);

  void check_owner();
  void enter(Stage stage) { enter_stage(services.meter, stage); }

  IntrusiveList<Connection, ConnectionsToSend> to_send_;
  IntrusiveList<Connection, ConnectionsToTell> to_tell_;
  IntrusiveList<Connection, ConnectionsInTls> in_tls_;
  std::vector<Connection*> by_index_;
  // Of the burst at hand. Made once: to clear them for each would cost as much as to look some packets up.
  std::array<Arrival, kBurst> arrivals_;
  OneRttBurst one_rtt_;
  SealBatch batch_;
  StatelessReplies replies_;
  AddressTokens tokens_;
  RateLimit path_mtu_limit_;
  std::vector<Packet*> released_;
  bool released_taken_ = false;
  bool command_waits_ = false;  // the first one in the ring, for memory
  Instant last_step_;
  bool shutting_down_ = false;
  const void* owner_ = nullptr;

  friend class Connection;
};

}  // namespace viaduct::quic
