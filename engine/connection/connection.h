// One QUIC connection, either role: packets, commands and time go in; packets, events and a deadline come out.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/cache_line.h"
#include "base/instant.h"
#include "base/intrusive_list.h"
#include "base/packet.h"
#include "base/spsc_ring.h"
#include "base/timing_wheel.h"
#include "engine/app_channel.h"
#include "engine/connection/connection_types.h"
#include "engine/connection/datagram_queue.h"
#include "engine/connection/handshake.h"
#include "engine/connection/late_messages.h"
#include "engine/connection/local_ids.h"
#include "engine/connection/mtu_search.h"
#include "engine/connection/packet_keys.h"
#include "engine/connection/path_state.h"
#include "engine/connection/remote_ids.h"
#include "engine/connection/seal_batch.h"
#include "engine/recovery/ack_frequency.h"
#include "engine/recovery/ack_policy.h"
#include "engine/recovery/ack_ranges.h"
#include "engine/recovery/recovery.h"
#include "engine/recovery/skip_policy.h"
#include "engine/stream/stream_set.h"
#include "engine/trace/trace_event.h"
#include "engine/wire/frames.h"

namespace viaduct::quic {

class Shard;
struct DatagramPlan;
struct PacketPart;

struct ConnectionsToSend;
struct ConnectionsToTell;
struct ConnectionsInTls;

// The first members are what every packet touches. Made and destroyed by its shard; it never outlives it.
class Connection final : public ListNode<ConnectionsToSend>,
                         public ListNode<ConnectionsToTell>,
                         public ListNode<ConnectionsInTls>,
                         public TimerNode,
                         private PacketFateObserver {
 public:
  enum class State : uint8_t {
    kOpen,      // the handshake included
    kClosing,   // we closed; answers with CONNECTION_CLOSE (RFC 9000 section 10.2.1)
    kDraining,  // the peer closed; silent (section 10.2.2)
    kGone,      // nothing but events is left
  };

  Connection(Shard& shard, const ConnectionStart& start, Instant now);
  ~Connection();

  // Gives it its name and TLS. False where there is no room for the handshake's state.
  bool start(ConnectionHandle handle, const ConnectionStart& start, LevelKeys initial_keys, Instant now);

  // --- packets in ---

  // 1-RTT packets may be opened in bursts, by read_header(), phase_of() and so on.
  bool takes_one_rtt() const { return state_ == State::kOpen && handshake_complete_ && keys_.can_read(); }
  const OneRttKeys& keys() const { return keys_; }
  uint64_t expected_number() const { return expected_[index_of(PacketSpace::kApplication)]; }
  // A datagram for this connection came: to be called once for each, before its packets.
  void on_datagram(const Packet& datagram, Instant now, DatagramOutcome& outcome);
  // All packets of a datagram from `offset` on, one by one.
  void receive_datagram(Packet& datagram, size_t offset, Instant now, DatagramOutcome& outcome);
  // One packet that was opened elsewhere, in the given phase of 1-RTT keys. with_old_keys: it was opened before a
  // packet of the same burst may have begun a new phase, so that kNext is a contradiction.
  void receive_opened(const OpenedPacket& packet, OneRttKeys::Phase phase, bool with_old_keys, Instant now,
                      DatagramOutcome& outcome);
  void on_open_failed(Instant now, DatagramOutcome& outcome);
  void on_stateless_reset(Instant now);
  // A router says that a datagram of ours was too large for the path; quoted: its first bytes. Whether it was ours.
  bool on_path_mtu(const Path& path, size_t udp_payload, Bytes quoted);

  // --- packets out ---

  // Builds one datagram into an empty packet; false where nothing is to be or may be sent now.
  bool build(Packet& packet, SealBatch& batch, Instant now);
  // After the batch was sealed.
  void after_build(Instant now);

  // --- TLS, application, time ---

  // One message's worth of TLS. True where more waits.
  bool run_tls(Instant now);
  // False where it must be repeated later, for want of memory.
  bool execute(const Command& command, Instant now);
  void on_consumed(const Consumed& consumed);
  void on_datagram_consumed() { --datagrams_.held; }
  // Puts events into the ring while there is room; false where some remain.
  bool deliver_events(SpscRing<Event>& events);
  void on_timer(Instant now);
  // Closes with a transport error, or NO_ERROR.
  void close(const TransportError& error, Instant now);
  // Closing or draining ends then at the latest.
  void finish_by(Instant limit, Instant now);
  // Client: tries a path, and goes over to it once it answers. False where it cannot be tried now.
  bool move_to(const Path& path, Instant now);

  // Fetches what a visit touches: all but what is rare.
  void prefetch() const {
    const auto* first = reinterpret_cast<const char*>(this);
    prefetch_bytes(first, static_cast<size_t>(reinterpret_cast<const char*>(&responses_.waiting) - first));
  }

  ConnectionHandle handle() const { return handle_; }
  Role role() const { return role_; }
  State state() const { return state_; }
  bool is_handshaking() const { return !handshake_complete_ && state_ == State::kOpen; }
  // Nothing is left to do but to forget it.
  bool is_finished() const { return state_ == State::kGone && !has_events(); }
  const LocalIds& local_ids() const { return local_ids_; }
  const Path& path() const { return active_.path; }
  size_t mtu() const { return mtu_.current(); }  // bytes of UDP payload
  const Recovery& recovery() const { return recovery_; }

 private:
  friend class Shard;

  // PacketFateObserver
  void packet_acked(PacketSpace space, uint64_t number, const SentPacket& packet,
                    std::span<const SentFrame> frames) override;
  void packet_lost(PacketSpace space, uint64_t number, const SentPacket& packet,
                   std::span<const SentFrame> frames) override;
  void packet_probed(PacketSpace space, uint64_t number, const SentPacket& packet,
                     std::span<const SentFrame> frames) override;
  void note_stream_acked(const SentFrame& frame);
  void tell_stream_acked();
  void on_frames_lost(PacketSpace space, std::span<const SentFrame> frames);

  // connection_receive.cc
  void receive_packet(Packet& datagram, size_t offset, const PacketHeader& header, Instant now,
                      DatagramOutcome& outcome);
  void process(const OpenedPacket& packet, Instant now, DatagramOutcome& outcome);
  const LevelKeys* long_header_keys(const PacketHeader& header) const;
  bool is_too_early(PacketType type) const;
  bool defer(Packet& datagram, size_t offset);
  void receive_deferred(Instant now);
  void release_deferred();

  // connection_retry.cc
  void receive_retry(Bytes packet, const PacketHeader& header, DatagramOutcome& outcome, Instant now);
  void apply_new_token(const NewTokenFrame& frame);
  void tell_of_path();
  bool write_token_frame(ByteWriter& writer, Instant now);

  // connection_version.cc
  bool knows_ids_of(const PacketHeader& header) const;
  bool speaks_version_of(const PacketHeader& header) const;
  bool is_upgrade(const PacketHeader& header) const;
  void go_on_in(uint32_t version, LevelKeys initial_keys);
  std::vector<uint8_t> parameters_for(Bytes client) const;
  TransportError follow_client_version(const TransportParameters& client);
  void receive_version_negotiation(const PacketHeader& header, Instant now, DatagramOutcome& outcome);
  void begin_again_in(uint32_t version, Instant now);

  // connection_early.cc
  void remember_parameters(const TransportParameters& server);
  void begin_early_data(const crypto::TlsMessage& message, Instant now);
  void on_early_data_rejected(Instant now);
  TransportError settle_early_data();
  void expect_end_of_early_data(Instant now);
  void keep_ticket(const crypto::TlsMessage& message);

  // connection_frames.cc
  struct PayloadSummary {
    bool ack_eliciting = false;
    bool probing = true;  // nothing but probing frames
    bool no_room = false;
  };
  TransportError apply_frames(const OpenedPacket& packet, PacketSpace space, PayloadSummary& summary, Instant now);
  FrameOutcome apply(const Frame& frame, const OpenedPacket& packet, PacketSpace space, Instant now);
  FrameOutcome apply_stream_frame(const Frame& frame);
  TransportError apply_ack(const AckFrame& frame, PacketSpace space, Instant now);
  void count_ecn();
  FrameOutcome apply_crypto(const CryptoFrame& frame, PacketSpace space);
  FrameOutcome apply_late_crypto(const CryptoFrame& frame);
  TransportError apply_ack_frequency(const AckFrequencyFrame& frame);
  TransportError apply_new_connection_id(const NewConnectionIdFrame& frame);
  TransportError apply_retire_connection_id(const RetireConnectionIdFrame& frame, const OpenedPacket& packet);
  TransportError apply_handshake_done(Instant now);
  void apply_peer_close(const ConnectionCloseFrame& frame, Instant now);

  // connection_handshake.cc
  void provide_to_tls(PacketSpace space, Instant now);
  void on_tls_message(const crypto::TlsMessage& message, Instant now);
  void install_secret(const crypto::TlsMessage& message, Instant now);
  void on_handshake_complete(Instant now);
  void confirm_handshake(Instant now);
  TransportError check_peer_parameters() const;
  TransportParameters own_parameters() const;
  std::vector<uint8_t> encoded_parameters(uint32_t version) const;
  bool begin_handshake(LevelKeys initial_keys);
  void adopt_peer_parameters();
  void discard_space(PacketSpace space, Instant now);
  void drop_handshake_state();
  void stop_being_half_open();

  // connection_ids.cc
  void issue_ids();
  void update_reset_token();

  // connection_migration.cc
  bool is_servers(const SocketAddress& address) const;
  TransportError keep_preferred_id();
  void try_preferred_address(Instant now);
  void try_own_address(const OpenedPacket& packet, Instant now);
  void go_over(Instant now);
  void leave_path(const PathState& path, Instant now);
  void on_candidate_timer(Instant now);
  bool prepare_preferred_address();
  void offer_preferred_address(TransportParameters& own) const;

  // connection_scramble.cc
  void plan_scramble();
  void write_scrambled(PacketPart& part);

  // connection_paths.cc
  static std::string name_of(const ConnectionStart& start);
  static bool is_same(const Path& one, const Path& other);
  PathState* known_path(const Path& path);
  Duration path_patience() const;
  void follow_peer(const OpenedPacket& packet, Instant now);
  bool migrate(const OpenedPacket& packet, Instant now);
  void on_path_response(const PathData& data, Instant now);
  void on_path_timer(Instant now);
  void abandon_path(Instant now);
  void take_id_of(PathState& path);
  bool is_probed(const Path& path, uint64_t called) const;
  std::optional<uint64_t> id_for(const OpenedPacket& packet);
  const ConnectionId* id_on(PathState& path);
  const ConnectionId* id_for_response(const PathResponses::Response& response, PathState& path);
  void release_id(uint64_t remote_id);
  void keep_as_fallback(const PathState& path);
  void drop_fallback();
  bool build_path_packet(Packet& packet, SealBatch& batch, Instant now);
  bool build_challenge(PathState& path, Packet& packet, SealBatch& batch, Instant now);
  bool build_response(Packet& packet, SealBatch& batch, Instant now);

  // connection_send.cc
  bool can_write(PacketSpace space) const;
  void check_amplification_limit(Instant now, size_t least = PathState::kLeastPacket);
  bool writes_zero_rtt() const { return role_ == Role::kClient && !handshake_complete_; }
  size_t datagram_limit(const Packet& packet, const PathState& path, size_t mtu) const;
  bool may_send_eliciting(PacketSpace space, size_t limit, Instant now);
  bool has_eliciting(PacketSpace space) const;
  bool build_part(PacketPart& part, DatagramPlan& plan, PacketSpace space, Instant now);
  bool begin_part(PacketPart& part, const DatagramPlan& plan, PacketSpace space);
  void end_part(PacketPart& part, DatagramPlan& plan);
  void write_ack_frame(PacketPart& part, PacketSpace space, Instant now);
  void write_eliciting(PacketPart& part, PacketSpace space, Instant now);
  void write_crypto_frames(PacketPart& part, PacketSpace space);
  void write_connection_frames(PacketPart& part, Instant now);
  void write_ack_frequency_request(PacketPart& part, Instant now);
  void write_streams(PacketPart& part, Instant now);
  void finish_datagram(std::span<PacketPart> parts, DatagramPlan& plan, PathState& path, Instant now);
  static void pad_datagram(PacketPart& last, DatagramPlan& plan, size_t size);
  void commit_part(PacketPart& part, DatagramPlan& plan, Instant now);

  // connection_mtu.cc
  bool build_mtu_probe(Packet& packet, SealBatch& batch, Instant now);
  void on_mtu_probe_acked(size_t size);
  void on_mtu_fell();
  void restart_mtu_discovery();

  // connection_close.cc
  void begin_closing(const CloseReason& reason, Instant now);
  void begin_draining(const CloseReason& reason, Instant now);
  void become_gone(Instant now);
  void forget_streams(const CloseReason& reason);
  bool build_close(Packet& packet, SealBatch& batch, Instant now);
  void answer_while_closing(Instant now);
  Duration drain_time() const;

  // connection_datagrams.cc
  FrameOutcome apply_datagram(const DatagramFrame& frame, const OpenedPacket& packet);
  bool next_datagram_event(Event& event);
  bool send_datagram(const Command& command);
  void release_datagram(OutgoingDatagram& datagram);
  void write_datagrams(PacketPart& part);
  void forget_datagrams();

  // connection_events.cc
  bool has_events() const;
  bool next_event(Event& event);
  void want_tell();
  void want_send();

  // connection_trace.cc; all but the first only where trace_ is not 0
  void trace_started(Instant now);
  void trace(const TraceEvent& event, Instant now);
  void trace_parameters(const TransportParameters& peer, Instant now);
  void trace_sent(const PacketPart& part, Instant now);
  void trace_frame(const Frame& frame, Instant now);
  void trace_received(const OpenedPacket& packet, Instant now);
  void trace_metrics(Instant now);
  void trace_lost(PacketSpace space, uint64_t number);

  // connection_timers.cc
  void schedule(Instant now);
  void restart_idle_timer(Instant now);
  void expect_more(Instant now);
  void ask_for_more(Instant now);
  Duration blocked_interval() const;
  Instant ack_deadline() const;
  Instant idle_deadline() const;

  // --- every packet ---
  Shard& shard_;
  ConnectionHandle handle_;
  State state_ = State::kOpen;
  const Role role_;
  bool handshake_complete_ = false;
  bool handshake_confirmed_ = false;
  bool is_negotiated_ = false;  // client: it began again after a Version Negotiation packet
  bool greases_bit_ = false;    // the peer takes packets whose fixed bit is zero (RFC 9287)
  bool is_early_ = false;       // streams are used ahead of the handshake's completion
  bool has_fallback_ = false;
  bool has_candidate_ = false;
  uint32_t original_version_;                       // of the client's first packets
  uint32_t version_;                                // in use
  Handshake* handshake_ = nullptr;                  // null once it is over
  std::array<uint64_t, kPacketSpaces> expected_{};  // one more than the largest number processed
  OneRttKeys keys_;
  PathState active_;
  RemoteIds remote_ids_;
  std::array<AckRanges, kPacketSpaces> received_;
  std::array<AckPolicy, kPacketSpaces> ack_policies_;
  std::array<EcnCounts, kPacketSpaces> ecn_{};
  StreamSet streams_;
  DatagramQueue datagrams_;
  Recovery recovery_;
  SkipPolicy skips_;
  EcnValidation::State ecn_counted_ = EcnValidation::State::kTesting;
  uint64_t trace_ = 0;  // the number that its log knows it by; 0: it is not watched
  Instant trace_time_;  // of the last acknowledgement or timeout, which losses come from

  // --- sending ---
  MtuSearch mtu_;
  SentFrame acked_run_;  // bytes of one stream that an ACK frame acknowledged so far; of type kStream, if any
  Instant pacing_deadline_ = Instant::never();
  bool handshake_done_due_ = false;
  bool token_due_ = false;
  bool discard_initial_due_ = false;
  bool keys_used_up_ = false;
  bool amplification_limited_ = false;

  // --- timers ---
  Duration idle_timeout_;
  Instant idle_from_;
  bool eliciting_since_receipt_ = false;
  Instant handshake_deadline_;
  Instant close_deadline_ = Instant::never();
  Instant stall_deadline_ = Instant::never();  // when nothing has come of what we wait for, to be asked for
  bool ping_due_ = false;
  Instant ticket_deadline_ = Instant::never();  // client: how long TLS is kept for a ticket
  bool awaits_ticket_ = false;

  // --- acknowledgement frequency ---
  AckFrequencyRequest ack_request_;
  uint64_t ack_frequency_next_ = 0;  // the lowest sequence number of ACK_FREQUENCY that is news

  // --- the peer's parameters ---
  uint64_t peer_ack_delay_exponent_ = 3;
  size_t peer_max_payload_ = kMinInitialDatagram;

  ConnectionId last_dcid_;  // which of ours the peer used last
  PathResponses responses_;

  // --- connection IDs, paths: rarely used from here on ---
  LocalIds local_ids_;
  bool is_half_open_ = false;  // counted among its prefix's
  uint16_t half_open_place_ = 0;
  const ConnectionId original_dcid_;  // of the client's first packet
  ConnectionId initial_dcid_;         // what Initial keys are made from; a server's index knows it
  ConnectionId registered_token_;     // what the shard knows our peer's stateless reset by; empty for none
  // Server: the last validated path, while the active one is not. Client: the one it left, for a while.
  PathState fallback_;
  PathState candidate_;  // where we may go over to: a client that moves, a server to its preferred address
  ProbedPath probed_;
  bool peer_disables_migration_ = false;
  SocketAddress server_address_;  // client: of the handshake
  // --- end ---
  CloseReason close_reason_;
  uint32_t received_while_closing_ = 0;
  Instant close_sent_;
  bool close_due_ = false;

  // --- events ---
  const uint64_t cookie_;
  bool opened_event_ = false;
  bool completed_event_ = false;
  bool early_taken_ = false;  // client: kCompleted says so
  bool closed_event_ = false;
  bool was_opened_ = false;  // kOpened was told

  // --- client: what its next connection to the server needs ---
  const std::string server_name_;
  ServerMemory* const memory_;

  LateMessages late_messages_;

  Handle handshake_handle_;
};

}  // namespace viaduct::quic
